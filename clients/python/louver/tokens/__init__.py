"""Tokens in place of ids: columns of an own table that are joined with the government's and tell nobody the ids.

RFC 9497 as in `louver.matching`, with keys of another use.
"""
