"""What protection costs in use: the demo's A-questions under its own and under protected policies, against exact.

Each question is asked end to end of the same city three times: under the demo's policies (thresholds, dominance, p%,
no noise), as `protected` with `noise` and `totals` as PROTECTED says in every grant of `threshold` treatment, and as
`default` with atoms in every grant of protected columns and no risk accepted (`bench/support/default_policies.py`).
Exact is plain DuckDB over the same files. Per measure: the share of its values that do not leave; of what they add up
to (`mass`, for counts and sums), the share withheld, and how much of the mass is in the remainder row instead
(`rest`); and the median relative error of the values that leave and are not zero.

Of the `threshold` answers under either setting: `error_*` is the median relative error of all released values,
`cells_withheld_*` the share of all values that did not leave, `mass_withheld_*` the mean over counts and sums
of the share of their mass. A question that is refused withholds everything. One that a busy machine turns away is
asked again, with pauses of up to five minutes; if it still is, it has no figures and is in none.
`refused_default` are so many of nine.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as parquet

import louver
from bench.report import arguments, report, show
from bench.support import default_policies
from bench.support.city import city, set_limits, tools
from louver.errors import Fault, Refused
from louver_sandbox.demo.city import City
from louver_sandbox.demo.running import running
from louver_sandbox.operator.installation import activate, development_keys
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.policy.testing import NamedQuery, load_queries

PERSONS, PERSONS_FULL = 20_000, 200_000
QUERIES = Path(__file__).parents[1] / "policies" / "cases" / "queries.yaml"
KEYS = {"A01": 2, "A02": 2, "A03": 3, "A04": 2, "A05": 2, "A06": 2, "A07": 1, "A08": 2, "A09": 0}
"""How many of a question's first columns say which cell a row is."""
RATES = frozenset({"avg_fine", "bad_rate"})
"""Measures that add up to nothing."""
PROTECTED = "noise: {method: cell-key, rounding: {mode: random, base: 5}, sums: {share: 2}}, totals: complementary"
OPERATIONAL = "LVR-3"
"""Refusals of a machine that is too busy."""
TURNED_AWAY = "turned away"
"""The treatment of a question that the machine had no time for."""
PAUSES = (2, 5, 15, 30, 60, 120, 300)
"""Seconds after which a question is asked again."""
SECONDS = 300
SETTINGS = ("demo", "protected", "default")
LOANS = "bank_a.loan_book"

Number = int | float | Decimal
Cells = Mapping[tuple[object, ...], tuple[object, ...]]


@dataclass(frozen=True)
class Asked:
    """An answer: its treatment or the code it was refused with, its measures by cell, and its remainder row's."""

    treatment: str
    cells: Cells
    remainder: tuple[object, ...] | None = None

    @property
    def is_measured(self) -> bool:
        """Whether the policies decided, and not how busy the machine was."""
        return self.treatment != TURNED_AWAY


@dataclass(frozen=True)
class Loss:
    """What became of one measure of one question."""

    values: int
    withheld: int
    mass_withheld: float | None
    mass_in_remainder: float | None
    errors: tuple[float, ...]


def loss(exact: Cells, asked: Asked, place: int, *, adds_up: bool) -> Loss:
    """The measure at this place among the question's, exact and as it left."""
    true = {cell: float(_number(row[place])) for cell, row in exact.items() if row[place] is not None}
    left = {cell: row[place] for cell, row in asked.cells.items() if row[place] is not None}
    shown = {cell: float(_number(value)) for cell, value in left.items() if cell in true}
    mass = sum(map(abs, true.values()))
    hidden = sum(abs(value) for cell, value in true.items() if cell not in shown)
    rest = 0 if asked.remainder is None or asked.remainder[place] is None else asked.remainder[place]
    return Loss(
        len(true),
        len(true) - len(shown),
        hidden / mass if adds_up and mass else None,
        abs(float(_number(rest))) / mass if adds_up and mass else None,
        tuple(abs(shown[cell] - true[cell]) / abs(true[cell]) for cell in shown if true[cell]),
    )


def _number(value: object) -> Number:
    if isinstance(value, int | float | Decimal):
        return value
    raise TypeError(f"{value!r} is no number")


def cells(rows: Sequence[Sequence[object]], keys: int) -> Cells:
    """Measures by keys. Dates and their midnights are one key."""
    return {
        tuple(str(key.date() if isinstance(key, datetime) else key) for key in row[:keys]): tuple(row[keys:])
        for row in rows
    }


def ask(bank: louver.Client, name: str, query: NamedQuery, sleep: Callable[[float], None] = time.sleep) -> Asked:
    """The question's answer, or the policy's or the plan's refusal; what the machine refuses is no utility."""
    for pause in (*PAUSES, 0):
        try:
            answer = bank.analyse(query.sql, purpose=query.purpose)
        except Fault:
            sleep(pause)
        except Refused as refused:
            if not refused.code.startswith(OPERATIONAL):
                return Asked(f"refused {refused.code}", {})
            sleep(pause)
        else:
            keys = KEYS[name]
            remainder = None if answer.remainder is None else tuple(answer.remainder[keys:])
            return Asked(answer.treatment, cells(answer.rows, keys), remainder)
    return Asked(TURNED_AWAY, {})


def ask_all(made: City, queries: Mapping[str, NamedQuery]) -> dict[str, Asked]:
    """Every question, of a service over the installation as it is now."""
    with running(made.settings.home) as (address, _), made.connect(address, "bank_a", timeout=SECONDS) as bank:
        bank.upload("loan_book", parquet.read_table(made.world / LOANS))
        return {name: ask(bank, name, query) for name, query in queries.items()}


def protect(made: City) -> None:
    """Puts the protected settings in force; the snapshots stay good."""
    policies = made.settings.home / "policies"
    for file in policies.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("noise: none", PROTECTED), encoding="utf-8")
    activate(made.settings, [policies], development_keys(made.settings))


def protect_by_default(made: City, queries: Mapping[str, NamedQuery]) -> dict[str, Asked]:
    """Puts the policies of the defaults in force, publishes their atoms, and asks."""
    policies = made.settings.home / "policies"
    default_policies.rewrite(policies)
    activate(made.settings, [policies], development_keys(made.settings))
    partitions: list[dict[str, object]] = [
        {
            "": str(done.table),
            "atoms": done.partition.atoms,
            "kept": done.partition.kept,
            "rows moved": done.partition.rows_moved / done.partition.rows,
        }
        for done in publish_all(made.settings, tools())
        if done.partition is not None
    ]
    show("atoms by default", partitions)
    return ask_all(made, queries)


def exactly(
    made: City, queries: Mapping[str, NamedQuery], keys: Mapping[str, int] = KEYS
) -> tuple[dict[str, Cells], dict[str, list[str]]]:
    """Each question's cells and the names of its measures, by plain DuckDB."""
    found: dict[str, Cells] = {}
    names: dict[str, list[str]] = {}
    with duckdb.connect() as connection:
        for folder in made.world.iterdir():
            schema = folder.name.partition(".")[0]
            if schema in {"gov", "bank_a"}:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
                connection.execute(f"CREATE VIEW {folder.name} AS FROM '{folder}/*.parquet'")
        for name, query in queries.items():
            ran = connection.execute(query.sql)
            names[name] = [column[0] for column in ran.description or ()][keys[name] :]
            found[name] = cells(ran.fetchall(), keys[name])
    return found, names


def row(name: str, measure: str, answered: Mapping[str, Asked], lost: Mapping[str, Loss]) -> dict[str, object]:
    """The measure's line of the table: what is lost under the demo's policies, and with `+` under protected ones."""
    found: dict[str, object] = {"": f"{name} {measure}"}
    for setting, mark in zip(SETTINGS[:2], ("", "+ "), strict=True):
        asked, one = answered[setting], lost[setting]
        found[f"{mark}answer"] = asked.treatment
        found["values"] = one.values
        found[f"{mark}lost"] = one.withheld / one.values if asked.is_measured else None
        found[f"{mark}mass lost"] = one.mass_withheld if asked.is_measured else None
        found[f"{mark}rest"] = one.mass_in_remainder if asked.is_measured and one.withheld else None
        found[f"{mark}error"] = _middle(one.errors)
    return found


def row_by_default(name: str, measure: str, asked: Asked, lost: Loss) -> dict[str, object]:
    """The measure's line of the table of defaults."""
    told = {"answer": asked.treatment, "lost": lost.withheld / lost.values, "error": _middle(lost.errors)}
    return {"": f"{name} {measure}", **told}


def _middle(errors: Sequence[float]) -> float | None:
    return round(statistics.median(errors), 5) if errors else None


def summary(setting: str, losses: Sequence[Loss]) -> dict[str, float | None]:
    """The figures over all measures that need protection."""
    errors = [error for lost in losses for error in lost.errors]
    masses = [lost.mass_withheld for lost in losses if lost.mass_withheld is not None]
    return {
        f"error_{setting}": _middle(errors),
        f"cells_withheld_{setting}": round(
            sum(lost.withheld for lost in losses) / sum(lost.values for lost in losses), 4
        ),
        f"mass_withheld_{setting}": round(statistics.mean(masses), 4),
    }


def main() -> None:
    """Build, ask under both settings, compare, report."""
    given = arguments(__doc__ or "", persons="persons in the city")
    persons = given.persons or (PERSONS_FULL if given.full else PERSONS)
    queries = {name: query for name, query in load_queries(QUERIES).items() if name in KEYS}
    answers: dict[str, dict[str, Asked]] = {}
    with tempfile.TemporaryDirectory(prefix="louver-utility-") as scratch:
        made = city(Path(scratch), persons)
        set_limits(made.settings, query_seconds=SECONDS, check_seconds=SECONDS, solve_seconds=SECONDS)
        exact, measures = exactly(made, queries)
        answers["demo"] = ask_all(made, queries)
        unprotected = {file: file.read_bytes() for file in (made.settings.home / "policies").glob("*.yaml")}
        protect(made)
        answers["protected"] = ask_all(made, queries)
        for file, content in unprotected.items():
            file.write_bytes(content)
        answers["default"] = protect_by_default(made, queries)
    rows: list[dict[str, object]] = []
    by_default: list[dict[str, object]] = []
    losses: dict[str, list[Loss]] = {setting: [] for setting in SETTINGS}
    for name in queries:
        answered = {setting: answers[setting][name] for setting in SETTINGS}
        for place, measure in enumerate(measures[name]):
            lost = {
                setting: loss(exact[name], answered[setting], place, adds_up=measure not in RATES)
                for setting in SETTINGS
            }
            rows.append(row(name, measure, answered, lost))
            by_default.append(row_by_default(name, measure, answered["default"], lost["default"]))
            for setting in SETTINGS:
                counts = answered["demo"].treatment != "exact" and answered[setting].is_measured
                losses[setting] += [lost[setting]] if counts else []
    figures = {key: value for setting in SETTINGS for key, value in summary(setting, losses[setting]).items()}
    refused = sum(asked.treatment.startswith("refused") for asked in answers["default"].values())
    show("the A-questions by default", by_default)
    title = f"the A-questions over a city of {persons:,} persons; + is with noise and kept totals"
    report(title, rows, {**figures, "refused_default": refused, "persons": persons, "measures": len(rows)})


if __name__ == "__main__":
    main()
