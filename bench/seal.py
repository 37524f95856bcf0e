"""Sealing beside python-paillier, both on gmpy2, taken alternately in one run; 2048 bits unless said otherwise.

Keys: `owner_encrypt_x` and `decrypt_x` their processor time over ours for the holder of the private key, `pooled_x`
the same for encrypting with a randomiser from the pool, `inline_x` with one made on the spot, `bytes_ratio` bytes of
a ciphertext in bulk over those in their JSON (of an uploaded number, that is), `packed_bytes_ratio` the same for
numbers that share a ciphertext, as scores do and uploads do not (ADR 53), `write_x` and `read_x` their time over ours
to write and read these,
`admit_us` one ciphertext's share of the admission of a batch, `admit_key_ms` the admission of a key,
`owner_encrypt_3072_x` the first at 3072 bits.

`grouped_sum_x` is their time over ours to add up encrypted rows into 200 groups, from JSON and from the bytes
of an upload, and `grouped_sum_core_s` the processor seconds of ours for a million rows. Of these
`bare_million_s` are the products themselves: a million times GMP's multiplication and remainder, of numbers
that are at hand, and nothing else; `bare_multiply_million_s` is the multiplication alone.

From the benchmarks of their own, in short: `scorecard_x`, `scorecard_inline_x` and, before a model has its table,
`first_x` (`bench.score`); `oprf_x`, null where openmined-psi is not installed (`bench.matching`); `gil_stall_ms`,
`rpc_stall_ms` and the same while nothing of ours runs (`bench.stalls`).
"""

import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import phe
from grpc_health.v1 import health, health_pb2_grpc

from bench.report import Pairs, arguments, paired, report
from louver.scoring.layout import SLOT_BITS, slots
from louver.sealing import bulk, interchange, proofs
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.keys import PrivateKey, generate_key
from louver.sealing.randomisers import Pool, randomisers
from louver_sandbox.sealing import adding, admission
from louver_sandbox.service.server import TURN_S

OURS, THEIRS = 200, 10
"""Numbers in one timing of ours and of theirs; a ratio is of one number."""

ROUNDS, ROUNDS_FULL = 5, 15


def number() -> int:
    """An amount in fen."""
    return secrets.randbelow(10**12) - 5 * 10**11


def per_number(taken: Pairs, ours: int = OURS, theirs: int = THEIRS) -> float:
    """Their time for one number over ours."""
    return 1 / (taken.ratio * theirs / ours)


class Side:
    """One key on both sides."""

    def __init__(self, bits: int) -> None:
        self.key: PrivateKey = generate_key(bits)
        self.owner = Owner(self.key)
        self.owner.randomisers(OURS)  # makes the tables, once for a key
        self.public = phe.PaillierPublicKey(int(self.key.public.n))
        self.private = phe.PaillierPrivateKey(self.public, int(self.key.p), int(self.key.q))

    def encrypt_theirs(self, count: int = THEIRS) -> list[phe.EncryptedNumber]:
        """As they do it."""
        return [self.public.encrypt(number(), precision=None) for _ in range(count)]


def timed(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> Pairs:
    """Processor time, since the machine may be busy."""
    return paired(ours, theirs, pairs=rounds, clock=time.process_time)


def encrypting(side: Side, rounds: int) -> Pairs:
    """By the holder of the private key."""
    numbers = [number() for _ in range(OURS)]
    return timed(lambda: side.owner.encrypt(numbers), side.encrypt_theirs, rounds)


def decrypting(side: Side, rounds: int) -> Pairs:
    """Ours looks at every ciphertext first."""
    ciphertexts = side.owner.encrypt([number() for _ in range(THEIRS)])
    theirs = interchange.to_phe(ciphertexts, side.key.public)
    return timed(
        lambda: side.owner.decrypt(ciphertexts), lambda: [side.private.decrypt(each) for each in theirs], rounds
    )


def sealing(side: Side, rounds: int) -> tuple[Pairs, Pairs]:
    """By somebody who has the public key only: with a filled pool, and with none."""
    numbers = [number() for _ in range(THEIRS)]
    pool = Pool(side.key.public)
    pool.fill(THEIRS * rounds, most=THEIRS * rounds)
    pooled = timed(lambda: encrypt(numbers, side.key.public, pool.take(THEIRS)), side.encrypt_theirs, rounds)
    inline = timed(
        lambda: encrypt(numbers, side.key.public, randomisers(side.key.public, THEIRS)), side.encrypt_theirs, rounds
    )
    return pooled, inline


def carrying(side: Side, rounds: int) -> tuple[Pairs, Pairs, float]:
    """Writing and reading ciphertexts, and their bytes."""
    ciphertexts = side.owner.encrypt([number() for _ in range(OURS)])
    theirs = interchange.to_phe(ciphertexts, side.key.public)
    content = bulk.write(ciphertexts, side.key.public)
    text = json.dumps({"values": [(str(each.ciphertext(be_secure=False)), each.exponent) for each in theirs]})
    written = timed(
        lambda: bulk.write(ciphertexts, side.key.public),
        lambda: json.dumps({"values": [(str(each.ciphertext(be_secure=False)), each.exponent) for each in theirs]}),
        rounds,
    )
    read = timed(
        lambda: bulk.numbers(bulk.read(content)[1], side.key.public.width),
        lambda: [phe.EncryptedNumber(side.public, int(each), e) for each, e in json.loads(text)["values"]],
        rounds,
    )
    return written, read, len(content) / len(text)


def packed(side: Side) -> float:
    """Bytes of a number among as many as share a plaintext, over those in their JSON. All come back."""
    count = slots(side.key.public)
    numbers = [secrets.randbelow(2**40) for _ in range(count)]
    whole = sum(each << place * SLOT_BITS for place, each in enumerate(numbers))
    content = bulk.write(made := side.owner.encrypt([whole]), side.key.public)
    (opened,) = side.owner.decrypt(made)
    assert [opened >> place * SLOT_BITS & 2**40 - 1 for place in range(count)] == numbers
    theirs = [side.public.encrypt(each, precision=None) for each in numbers[:THEIRS]]
    text = json.dumps({"values": [(str(each.ciphertext(be_secure=False)), each.exponent) for each in theirs]})
    # Many packs share one header.
    many = bulk.write(made * OURS, side.key.public)
    share = (len(many) - len(content)) / (OURS - 1) / count
    return share / (len(text) / THEIRS)


def admitting(side: Side, rounds: int) -> tuple[float, float]:
    """Microseconds of admitting one ciphertext of a batch, and milliseconds of admitting the key."""
    content = bulk.write(side.owner.encrypt([number() for _ in range(OURS)]), side.key.public)
    proof = proofs.prove(side.key, "bench")
    ciphertexts, keys = [], []
    for _ in range(rounds):
        begin = time.process_time()
        admission.batch(content, side.key.public, (0,), OURS)
        between = time.process_time()
        admission.proof(proof, admission.modulus(side.key.public.to_bytes()), "bench")
        ciphertexts.append((between - begin) / OURS * 1e6)
        keys.append((time.process_time() - between) * 1e3)
    return statistics.median(ciphertexts), statistics.median(keys)


@contextmanager
def answering() -> Iterator[health_pb2_grpc.HealthStub]:
    """A small gRPC service in this process, and a way to ask it."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)
    server.stop(None).wait()


def longest(step: Callable[[], object], seconds: float) -> float:
    """The longest of many small steps, in milliseconds."""
    most, end = 0.0, time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        step()
        most = max(most, time.perf_counter() - begin)
    return most * 1e3


def elsewhere(side: Side, rounds: int) -> dict[str, float | None]:
    """What has a benchmark of its own, in short."""
    from bench import matching, score, stalls  # they use what is above
    from bench.support.peers import installed

    sys.setswitchinterval(TURN_S)
    scored, _ = score.measured(side.key, score.SUBJECTS, 3)
    idle, beside = stalls.measured(side.key, 1 if rounds == ROUNDS else rounds)
    table = None
    if installed(matching.PEER):
        tokens, _, theirs = matching.set_ups(1000, 3)
        table = round(statistics.median(other / one for one, other in zip(tokens, theirs, strict=True)), 2)
    return {
        "scorecard_x": round(score.ratio(scored, "pooled"), 1),
        "scorecard_inline_x": round(score.ratio(scored, "inline"), 1),
        "first_x": round(score.ratio(scored, "first"), 1),
        "oprf_x": table,
        "gil_stall_ms": round(max(one.gil for one in beside.values()), 2),
        "rpc_stall_ms": round(max(one.rpc for one in beside.values()), 2),
        "gil_idle_ms": round(idle.gil, 2),
        "rpc_idle_ms": round(idle.rpc, 2),
    }


GROUPS, GROUPED, SUMMED = 200, 20_000, 1_000_000


def grouped(side: Side, rounds: int) -> tuple[Pairs, float]:
    """Encrypted rows added up into groups, ours from the bytes of a file and theirs from their JSON; and the
    processor seconds of ours for a million rows."""
    key, owner = side.key.public, side.owner
    step, (first,) = owner.encrypt([3])[0], owner.encrypt([10**9])
    ciphertexts = [first]
    for _ in range(SUMMED - 1):
        ciphertexts.append(ciphertexts[-1] * step % key.square)  # a thousand times faster than to encrypt
    text = json.dumps({"values": [(str(each), 0) for each in ciphertexts[:GROUPED]]})
    few = [np.arange(group, GROUPED, GROUPS, dtype="<u4").tobytes() for group in range(GROUPS)]
    many = [np.arange(group, SUMMED, GROUPS, dtype="<u4").tobytes() for group in range(GROUPS)]

    def theirs() -> list[phe.EncryptedNumber]:
        sums: list[phe.EncryptedNumber | None] = [None] * GROUPS
        for place, (each, exponent) in enumerate(json.loads(text)["values"]):
            number_ = phe.EncryptedNumber(side.public, int(each), exponent)
            before = sums[place % GROUPS]
            sums[place % GROUPS] = number_ if before is None else before + number_
        return sums

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.sealed"
        path.write_bytes(bulk.write(ciphertexts, key))
        opened = [side.private.decrypt(one) for one in theirs()]
        assert owner.decrypt(adding.products(path, key, 1, 0, few)) == opened
        taken = timed(lambda: adding.products(path, key, 1, 0, few), theirs, rounds)
        begin = time.process_time()
        adding.products(path, key, 1, 0, many)
        return taken, time.process_time() - begin


def bare(side: Side, rounds: int) -> tuple[float, float]:
    """Processor seconds of a million modular products and of a million products, of numbers at hand: what no way of
    reading and grouping can be below, with this library on this machine."""
    square = side.key.public.square
    numbers = side.owner.encrypt([number() for _ in range(OURS)]) * (GROUPED // OURS)

    def seconds(work: Callable[[], object]) -> float:
        begin = time.process_time()
        work()
        return (time.process_time() - begin) / len(numbers) * SUMMED

    def reduced() -> None:
        product = numbers[0]
        for each in numbers:
            product = product * each % square

    def multiplied() -> None:
        first = numbers[0]
        for each in numbers:
            first * each

    taken = [(seconds(reduced), seconds(multiplied)) for _ in range(rounds)]
    return statistics.median(one for one, _ in taken), statistics.median(other for _, other in taken)


def main() -> None:
    """Make keys, time both sides, report."""
    rounds = ROUNDS_FULL if arguments(__doc__ or "").full else ROUNDS
    side = Side(2048)
    owner, decrypted = encrypting(side, rounds), decrypting(side, rounds)
    pooled, inline = sealing(side, rounds)
    written, read, ratio = carrying(side, rounds)
    admit_us, admit_key_ms = admitting(side, rounds)
    sums, million = grouped(side, rounds)
    products, multiplications = bare(side, rounds)
    larger = encrypting(Side(3072), rounds)

    def row(what: str, taken: Pairs, ours: int, theirs: int) -> dict[str, object]:
        one = statistics.median(taken.ours) / ours * 1e6
        other = statistics.median(taken.theirs) / theirs * 1e6
        return {"one number": what, "ours, us": one, "phe, us": other, "x": per_number(taken, ours, theirs)}

    rows = [
        row("encrypt, holder of the key", owner, OURS, THEIRS),
        row("encrypt, holder of the key, 3072 bits", larger, OURS, THEIRS),
        row("decrypt (ours looks at it first)", decrypted, THEIRS, THEIRS),
        row("encrypt, randomiser in stock", pooled, THEIRS, THEIRS),
        row("encrypt, randomiser made", inline, THEIRS, THEIRS),
        row("write (bulk, JSON)", written, OURS, OURS),
        row("read (bulk, JSON)", read, OURS, OURS),
        row("add up into 200 groups (bytes, JSON)", sums, GROUPED, GROUPED),
        {
            "one number": "bare multiplication: product and remainder",
            "ours, us": products,
            "phe, us": None,
            "x": None,
        },
        {"one number": "bare multiplication: product alone", "ours, us": multiplications, "phe, us": None, "x": None},
    ]
    figures = {
        "owner_encrypt_x": round(per_number(owner), 2),
        "owner_encrypt_3072_x": round(per_number(larger), 2),
        "decrypt_x": round(per_number(decrypted, THEIRS), 2),
        "pooled_x": round(per_number(pooled, THEIRS), 1),
        "inline_x": round(per_number(inline, THEIRS), 2),
        "write_x": round(per_number(written, OURS, OURS), 1),
        "read_x": round(per_number(read, OURS, OURS), 1),
        "bytes_ratio": round(ratio, 3),
        "packed_bytes_ratio": round(packed(side), 4),
        "grouped_sum_x": round(per_number(sums, GROUPED, GROUPED), 2),
        "grouped_sum_core_s": round(million, 2),
        "bare_million_s": round(products, 2),
        "bare_multiply_million_s": round(multiplications, 2),
        "admit_us": round(admit_us, 1),
        "admit_key_ms": round(admit_key_ms, 1),
        **elsewhere(side, rounds),
    }
    report("sealing beside python-paillier 1.5 on gmpy2", rows, figures)


if __name__ == "__main__":
    main()
