"""The snapshot publisher: a process of its own that turns registered sources into immutable snapshots.

A snapshot holds the columns and rows of one grant set and a record key per privacy unit, nothing else. It is built
at registration and at activation, never inside a query; the key that makes record keys never leaves this process.
"""
