"""Runs a submission: its cells in a process of their own, the checks here, and a closed wire between the two."""
