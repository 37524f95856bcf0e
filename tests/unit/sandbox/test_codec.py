"""The codec: what crosses a process boundary comes back the same or not at all, and no class can be smuggled in."""

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.line import NOON, SECTIONS, ask, firm_policies, firms

from louver_sandbox import codec
from louver_sandbox.algebra.expressions import Call, Expression, Literal, Value
from louver_sandbox.algebra.types import INTEGER, Position
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.obligations import Charge
from louver_sandbox.pipeline import facts_at, judge
from louver_sandbox.sql.lexical import LIMITS
from louver_sandbox.stages import Answer, Case, InstitutionType, Notice, Plan, Request, Subject, Treatment, Verdict

PLAN = judge(ask(), firms(), firm_policies(), facts_at(NOON))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.dates(),
    st.decimals(allow_nan=False, allow_infinity=False),
)
requests = st.builds(
    Request,
    id=st.text(),
    subject=st.builds(
        Subject, st.text(), st.sampled_from(InstitutionType), st.frozensets(st.text(), max_size=3), st.text()
    ),
    purpose=st.text(),
    sql=st.text(),
    parameters=st.dictionaries(st.text(), scalars, max_size=4),
    received=st.none() | st.datetimes(timezones=st.just(UTC)),
    signature=st.binary(),
)


@given(requests)
def test_a_request_comes_back_the_same(request: Request) -> None:
    again = codec.decode(codec.encode(request), Request)
    assert again == request
    assert [type(value) for value in again.parameters.values()] == [type(v) for v in request.parameters.values()]


def test_a_plan_a_catalogue_and_a_verdict_come_back_the_same() -> None:
    assert codec.decode(codec.encode(Verdict(PLAN, None)), Verdict).plan == PLAN
    assert codec.decode(codec.encode(firms()), Catalog) == firms()
    case = Case(ask(), tuple(firms().tables.values()), facts_at(NOON))
    assert codec.decode(codec.encode(case), Case) == case


@given(st.binary(max_size=200))
def test_bytes_that_are_none_of_our_values_are_malformed(content: bytes) -> None:
    with pytest.raises(codec.Malformed):
        codec.decode(content, Plan)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_that_is_none_of_our_values_is_malformed(value: object) -> None:
    with pytest.raises(codec.Malformed):
        codec.decode(json.dumps(value).encode(), Plan)


def changed(**change: object) -> bytes:
    """An encoded charge with fields replaced; `...` removes one."""
    body = json.loads(codec.encode(Charge("gov.firm", "RESEARCH", "query", 3))) | change
    return json.dumps({name: value for name, value in body.items() if value is not ...}, default=str).encode()


@pytest.mark.parametrize(
    "content",
    [
        changed(limit="3"),
        changed(limit=True),
        changed(limit=None),
        changed(limit=3.5),
        changed(limit={"$float": "0x1p1"}),
        changed(key=...),
        changed(more=1),
        changed(**{"$": "Popen"}),
        changed(**{"$": "Treatment"}),
        changed(**{"$": ["Charge"]}),
        changed(limit={"$enum": ["Treatment", "exact"]}),
        changed(limit={"$enum": ["Popen", "x"]}),
        changed(limit={"$bytes": "zz"}),
        changed(limit={"$date": "tomorrow"}),
        changed(limit={"$pickle": "gASV"}),
        changed(limit={"$set": [[{}]]}),
        changed(limit={"a": 1, "b": 2}),
        b"[" * 100_000,
        b'{"$map":' * 5000,
        b"\xff",
        b"",
    ],
)
def test_a_value_that_is_not_exactly_its_class_is_malformed(content: bytes) -> None:
    with pytest.raises(codec.Malformed):
        codec.decode(content, Charge)


def test_another_value_than_the_expected_one_is_malformed() -> None:
    with pytest.raises(codec.Malformed, match="expected Plan"):
        codec.decode(codec.encode(Charge("gov.firm", "RESEARCH", "query", 3)), Plan)


def test_a_value_that_is_too_large_is_not_even_read() -> None:
    with pytest.raises(codec.Malformed, match="too large"):
        codec.decode(b"x" * 11, Plan, max_bytes=10)


def test_what_has_no_form_is_not_written() -> None:
    wrong: Any = [1]
    with pytest.raises(TypeError):
        codec.encode(object())
    with pytest.raises(TypeError):
        codec.encode(Literal(wrong, INTEGER))


def test_every_value_of_the_line_is_registered_and_frozen() -> None:
    assert {"Request", "Plan", "Verdict", "Case", "Answer", "Scan", "Literal", "Table"} <= set(codec.REGISTRY)
    for name, cls in codec.REGISTRY.items():
        if not issubclass(cls, Enum):
            assert is_dataclass(cls)
            assert vars(cls)["__dataclass_params__"].frozen, f"{name} can be changed"
            assert all(item.init for item in fields(cls)), f"{name} has a field that cannot be given"


def test_equal_values_have_equal_bytes() -> None:
    one = Subject("b", InstitutionType.BANK, frozenset({"x", "y", "z"}), "f")
    two = Subject("b", InstitutionType.BANK, frozenset({"z", "y", "x"}), "f")
    assert codec.encode(one) == codec.encode(two)


def test_an_answer_keeps_its_bytes() -> None:
    notice = Notice("LVR-N01", 2, "k", "withheld", "未公布")
    answer = Answer(Treatment.EXACT, b"\x00\xff", b"", 1, (notice,), {"a": 1}, {}, ("p@1",))
    assert codec.decode(codec.encode(answer), Answer) == answer


def test_an_answer_that_an_older_build_has_stored_is_read_and_what_a_process_says_is_not() -> None:
    answer = Answer(Treatment.EXACT, b"", b"", 1, (), {}, {}, ("p@1",))
    old = json.loads(codec.encode(answer))
    del old["accuracy"]
    content = json.dumps(old).encode()
    assert codec.decode_kept(content, Answer) == answer
    with pytest.raises(codec.Malformed):
        codec.decode(content, Answer)
    del old["rows"]
    with pytest.raises(codec.Malformed):
        codec.decode_kept(json.dumps(old).encode(), Answer)


@pytest.mark.parametrize("value", [Decimal("1.10"), date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), -0.0, 10**40])
def test_a_parameter_keeps_its_very_form(value: Value) -> None:
    request = ask(SECTIONS, parameters={"x": value})
    assert repr(codec.decode(codec.encode(request), Request).parameters["x"]) == repr(value)


def test_the_form_is_the_one_that_stored_answers_and_kept_catalogues_have() -> None:
    subject = Subject("b", InstitutionType.BANK, frozenset({"z", "y"}), "f")
    form = (
        '{"$":"Subject","institution":"b","type":{"$enum":["InstitutionType","bank"]},'
        '"groups":{"$set":["y","z"]},"fingerprint":"f"}'
    )
    assert codec.encode(subject).decode() == form
    assert codec.decode(form.encode(), Subject) == subject


def test_where_a_value_stood_in_the_callers_text_stays_behind() -> None:
    placed = Literal(1, INTEGER, Position(1, 8))
    assert codec.decode(codec.encode(placed), Literal) == placed
    assert codec.decode(codec.encode(placed), Literal).at is None


def test_the_deepest_expression_that_is_admitted_travels() -> None:
    deep: Expression = Literal(1, INTEGER)
    for _ in range(LIMITS.expression_depth + LIMITS.bracket_depth):
        deep = Call("negate", (deep,), INTEGER)
    assert codec.decode(codec.encode(deep), Call) == deep


def test_what_is_nested_more_deeply_is_malformed() -> None:
    deep = codec.encode(Literal(1, INTEGER))
    for _ in range(codec.MAX_DEPTH):
        deep = b'{"$":"Call","function":"negate","arguments":[%s],"type":%s}' % (deep, codec.encode(INTEGER))
    with pytest.raises(codec.Malformed):
        codec.decode(deep, Call)


def test_a_key_that_stands_twice_is_malformed() -> None:
    request = codec.encode(ask(SECTIONS, parameters={"x": 1}))
    pair = b'["x",1]'
    assert request.count(pair) == 1
    with pytest.raises(codec.Malformed):
        codec.decode(request.replace(pair, pair + b"," + pair), Request)


def test_a_value_of_another_class_of_its_union_is_malformed() -> None:
    content = codec.encode(Call("negate", (Literal(1, INTEGER),), INTEGER))
    for stranger in (b'{"$":"Charge"}', b'{"$enum":["Kind","integer"]}', b"1", b"null", b"[]", b"{}"):
        with pytest.raises(codec.Malformed):
            codec.decode(content.replace(codec.encode(Literal(1, INTEGER)), stranger), Call)
