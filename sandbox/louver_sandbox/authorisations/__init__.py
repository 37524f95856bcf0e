"""What a subject has allowed (授权): whether it covers a lookup, and by when its requests must be answered.

Pure functions; the verb `query` that will read them is not in the line yet. Sources: PRIVACY 8, DOMAIN 2.6.
"""
