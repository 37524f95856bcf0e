"""What the operator sees of a running service: counts, times, spans, messages, and why it is not well.

No SQL, literal, table, column, subject or institution is in any of it. What may be recorded is a closed list of words
(methods, statuses, codes, stages) and numbers; a question is named by a digest of its request id.
"""
