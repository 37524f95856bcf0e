"""Complementary cell suppression: what else must be withheld so that nobody computes a withheld cell from totals.

A cell that a rule withholds (a primary cell) can be bounded by anyone who sees the totals it is part of. `suppress`
finds further cells to withhold (secondary cells), so that every primary cell's feasibility interval is at least as
wide as its protection level, and proves the result with an attacker of its own (PRIVACY 5.5).

Everything here is a pure function of a `Table`: no IO, no clock, no randomness; equal tables get equal answers
whatever order their cells come in. The releaser is to call `suppress` between primary suppression and perturbation,
with `levels` for the protection levels; HiGHS and numpy are imported when a table first needs them, so that the
service starts without them.
"""
