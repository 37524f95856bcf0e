"""How exact answers with noise are over the census, beside SmartNoise SQL and Qrlew at the same epsilon and delta.

The same counts, sums and means of one table of 299,285 persons, each asked by itself for the whole of epsilon: one
person is one row, groups are declared. Ours are planned, run and released in this process with noise of a seed; each
peer answers in an environment of its own (`bench/peers/`). `error` is the median over the runs and cells of the
relative error. SmartNoise's epsilon is by column there, and is set so that a question costs what it says; Qrlew gets
epsilon and delta as they are, and for a mean it spends them twice by its own event (`cost`).

`twenty` is the error of the same number as one of twenty that share epsilon: ours has the twentieth of rho, peers a
twentieth of epsilon and delta. `--full`: epsilon 0.1 and 4, too. The census is looked for where the tests look.
"""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
from tests.real.conftest import DATA, FILES
from tests.support.census import BOUNDS, DELTA, Census, census
from tests.support.seeded_noise import SeededSampler

from bench.report import arguments, report
from bench.support.peers import install
from louver_sandbox.release.release import release

PEERS = ("smartnoise-sql", "pyqrlew")
EPSILONS, EPSILONS_FULL = (Fraction(1),), (Fraction(1, 10), Fraction(1), Fraction(4))
RUNS, OWN_RUNS = 9, 201
TOGETHER = 20
LEAST = 0.5 / 299_285
"""Half a person among all: what is nearer counts as this far where errors are divided by each other."""

QUESTIONS = {
    "count": "SELECT COUNT(*) AS n FROM gov.census",
    "count by sex": "SELECT sex, COUNT(*) AS n FROM gov.census GROUP BY sex",
    "sum of wages": "SELECT SUM(wage_per_hour) AS wages FROM gov.census",
    "sum of weeks by sex": "SELECT sex, SUM(weeks_worked_in_year) AS weeks FROM gov.census GROUP BY sex",
    "mean age": "SELECT AVG(age) AS age FROM gov.census",
    "share above 50,000": "SELECT AVG(income_gt_50k) AS share FROM gov.census",
}

Rows = Sequence[Sequence[Any]]


def errors(answers: Sequence[Rows], true: Rows) -> list[float]:
    """The relative error of every number of every answer."""
    exact = {tuple(row[:-1]): float(row[-1]) for row in true}
    found = [(exact[tuple(row[:-1])], float(row[-1])) for rows in answers for row in rows]
    return [abs(number - value) / value for value, number in found]


def ours(people: Census, sql: str, epsilon: Fraction, parts: int) -> float:
    """Our median error."""
    execution = people.executed(sql, epsilon, parts)
    answers = [release(execution, sampler=SeededSampler(seed)).rows for seed in range(OWN_RUNS)]
    return statistics.median(errors(answers, people.truth(sql)))


def asked_of(peer: str, file: Path, cases: Sequence[tuple[str, Fraction, int]]) -> list[Mapping[str, Any]]:
    """What a peer answers to each of these questions, and at what cost."""
    questions = [
        {"sql": QUESTIONS[name], "epsilon": float(epsilon / parts), "delta": float(DELTA / parts)}
        for name, epsilon, parts in cases
    ]
    bounds = {name: [float(end) for end in ends] for name, ends in BOUNDS.items()}
    script = Path(__file__).parent / "support" / "noisy_peer.py"
    given = json.dumps({"bounds": bounds, "questions": questions, "runs": RUNS})
    command = [str(install(peer)), "-I", str(script), peer, str(file), given]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def main() -> None:
    """Ask all of them, report."""
    given = arguments(__doc__ or "")
    source = DATA / FILES["census_person"]
    cases = [
        (name, epsilon, parts)
        for epsilon in (EPSILONS_FULL if given.full else EPSILONS)
        for parts in (1, TOGETHER)
        for name in QUESTIONS
    ]
    with tempfile.TemporaryDirectory(prefix="louver-utility-") as scratch, census(source) as people:
        file = Path(scratch) / "census.csv"
        columns = ", ".join(("row_id", "sex", *BOUNDS))
        duckdb.sql(f"COPY (SELECT {columns} FROM '{source}') TO '{file}' (FORMAT csv, HEADER)")
        own = [ours(people, QUESTIONS[name], epsilon, parts) for name, epsilon, parts in cases]
        truth = {name: people.truth(sql) for name, sql in QUESTIONS.items()}
        theirs = {peer: asked_of(peer, file, cases) for peer in PEERS}
    rows: list[dict[str, object]] = []
    for place, (name, epsilon, parts) in enumerate(cases):
        found = {
            peer: statistics.median(errors(said[place]["answers"], truth[name])) for peer, said in theirs.items()
        }
        rows.append(
            {
                "question": name,
                "epsilon": str(float(epsilon)),
                "of": parts,
                "louver": f"{own[place]:.2g}",
                **{peer: f"{error:.2g}" for peer, error in found.items()},
                **{f"{peer} x": max(error, LEAST) / max(own[place], LEAST) for peer, error in found.items()},
            }
        )
    figures = {
        f"{peer.partition('-')[0]}_{'alone' if parts == 1 else 'of_twenty'}_x": round(
            statistics.geometric_mean(
                [float(str(row[f"{peer} x"])) for row, case in zip(rows, cases, strict=True) if case[2] == parts]
            ),
            2,
        )
        for peer in PEERS
        for parts in (1, TOGETHER)
    }
    report("median relative error over the census, and theirs over ours", rows, {**figures, "runs": RUNS})


if __name__ == "__main__":
    main()
