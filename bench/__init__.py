"""Benchmarks: `python -m bench.NAME` prints a table for people and one JSON object as its last line."""
