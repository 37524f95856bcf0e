"""Sealing on the platform's side: which keys and ciphertexts are let in, and how answers are sealed to a key.

The forms of keys and ciphertexts are the client's (`louver.sealing`). No private key is ever here.
"""
