"""A proof that a modulus is one Paillier can stand on: that n and phi(n) have no common factor.

Goldberg, Reyzin, Sagga, Baldimtsi, "Efficient Noninteractive Certification of RSA Moduli and Beyond" (ePrint
2018/057): the prover shows n-th roots modulo n of numbers that a hash chooses. Where the smallest prime factor of n
is above 2^16 (the verifier looks) and gcd(n, phi(n)) is not 1, at most one number in 2^16 has such a root, so nine
roots leave a chance of 2^-144. Nobody without the factors finds any, so the proof says too that its maker knows them;
the hash is over the institution's name, so that nobody else can hand it in.
"""

from __future__ import annotations

import hashlib

import gmpy2
from gmpy2 import mpz

from louver.sealing.keys import PrivateKey, PublicKey

ROOTS = 9
DOMAIN = b"louver.dev/paillier-modulus-proof/v1"
_EXCESS = 16
"""Bytes hashed beyond the modulus, so that what is left of them modulo n is as good as uniform."""


def challenges(key: PublicKey, institution: str) -> list[mpz]:
    """The numbers whose roots prove the modulus."""
    told = key.to_bytes()
    seed = hashlib.sha256()
    for part in (DOMAIN, institution.encode(), told):
        seed.update(len(part).to_bytes(4, "big") + part)
    found = []
    for place in range(ROOTS):
        stream = hashlib.shake_256(seed.digest() + place.to_bytes(4, "big")).digest(len(told) + _EXCESS)
        found.append(mpz(int.from_bytes(stream, "big")) % key.n)
    return found


def prove(key: PrivateKey, institution: str) -> bytes:
    """The roots, each as wide as the modulus, big endian."""
    public = key.public
    order = (key.p - 1) * (key.q - 1)
    roots = gmpy2.powmod_base_list(challenges(public, institution), gmpy2.invert(public.n, order), public.n)
    return b"".join(int(root).to_bytes(public.width // 2, "big") for root in roots)


def proves(proof: bytes, key: PublicKey, institution: str) -> bool:
    """Whether the proof holds. Every root is raised whatever the others were."""
    width = key.width // 2
    if len(proof) != ROOTS * width:
        return False
    roots = [mpz(int.from_bytes(proof[at : at + width], "big")) for at in range(0, len(proof), width)]
    powers = gmpy2.powmod_base_list(roots, key.n, key.n)
    expected = challenges(key, institution)
    held = zip(roots, powers, expected, strict=True)
    return sum(bool(0 < root < key.n and power == wanted) for root, power, wanted in held) == ROOTS
