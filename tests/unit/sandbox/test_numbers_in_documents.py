"""Numbers of declarations and policies are written in digits: `true`, `1.0` and `0.1` in doubles are none."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

import louver_sandbox.catalog
import louver_sandbox.policy
from louver_sandbox.catalog.numbers import EXACT, WHOLE, InDigits, is_written
from louver_sandbox.catalog.schema import TableDeclaration, UnitDeclaration
from louver_sandbox.policy.load import read_policy_text
from louver_sandbox.policy.templates import Parameter
from louver_sandbox.policy.terms import LossTerms, UnitLossTerms

for _package in (louver_sandbox.catalog, louver_sandbox.policy):
    for _module in pkgutil.iter_modules(_package.__path__):
        import_module(f"{_package.__name__}.{_module.name}")


def models(of: type[InDigits] = InDigits) -> Iterator[type[InDigits]]:
    for one in of.__subclasses__():
        yield one
        yield from models(one)


def leaves(annotation: object) -> set[object]:
    parts = [part for part in get_args(annotation) if isinstance(part, type) or get_args(part)]
    return {annotation} if not parts else set().union(*map(leaves, parts))


NUMBERS = [
    (model, name)
    for model in sorted(set(models()), key=str)
    for name, field in model.model_fields.items()
    if leaves(field.annotation) & {int, Decimal} and not leaves(field.annotation) & {bool}
]
WRONG: list[Any] = [True, False, 1.0, 2.5, "true", "1.", "+1", "01", " 1", "1_000", "１", "nan", "inf", "0x1", b"1"]


@pytest.mark.parametrize(("model", "name"), NUMBERS, ids=lambda one: getattr(one, "__name__", one))
def test_no_number_of_any_document_is_anything_that_only_equals_one(model: type[InDigits], name: str) -> None:
    is_whole = Decimal not in leaves(model.model_fields[name].annotation)
    for wrong in (*WRONG, *(("1.0", "1e1", Decimal(1)) if is_whole else ())):
        for given in (wrong, [wrong], [wrong, wrong]):
            # Only what is said of this key counts: others are missing.
            errors = refused(model, {name: given})
            assert any(error["loc"][0] == name for error in errors), (model, name, given)


def refused(model: type[InDigits], given: dict[str, Any]) -> list[Any]:
    try:
        model.model_validate(given)
    except ValidationError as invalid:
        return [*invalid.errors()]
    return []


def test_there_are_many_numbers_and_each_kind_is_among_them() -> None:
    names = {f"{model.__name__}.{name}" for model, name in NUMBERS}
    assert len(names) > 50
    assert {
        "UnitLossTerms.rows",
        "LossTerms.epsilon",
        "ColumnDeclaration.bounds",
        "UnitDeclaration.rows_per_unit",
        "UnitDeclaration.at_least",
        "ThresholdTerms.person",
        "Dimension.edges",
        "Parameter.least",
    } <= names


def test_numbers_in_digits_are_read_as_what_they_say() -> None:
    terms = UnitLossTerms.model_validate(
        {key: {"epsilon": "0.1", "delta": "1e-6"} for key in ("lifetime", "allowance", "most", "each")}
        | {"rows": "12", "groups": 3}
    )
    assert (terms.rows, terms.groups, terms.each.epsilon) == (12, 3, Decimal("0.1"))
    assert LossTerms.model_validate({"epsilon": Decimal("2.50"), "delta": "0.001"}).epsilon == Decimal("2.50")
    unit = {"type": "person", "column": "id", "rows_per_unit": "unbounded"}
    assert UnitDeclaration.model_validate(unit).rows_per_unit is None
    assert UnitDeclaration.model_validate(unit | {"rows_per_unit": "7"}).rows_per_unit == 7
    day = Parameter.model_validate({"type": "date", "title": "t", "least": "2026-01-01", "most": date(2026, 2, 1)})
    assert day.least == date(2026, 1, 1)
    assert is_written("-12", WHOLE)
    assert is_written("-0.5e-3", EXACT)
    assert not is_written("", EXACT)


def test_a_policy_says_where_a_truth_value_stands_for_a_number() -> None:
    example = Path(__file__).parents[3] / "policies"
    (path, text), *_ = [
        (file.name, text) for file in sorted(example.rglob("*.yaml")) if "rows: " in (text := file.read_text("utf-8"))
    ]
    line = next(number for number, one in enumerate(text.splitlines(), start=1) if "rows: " in one)
    before, _, after = text.partition("rows: ")
    broken = f"{before}rows: true{after.lstrip('0123456789')}"
    assert not read_policy_text(path, text)[1]
    (problem,) = read_policy_text(path, broken)[1]
    assert (problem.line, "rows is not a number written in digits" in problem.message) == (line, True)
    assert "不是以数字书写的数值" in problem.message_zh


def test_the_exported_schemas_still_say_the_bounds() -> None:
    schema = json.dumps(TypeAdapter(UnitLossTerms).json_schema())
    assert '"minimum": 1' in schema
    assert '"maximum": 10000' in schema
    assert '"maximum": 12' in json.dumps(TableDeclaration.model_json_schema())
