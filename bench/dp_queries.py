"""How exact the demo's questions with differential privacy are: B01 to B04 at epsilon 0.1, 1 and 4.

Asked end to end of a service over the synthetic city, each for the whole of epsilon at the policy's delta of 10^-7,
and `RUNS` times, since the same question at an epsilon that is smaller by a millionth is drawn anew. Policies are the
demo's but for what a question may cost and what there is to spend. Exact is plain DuckDB over the same files, so an
error holds what clipping and cutting off change as well as noise.

Per measure, and epsilon: the median relative error over runs and cells of what is shown and not zero in truth, and
the share of the true cells that is `missing`: groups that a threshold did not list. `error_E` is the median over the
measures of their median errors at epsilon E.
"""

import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as parquet

import louver
from bench.report import arguments, report
from bench.support.city import city
from bench.utility import LOANS, QUERIES, Asked, Cells, cells, exactly, loss
from louver_sandbox.demo.city import City
from louver_sandbox.demo.running import running
from louver_sandbox.operator.installation import activate, development_keys
from louver_sandbox.policy.testing import NamedQuery, load_queries

KEYS = {"B01": 2, "B02": 1, "B03": 1, "B04": 3}
"""How many of a question's first columns say which cell a row is."""
EPSILONS = (Decimal("0.1"), Decimal(1), Decimal(4))
PERSONS, PERSONS_FULL = 20_000, 200_000
RUNS = 5
SECONDS = 300
SMALLER = Decimal("0.000001")
_SPENT = re.compile(r"(lifetime|allowance): \{epsilon: \d+, delta: [\d.]+\}")
_MOST = re.compile(r"most: \{epsilon: \d+,")


@dataclass(frozen=True)
class Error:
    """What became of one measure at one epsilon: its median relative error, None where no cell has one, and the share
    of the true cells that is missing."""

    median: float | None
    missing: float


def error(exact: Cells, answers: Sequence[Cells], place: int) -> Error:
    """Of the measure at this place among the question's, over all answers."""
    lost = [loss(exact, Asked("dp", one), place, adds_up=False) for one in answers]
    found = [each for one in lost for each in one.errors]
    values = sum(one.values for one in lost)
    return Error(statistics.median(found) if found else None, sum(one.withheld for one in lost) / values)


def allow(made: City) -> None:
    """Puts policies in force under which a question may cost the most that is asked here."""
    policies = made.settings.home / "policies"
    for file in policies.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        text = _SPENT.sub(r"\1: {epsilon: 20, delta: 0.00001}", text)
        file.write_text(_MOST.sub(f"most: {{epsilon: {max(EPSILONS)},", text), encoding="utf-8")
    activate(made.settings, [policies], development_keys(made.settings))


def drawn(bank: louver.Client, name: str, query: NamedQuery, epsilon: Decimal, runs: int) -> list[Cells]:
    """So many answers to a question, each with noise of its own. ValueError where one was given before."""
    answers = []
    for number in range(runs):
        answer = bank.analyse(query.sql, purpose=query.purpose, epsilon=epsilon * (1 - number * SMALLER))
        if answer.stored:
            raise ValueError("an answer that was drawn before")
        answers.append(cells(answer.rows, KEYS[name]))
    return answers


def measured(
    made: City, epsilons: Sequence[Decimal] = EPSILONS, runs: int = RUNS
) -> Mapping[tuple[str, str], list[Error]]:
    """By question and measure, the errors at each epsilon."""
    queries = {name: query for name, query in load_queries(QUERIES).items() if name in KEYS}
    exact, measures = exactly(made, queries, KEYS)
    found: dict[tuple[str, str], list[Error]] = {}
    with running(made.settings.home) as (address, _), made.connect(address, "bank_a", timeout=SECONDS) as bank:
        bank.upload("loan_book", parquet.read_table(made.world / LOANS))
        for name, query in queries.items():
            answers = [drawn(bank, name, query, epsilon, runs) for epsilon in epsilons]
            for place, measure in enumerate(measures[name]):
                found[name, measure] = [error(exact[name], one, place) for one in answers]
    return found


def main() -> None:
    """Build, ask, compare, report."""
    given = arguments(__doc__ or "", persons="persons in the city")
    persons = given.persons or (PERSONS_FULL if given.full else PERSONS)
    with tempfile.TemporaryDirectory(prefix="louver-dp-queries-") as scratch:
        made = city(Path(scratch), persons)
        allow(made)
        found = measured(made)
    rows: list[dict[str, object]] = []
    for (name, measure), errors in found.items():
        row: dict[str, object] = {"": f"{name} {measure}"}
        for epsilon, one in zip(EPSILONS, errors, strict=True):
            row |= {f"epsilon {epsilon}": one.median, f"missing {epsilon}": one.missing}
        rows.append(row)
    medians: dict[str, float | int | str | None] = {}
    for place, epsilon in enumerate(EPSILONS):
        known = [one.median for errors in found.values() if (one := errors[place]).median is not None]
        medians[f"error_{epsilon}"] = round(statistics.median(known), 5) if known else None
    title = f"median relative error of the B-questions over a city of {persons:,} persons"
    report(title, rows, {**medians, "persons": persons, "runs": RUNS})


if __name__ == "__main__":
    main()
