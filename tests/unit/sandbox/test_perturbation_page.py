"""docs/reference/perturbation.md says what the tables are: its program runs and its figures are computed again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.accuracy import accuracy, released
from louver_sandbox.perturbation.refused import Reason
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode
from louver_sandbox.perturbation.table import PerturbationTable

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "perturbation.md").read_text(encoding="utf-8")


def rows(first_cell: str) -> Iterator[list[str]]:
    """The cells of every row of the table whose heading begins so."""
    lines = PAGE.splitlines()
    (start,) = [place for place, line in enumerate(lines) if line.startswith(f"| {first_cell} |")]
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def counts(name: str) -> PerturbationTable:
    return stored.read(stored.supplied(name))


@pytest.mark.parametrize("number", range(2))
def test_the_programs_of_the_page_run(number: int) -> None:
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == 2
    exec(compile(programs[number], "perturbation.md", "exec"), {})


def test_the_digests_of_the_page_are_those_of_the_supplied_tables() -> None:
    written = dict(rows("table | SHA-256"))
    assert set(written) == {stored.PERSONS, stored.ENTERPRISES, stored.MAGNITUDE}
    for name, digest in written.items():
        document = stored.supplied(name)
        table = stored.read_for_magnitudes(document) if name == stored.MAGNITUDE else stored.read(document)
        assert stored.digest(table) == f"sha256:{digest}"


def test_the_properties_of_the_page_are_those_of_the_tables() -> None:
    written = list(rows("table | count"))
    assert len(written) >= 10
    for name, count, *figures in written:
        found = stored.properties(counts(name))[int(count)]
        assert figures == [f"{float(found.variance):.3f}", f"{found.entropy:.3f}", f"{float(found.unchanged):.3f}"]


def alike(table: PerturbationTable, rounding: Rounding | None, count: int) -> Fraction:
    """The chance that counts which differ by one, of unlike sets, are released alike."""
    more = released(table, rounding, count + 1)
    chances = (chance * more.get(value, 0) for value, chance in released(table, rounding, count).items())
    return sum(chances, Fraction(0))


@pytest.mark.parametrize("written", list(rows("rounding")), ids=" ".join)
def test_what_the_page_says_of_rounding_is_so(written: list[str]) -> None:
    mode, base, least, most, interval, error = written
    table = counts(stored.PERSONS)
    rounding = None if mode == "none" else Rounding(RoundingMode(mode), int(base))
    chances = [float(alike(table, rounding, count)) for count in range(20, 60)]
    assert (f"{min(chances):.2f}", f"{max(chances):.2f}") == (least, most)
    statement = accuracy(table, rounding).of(1_000)
    assert (f"{statement.low}..{statement.high}", str(statement.standard_error)) == (interval, error)


def test_seven_pairs_tell_a_tracker_what_the_page_says() -> None:
    """What rounding leaves to atoms and caps: at a base of 5 some pair of seven differs, 99 times in a hundred."""
    rounding = Rounding(RoundingMode.RANDOM, 5)
    assert 1 - max(alike(counts(stored.PERSONS), rounding, count) for count in range(20, 60)) ** 7 > Fraction(99, 100)


def test_every_reason_is_on_the_page_and_no_other() -> None:
    assert [reason for reason, _ in rows("reason")] == [reason.value for reason in Reason]
