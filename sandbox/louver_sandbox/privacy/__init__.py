"""The accountant of differential privacy: what a release costs, and what a budget has left (PRIVACY 6).

Loss is counted in zero-concentrated differential privacy (zCDP: Bun and Steinke 2016), as an exact rational rho, and
a delta beside it for groups that are listed because of a threshold. (epsilon, delta) is what people are shown;
conversions round against the spender. Everything here is a pure function: no clock, no randomness, no float in what
is charged. Not yet part of the line.
"""
