"""Makes an assignment's notebook from its text: MyST in, nbgrader source notebook out."""
