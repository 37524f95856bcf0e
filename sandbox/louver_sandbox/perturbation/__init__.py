"""The cell key method: the same noise for the same set of units (PRIVACY 5.6)."""
