"""`louver-sandbox publish-cube`: a cube that policies declare, made once for each version of the data and published.

There is no second way to the numbers: the cube is a question that `Pipeline.answer` decides, charges, logs and
answers,
asked under an id that follows from the cube and the snapshots it reads. So whatever is cut off, and wherever, is gone
on with by asking again: what was charged is not charged again, and noise that was drawn is the noise that is
published.
The answer becomes a file, one for each edition, and a table of the catalogue; both are written whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.algebra.types import Kind, TableName, Type
from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.checker import Judgement, check_here, refused
from louver_sandbox.delegates import one_worker
from louver_sandbox.journal import Books
from louver_sandbox.operator.installation import Tools
from louver_sandbox.pipeline import Call, Pipeline
from louver_sandbox.policy.cubes import DELTA, EDITION, EPSILON, HIGH, LOW, METHOD, PUBLISHER, TOTALS, Cube
from louver_sandbox.policy.grants import PUBLISHING, cubes_of
from louver_sandbox.policy.model import Policy
from louver_sandbox.premises import load_judgement, noise_secret, open_books, sampler_of
from louver_sandbox.private_core import Wish
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals import cubes as refuse
from louver_sandbox.settings import Settings
from louver_sandbox.shelf import Shelf
from louver_sandbox.stages import Answer, Case, Facts, Plan, Request, Treatment
from louver_sandbox.store import State

SUBJECT = PUBLISHING
_NAMESPACE = uuid.UUID("6a9a2f3e-8a51-4c53-9a4e-2f1c5f0b7d10")
MECHANISM = "differential privacy under zCDP, exact discrete noise (OpenDP), totals added up from cells"
_KEYS = (Kind.TEXT, Kind.DATE, Kind.INTEGER, Kind.BOOLEAN)
_NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
LARGEST = 10**12
"""What no number of a cube reaches, so that it can be added up."""
_PLACES = 4
"""Decimal places of the ends of intervals, which are rounded outward."""


@dataclass(frozen=True, slots=True)
class PublishedCube:
    """What was published: the table, the edition, how many rows, and whether that had been done before."""

    table: str
    edition: date
    rows: int
    epsilon: str
    before: bool


def declared(judgement: Judgement, today: date) -> Mapping[str, tuple[Policy, Cube]]:
    """The cubes of the policies in force, by `id@version`."""
    return {
        cube.name: (policy, cube) for policy, cube in cubes_of(judgement.bundle.policies) if cube.valid.holds(today)
    }


def publish_cube(settings: Settings, name: str, tools: Tools) -> PublishedCube:
    """Makes the edition of a cube on the data of now and publishes it; done again, it is the same edition.

    Raises `Refused` (LVR-542x, or what its question is refused with) or `Fault`.
    """
    now = tools.clock()
    judgement = load_judgement(settings, now)
    facts = Facts(now.astimezone(SHANGHAI).date())
    known = declared(judgement, facts.today)
    if name not in known:
        raise refuse.cube_unknown(name[:80], sorted(known))
    policy, cube = known[name]
    table = judgement.catalog.table(TableName(*cube.table.split(".")))
    if table is not None and table.owner != policy.owner:
        raise refuse.cube_taken(cube.table)
    first = judged(_request(cube, ()), judgement, facts)
    if first.treatment is not Treatment.DP:
        raise refuse.cube_not_private(name)
    read = [judgement.catalog.tables[source.table] for source in first.sources]
    if rules := judgement.bundle.rulebook.withheld(policy, cube, read, facts.today):
        raise refuse.cube_withheld(name, rules)
    types, epsilon = _types(cube, first), _loss(cube, first)
    snapshots = sorted((str(source.table), source.snapshot) for source in first.sources)
    edition = min(judgement.catalog.tables[source.table].as_of for source in first.sources)
    declaration = _declaration(policy, cube, types, edition, epsilon).encode()
    with tempfile.TemporaryDirectory() as folder:  # what the catalogue would refuse never comes into it
        tried = Path(folder) / f"{cube.table}.yaml"
        tried.write_bytes(declaration)
        others = [file for file in sorted(settings.catalog.glob("*.yaml")) if file.name != tried.name]
        load_catalog([*others, tried], settings.data)
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        request = _request(cube, snapshots)
        if (before := _answered_before(books, cube, edition, first)) is not None:
            request, snapshots = replace(request, id=before[0]), before[1]
        _check_editions(settings, books, cube, edition, request.id)
        _begin(books, cube, edition, request.id, snapshots, first)
        answer, outcome = _answered(settings, judgement, request, books, tools)
        file = settings.data / cube.table / f"{edition}-{request.id}.parquet"
        rows = _rows(cube, answer, edition, epsilon)
        content = _parquet(rows)
        stood = file.exists() and file.read_bytes() == content
        _write(file, content)
        _write(settings.catalog / f"{cube.table}.yaml", declaration)
        if not stood:
            journal.note(
                books,
                "cube_published",
                cube=name,
                policy=f"{policy.id}@{policy.version}",
                table=cube.table,
                edition=edition.isoformat(),
                request_id=request.id,
                declared=_said(cube),
                outcome=outcome,
                snapshots=dict(snapshots),
                epsilon=epsilon[0],
                delta=epsilon[1],
                sha256=hashlib.sha256(content).hexdigest(),
            )
    return PublishedCube(cube.table, edition, rows.num_rows, epsilon[0], stood)


def _check_editions(settings: Settings, books: Books, cube: Cube, edition: date, request_id: str) -> None:
    """One edition of a day, and one statement at one epsilon of a cube: another would be charged again for the same
    people, and stand in one table with rows that mean something else. Raises `Refused` LVR-5426, LVR-5427."""
    files = (settings.data / cube.table).glob(f"{edition}-*.parquet")
    if any(file.name != f"{edition}-{request_id}.parquet" for file in files):
        raise refuse.cube_edition(cube.name, edition)
    for said in _logged(books, "cube_published"):
        if said["cube"] != cube.name:
            continue
        if said["edition"] == edition.isoformat() and said["request_id"] != request_id:
            raise refuse.cube_edition(cube.name, edition)
        if said.get("declared", _said(cube)) != _said(cube):  # what was published earlier does not say it
            raise refuse.cube_changed(cube.name)


def _answered_before(books: Books, cube: Cube, edition: date, plan: Plan) -> tuple[str, list[tuple[str, str]]] | None:
    """The request and snapshots of an edition that was answered, and cut off before it was published, where the data
    were delivered again since: it was paid for, so what it said is what is published.

    Only under the same policies: others might have left out rows that it counts.
    """
    published = {fields["request_id"] for fields in _logged(books, "cube_published")}
    for fields in _logged(books, "cube_begun"):
        if fields["request_id"] in published:
            continue
        said = (fields["cube"], fields["edition"], fields["declared"], tuple(fields["policies"]))
        if said != (cube.name, edition.isoformat(), _said(cube), plan.policies):
            continue
        identity = str(fields["request_id"])
        if books.log.entries(institution=PUBLISHER, request_id=identity, kind="outcome"):
            return identity, sorted((str(table), str(one)) for table, one in fields["snapshots"].items())
    return None


def _begin(
    books: Books, cube: Cube, edition: date, request_id: str, snapshots: Sequence[tuple[str, str]], plan: Plan
) -> None:
    """Logs which edition a request is about to be asked for, once."""
    if any(fields["request_id"] == request_id for fields in _logged(books, "cube_begun")):
        return
    journal.note(
        books,
        "cube_begun",
        cube=cube.name,
        edition=edition.isoformat(),
        declared=_said(cube),
        request_id=request_id,
        snapshots=dict(snapshots),
        policies=list(plan.policies),
    )


def _logged(books: Books, kind: str) -> Iterator[Mapping[str, Any]]:
    page = books.log.entries(kind=kind, limit=MAX_PAGE)
    while page:
        yield from (entry.fields for entry in page)
        page = books.log.entries(page[-1].index + 1, kind=kind, limit=MAX_PAGE)


def _said(cube: Cube) -> str:
    """What identifies the question of a cube and what it costs, whatever data it is asked of."""
    return hashlib.sha256(json.dumps([cube.statement, _plain(cube.epsilon)]).encode()).hexdigest()


def _request(cube: Cube, snapshots: object) -> Request:
    """The question of an edition. Its id follows from what is asked and of which data, and from nothing else."""
    said = json.dumps([cube.name, cube.statement, str(cube.epsilon), snapshots], ensure_ascii=False)
    wish = Wish(epsilon=Fraction(cube.epsilon))
    return Request(str(uuid.uuid5(_NAMESPACE, said)), SUBJECT, cube.purpose, cube.statement, wish=wish)


def judged(request: Request, judgement: Judgement, facts: Facts) -> Plan:
    """The plan of a cube's question, by everything that a checker looks at. Raises `Refused`."""
    verdict = check_here(Case(request, (), facts), judgement)
    if verdict.refusal is not None:
        raise refused(verdict.refusal)
    if verdict.plan is None:
        raise refuse.cube_not_private(request.id)
    return verdict.plan


def _answered(
    settings: Settings, judgement: Judgement, request: Request, books: Books, tools: Tools
) -> tuple[Answer, int]:
    """The edition's answer, with the log's entry about it. Raises `Refused` or `Fault`."""
    sampler = sampler_of(judgement.bundle)
    if sampler is None:
        raise capacity.noise_not_installed()
    shelf = Shelf(settings, books)
    incidents: list[Exception] = []

    def incident(error: Exception) -> str:
        incidents.append(error)
        return uuid.uuid4().hex

    with one_worker(settings, shelf.path) as reserve:
        line = Pipeline(
            lambda asked, facts: judged(asked, judgement, facts),
            reserve,
            books,
            tools.clock,
            incident,
            noise_secret=noise_secret(settings, judgement.bundle),
            sampler=sampler,
        )
        call = Call(float(settings.limits.query_seconds), threading.Event(), lambda stage: None)
        given = line.answer(request, call)
    (outcome,) = books.log.entries(institution=PUBLISHER, request_id=request.id, kind="outcome")[:1]
    return given.answer, outcome.index


def _loss(cube: Cube, plan: Plan) -> tuple[str, str]:
    """The epsilon and delta that an edition is published under: what was asked for, at the policies' delta."""
    delta = max(charge.delta for charge in plan.privacy)
    return _plain(cube.epsilon), _plain(Decimal(delta.numerator) / Decimal(delta.denominator))


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _types(cube: Cube, plan: Plan) -> Mapping[str, Type]:
    """The type of each key and measure. Raises `Refused` LVR-5423."""
    found = {column.name: column.type for column in plan.columns}
    for name in (*cube.keys, *cube.measures):
        kind = found[name].kind
        if kind not in (_NUMBERS if name in cube.measures else _KEYS):
            raise refuse.cube_type(cube.name, name)
    return found


def _rows(cube: Cube, answer: Answer, edition: date, loss: tuple[str, str]) -> pa.Table:
    """The edition as a table: the answer, and beside each number the ends of its 95 % interval, rounded outward."""
    table = pa.ipc.open_stream(io.BytesIO(answer.arrow)).read_all()
    ends = {one.column: (one.low, one.high) for one in answer.accuracy}
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in (*cube.keys, TOTALS):
        columns[name] = table.column(name)
    for name in cube.measures:
        columns[name] = table.column(name)
        low, high = ends.get(name, ((), ()))
        columns[f"{name}{LOW}"] = _ends(low, table.num_rows, ROUND_FLOOR)
        columns[f"{name}{HIGH}"] = _ends(high, table.num_rows, ROUND_CEILING)
    columns[EDITION] = pa.array([edition] * table.num_rows, pa.date32())
    for name, value in ((METHOD, MECHANISM), (EPSILON, loss[0]), (DELTA, loss[1])):
        columns[name] = pa.array([value] * table.num_rows, pa.string())
    return pa.table({name: columns[name] for name in cube.columns})


def _ends(texts: Sequence[str], rows: int, rounding: str) -> pa.Array:
    given = list(texts) if texts else [""] * rows
    unit = Decimal(1).scaleb(-_PLACES)
    values = [Decimal(one).quantize(unit, rounding, Context(prec=60)) if one else None for one in given]
    return pa.array(values, pa.decimal128(38, _PLACES))


def _parquet(table: pa.Table) -> bytes:
    """The table's file: the same bytes for the same table."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _declaration(policy: Policy, cube: Cube, types: Mapping[str, Type], edition: date, loss: tuple[str, str]) -> str:
    """The catalogue's entry: a public table of the department, with method and epsilon in words."""

    def column(kind: str, role: str, title: str, *, nullable: bool = True) -> dict[str, object]:
        bounds = {"bounds": [-LARGEST, LARGEST]} if role == "val" else {}
        return {"type": kind, "nullable": nullable, "level": "L1", "role": role, **bounds, "description": title}

    columns: dict[str, object] = {}
    for name, key in sorted(cube.keys.items()):
        role = "time" if types[name].kind is Kind.DATE else "qi"
        columns[name] = column(str(types[name]), role, f"{key.title}; empty in totals over it")
    bits = ", ".join(f"{bit} where {name} is left out" for name, bit in cube.bits.items())
    columns[TOTALS] = column("integer", "qi", f"0 for a cell; in totals the sum of {bits}", nullable=False)
    for name, measure in sorted(cube.measures.items()):
        columns[name] = column(str(types[name]), "val", f"{measure.title}, with noise")
        columns[f"{name}{LOW}"] = column(
            f"decimal({_PLACES})", "val", f"{measure.title}: lower end of the 95 % interval"
        )
        columns[f"{name}{HIGH}"] = column(
            f"decimal({_PLACES})", "val", f"{measure.title}: upper end of the 95 % interval"
        )
    columns[EDITION] = column("date", "time", "the day whose data the row is of", nullable=False)
    for name, title in (
        (METHOD, "how the numbers came about"),
        (EPSILON, "privacy loss of the edition"),
        (DELTA, "at this delta"),
    ):
        columns[name] = column("text", "text", title, nullable=False)
    said = {
        "table": cube.table,
        "space": "government",
        "owner": policy.owner,
        "title": cube.title,
        "share_type": "无条件共享",
        "open_type": "无条件开放",
        "operable": ["analyse"],
        "refresh": "month",
        "as_of": edition.isoformat(),
        "source": {"kind": "parquet", "path": f"{cube.table}/*.parquet"},
        "units": [],
        "columns": columns,
        "description": f"cube {cube.name}: {MECHANISM}; each edition epsilon {loss[0]} at delta {loss[1]}; "
        "totals are the sums of their cells; reading it costs no privacy budget",
    }
    # What is JSON is YAML; nobody edits this file.
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def _write(place: Path, content: bytes) -> None:
    """The file with this content, on the disk and whole when it returns."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.new")
    with fresh.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(place)
