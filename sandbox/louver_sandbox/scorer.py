"""The scorer: adds up encrypted points in a process without data or secrets, off the service's own lock.

It opens the tables of models when it starts, and nothing afterwards. It is given ciphertexts, bins and randomisers
and gives ciphertexts; it never sees who is scored. A message is a JSON header and numbers of one width, in our own
form; what is not exactly so is an error without a text.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gmpy2 import mpz

from louver.sealing.bulk import numbers
from louver.sealing.keys import PublicKey
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve
from louver_sandbox.processes.isolation.confinement import seal
from louver_sandbox.sealing import tables
from louver_sandbox.sealing.packing import Bins, Scorer, shifted

ENTRY: Final = "louver_sandbox.scorer:main"
PREPARE: Final = "louver_sandbox.scorer:prepare"
PRELOAD: Final = ("gmpy2",)
LOCATION: Final = "LOUVER_SCORE_TABLES"
"""In the zygote's environment: the folder with the tables."""
REPLY_CAP: Final = 1 << 20
"""Bytes of the ciphertexts of one message: of those of a whole model, where they are shifted."""

PACKS: Final = 8
"""Ciphertexts made for one message: some 30 ms to a second of work."""


@dataclass(frozen=True, slots=True)
class Job:
    """Packs of subjects' bins to be scored with one model, and a power r^n for each pack."""

    digest: str
    modulus: int
    bins: tuple[int, ...]
    ciphertexts: tuple[mpz, ...]
    packs: tuple[tuple[Bins, ...], ...]
    powers: tuple[mpz, ...]


def job_to_bytes(job: Job) -> bytes:
    """The message."""
    width = PublicKey(mpz(job.modulus)).width
    told = {
        "digest": job.digest,
        "modulus": format(job.modulus, "x"),
        "bins": job.bins,
        "ciphertexts": len(job.ciphertexts),
        "packs": job.packs,
    }
    header = json.dumps(told, separators=(",", ":")).encode()
    body = packed_numbers((*job.ciphertexts, *job.powers), width)
    return len(header).to_bytes(4, "big") + header + body


def job_of(message: bytes) -> Job:
    """The job in a message. Raises ValueError, KeyError or TypeError for what is none."""
    size = int.from_bytes(message[:4], "big")
    told: Any = json.loads(message[4 : 4 + size])
    modulus = int(told["modulus"], 16)
    found = numbers(memoryview(message)[4 + size :], PublicKey(mpz(modulus)).width)
    count = int(told["ciphertexts"])
    packs = tuple(tuple(None if bins is None else tuple(map(int, bins)) for bins in pack) for pack in told["packs"])
    if len(found) != count + len(packs):
        raise ValueError("another number of numbers")
    return Job(
        str(told["digest"]), modulus, tuple(map(int, told["bins"])), tuple(found[:count]), packs, tuple(found[count:])
    )


def shift_to_bytes(key: PublicKey, ciphertexts: Sequence[mpz]) -> bytes:
    """The message that asks for these shifted by one slot."""
    header = json.dumps({"shifted": True, "modulus": format(int(key.n), "x")}).encode()
    return len(header).to_bytes(4, "big") + header + packed_numbers(ciphertexts, key.width)


def packed_numbers(several: Sequence[mpz], width: int) -> bytes:
    """Numbers of one width, one after the other."""
    return b"".join(int(each).to_bytes(width, "big") for each in several)


def answer(scorer: Scorer, message: bytes) -> bytes:
    """The ciphertexts of a job's packs, or those given shifted by one slot."""
    size = int.from_bytes(message[:4], "big")
    told: Any = json.loads(message[4 : 4 + size])
    if told.get("shifted"):
        key = PublicKey(mpz(int(told["modulus"], 16)))
        return packed_numbers(shifted(key, numbers(memoryview(message)[4 + size :], key.width)), key.width)
    job = job_of(message)
    key = PublicKey(mpz(job.modulus))
    made = scorer.score(job.digest, key, job.ciphertexts, job.bins, job.packs, job.powers)
    return packed_numbers(made, key.width)


def prepare() -> Path:
    """Run once in the zygote; children see no environment."""
    return Path(os.environ[LOCATION])


def main(channel: Channel, folder: Path) -> None:
    """A scorer's life: message after message, until the service closes the channel."""
    with tables.Kept(folder) as kept:
        seal()
        scorer = Scorer(secrets.randbelow, kept.of)
        serve(channel, lambda message: answer(scorer, message))
