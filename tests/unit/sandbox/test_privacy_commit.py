"""Paying privacy loss on the line: charged as previewed, once, before a row is read, and never given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from tests.support.audit_logs import SIGNER, SeededRandomness, behind_the_back
from tests.support.line import NARROWED, NOON, ORIGIN, EngineSlot, Line, ask, call, line
from tests.support.losses import loss, rho, terms
from tests.support.policy_questions import BANK_A, BANK_B

from louver.errors import Fault, Refused
from louver.receipt import Receipt
from louver_sandbox import codec
from louver_sandbox.accounting import privacy
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.auditing.replay import decision
from louver_sandbox.commit import charge_privacy, commit
from louver_sandbox.journal import Books
from louver_sandbox.obligations import PrivacyBalance, PrivacyCharge
from louver_sandbox.pipeline import facts_at
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.recount import verify
from louver_sandbox.refusals import privacy as refusals
from louver_sandbox.service import budgets, convert
from louver_sandbox.stages import Answer, Committed, Plan, Request, Stored, Subject
from louver_sandbox.store import State, schema

COST = (loss(20),)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        made.privacy = COST
        yield made
        assert list(verify.differences(made.books.state)) == [], "every balance follows from the log"


def planned(bank: Line, request: Request) -> Plan:
    return bank._judge(request, facts_at(NOON))


def committed(bank: Line, request: Request) -> Committed | Stored:
    return commit(planned(bank, request), request, bank.books, NOON)


def left(bank: Line, who: Subject = BANK_A, of: PrivacyCharge = COST[0]) -> PrivacyBalance:
    with bank.books.state.reading() as tx:
        (found,) = privacy.standing(tx, [of], who.institution, NOON)
    return found


def losses(bank: Line) -> int:
    with bank.books.state.reading() as tx:
        return int(tx.execute(select(func.count()).select_from(schema.privacy_ledger)).scalar_one())


def entry(bank: Line, index: int) -> dict[str, Any]:
    return dict(bank.books.log.entry(index).fields)


def test_what_is_charged_is_what_was_previewed(bank: Line) -> None:
    plan = planned(bank, ask())
    with bank.books.state.reading() as tx:
        previewed = charge_privacy(tx, plan, ask(), NOON, dry=True)
    assert losses(bank) == 0
    found = committed(bank, ask())
    assert isinstance(found, Committed)
    assert found.privacy == previewed
    assert found.privacy[0].cost == COST[0].cost == rho(20)
    (told,) = [rule for rule in budgets.rules(plan, (), previewed) if rule.rule.startswith("privacy.")]
    assert "costs epsilon 3.14 (delta 0.000001) of gov.firm per enterprise; leaves you epsilon 3.9" in told.message


def test_an_answer_says_what_it_cost_and_what_is_left(bank: Line) -> None:
    first = bank.pipeline.answer(ask(), call())
    again = bank.pipeline.answer(ask(request_id="again"), call())
    assert [(one.cost, one.lifetime, one.spendable) for one in first.answer.privacy] == [(rho(20), rho(80), rho(30))]
    for receipted, costs in ((first, "costs epsilon 3.14 "), (again, "costs nothing ")):
        told = convert.header("r", receipted, development=False).notices[-1]
        assert told.code == "PRIVACY_BUDGET"
        assert told.message.startswith(costs)
        assert "renewed at 2026-07-02T00:00+08:00" in told.message
    with bank.books.state.reading() as tx:
        kept = tx.execute(select(schema.answers.c.released)).scalars().first()
    assert kept is not None
    assert codec.decode(kept, Answer) == first.answer


def test_the_admission_says_all_that_was_charged(bank: Line) -> None:
    found = committed(bank, ask(NARROWED, parameters={"section": "A"}))
    assert isinstance(found, Committed)
    fields = entry(bank, found.admission)
    assert fields["charged"] == "2026-07-01T04:00:00.000000Z"
    assert [(item["kind"], item["count"], len(item["keys"])) for item in fields["charges"]] == [
        ("query", 1, 0),
        ("predicate", 0, 1),
    ]
    assert fields["privacy"] == [
        {
            "dataset": "gov.firm",
            "unit": "enterprise",
            "cost": {"rho": "0.2", "delta": "0"},
            "most": {"rho": "0.3", "delta": "0"},
            "lifetime": {"rho": "1", "delta": "0"},
            "allowance": {"rho": "0.5", "delta": "0"},
            "period": "day",
            "shared": True,
        }
    ]
    assert fields["ledger"] == {"charges": 2, "privacy": 3}


@pytest.mark.parametrize(
    ("dear", "code"),
    [
        (loss(40), "LVR-3011"),
        (loss(30, terms(lifetime=45)), "LVR-3012"),
        (loss(30, terms(allowance=45)), "LVR-3013"),
        (loss(30, terms(RESEARCH=45)), "LVR-3014"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_charged(bank: Line, dear: PrivacyCharge, code: str) -> None:
    bank.privacy = (replace(dear, cost=rho(20)),)
    committed(bank, ask())
    before, spent = losses(bank), bank.spent()
    bank.privacy = (dear,)
    with pytest.raises(Refused) as caught:
        bank.pipeline.answer(ask("SELECT count(*) AS n FROM gov.firm", "second"), call())
    assert caught.value.code == code
    assert (losses(bank), bank.spent()) == (before, spent), (
        "the queries of the refused question are not charged either"
    )
    assert bank.kinds()[-1] == "refusal"
    assert caught.value.details["needed_epsilon"] > caught.value.details["left_epsilon"] > "0"
    assert caught.value.details["left_epsilon"] in caught.value.hint


def test_what_a_refusal_says_would_fit_does_fit(bank: Line) -> None:
    from louver_sandbox.privacy import stated
    from louver_sandbox.privacy.conversion import rho_of

    committed(bank, ask())
    spendable = left(bank).spendable
    epsilon = Fraction(stated.left(spendable).epsilon)
    assert rho_of(epsilon, stated.STATED_DELTA).rho <= spendable.rho < rho_of(epsilon * 2, stated.STATED_DELTA).rho


def test_refusals_say_when_and_what_in_both_languages() -> None:
    when = NOON + timedelta(hours=12)
    spent = refusals.purpose_spent("gov.tax", "person", "LENDING", rho(2), rho(1), when)
    assert "for LENDING" in spent.message
    assert "it refreshes at 2026-07-02T00:00+08:00" in spent.hint
    assert "额度将于 2026-07-02T00:00+08:00 恢复" in spent.hint_zh
    assert "never renewed" in refusals.allowance_spent("gov.tax", "person", rho(2), rho(1), None).hint
    assert "nothing more" in refusals.lifetime_spent("gov.tax", "person", rho(2), NOTHING).hint
    listed = refusals.lifetime_spent("gov.tax", "person", rho(1, Fraction(1, 10**9)), rho(2))
    assert "declared domain" in listed.hint, "more epsilon would not help where delta is spent"


def test_a_crash_between_charge_and_answer_is_charged_once(bank: Line) -> None:
    bank.slot = EngineSlot(fault=RuntimeError("a worker died"))
    for _ in range(3):
        with pytest.raises(Fault):
            bank.pipeline.answer(ask(), call())
    assert left(bank).lifetime == rho(80)
    bank.slot = EngineSlot()
    answer = bank.pipeline.answer(ask(), call()).answer
    assert [(one.cost, one.lifetime) for one in answer.privacy] == [(NOTHING, rho(80))]
    assert losses(bank) == 3


@pytest.mark.parametrize("kinds", [("admission",), ("outcome",)])
def test_a_log_that_refuses_releases_nothing_and_charges_nothing_unlogged(bank: Line, kinds: tuple[str, ...]) -> None:
    with bank.log_refuses(*kinds), pytest.raises((Refused, Fault)):
        bank.pipeline.answer(ask(), call())
    assert bank.answers() == 0
    assert losses(bank) == (0 if kinds == ("admission",) else 3), "what is admitted is paid, and nothing else"


def test_the_same_question_is_free_under_another_request_and_after_a_restart(bank: Line, tmp_path: Path) -> None:
    first = bank.pipeline.answer(ask(), call())
    bank.privacy = (loss(20, terms(shared=False)),)
    for number in range(3):
        again = bank.pipeline.answer(ask(request_id=f"again-{number}"), call())
        assert again.stored
        assert again.answer.arrow == first.answer.arrow
        assert again.answer.privacy[0].cost == NOTHING
    with State.open(bank.path) as state:
        log = AuditLog(state, SIGNER, ORIGIN, clock=bank.clock, randomness=SeededRandomness(b"another"))
        restarted = Line(Books(state, log), bank.clock, bank.path, privacy=bank.privacy)
        assert restarted.pipeline.answer(ask(request_id="restarted"), call()).answer.arrow == first.answer.arrow
    assert losses(bank) == 3


def test_what_was_released_to_one_bank_is_given_to_another_and_nothing_is_charged(bank: Line) -> None:
    first = bank.pipeline.answer(ask(), call())
    second = bank.pipeline.answer(ask(request_id="theirs", who=BANK_B), call())
    assert second.stored
    assert second.answer.arrow == first.answer.arrow
    assert second.answer.cost == second.answer.remaining == {}, "what the first bank has left is the first bank's"
    (told,) = second.answer.privacy
    assert (told.cost, told.allowance, told.lifetime) == (NOTHING, rho(50), rho(80))
    assert left(bank, BANK_B).allowance == rho(50), "nor has it spent of its own allowance"
    assert (losses(bank), bank.spent()) == (3, 1)


def test_the_receipt_for_a_shared_answer_tells_nothing_of_the_bank_that_paid(bank: Line) -> None:
    bank.pipeline.answer(ask(), call())
    second = bank.pipeline.answer(ask(request_id="theirs", who=BANK_B), call())
    fields = Receipt.from_bytes(second.receipt).verify(bank.books.log.key).entry
    assert fields["institution"] == "bank_b"
    assert fields["shared"] is True
    assert not {"same_as", "admission"} & fields.keys(), "a place in the log tells when the first has asked"
    outcomes = bank.books.log.entries(kind="outcome")
    assert len({one.fields["result_digest"] for one in outcomes}) == 1, "an auditor finds the first by its digest"
    assert decision(outcomes[-1].index, bank.books.log).index == 0, "and so does a replay"


def test_a_bank_pays_for_itself_where_policy_does_not_share(bank: Line) -> None:
    bank.privacy = (loss(20, terms(shared=False)),)
    bank.pipeline.answer(ask(), call())
    assert not bank.pipeline.answer(ask(request_id="theirs", who=BANK_B), call()).stored
    assert left(bank).lifetime == rho(60)


def test_one_kind_of_unit_that_is_not_shared_keeps_the_whole_answer_back(bank: Line) -> None:
    bank.privacy = (loss(20), loss(5, terms(shared=False), dataset="gov.person"))
    bank.pipeline.answer(ask(), call())
    assert not bank.pipeline.answer(ask(request_id="theirs", who=BANK_B), call()).stored


def test_answers_without_differential_privacy_are_not_shared(bank: Line) -> None:
    bank.privacy = ()
    bank.pipeline.answer(ask(), call())
    assert not bank.pipeline.answer(ask(request_id="theirs", who=BANK_B), call()).stored


def test_nobody_else_has_the_answer_about_ones_own_table(bank: Line) -> None:
    """Equal uploads have equal digests: that somebody has the same customers must not be told."""
    bank.pipeline.answer(ask(), call())
    plan = planned(bank, ask(request_id="theirs", who=BANK_B))
    own = replace(plan.sources[0], table=replace(plan.sources[0].table, schema="bank_b"))
    found = commit(
        replace(plan, sources=(*plan.sources, own)), ask(request_id="theirs", who=BANK_B), bank.books, NOON
    )
    assert isinstance(found, Committed)


def test_noise_whose_answer_was_lost_is_paid_for_again(bank: Line) -> None:
    """A second draw for the price of one would halve the noise: the log knows that the first has left."""
    bank.pipeline.answer(ask(), call())
    with bank.books.state.transaction() as tx:
        tx.execute(delete(schema.answers))
    assert isinstance(committed(bank, ask()), Committed)
    assert left(bank).lifetime == rho(60)


def test_a_hundred_at_once_for_what_is_left_are_as_many_winners_as_it_pays_for(bank: Line) -> None:
    bank.books.state._busy_timeout_s = 60.0
    cap = terms(lifetime=7, allowance=7, most=1)
    won: list[str] = []
    refused: list[str] = []
    start = threading.Barrier(100)
    plan = replace(planned(bank, ask()), charges=())

    def race(number: int) -> None:
        who = (BANK_A, BANK_B)[number % 2]
        request = ask(request_id=f"racer-{number}", who=who)
        mine = replace(plan, question=f"q{number}", privacy=(loss(1, cap),))
        start.wait()
        try:
            commit(mine, request, bank.books, NOON)
            won.append(request.id)
        except Refused as late:
            refused.append(late.code)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(won) == len(set(won)) == 7
    assert refused == ["LVR-3012"] * 93
    assert left(bank, of=loss(1, cap)).lifetime == NOTHING
    assert bank.kinds() == ["admission"] * 7


def test_a_charge_behind_the_books_is_told_apart_from_the_logs(bank: Line) -> None:
    committed(bank, ask())
    with behind_the_back(bank.path) as connection:
        connection.execute("UPDATE privacy_ledger SET rho = '0.01', spent_rho = '0.01' WHERE institution = '*'")
    found = [str(one) for one in verify.differences(bank.books.state)]
    assert found == [
        "*, gov.firm, enterprise, *, charge 1: rho is 0.01, by the log 0.2; spent_rho is 0.01, by the log 0.2"
    ]
    with behind_the_back(bank.path) as connection:
        connection.execute("UPDATE privacy_ledger SET rho = '0.2', spent_rho = '0.2' WHERE institution = '*'")


@pytest.mark.parametrize("text", ["1", "1/0", "1e9/1", "nan/1", "1/2/3", "-1/2", "9" * 5000 + "/1"])
def test_an_amount_from_another_process_is_a_fraction_or_nothing(bank: Line, text: str) -> None:
    sent = codec.encode(PrivacyCost(Fraction(1, 2)))
    assert codec.decode(sent, PrivacyCost) == PrivacyCost(Fraction(1, 2))
    with pytest.raises(codec.Malformed):
        codec.decode(sent.replace(b"1/2", text.encode()), PrivacyCost)
