"""Snapshots under the atom rule: dimensions in bins, small atoms merged, and everything that cannot be a partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.support.atomic import (
    DIMENSIONS,
    KEY,
    SEVERAL_ROWS,
    Atomic,
    a_firm,
    atomic,
    firm,
    firm_bundle,
    firm_grant,
)
from tests.support.catalogs import a_catalog, a_column

from louver_sandbox.algebra.types import DATE, INTEGER, TEXT, TIMESTAMP, Type, decimal
from louver_sandbox.catalog.atoms import AtomRules, Dimension
from louver_sandbox.catalog.model import PrivacyUnit, UnitType
from louver_sandbox.operator.publishing import partition_lines
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.publish_main import Job, decode_job
from louver_sandbox.publishing.publisher import PublishRefused, publish, recorded_partition
from louver_sandbox.publishing.recoding import DimensionMoved, UnitsMoved, binned

DISTRICTS = "SELECT district, count(*) FROM data GROUP BY 1 ORDER BY 1"


def published(folder: Path, rows: Sequence[dict[str, Any]], *dimensions: dict[str, Any], **changes: Any) -> Atomic:
    return atomic(folder, rows, firm_bundle(firm_grant(dimensions=dimensions or DIMENSIONS)), **changes)


def firms(*counts: int, **alike: Any) -> list[dict[str, Any]]:
    """So many firms in the first district, in the second, and so on."""
    places = [place for place, count in enumerate(counts) for _ in range(count)]
    return [a_firm(number, f"3101{place:02}", **alike) for number, place in enumerate(places)]


def test_rows_of_a_small_atom_hold_the_neighbours_values_and_all_others_their_own(tmp_path: Path) -> None:
    made = published(tmp_path, firms(20, 3, 9), {"column": "district"})
    assert made.rows(DISTRICTS) == [("310100", 20), ("310102", 12)]
    assert made.rows("SELECT count(DISTINCT record_key_enterprise_uscc), sum(amount) FROM data") == [
        (32, sum(row["amount"] for row in firms(20, 3, 9)))
    ]
    (snapshot,) = made.published
    assert snapshot.partition is not None
    assert (snapshot.partition.atoms, snapshot.partition.kept) == (3, 2)
    assert (snapshot.partition.rows, snapshot.partition.rows_moved) == (32, 3)
    assert snapshot.partition.units == (UnitsMoved("enterprise", "uscc", 32, 3),)
    assert snapshot.partition.dimensions == (DimensionMoved("district", 3, 2, 3),)
    assert recorded_partition(made.folder, snapshot.id) == snapshot.partition
    assert list(partition_lines(snapshot.table, snapshot.partition))[1] == "  rows moved         3 of 32 (9.38 %)"


def test_every_snapshot_of_a_table_has_the_same_partition_whatever_it_holds(tmp_path: Path) -> None:
    narrow = firm_grant("narrow", columns={"district": ["group_key"]}, to={"institutions": ["bank_b"]})
    strict = firm_grant("strict", threshold={"enterprise": 8}, valid={"from": "2020-01-01", "until": "2020-01-02"})
    alone = atomic(tmp_path / "one", firms(20, 6, 9), firm_bundle(firm_grant()))
    several = atomic(tmp_path / "more", firms(20, 6, 9), firm_bundle(firm_grant(), narrow, strict))
    assert [item.partition.kept for item in alone.published if item.partition] == [3]
    partitions = {item.partition for item in several.published}
    assert len(several.published) > 1
    assert len(partitions) == 1, "the strictest threshold of the table, on whatever day it holds"
    assert partitions != {item.partition for item in alone.published}


def test_no_value_is_a_value_of_its_own(tmp_path: Path) -> None:
    nobody = [a_firm(number, district=None) for number in range(6)]
    few = [a_firm(100 + number, "310100") for number in range(2)]
    many = [a_firm(200 + number, "310101") for number in range(12)]
    made = published(tmp_path, nobody + few + many, {"column": "district"})
    assert made.rows(DISTRICTS) == [("310101", 14), (None, 6)]


def test_a_firm_with_several_rows_is_one_firm(tmp_path: Path) -> None:
    rows = [a_firm(1, "310100") for _ in range(8)] + [a_firm(2 + number, "310101") for number in range(10)]
    once = published(tmp_path, rows, {"column": "district"}, table=firm(SEVERAL_ROWS))
    assert once.rows(DISTRICTS) == [("310101", 18)], "eight rows of one firm are no atom"
    (snapshot,) = once.published
    assert snapshot.partition is not None
    assert snapshot.partition.units == (UnitsMoved("enterprise", "uscc", 11, 1),)


def test_the_same_firms_in_two_atoms_do_not_make_them_larger(tmp_path: Path) -> None:
    same = [a_firm(number, district) for number in range(3) for district in ("310100", "310101")]
    others = [a_firm(10 + number, "310199") for number in range(9)]
    made = published(tmp_path, same + others, {"column": "district"}, table=firm(SEVERAL_ROWS))
    assert made.rows(DISTRICTS) == [("310199", 15)]


def test_persons_and_firms_are_counted_apart(tmp_path: Path) -> None:
    units = (
        PrivacyUnit(UnitType.PERSON, "uscc", 1, "section = 'P'"),
        PrivacyUnit(UnitType.ENTERPRISE, "uscc", 1, "section <> 'P'"),
    )
    few = firms(20, 20, 40) + [a_firm(100 + number, "310101", section="P") for number in range(4)]
    many = few + [a_firm(200 + number, "310100", section="P") for number in range(12)]
    made = published(tmp_path, many, {"column": "district"}, table=firm(units))
    counted = "SELECT district, count(record_key_person_uscc), count(record_key_enterprise_uscc) FROM data GROUP BY 1"
    assert sorted(made.rows(counted)) == [("310100", 16, 40), ("310102", 0, 40)], "four persons are too few"


def test_an_atom_whose_sum_could_not_leave_is_merged_as_well(tmp_path: Path) -> None:
    rows = firms(90, 9, amount=1000)
    rows[-1]["amount"] = 20_000
    counts = {"district": ["group_key"], "uscc": {"aggregate": {"functions": ["count"]}}}
    unsummed = firm_bundle(firm_grant(dimensions=[{"column": "district"}], columns=counts))
    summed = published(tmp_path / "summed", rows, {"column": "district"})
    assert summed.rows(DISTRICTS) == [("310100", 99)]
    assert len(atomic(tmp_path / "counted", rows, unsummed).rows(DISTRICTS)) == 2, "nobody may sum it"


def test_a_table_that_is_too_small_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(PublishRefused, match="not even all rows together are a safe atom"):
        published(tmp_path, firms(4))
    dominated = firms(20)
    dominated[0] |= {"amount": 10**9}
    with pytest.raises(PublishRefused, match="or one dominates"):
        published(tmp_path / "b", dominated)
    assert not list(tmp_path.rglob("*.duckdb"))


def test_a_table_without_rows_has_an_empty_snapshot(tmp_path: Path) -> None:
    made = published(tmp_path, [])
    assert made.rows("SELECT count(*) FROM data") == [(0,)]
    (snapshot,) = made.published
    assert snapshot.partition is not None
    assert snapshot.partition.units == (UnitsMoved("enterprise", "uscc", 0, 0),)


@pytest.mark.parametrize(
    ("dimension", "type_", "value", "bin_"),
    [
        ({"by": "year"}, DATE, "DATE '2021-08-17'", date(2021, 1, 1)),
        ({"by": "quarter"}, DATE, "DATE '2021-08-17'", date(2021, 7, 1)),
        ({"by": "month"}, TIMESTAMP, "TIMESTAMP '2021-08-17 10:11:12'", datetime(2021, 8, 1)),
        ({"width": 25}, INTEGER, "149", 125),
        ({"width": 25}, INTEGER, "-1", -25),
        ({"width": 10}, decimal(2), "19.99::DECIMAL(9,2)", Decimal("10.00")),
        ({"edges": [18, 30, 65]}, INTEGER, "17", 18),
        ({"edges": [18, 30, 65]}, INTEGER, "30", 30),
        ({"edges": [18, 30, 65]}, INTEGER, "99", 65),
        ({"prefix": 2}, TEXT, "'C26'", "C2"),
        ({}, TEXT, "'C26'", "C26"),
    ],
)
def test_a_bin_is_one_value_of_the_columns_own_type(
    dimension: dict[str, Any], type_: Type, value: str, bin_: object
) -> None:
    declared = Dimension.model_validate({"column": "x", **dimension})
    text = binned(declared, a_column("x", type_), f"({value})")
    nothing = binned(declared, a_column("x", type_), f"(CASE WHEN FALSE THEN {value} END)")
    with duckdb.connect() as engine:
        assert engine.execute(f"SELECT {text}, {nothing}").fetchall() == [(bin_, None)]


@pytest.mark.parametrize(
    ("dimension", "says"),
    [
        ({"column": "nothing"}, "unknown column"),
        ({"column": "uscc"}, "tells subjects apart"),
        ({"column": "district", "by": "year"}, "do not fit type text"),
        ({"column": "staff", "prefix": 1}, "do not fit type integer"),
        ({"column": "founded", "width": 3}, "do not fit type date"),
    ],
)
def test_what_cannot_be_a_dimension_is_not_published(tmp_path: Path, dimension: dict[str, Any], says: str) -> None:
    with pytest.raises(PublishRefused, match=says):
        published(tmp_path, firms(20), dimension)


def test_the_publishers_process_is_told_the_rules() -> None:
    bundle = firm_bundle(firm_grant())
    (grant,) = bundle.grant_sets(a_catalog(firm()))
    assert isinstance(grant.atoms, AtomRules)
    job = Job((), Path("data"), Path("record.key"), Path("snapshots"), (grant,))
    assert decode_job(job.encode()) == job


def test_the_atom_rule_is_part_of_a_snapshots_name_and_of_nothing_else(tmp_path: Path) -> None:
    made = published(tmp_path, firms(20, 9), {"column": "district"})
    (grant,) = made.bundle.grant_sets(made.catalog)
    (plain,) = publish(
        made.catalog,
        [GrantSet(grant.table, grant.columns, grant.row_filter)],
        folder=tmp_path / "s",
        key=KEY,
        emit=predicate_sql,
    )
    assert plain.id != made.published[0].id
    assert plain.partition is None
    assert recorded_partition(tmp_path / "s", plain.id) is None
