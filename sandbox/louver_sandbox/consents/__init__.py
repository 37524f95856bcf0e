"""Authorisations as they are recorded (授权登记): rows in the state store, read when a lookup commits.

What they mean is decided by the pure functions of `louver_sandbox.authorisations`.
"""
