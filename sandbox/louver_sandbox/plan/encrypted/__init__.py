"""Questions over encrypted columns: what of them is asked, and which rows of the upload are in which group.

A sum of numbers that nobody here can see is planned as the number of its rows: those are judged by every rule that a
count of protected rows is, and where the count leaves, the sum does.
"""
