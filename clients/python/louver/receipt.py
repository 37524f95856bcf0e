"""Receipts: what a bank keeps to prove, years later and offline, what it asked and what it was answered.

A receipt is a C2SP tlog-proof file whose ``extra`` line holds the log entry itself and the salts of the
commitments that concern the bank:

    {"entry":"<canonical JSON of the entry>","openings":{"sql":"<salt, base 64>"}}

Nothing in ``extra`` is believed because it is there: the entry is bound by its leaf hash, a salt by the
commitment in the entry. The whole is checked with the log's public key alone:

1. the checkpoint is signed by the log;
2. the entry is in the tree of that checkpoint, at the index the receipt and the entry name;
3. the SQL, where the caller supplies it, is the text the entry committed to;
4. the result digest, where the caller supplies it, is the one the entry records.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from louver.errors import Unproven
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.merkle import leaf_hash
from louver.transparency.note import decode_base64
from louver.transparency.proofs import TlogProof
from louver.transparency.succession import LogKey

ENTRY_VERSION = 1
"""The version of log entries this package reads (field ``v``)."""

SALT_BYTES = 32
"""As long as the hash, so that a commitment hides even a text that could be guessed."""

FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""What a committed field may be called."""

_COMMITMENT_DOMAIN = "louver commitment v1"


def commitment(field_name: str, salt: bytes, text: str) -> str:
    """What a log entry holds in place of a private text: hex SHA-256 over domain, field name, salt and text.

    The field name is part of it, so that a commitment to one field cannot be opened as another. Raises
    ``ValueError`` for a salt of another length or a field name outside ``FIELD``, either of which would make
    the hashed bytes ambiguous.
    """
    if len(salt) != SALT_BYTES or not FIELD.fullmatch(field_name):
        raise ValueError("a commitment takes a field name and a salt of 32 bytes")
    prefix = f"{_COMMITMENT_DOMAIN}\n{field_name}\n".encode()
    return hashlib.sha256(prefix + salt + text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt has proved. Only ``Receipt.verify`` makes one."""

    index: int
    entry: Mapping[str, object]
    head: TreeHead
    checked: frozenset[str]
    """Which of the caller's own values were compared with the entry: ``sql``, ``result_digest``, ``request_id``."""

    @property
    def kind(self) -> str:
        """What the entry records, such as ``outcome`` or ``refused``."""
        return str(self.entry["kind"])

    @property
    def time(self) -> str:
        """When the log took the entry, by the platform's clock (RFC 3339, UTC)."""
        return str(self.entry["time"])


@dataclass(frozen=True, slots=True)
class Receipt:
    """A log entry, the proof that it is in the log, and the salts that open its commitments.

    ``openings`` maps a field such as ``sql`` to its salt. Whoever holds the salt can test guesses at the text,
    so a receipt is as confidential as the question.
    """

    entry: bytes
    proof: TlogProof
    openings: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The entry's place in the log, from 0; claimed until verified."""
        return self.proof.index

    @property
    def checkpoint(self) -> Checkpoint:
        return self.proof.checkpoint

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Read a receipt without believing it.

        Raises ``Unproven`` when it is not well formed or not in its one canonical spelling.
        """
        proof = TlogProof.parse(data)
        if proof.extra is None:
            raise Unproven("the proof does not enclose the log entry", data)
        extra = _parse_object(proof.extra, "what the receipt encloses")
        entry, openings = extra.get("entry"), extra.get("openings")
        if extra.keys() != {"entry", "openings"} or not isinstance(entry, str) or not isinstance(openings, dict):
            raise Unproven("a receipt encloses an entry and its openings, nothing else", data)
        receipt = cls(_encode(entry, data), _without_extra(proof), _parse_openings(openings, data))
        if receipt.to_bytes() != data:
            raise Unproven("the receipt is not in its canonical spelling", data)
        return receipt

    def to_bytes(self) -> bytes:
        """The receipt as a file, a valid C2SP tlog-proof. Raises ``ValueError`` when the entry is not UTF-8."""
        openings = {name: base64.b64encode(salt).decode() for name, salt in self.openings.items()}
        extra = {"entry": self.entry.decode(), "openings": openings}
        # Strings under ASCII names only: for these, this is RFC 8785 exactly.
        text = json.dumps(extra, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return TlogProof(self.proof.index, self.proof.path, self.proof.checkpoint, text.encode()).to_bytes()

    def verify(
        self,
        log_key: str,
        *,
        sql: str | None = None,
        result_digest: str | None = None,
        request_id: str | None = None,
    ) -> VerifiedReceipt:
        """Prove the receipt with the log's public key (``name+id+key``), offline.

        What is passed besides is compared with the entry; what is not passed is not claimed to be checked.
        Raises ``Unproven``.
        """
        # 1 and 2: signed by the log, and in its tree.
        head = self.proof.verify(leaf_hash(self.entry), LogKey.parse(log_key))
        entry = _parse_object(self.entry, "the log entry")
        self._check_entry(entry)
        # 3: about this SQL.
        if sql is not None:
            self._check_commitment(entry, "sql", sql)
        # 4: with this result, for this request.
        if result_digest is not None:
            self._check_equal(entry, "result_digest", result_digest)
        if request_id is not None:
            self._check_equal(entry, "request_id", request_id)
        given = {"sql": sql, "result_digest": result_digest, "request_id": request_id}
        checked = frozenset(name for name, value in given.items() if value is not None)
        return VerifiedReceipt(self.index, MappingProxyType(entry), head, checked)

    def _check_entry(self, entry: Mapping[str, object]) -> None:
        version = entry.get("v")
        if type(version) is not int or version != ENTRY_VERSION:
            raise Unproven("the log entry is of a version this client does not read", self.entry)
        if not isinstance(entry.get("kind"), str) or not isinstance(entry.get("time"), str):
            raise Unproven("the log entry does not say what it records and when", self.entry)
        index = entry.get("index")
        if type(index) is not int or index != self.index:
            raise Unproven(f"the entry proved at index {self.index} was written for another place", self.entry)

    def _check_commitment(self, entry: Mapping[str, object], name: str, text: str) -> None:
        commitments = entry.get("commitments")
        committed = commitments.get(name) if isinstance(commitments, dict) else None
        salt = self.openings.get(name)
        if not isinstance(committed, str) or not committed.isascii():
            raise Unproven(f"the log entry commits to no {name}", self.entry)
        if salt is None:
            raise Unproven(f"the receipt holds no salt to open the commitment to {name}", self.entry)
        if len(salt) != SALT_BYTES or not hmac.compare_digest(commitment(name, salt, text), committed):
            raise Unproven(f"the log entry is about another {name}", self.entry)

    def _check_equal(self, entry: Mapping[str, object], name: str, value: str) -> None:
        recorded = entry.get(name)
        if not isinstance(recorded, str) or not hmac.compare_digest(recorded.encode(), value.encode()):
            raise Unproven(f"the log entry records another {name}", self.entry)


def _parse_object(data: bytes, what: str) -> dict[str, object]:
    """A JSON object in which no name occurs twice (RFC 8785 via RFC 7493, 2.3). Raises ``Unproven``."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = dict(pairs)
        if len(names) != len(pairs):
            raise ValueError("a name occurs twice")
        return names

    def no_constant(name: str) -> object:
        raise ValueError("not a JSON number")

    try:
        parsed = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Unproven(f"{what} is not strict JSON", data) from None
    if not isinstance(parsed, dict):
        raise Unproven(f"{what} is not a JSON object", data)
    return parsed


def _parse_openings(openings: Mapping[object, object], data: bytes) -> Mapping[str, bytes]:
    salts: dict[str, bytes] = {}
    for name, salt in openings.items():
        if not isinstance(name, str) or not FIELD.fullmatch(name) or not isinstance(salt, str):
            raise Unproven("an opening is a field name and a salt", data)
        salts[name] = decode_base64(salt)
        if len(salts[name]) != SALT_BYTES:
            raise Unproven(f"a salt has {SALT_BYTES} bytes", data)
    return MappingProxyType(salts)


def _encode(entry: str, data: bytes) -> bytes:
    try:
        return entry.encode("utf-8")
    except UnicodeEncodeError:
        raise Unproven("the log entry is not UTF-8", data) from None


def _without_extra(proof: TlogProof) -> TlogProof:
    return TlogProof(proof.index, proof.path, proof.checkpoint)
