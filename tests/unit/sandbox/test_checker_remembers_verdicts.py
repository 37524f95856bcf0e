"""A checker decides each distinct case once, and what it remembers is what it would find again."""

import gc
import threading
import time
import typing
import weakref
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.catalogs import a_table
from tests.support.line import NARROWED, SECTIONS, ask, firm_policies, firms
from tests.support.policy_questions import AGENCY_C, BANK_A, BANK_B, TODAY

from louver_sandbox import checker, codec
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.catalog.model import SpaceKind, Table
from louver_sandbox.checker import Checks, FormReader, Judgement
from louver_sandbox.engines import worker
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.processes.channel import channel_pair
from louver_sandbox.processes.child import REQUEST_CAP, await_ready, serve
from louver_sandbox.stages import Case, Facts, Request, Verdict

OWN = "SELECT section, count(*) AS n FROM bank_a.book GROUP BY section"


def own_table(data_version: str) -> Table:
    return a_table("bank_a.book", space=SpaceKind.INSTITUTION, units=(), data_version=data_version)


def case(request: Request | None = None, own: tuple[Table, ...] = (), today: date = TODAY) -> Case:
    return Case(ask() if request is None else request, own, Facts(today))


@pytest.fixture(scope="module")
def engine() -> Iterator[FormReader]:
    with worker.prepare() as connection:
        yield FormReader(DuckDbEngine(connection))


def checks(engine: FormReader, most: int = checker.MOST_KEPT) -> Checks:
    return Checks(Judgement(firms(), firm_policies()), engine, most)


def afresh(one: Case, engine: FormReader) -> Verdict:
    return checker.check(one, Judgement(firms(), firm_policies()), engine)


parameters: st.SearchStrategy[Value] = st.sampled_from(
    ["A", "B", "1", 1, True, 1.0, Decimal("1"), Decimal("1.0"), None, date(2026, 1, 1), datetime(2026, 1, 1)]
)
requests = st.builds(
    Request,
    id=st.sampled_from(["request-1", "request-2"]),
    subject=st.sampled_from([BANK_A, BANK_B, AGENCY_C, replace(BANK_A, fingerprint="f" * 64)]),
    purpose=st.sampled_from(["RESEARCH", "MARKETING"]),
    sql=st.sampled_from([SECTIONS, NARROWED, OWN, "SELECT", "SELECT section FROM gov.firm"]),
    parameters=st.dictionaries(st.sampled_from(["section", "other"]), parameters, max_size=2),
    dialect=st.sampled_from(["duckdb", "klingon"]),
    received=st.none() | st.just(datetime(2026, 7, 1, tzinfo=UTC)),
    signature=st.sampled_from([b"", b"signed"]),
)
cases = st.builds(
    Case,
    requests,
    st.sampled_from([(), (own_table("v1"),), (own_table("v2"),)]),
    st.builds(Facts, st.sampled_from([TODAY, TODAY + timedelta(days=1), date(2099, 1, 1)])),
)


@settings(max_examples=25, deadline=None)
@given(asked=st.lists(cases, min_size=1, max_size=5), repeated=st.permutations(range(5)))
def test_a_remembered_verdict_is_the_one_that_would_be_found_again(
    engine: FormReader, asked: list[Case], repeated: list[int]
) -> None:
    kept = checks(engine, most=3)
    for index in (*range(len(asked)), *repeated):
        one = asked[index % len(asked)]
        assert kept.check(one) == afresh(one, engine)
        assert len(kept) <= 3


@settings(max_examples=60, deadline=None)
@given(cases, cases)
def test_only_cases_that_differ_in_nothing_that_decides_share_a_verdict(
    engine: FormReader, one: Case, other: Case
) -> None:
    same = repr(checker.anonymous(one)) == repr(checker.anonymous(other))
    same = same and one.request.sql == other.request.sql
    same = same and repr(one.request.parameters) == repr(other.request.parameters)
    kept = checks(engine)
    kept.check(one)
    assert kept.remembers(other) == same


@settings(max_examples=100, deadline=None)
@given(cases)
def test_a_case_reaches_the_checker_as_it_was_asked(one: Case) -> None:
    again = checker.case_from_bytes(checker.case_to_bytes(one))
    assert again == one
    assert repr(again.request.parameters) == repr(one.request.parameters)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace(b"\n", b""),
        lambda content: content + b"\n[]",
        lambda content: content[:-1],
        lambda content: content.partition(b"\n")[0],
        lambda content: content.partition(b"\n")[0] + b"\n[1]",
        lambda content: b"",
    ],
)
def test_bytes_that_are_no_case_are_malformed(damage: Callable[[bytes], bytes]) -> None:
    content = damage(checker.case_to_bytes(case(own=(own_table("v1"),))))
    with pytest.raises(codec.Malformed):
        checker.case_from_bytes(content)


QUESTION = ask(NARROWED, parameters={"section": "A"})


@pytest.mark.parametrize(
    "another",
    [
        pytest.param(case(replace(QUESTION, id="request-2")), id="request id"),
        pytest.param(case(replace(QUESTION, signature=b"another")), id="signature"),
        pytest.param(case(replace(QUESTION, received=datetime(2026, 7, 1, 5, tzinfo=UTC))), id="time of the day"),
    ],
)
def test_the_same_question_asked_again_is_not_decided_again(engine: FormReader, another: Case) -> None:
    kept = checks(engine)
    kept.check(case(QUESTION))
    verdict = kept.check(another)
    assert len(kept) == 1
    assert verdict.plan is not None
    assert verdict.plan.request_id == another.request.id


@pytest.mark.parametrize(
    "another",
    [
        pytest.param(case(replace(QUESTION, subject=BANK_B)), id="institution"),
        pytest.param(case(replace(QUESTION, subject=replace(BANK_A, groups=frozenset()))), id="groups"),
        pytest.param(case(replace(QUESTION, subject=replace(BANK_A, type=AGENCY_C.type))), id="type"),
        pytest.param(case(replace(QUESTION, subject=replace(BANK_A, fingerprint="f"))), id="certificate"),
        pytest.param(case(replace(QUESTION, purpose="MARKETING")), id="purpose"),
        pytest.param(case(replace(QUESTION, sql=NARROWED + " ")), id="text"),
        pytest.param(case(replace(QUESTION, parameters={"section": "B"})), id="parameter"),
        pytest.param(case(replace(QUESTION, parameters={"section": 1})), id="type of a parameter"),
        pytest.param(case(replace(QUESTION, dialect="mysql")), id="dialect"),
        pytest.param(case(QUESTION, today=TODAY + timedelta(days=1)), id="day"),
        pytest.param(case(QUESTION, own=(own_table("v1"),)), id="own table"),
    ],
)
def test_another_question_is_decided_on_its_own(engine: FormReader, another: Case) -> None:
    kept = checks(engine)
    kept.check(case(QUESTION))
    assert kept.check(another) == afresh(another, engine)
    assert len(kept) == 2


def test_another_upload_of_an_own_table_is_another_case(engine: FormReader) -> None:
    kept = checks(engine)
    first, second = (kept.check(case(ask(OWN), own=(own_table(version),))) for version in ("v1", "v2"))
    assert first != second
    assert len(kept) == 2


def test_another_catalogue_or_bundle_has_a_memory_of_its_own(engine: FormReader) -> None:
    other_policy = Checks(Judgement(firms(), firm_policies("2")), engine)
    other_data = Checks(Judgement(replace(firms(), digest="another"), firm_policies()), engine)
    plans = [each.check(case()).plan for each in (checks(engine), other_policy, other_data)]
    assert len({plan.question for plan in plans if plan is not None}) == 3


def test_what_is_asked_least_recently_is_forgotten_first(engine: FormReader) -> None:
    kept = checks(engine, most=2)
    first, second, third = (case(ask(NARROWED, parameters={"section": name})) for name in "ABC")
    for one in (first, second, first, third):
        kept.check(one)
    assert len(kept) == 2
    kept.check(first)
    assert len(kept) == 2
    assert kept.remembers(first)
    assert kept.remembers(third)
    assert not kept.remembers(second)


def test_a_very_long_question_is_not_remembered(engine: FormReader) -> None:
    kept = checks(engine)
    long = case(ask(SECTIONS + " " * checker.LONGEST_KEPT))
    assert kept.check(long) == afresh(long, engine)
    assert len(kept) == 0


def test_each_set_of_own_tables_is_joined_to_the_catalogue_once_and_to_no_other() -> None:
    judgement = Judgement(firms(), firm_policies())
    first, second = (own_table("v1"),), (own_table("v2"),)
    joined = judgement.with_own(first)
    assert judgement.with_own(first) is joined
    assert judgement.with_own(second).tables[second[0].name].data_version == "v2"
    for _ in range(checker.MOST_SETS):
        judgement.with_own((own_table("v3"),))
    assert judgement.with_own(first) == joined
    assert judgement.with_own(()) == firms()


class Tree:
    """Something that only the collector frees, like a syntax tree whose parts know their parents."""

    def __init__(self) -> None:
        self.parent = self


@pytest.fixture
def broom() -> Iterator[checker.Broom]:
    before = gc.get_threshold()
    yield checker.Broom()
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_a_question_leaves_is_freed_when_it_has_been_answered(broom: checker.Broom) -> None:
    left = weakref.ref(Tree())
    assert left() is not None, "nothing is collected while somebody waits"
    broom.sweep()
    assert left() is None


def test_what_outlives_its_own_question_is_freed_in_time(broom: checker.Broom) -> None:
    tree = Tree()
    left = weakref.ref(tree)
    broom.sweep()
    del tree
    for _ in range(checker.ALL_SWEPT):
        broom.sweep()
    assert left() is None


def test_a_question_that_makes_very_many_objects_is_collected_while_it_is_decided(broom: checker.Broom) -> None:
    left = weakref.ref(Tree())
    held = [Tree() for _ in range(checker.YOUNG_OBJECTS + 1)]
    assert left() is None
    assert len(held) > checker.YOUNG_OBJECTS


def test_a_checker_tidies_up_after_the_reply_and_not_before() -> None:
    ours, theirs = channel_pair()
    replied, tidied = threading.Event(), threading.Event()

    def tidy() -> None:
        if replied.wait(10):
            tidied.set()

    child = threading.Thread(target=serve, args=(theirs, lambda request: request, tidy))
    with theirs:
        with ours:
            child.start()
            await_ready(ours, time.monotonic() + 10)
            ours.send(b"question")
            assert ours.receive(REQUEST_CAP)[1:] == b"question"
            assert not tidied.is_set()
            replied.set()
            assert tidied.wait(10)
        child.join(10)
        assert not child.is_alive()


def classes_in(hint: Any, found: set[type]) -> set[type]:
    """Every dataclass that a value of the type can hold."""
    for part in typing.get_args(hint):
        classes_in(part, found)
    if isinstance(hint, type) and is_dataclass(hint) and hint not in found:
        found.add(hint)
        for inner in typing.get_type_hints(hint).values():
            classes_in(inner, found)
    return found


def test_every_field_of_a_case_is_part_of_what_a_verdict_is_remembered_by() -> None:
    held = classes_in(Case, set())
    assert {Request, Table, Facts} <= held
    for cls in held:
        assert all(item.compare for item in fields(cls)), f"{cls.__name__} has a field that does not travel"
