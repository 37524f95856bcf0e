"""docs/reference/privacy-loss.md says what the accountant does: its program runs and its figures are computed again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from tests.support.zcdp_figures import FIGURES

from louver_sandbox.mechanisms.groups import threshold
from louver_sandbox.mechanisms.noise import Sensitivity, gaussian, half_width, laplace
from louver_sandbox.privacy.conversion import epsilon_of, rho_of
from louver_sandbox.privacy.cost import PrivacyCost, of_pure
from louver_sandbox.privacy.refused import Reason

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "privacy-loss.md").read_text(encoding="utf-8")
ONE = Sensitivity(1)
DELTA = Fraction(1, 10**6)


def rows(first_cell: str) -> Iterator[list[str]]:
    """The cells of every row of the table whose heading begins so."""
    lines = PAGE.splitlines()
    (start,) = [place for place, line in enumerate(lines) if line.startswith(f"| {first_cell} |")]
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def test_the_program_of_the_page_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "privacy-loss.md", "exec"), {})


@pytest.mark.parametrize("written", list(rows("rho")), ids=" ".join)
def test_what_a_count_costs_and_brings_is_as_written(written: list[str]) -> None:
    rho = Fraction(written[0])
    noise = gaussian(rho, ONE)
    epsilon = epsilon_of(PrivacyCost(rho), DELTA)
    tau = threshold(noise, 1, Fraction(1, 10**9))
    assert written[1:] == [f"{float(epsilon):.3f}", f"{float(noise.scale):.2f}", f"±{half_width(noise)}", str(tau)]


def test_laplace_is_nearer_for_one_number_and_dearer_for_many_as_written() -> None:
    rho = rho_of(Fraction(1), DELTA).rho
    widths = half_width(laplace(Fraction(1), ONE)), half_width(gaussian(rho, ONE))
    assert (widths, round(float(rho), 3), of_pure(Fraction(1)).rho) == ((3, 9), 0.024, Fraction(1, 2))


def test_what_zcdp_overstates_is_as_written() -> None:
    overstated = [rdp / gaussian - 1 for _, _, rdp, gaussian in FIGURES if gaussian < 5]
    assert 0.03 <= min(overstated) <= max(overstated) <= 0.15


def test_every_reason_is_on_the_page_and_no_other() -> None:
    assert [reason for reason, _ in rows("reason")] == [reason.value for reason in Reason]
