"""Sealing: Paillier keys and ciphertexts, bit for bit those of python-paillier (`phe`), and the forms they travel in.

The one definition of these formats; the sandbox imports it. A seal hides an answer from whoever carries or stores it.
It protects no data subject, for whoever holds the key reads what is inside.
"""
