"""Counting again: that the ledgers are what the log says, and that neither has forgotten what it once proved."""
