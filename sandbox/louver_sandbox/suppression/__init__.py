"""Complementary cell suppression: what else must be withheld so that nobody computes a withheld cell from totals.

A cell that a rule withholds (a primary cell) can be bounded by anyone who sees the totals it is part of. `suppress`
finds further cells to withhold (secondary cells), so that every primary cell's feasibility interval is at least as
wide as its protection level, and proves the result with an attacker of its own (PRIVACY 5.5).

Everything here is a pure function of a `Table`: no IO, no clock, no randomness; equal tables get equal answers
whatever order their cells come in. The releaser asks `pattern.choose` through a process of its own (`solver`), with
one table for each number of the cells. HiGHS and numpy are imported when a table first needs them: the service
starts without them.
"""
