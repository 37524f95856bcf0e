"""Attackers: what somebody does with questions alone, and the releasers they are set on.

An attack sees what is known of everybody (`people.Known`) and answers; it returns what it guesses.
"""
