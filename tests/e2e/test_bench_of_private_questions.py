"""The benchmark of the B-questions measures what it says: run small, over the tests' own city."""

from decimal import Decimal

import pytest
from bench.dp_queries import allow, measured
from tests.support.lengths import at_length_only

from louver_sandbox.demo.city import City

pytest.importorskip("opendp", reason="the extra louver[dp] is not installed")


@at_length_only
def test_every_question_is_drawn_anew_and_compared_cell_by_cell(own_city: City) -> None:
    allow(own_city)
    found = measured(own_city, (Decimal(4),), runs=2)
    assert [name for name, _ in found] == ["B01", "B01", "B02", "B03", "B03", "B03", "B04"]
    (histogram,) = found["B02", "n"]
    # Noise of a few accounts upon bins of some sixty: half of them half off would be a hundred wrong ones at once.
    assert histogram.missing == 0, "its bins are public"
    assert histogram.median is not None
    assert histogram.median < 0.5
    (quantiles,) = found["B03", "p50"]
    assert quantiles.missing == 0, "sections are public too"
    (persons,) = found["B01", "persons"]
    assert 0 < persons.missing <= 1, "of so few persons most groups are not listed"
