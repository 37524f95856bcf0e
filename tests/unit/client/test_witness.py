"""A witness that remembers: it cosigns what grows, and names a rewind, a split view and a missing proof."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.support.audit_logs import KEY, MALLORY, ORIGIN
from tests.support.audited import fill, year_log

from louver.audit.witness import Contradiction, PrivateWitnessKey, keep_evidence, look, new_key, read_key
from louver.errors import Refused, Unproven
from louver.failures import Misused
from louver.transparency import Checkpoint, ConsistencyProof, Signature, TreeHead, VerifierKey
from louver.transparency.cosignature import WitnessKey, cosign, cosignatures, verify_cosignature, with_signatures
from louver_sandbox.audit import AuditLog
from louver_sandbox.audit.head import sign_head
from louver_sandbox.store import State

NOW = 1_800_000_000
HEAD = TreeHead(ORIGIN, 17, bytes(range(32)))


class Served:
    """A log as a witness meets it; `now` is what it answers with, which may be another one."""

    def __init__(self, log: AuditLog) -> None:
        self.now = log
        self.taken: list[tuple[int, Signature]] = []
        self.broken = False

    def checkpoint(self) -> Checkpoint:
        return self.now.head()

    def consistency(self, old_size: int, new_size: int) -> ConsistencyProof:
        return self.now.consistency(old_size, new_size)

    def cosign(self, size: int, signature: Signature) -> None:
        if self.broken:
            raise ConnectionError("cut off")
        self.taken.append((size, signature))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with State.open(tmp_path / "state.db") as state:
        made = year_log(state, 400)
        fill(made, 40)
        made.head()
        yield made


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "seen.json"


@pytest.fixture(params=["ed25519", "ml-dsa-44"])
def key(request: pytest.FixtureRequest) -> PrivateWitnessKey:
    return new_key("audit.example/w1", request.param)


def test_a_cosignature_is_over_the_bytes_of_the_specification() -> None:
    """By hand from c2sp.org/tlog-cosignature, with the bare primitives."""
    one = new_key("audit.example/w1")
    line = cosign(HEAD, one, NOW).signature
    message = f"cosignature/v1\ntime {NOW}\n{ORIGIN}\n17\n{HEAD.text().splitlines()[2]}\n".encode()
    assert line[:8] == struct.pack(">Q", NOW)
    Ed25519PublicKey.from_public_bytes(one.key.public_key).verify(line[8:], message)
    two = new_key("audit.example/w1", "ml-dsa-44")
    line = cosign(HEAD, two, NOW).signature
    name, origin = b"audit.example/w1", ORIGIN.encode()
    message = (
        b"subtree/v1\n\0" + bytes([len(name)]) + name + struct.pack(">Q", NOW) + bytes([len(origin)]) + origin
        + struct.pack(">QQ", 0, 17) + bytes(range(32))
    )  # fmt: skip
    public = mldsa.MLDSA44PublicKey.from_public_bytes(two.key.public_key)
    public.verify(line[8:], message)
    with pytest.raises(InvalidSignature):
        public.verify(line[8:], message + b"\0")


def test_a_witness_key_has_one_spelling(key: PrivateWitnessKey) -> None:
    assert WitnessKey.parse(str(key.key)) == key.key
    assert read_key(key.to_pem(), "file").key == key.key
    for wrong in (str(key.key)[:-4], str(key.key).replace("w1", "w2"), KEY, "w+00000000+", ""):
        with pytest.raises(Unproven):
            WitnessKey.parse(wrong)
    for content in (b"", b"witness: a\nnonsense", key.to_pem().partition(b"\n")[2]):
        with pytest.raises(Misused):
            read_key(content, "file")


def test_a_cosignature_holds_for_its_head_time_and_key_alone(key: PrivateWitnessKey) -> None:
    line = cosign(HEAD, key, NOW)
    assert verify_cosignature(line, HEAD, key.key).time == NOW
    later = Signature(line.name, line.key_id, struct.pack(">Q", NOW + 1) + line.signature[8:])
    others = [TreeHead(ORIGIN, 18, HEAD.root), TreeHead(ORIGIN, 17, bytes(32)), TreeHead("x.example", 17, HEAD.root)]
    for signature, head in [(later, HEAD), *((line, other) for other in others)]:
        with pytest.raises(Unproven, match="does not hold"):
            verify_cosignature(signature, head, key.key)
    for cut in (b"", line.signature[:-1], line.signature + b"\0"):
        with pytest.raises(Unproven):
            verify_cosignature(Signature(line.name, line.key_id, cut), HEAD, key.key)
    with pytest.raises(Unproven):
        verify_cosignature(line, HEAD, new_key("audit.example/w2").key)
    zero = Signature(line.name, line.key_id, bytes(8) + line.signature[8:])
    with pytest.raises(Unproven, match="time"):
        verify_cosignature(zero, HEAD, key.key)


def test_a_log_that_grows_is_cosigned_head_by_head(log: AuditLog, seen: Path, key: PrivateWitnessKey) -> None:
    served = Served(log)
    sizes = []
    for turn in range(4):
        step = look(served, seen, KEY, [key], NOW + turn)
        assert step.new
        assert not look(served, seen, KEY, [key], NOW + turn).new, "nothing new is not cosigned again"
        sizes.append(step.head.size)
        fill(log, 7 + turn)
    assert [size for size, _ in served.taken] == sizes == sorted(set(sizes))
    size, line = served.taken[-1]
    checkpoint = with_signatures(log.signed(size), (line,))
    assert checkpoint.verify(VerifierKey.parse(KEY)) == checkpoint.claimed, (
        "the log's own signature still stands first"
    )
    assert cosignatures(Checkpoint.parse(checkpoint.to_bytes()), (key.key,))[0].time == NOW + 3


def copy(log: AuditLog, target: Path) -> Path:
    log.state.scrub()
    return Path(shutil.copy(log.state.location, target))


def test_a_rewind_is_caught_and_named(log: AuditLog, seen: Path, tmp_path: Path) -> None:
    older = copy(log, tmp_path / "older.db")
    fill(log, 20)
    served = Served(log)
    look(served, seen, KEY, [], NOW)
    before = seen.read_bytes()
    with State.open(older) as state:
        served.now = year_log(state, 400)
        with pytest.raises(
            Contradiction, match="rewind: the log showed 60 entries before and shows 40 now"
        ) as caught:
            look(served, seen, KEY, [new_key("w")], NOW)
    assert served.taken == []
    assert seen.read_bytes() == before, "what was seen is not forgotten over it"
    evidence = keep_evidence(seen, caught.value).read_bytes()
    assert evidence.count(ORIGIN.encode() + b"\n") == 2, "both heads, for whoever judges"
    assert keep_evidence(seen, caught.value).read_bytes() == evidence


@pytest.mark.parametrize("more", [0, 3, 20])
def test_a_fork_is_caught_whatever_its_size(log: AuditLog, seen: Path, tmp_path: Path, more: int) -> None:
    """The same first entries, then others: of the same number, or more."""
    other = copy(log, tmp_path / "other.db")
    fill(log, 20, seed=1)
    served = Served(log)
    look(served, seen, KEY, [], NOW)
    with State.open(other) as state:
        served.now = year_log(state, 400)
        fill(served.now, 20 + more, seed=2)
        with pytest.raises(Contradiction, match="split view"):
            look(served, seen, KEY, [new_key("w")], NOW)
    assert served.taken == []


def test_a_log_that_proves_nothing_is_named(log: AuditLog, seen: Path) -> None:
    class Silent(Served):
        def consistency(self, old_size: int, new_size: int) -> ConsistencyProof:
            raise Refused("LVR-7109", "no")

    class Wrong(Served):
        def consistency(self, old_size: int, new_size: int) -> ConsistencyProof:
            proof = super().consistency(old_size, new_size)
            return ConsistencyProof(proof.old_size, proof.path[:-1], proof.checkpoint)

    look(Served(log), seen, KEY, [], NOW)
    fill(log, 5)
    with pytest.raises(Contradiction, match=r"no proof: .*LVR-7109"):
        look(Silent(log), seen, KEY, [], NOW)
    with pytest.raises(Contradiction, match="split view"):
        look(Wrong(log), seen, KEY, [], NOW)
    assert look(Served(log), seen, KEY, [], NOW).new


def test_a_head_by_another_key_is_not_even_remembered(log: AuditLog, seen: Path) -> None:
    class Forged(Served):
        def checkpoint(self) -> Checkpoint:
            return sign_head(super().checkpoint().claimed, MALLORY)

    with pytest.raises(Unproven):
        look(Forged(log), seen, KEY, [], NOW)
    assert not seen.exists()


def test_what_was_seen_is_on_the_disk_before_a_cosignature_leaves(log: AuditLog, seen: Path) -> None:
    served = Served(log)
    served.broken = True
    with pytest.raises(ConnectionError):
        look(served, seen, KEY, [new_key("w")], NOW)
    assert Checkpoint.parse(json.loads(seen.read_text())["checkpoint"].encode()).claimed.size == 40
    served.broken = False
    keys = [new_key("w"), new_key("x")]
    assert not look(served, seen, KEY, keys[:1], NOW).new
    assert [size for size, _ in served.taken] == [40], "and the cosignature is handed in later"
    for _ in range(2):
        assert not look(served, seen, KEY, keys, NOW).new
    assert [line.name for _, line in served.taken] == ["w", "x"], "a key that came later signs what was seen too"


@pytest.mark.parametrize("content", ["", "{}", '{"checkpoint": 7}', '{"checkpoint": "x\\n"}', "[]", "\udcff"])
def test_a_memory_that_was_damaged_is_not_begun_anew(log: AuditLog, seen: Path, content: str) -> None:
    seen.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(Misused, match="memory"):
        look(Served(log), seen, KEY, [], NOW)


def test_a_memory_that_cannot_be_written_cosigns_nothing(log: AuditLog, tmp_path: Path) -> None:
    served = Served(log)
    with pytest.raises(Misused, match="cannot write"):
        look(served, tmp_path / "nowhere" / "seen.json", KEY, [new_key("w")], NOW)
    assert served.taken == []
