"""Every reason for which a request is refused: one function per code, in the file of its family.

LVR-0xxx identity and request, LVR-1xxx SQL and names, LVR-2xxx policy, LVR-3xxx budget and capacity. Codes are
never reused; `docs/reference/refusals.md` has one heading per code and a test compares the two.
"""
