"""Secret scorecards: models that are let in, and subjects scored with them, along a straight line of their own.

`decide` (policy) and `commit` stand before a row is read, as for SQL; then a worker bins, a scorer adds up what it
cannot read, and what leaves is a ciphertext of the caller's own key.
"""
