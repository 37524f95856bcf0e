"""The atom rule over a census: what it costs to make every combination of four dimensions safe."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from tests.real.conftest import DATA, DECLARATIONS
from tests.support.atomic import KEY

from louver_sandbox.catalog.atoms import HOLDING_UNITS, AtomRules, AtomUnits, Dimension, MeasuredColumn
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.publisher import Published, publish, snapshot_path

K = 10
"""Fewest persons of an atom."""

NAMES = ("education", "major_industry_code", "age", "sex")
BINS = {"age": {"edges": [0, 15, 25, 35, 45, 55, 65, 75]}}


def published(folder: Path, *measures: MeasuredColumn, least: int = K) -> Published:
    """The census in atoms of at least so many, with these columns aggregated."""
    if not DATA.exists():
        pytest.skip(f"the real data folders are not here ({DATA.name}); set LOUVER_REAL_DATA to where they are")
    shutil.copytree(DATA / "census_kdd", folder / "census_kdd")
    catalog = load_catalog([DECLARATIONS / "catalog" / "gov.census_person.yaml"], folder)
    (table,) = catalog.tables.values()
    dimensions = tuple(Dimension.model_validate({"column": name} | BINS.get(name, {})) for name in NAMES)
    rules = AtomRules(
        dimensions=dimensions,
        measures=measures,
        person=K,
        enterprise=5,
        dominance_percent=60,
        p_percent=10,
        units=AtomUnits(person=least),
    )
    columns = tuple(sorted({*NAMES, *(measure.column for measure in measures)}))
    grant = GrantSet(table.name, columns, None, rules)
    (made,) = publish(catalog, [grant], folder=folder / "s", key=KEY, emit=predicate_sql)
    return made


def test_a_census_by_four_dimensions_loses_few_rows_to_neighbours(tmp_path: Path) -> None:
    made = published(tmp_path)
    assert made.partition is not None
    with duckdb.connect(str(snapshot_path(tmp_path / "s", made.id)), read_only=True) as snapshot:
        keys = ", ".join(NAMES)
        (least, atoms), *_ = snapshot.execute(
            f"SELECT min(n), count(*) FROM (SELECT count(DISTINCT record_key_person_row_id) AS n FROM data GROUP BY {keys})"
        ).fetchall()
    assert least >= K
    assert atoms == made.partition.kept < made.partition.atoms
    assert made.partition.rows_moved < 0.1 * made.partition.rows


def test_atoms_as_large_as_they_are_by_default_move_a_seventh_of_the_rows(tmp_path: Path) -> None:
    made = published(tmp_path, least=HOLDING_UNITS)
    assert made.partition is not None
    with duckdb.connect(str(snapshot_path(tmp_path / "s", made.id)), read_only=True) as snapshot:
        ((least,),) = snapshot.execute(
            f"SELECT min(n) FROM (SELECT count(*) AS n FROM data GROUP BY {', '.join(NAMES)})"
        ).fetchall()
    assert least >= HOLDING_UNITS
    assert 0.1 < made.partition.rows_moved / made.partition.rows < 0.2


def test_a_sum_that_few_contribute_to_costs_more(tmp_path: Path) -> None:
    """Whether somebody earns over 50,000: no child does, and an atom without any would tell that of everybody."""
    for name in ("counted", "summed"):
        (tmp_path / name).mkdir()
    counted = published(tmp_path / "counted").partition
    summed = published(tmp_path / "summed", MeasuredColumn(column="income_gt_50k", summed=True)).partition
    assert counted is not None
    assert summed is not None
    assert summed.kept < counted.kept
    assert summed.rows_moved > counted.rows_moved
