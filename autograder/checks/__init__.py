"""What is right and what is known to be wrong: constructed inputs, the reference's answers, the misconceptions."""
