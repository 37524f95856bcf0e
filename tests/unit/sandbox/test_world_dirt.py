"""Dirt is recorded: every defect is in the truth file, and undoing them gives back the clean world."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from louver_sandbox.demo.world import World, generate
from louver_sandbox.demo.world.dirt import DUPLICATE, RULES

KEYS = {
    "gov.pop_person": ("person_id",),
    "gov.ent_registry": ("uscc",),
    "gov.tax_quarter": ("uscc", "quarter"),
    "gov.hf_account": ("account_no",),
    "gov.pen_penalty": ("decision_no",),
    "bank_a.loan_book": ("loan_id",),
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, World]:
    root = tmp_path_factory.mktemp("dirt")
    clean = generate(persons=6_000, seed=9, out=root / "clean")
    return clean, generate(persons=6_000, seed=9, dirt=1.0, out=root / "dirty")


def _rows(world: World, table: str) -> list[dict[str, Any]]:
    return [row for part in world.parts(table) for row in pq.read_table(part).to_pylist()]


def _defects(world: World) -> list[dict[str, str]]:
    return list(pq.read_table(world.defects).to_pylist())


def _key(row: dict[str, Any], table: str) -> str:
    return "|".join(str(row[name]) for name in KEYS[table])


def test_a_clean_world_has_an_empty_truth_file(worlds: tuple[World, World]) -> None:
    assert _defects(worlds[0]) == []


def test_every_kind_of_the_list_occurs(worlds: tuple[World, World]) -> None:
    found = {(defect["table"], defect["column"], defect["kind"]) for defect in _defects(worlds[1])}
    assert found == {(rule.table, rule.column, rule.kind) for rule in RULES}
    assert {kind for _, _, kind in found} == {
        "conflicting_name", "conflicting_address", "fifteen_digit_id", "lower_case_x", "retired_code", "full_width",
        "traditional_characters", "pinyin_noise", "duplicate_row", "impossible_date", "wan_for_yuan",
        "late_publication",
    }  # fmt: skip


@pytest.mark.parametrize("table", KEYS)
def test_the_truth_file_explains_every_difference(worlds: tuple[World, World], table: str) -> None:
    clean, dirty = (Counter(tuple(map(str, row.values())) for row in _rows(world, table)) for world in worlds)
    explained = [defect for defect in _defects(worlds[1]) if defect["table"] == table]
    repeated = sum(defect["kind"] == DUPLICATE for defect in explained)
    assert (dirty - clean).total() == len(explained)
    assert (clean - dirty).total() == len(explained) - repeated


@pytest.mark.parametrize("table", KEYS)
def test_undoing_the_defects_gives_the_clean_rows(worlds: tuple[World, World], table: str) -> None:
    undo: dict[str, dict[str, str]] = {}
    for found in _defects(worlds[1]):
        if found["table"] == table:
            assert found["key"] not in undo
            undo[found["key"]] = found
    repaired = {}
    for row in _rows(worlds[1], table):
        row = {name: str(value) for name, value in row.items()}
        defect = undo.get(_key(row, table))
        if defect and defect["kind"] != DUPLICATE:
            assert row[defect["column"]] == defect["dirty_value"]
            row[defect["column"]] = defect["clean_value"]
        repaired[_key(row, table)] = row
    clean = [{name: str(value) for name, value in row.items()} for row in _rows(worlds[0], table)]
    assert repaired == {_key(row, table): row for row in clean}


def test_less_dirt_means_fewer_defects(worlds: tuple[World, World], tmp_path: Path) -> None:
    some = generate(persons=6_000, seed=9, dirt=0.2, out=tmp_path / "some")
    share = len(_defects(some)) / len(_defects(worlds[1]))
    assert share == pytest.approx(0.2, abs=0.05)
