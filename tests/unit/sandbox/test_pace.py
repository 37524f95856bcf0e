"""Where policy gives a pace, what becomes of a question leaves at its marks: the longest of the grants, faults too."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from tests.support.catalogs import a_catalog, a_table
from tests.support.line import SECTIONS, EngineSlot, ask, call, firm_policies, line
from tests.support.policy_questions import TODAY, bundle_of, grant_document, policy

from louver.errors import Fault
from louver.receipt import Receipt
from louver_sandbox.pipeline import Call, Failed, judge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.difference.directions import Direction, direction
from louver_sandbox.service.marks import Started
from louver_sandbox.stages import Facts, Plan


def granted(*paces: int) -> Bundle:
    """As many grants as paces, that meet at one table."""
    grants = [
        grant_document(
            f"g{number}",
            table="gov.firm",
            columns={"section": ["group_key", "filter", "order"], "amount": ["aggregate"]},
            threshold={"pace": pace} if pace else {},
        )
        for number, pace in enumerate(paces)
    ]
    return bundle_of(policy(*grants, owner="测试部门"))


def planned(bundle: Bundle, sql: str = SECTIONS) -> Plan:
    return judge(ask(sql), a_catalog(a_table("gov.firm")), bundle, Facts(TODAY))


@pytest.mark.parametrize(("paces", "pace"), [((0,), 0), ((250,), 250), ((250, 1000), 1000), ((0, 40), 40)])
def test_where_grants_meet_the_longest_pace_counts(paces: tuple[int, ...], pace: int) -> None:
    assert planned(granted(*paces)).pace == pace


def test_a_pace_changes_nothing_of_what_is_computed_and_no_bundle_that_was_signed_before() -> None:
    assert planned(granted(250)).cores == planned(granted(0)).cores
    assert granted(0).digest != granted(250).digest
    grants = [grant for one in granted(0).policies for grant in one.grants]
    assert all("pace" not in grant.threshold.model_dump() for grant in grants)


def test_a_longer_pace_is_stricter() -> None:
    assert direction("threshold.pace", 250, 1000) is Direction.STRICTER
    assert direction("threshold.pace", 1000, 250) is Direction.LOOSER


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "a fault"])
def test_the_edge_knows_the_pace_before_a_row_is_read(tmp_path: Path, fails: bool) -> None:
    heard: list[str] = []

    class Slot(EngineSlot):
        def run(self, plan: Plan, call: Call) -> bytes:
            heard.append("run")
            if fails:
                raise Failed("died")
            return super().run(plan, call)

    with line(tmp_path) as bank:
        bank.bundle, bank.slot = granted(250), Slot()
        call = Call(10.0, threading.Event(), lambda text: None, lambda pace: heard.append(f"pace {pace}"))
        if fails:
            with pytest.raises(Fault):
                bank.pipeline.answer(ask(), call)
        else:
            assert bank.pipeline.answer(ask(), call).answer.rows
    assert heard == ["pace 250", "run"]


def test_nothing_leaves_between_two_marks() -> None:
    began = time.monotonic()
    started = Started()
    started.paced(120)
    started.wait_for_pace()
    assert time.monotonic() - began >= 0.119
    at_once = Started()
    at_once.paced(0)
    before = time.monotonic()
    at_once.wait_for_pace()
    assert time.monotonic() - before < 5


@pytest.mark.parametrize(("pace", "hidden"), [(0, False), (250, True)])
def test_the_receipt_of_a_paced_answer_does_not_say_when_it_was_made(tmp_path: Path, pace: int, hidden: bool) -> None:
    with line(tmp_path) as bank:
        if pace:
            bank.bundle = granted(pace)
        receipted = bank.pipeline.answer(ask(), call())
        said = {entry.fields["kind"]: entry.fields["time"] for entry in bank.books.log.entries(limit=100)}
        shown = json.loads(Receipt.from_bytes(receipted.receipt).entry)
    assert shown["time"] == said["outcome"]
    assert (said["outcome"] == said["admission"]) is hidden


def test_the_usual_policies_have_none() -> None:
    assert planned(firm_policies()).pace == 0
