"""Differentially private mechanisms: integer noise, what it costs and how far off it is (PRIVACY 6).

Randomness is an argument (`sampler.Sampler`); the real one is OpenDP's. Exact numbers come in as integers (money in
fen) that a worker has already bounded; what is computed from noisy numbers may use floats, since it costs nothing and
shows nothing more. Not yet part of the line.
"""
