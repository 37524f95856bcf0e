"""Findings of lint that have modules of their own, and the forms in which all of them are told."""
