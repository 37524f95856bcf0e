"""The files by which an auditor gets to look into rows of an encrypted upload, one for each who has a part in it.

    request    the auditor      which upload, and a fresh seed that the rows follow from
    sample     the operator     the ciphertexts of these rows
    openings   the institution  what is inside each of them, provably

`audits` has the arithmetic. The institution opens nothing but what it uploaded itself: each number must be the one in
its own copy of the table, so nobody gets another of its ciphertexts opened by calling it a row.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gmpy2 import mpz

from louver.errors import Unproven
from louver.failures import Misused
from louver.sealing import audits
from louver.sealing.audits import SEED, NotOpened, Opening
from louver.sealing.ciphertexts import NotACiphertext, Owner
from louver.sealing.keys import PublicKey

REQUEST, SAMPLE, OPENINGS = (
    "louver-upload-sample-request/1",
    "louver-upload-sample/1",
    "louver-upload-openings/1",
)
MOST = 10_000
"""Rows of one sample."""
LARGEST = 256 << 20
"""Bytes of a file that is read."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which rows are to be opened: ``count`` of the ``rows`` of an upload, chosen by the seed (hex) and the upload's
    digest. The auditor draws the seed once the upload is in the log, so nobody else knew it before."""

    institution: str
    table: str
    content: str
    rows: int
    count: int
    seed: str

    @property
    def chosen(self) -> list[int]:
        """The rows, in order."""
        return audits.rows(bytes.fromhex(self.seed), self.content, self.rows, self.count)

    def to_json(self) -> bytes:
        """As a file."""
        return _written(REQUEST, asdict(self))

    @classmethod
    def from_json(cls, text: bytes) -> Request:
        """The request in a file. Raises ``Misused``."""
        return _request(_read(text, REQUEST))


@dataclass(frozen=True, slots=True)
class Sample:
    """The ciphertexts of the rows that were asked for, of every encrypted column: its name and decimal scale."""

    request: Request
    modulus: str
    columns: tuple[tuple[str, int], ...]
    ciphertexts: tuple[tuple[int, ...], ...]

    @property
    def key(self) -> PublicKey:
        """What they are under."""
        return PublicKey(mpz(self.modulus, 16))

    def to_json(self) -> bytes:
        """As a file. Nothing in it is secret from the auditor or the institution."""
        told = {
            "request": asdict(self.request),
            "modulus": self.modulus,
            "columns": self.columns,
            "ciphertexts": [[format(each, "x") for each in row] for row in self.ciphertexts],
        }
        return _written(SAMPLE, told)

    @classmethod
    def from_json(cls, text: bytes) -> Sample:
        """The sample in a file. Raises ``Misused``."""
        told = _read(text, SAMPLE)
        try:
            columns = tuple((str(name), int(scale)) for name, scale in told["columns"])
            rows = tuple(tuple(int(each, 16) for each in row) for row in told["ciphertexts"])
            found = cls(_request(told["request"]), format(int(told["modulus"], 16), "x"), columns, rows)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _none("sample of an upload") from None
        if len(rows) != found.request.count or not columns or any(len(row) != len(columns) for row in rows):
            raise _none("sample of an upload")
        return found


@dataclass(frozen=True, slots=True)
class Openings:
    """What is inside the ciphertexts of a sample, row by row."""

    request: Request
    rows: tuple[tuple[Opening, ...], ...]

    def to_json(self) -> bytes:
        """As a file. It holds these rows' numbers in clear: for the auditor alone."""
        rows = [[[str(one.number), format(one.randomness, "x")] for one in row] for row in self.rows]
        return _written(OPENINGS, {"request": asdict(self.request), "rows": rows})

    @classmethod
    def from_json(cls, text: bytes) -> Openings:
        """The openings in a file. Raises ``Misused``."""
        told = _read(text, OPENINGS)
        try:
            rows = tuple(
                tuple(Opening(int(number), int(randomness, 16)) for number, randomness in row) for row in told["rows"]
            )
            return cls(_request(told["request"]), rows)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _none("opening of a sample") from None


def drawn(
    institution: str,
    table: str,
    content: str,
    rows: int,
    count: int,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> Request:
    """A request of the auditor's for so many rows. Raises ``Misused`` for more than there are or one file has."""
    if not 0 < count <= min(rows, MOST):
        raise Misused(f"a sample has from 1 to {min(rows, MOST)} rows")
    return Request(institution, table, content, rows, count, randomness(SEED).hex())


def opened(sample: Sample, owner: Owner, own: Mapping[str, Sequence[int]]) -> Openings:
    """The openings, by the institution. ``own`` are the numbers of its own copy of the table, column by column in the
    order of rows, each in its column's smallest unit.

    Raises:
        Misused: the sample is of another key, of another number of rows, or holds something else than this table in
            one of its rows: then nothing is opened.
    """
    if sample.key != owner.key.public:
        raise Misused("the sample is encrypted to another key than yours", "louver keys show")
    if any(len(own.get(name, ())) != sample.request.rows for name, _ in sample.columns):
        raise Misused(f"the upload has {sample.request.rows} rows, and your table has not", "give the table as sent")
    flat = [mpz(each) for row in sample.ciphertexts for each in row]
    try:
        found = iter(audits.opened(flat, owner))
    except NotACiphertext:
        raise _foreign() from None
    rows = tuple(tuple(next(found) for _ in sample.columns) for _ in sample.ciphertexts)
    for place, row in zip(sample.request.chosen, rows, strict=True):
        if any(one.number != own[name][place] for one, (name, _) in zip(row, sample.columns, strict=True)):
            raise _foreign()
    return Openings(sample.request, rows)


@dataclass(frozen=True, slots=True)
class Looked:
    """One opened cell: its row in the upload, its column, and the number in the column's smallest unit."""

    row: int
    column: str
    number: int
    scale: int
    above: bool


def looked_into(request: Request, sample: Sample, openings: Openings, most: Mapping[str, int]) -> tuple[Looked, ...]:
    """Every cell that was opened, by the auditor; `above` says which is beyond its bound, in the smallest unit.

    ``most`` has a bound for each column. Which rows were asked for is the auditor's own request's word, whatever
    request stands in the others' files.

    Raises:
        Misused: a column has no bound, or the sample is of another request.
        Unproven: the openings are not of these ciphertexts.
    """
    if sample.request != request:
        raise Misused("the sample answers another request than yours", "give the request file that you drew")
    if missing := [name for name, _ in sample.columns if name not in most]:
        raise Misused(f"column {missing[0]} has no bound", f"--most {missing[0]}=5000000")
    count = len(sample.columns)
    if openings.request != request or [len(row) for row in openings.rows] != [count] * request.count:
        raise Unproven("the openings are of other rows than the sample", openings.to_json())
    found: list[Looked] = []
    for place, (name, scale) in enumerate(sample.columns):
        ciphertexts = [mpz(row[place]) for row in sample.ciphertexts]
        shown = [row[place] for row in openings.rows]
        try:
            above = set(audits.check(ciphertexts, shown, sample.key, most[name]))
        except NotOpened:
            raise Unproven("a number that was shown is not inside its ciphertext", openings.to_json()) from None
        found += [
            Looked(row, name, one.number, scale, number in above)
            for number, (row, one) in enumerate(zip(request.chosen, shown, strict=True))
        ]
    return tuple(sorted(found, key=lambda one: one.row))


def _request(told: Any) -> Request:
    try:
        made = Request(
            str(told["institution"]), str(told["table"]), str(told["content"]),
            _whole(told["rows"]), _whole(told["count"]), bytes.fromhex(told["seed"]).hex(),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise _none("request for a sample") from None
    if len(made.seed) != 2 * SEED or not 0 < made.count <= min(made.rows, MOST):
        raise _none("request for a sample")
    return made


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError("no whole number")
    return value


def _written(form: str, told: Mapping[str, Any]) -> bytes:
    return json.dumps({"format": form, **told}, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _read(text: bytes, form: str) -> Any:
    try:
        told = json.loads(text) if len(text) <= LARGEST else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.get("format") != form:
        raise _none(form.partition("/")[0].removeprefix("louver-").replace("-", " "))
    return told


def _none(what: str) -> Misused:
    return Misused(f"this file is no {what}", "docs/reference/encrypted.md says which command makes it")


def _foreign() -> Misused:
    return Misused(
        "the sample holds something else than your table in one of its rows, so nothing was opened",
        "give the very table that you uploaded; if it is, ask the operator what was sent",
    )
