"""Defects as departments really deliver them, each written down, so that quality rules can be scored.

A defect changes one column of one row (or repeats the row) and nothing else: undoing the listed defects gives
back the clean world exactly. A row has at most one defect. `dirt = 1` damages five rows in a hundred of those
eligible, per kind; the clean values do not depend on `dirt`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from louver_sandbox.demo.world.blueprint import Blueprint
from louver_sandbox.demo.world.codes import DISTRICTS
from louver_sandbox.demo.world.columns import Array, flags
from louver_sandbox.demo.world.randomness import stream
from louver_sandbox.demo.world.schema import SCHEMAS, TABLES

SHARE = 0.05
"""Share of the eligible rows with a given defect at dirt = 1."""
DEFECTS = pa.schema(
    [(name, pa.string()) for name in ("table", "key", "column", "kind", "clean_value", "dirty_value")]
)
DUPLICATE = "duplicate_row"

_FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
_TRADITIONAL = str.maketrans("测试贸业务经营机农设备资员环维饮", "測試貿業務經營機農設備資員環維飲")
_RETIRED = {district.code: district.retired for district in DISTRICTS if district.retired}
_KEYS = {
    "gov.pop_person": ("person_id",),
    "gov.ent_registry": ("uscc",),
    "gov.tax_quarter": ("uscc", "quarter"),
    "gov.hf_account": ("account_no",),
    "gov.re_property": ("unit_no", "owner_id"),
    "gov.pen_penalty": ("decision_no",),
    "bank_a.loan_book": ("loan_id",),
}


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One way to damage a column: `spoil(row, rng, as_of)` gives the dirty value, None where it does not apply."""

    kind: str
    table: str
    column: str
    spoil: Callable[[Row, np.random.Generator, date], Any]


def _text(column: str, change: Callable[[str], str | None]) -> Callable[[Row, np.random.Generator, date], Any]:
    return lambda row, rng, as_of: change(row[column])


def _constant(value: Any) -> Callable[[Row, np.random.Generator, date], Any]:
    return lambda row, rng, as_of: value


def _fifteen(number: str) -> str | None:
    """The number as it was before 1999: no century, no check character (only persons born before 2000)."""
    return number[:6] + number[8:17] if number.startswith("37029") and number[6:8] == "19" else None


def _lower_x(number: str) -> str | None:
    return number[:17] + "x" if number.startswith("37029") and number[17] == "X" else None


def _other_street(row: Row, rng: np.random.Generator, as_of: date) -> str:
    here = row["street_code"][:6]
    others = [street for district in DISTRICTS for street in district.streets if street[:6] != here]
    return others[int(rng.integers(len(others)))]


def _unborn(row: Row, rng: np.random.Generator, as_of: date) -> date:
    return date(2099, row["birth_date"].month, min(row["birth_date"].day, 28))


def _in_wan(row: Row, rng: np.random.Generator, as_of: date) -> Any:
    return round(row["revenue"] / 10_000, 2) if row["revenue"] else None


def _late(row: Row, rng: np.random.Generator, as_of: date) -> date | None:
    late: date = row["decided_on"] + timedelta(days=int(rng.integers(30, 91)))
    return late if late <= as_of else None


RULES = (
    Rule("impossible_date", "gov.pop_person", "birth_date", _unborn),
    Rule("conflicting_address", "gov.pop_person", "street_code", _other_street),
    Rule(
        "conflicting_name",
        "gov.ent_registry",
        "legal_rep_name",
        _text("legal_rep_name", lambda name: f"{name[0]}冬{name[1]}"),
    ),
    Rule(
        "traditional_characters",
        "gov.ent_registry",
        "ent_name",
        _text("ent_name", lambda name: name.translate(_TRADITIONAL)),
    ),
    Rule(
        "pinyin_noise",
        "gov.ent_registry",
        "ent_name",
        _text("ent_name", lambda name: name.replace("测试", "测(cè)试")),
    ),
    Rule("impossible_date", "gov.ent_registry", "established_on", _constant(date(1900, 1, 1))),
    Rule("wan_for_yuan", "gov.tax_quarter", "revenue", _in_wan),
    Rule(DUPLICATE, "gov.tax_quarter", "*", _constant("2")),
    Rule("fifteen_digit_id", "gov.hf_account", "person_id", _text("person_id", _fifteen)),
    Rule("lower_case_x", "gov.hf_account", "person_id", _text("person_id", _lower_x)),
    Rule(DUPLICATE, "gov.hf_account", "*", _constant("2")),
    Rule("retired_code", "gov.re_property", "district_code", _text("district_code", _RETIRED.get)),
    Rule("fifteen_digit_id", "gov.re_property", "owner_id", _text("owner_id", _fifteen)),
    Rule("late_publication", "gov.pen_penalty", "published_on", _late),
    Rule("impossible_date", "gov.pen_penalty", "decided_on", _constant(date(2099, 12, 31))),
    Rule(DUPLICATE, "gov.pen_penalty", "*", _constant("2")),
    Rule(
        "full_width",
        "bank_a.loan_book",
        "id_no",
        _text("id_no", lambda number: number.translate(_FULL_WIDTH)),
    ),
    Rule("lower_case_x", "bank_a.loan_book", "id_no", _text("id_no", _lower_x)),
)
"""Every kind of the domain's list: conflicts between departments, old and damaged identifiers, codes that no longer
exist, full-width and traditional characters, pinyin noise, duplicates, impossible dates, wrong units, lateness."""


def spoil(plan: Blueprint, table: str, part: int, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The damaged rows and the list of defects (schema DEFECTS); unchanged at dirt = 0.

    Copies of repeated rows stand at the end of the part; their clean and dirty values are how often the row occurs.
    """
    rules = [rule for rule in RULES if rule.table == table]
    if plan.dirt == 0 or not rules or rows.num_rows == 0:
        return rows, DEFECTS.empty_table()
    rng = stream(plan.seed, "dirt", TABLES.index(table), part)
    rows = rows.cast(SCHEMAS[table])
    lot = rng.random(rows.num_rows)
    defects: list[dict[str, str]] = []
    for number, rule in enumerate(rules):
        low = number * SHARE
        chosen = np.flatnonzero((lot >= low) & (lot < low + SHARE * plan.dirt))
        changes = list(_changes(plan, rule, rows, chosen, rng))
        defects.extend(defect for _, _, defect in changes)
        if rule.kind == DUPLICATE:
            rows = pa.concat_tables([rows, rows.take(np.array([place for place, _, _ in changes], dtype=np.int64))])
        else:
            rows = _replaced(rows, rule.column, {place: value for place, value, _ in changes})
    return rows, pa.Table.from_pylist(defects, DEFECTS)


def _changes(
    plan: Blueprint, rule: Rule, rows: pa.Table, chosen: Array, rng: np.random.Generator
) -> Iterator[tuple[int, Any, dict[str, str]]]:
    """Place, dirty value and description of each defect, in the order of the rows."""
    for place, row in zip(chosen.tolist(), rows.take(chosen).to_pylist(), strict=True):
        clean = "1" if rule.kind == DUPLICATE else row[rule.column]
        dirty = None if clean is None else rule.spoil(row, rng, plan.as_of)
        if dirty is None or dirty == clean:
            continue
        yield (
            place,
            dirty,
            {
                "table": rule.table,
                "key": "|".join(str(row[name]) for name in _KEYS[rule.table]),
                "column": rule.column,
                "kind": rule.kind,
                "clean_value": str(clean),
                "dirty_value": str(dirty),
            },
        )


def _replaced(rows: pa.Table, column: str, changes: dict[int, Any]) -> pa.Table:
    mask = np.zeros(rows.num_rows, dtype=bool)
    mask[list(changes)] = True
    place = rows.schema.get_field_index(column)
    field = rows.schema.field(place)
    values = pa.array(list(changes.values()), field.type)
    return rows.set_column(place, field, pc.replace_with_mask(rows[column], flags(mask), values))
