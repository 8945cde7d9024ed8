"""What is loaded beside a student's code: nothing of the reference, nothing of the checks."""
