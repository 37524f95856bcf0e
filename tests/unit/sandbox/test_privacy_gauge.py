"""The gauge: what was charged, what each limit has left, when it refreshes, and nothing of what others have spent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.losses import loss, rho, terms
from tests.support.policy_questions import BANK_A

from louver.cli.gauge import gauge as drawn
from louver.errors import Refused
from louver.privacy import losses as read
from louver.privacy import plain
from louver.signing import signing_bytes
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.obligations import Period, PrivacyBalance, PrivacyCharge, PrivacyTerms
from louver_sandbox.privacy.calendar import BEIJING
from louver_sandbox.privacy.conversion import rho_of
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.service import budgets, convert, gauge
from louver_sandbox.service.wishes import wish

MIDNIGHT = datetime(2026, 11, 23, tzinfo=BEIJING)


def balance(
    lifetime: int = 80, allowance: int = 30, part: int = 30, of: PrivacyTerms | None = None, cost: int = 20
) -> PrivacyBalance:
    given = of or terms()
    one: PrivacyCharge = loss(cost, given)
    return PrivacyBalance(
        one.dataset, given.unit, one.purpose, one.cost, rho(lifetime), rho(allowance), rho(part), MIDNIGHT, given
    )


def test_the_gauge_says_what_was_charged_and_what_each_limit_has_left() -> None:
    (told,) = read(gauge.losses([balance(of=terms(RESEARCH=30), part=10)]))
    assert (told.dataset, told.unit, told.purpose, told.free) == ("gov.firm", "enterprise", "RESEARCH", False)
    assert told.cost.rho == Decimal("0.2")
    assert told.most.rho == Decimal("0.3")
    assert told.left.rho == Decimal("0.1")
    assert [(one.kind, one.period, one.limit.rho, one.left.rho) for one in told.limits] == [
        ("allowance", "day", Decimal("0.5"), Decimal("0.3")),
        ("purpose", "day", Decimal("0.3"), Decimal("0.1")),
        ("lifetime", "lifetime", Decimal(1), Decimal("0.1")),
    ]
    assert [one.refreshes_at for one in told.limits] == [MIDNIGHT, MIDNIGHT, None]


def test_what_is_told_as_left_can_be_asked_for() -> None:
    (told,) = read(gauge.losses([balance()]))
    delta = Fraction(told.delta)
    for amount in (told.left, told.most, *(one.left for one in told.limits)):
        asked = rho_of(Fraction(amount.epsilon), delta, delta / 2)
        assert asked.rho <= Fraction(amount.rho) < asked.rho * Fraction(102, 100)


def test_what_others_have_spent_is_told_only_where_it_stands_in_the_way() -> None:
    rich, richer = (gauge.losses([balance(lifetime=left)]) for left in (80, 95))
    assert rich == richer, "two histories of the others look alike"
    assert [one.at_least for one in rich[0].limits] == [False, True]
    (scarce,) = read(gauge.losses([balance(lifetime=5)]))
    assert not scarce.limits[-1].at_least
    assert scarce.limits[-1].left.rho == scarce.left.rho == Decimal("0.05")
    words = [budgets._of_privacy(balance(lifetime=left)) for left in (80, 95)]
    assert words[0] == words[1]
    assert "at least epsilon" in words[0].message
    assert "至少" in words[0].message_zh


def test_a_free_repeat_says_so() -> None:
    for made in (gauge.losses([balance()], stored=True), gauge.losses([replace(balance(), cost=rho(0))])):
        (told,) = read(made)
        assert told.free
        assert not told.cost.epsilon
        assert not told.cost.rho
        assert "free: paid for before" in drawn([told], "en")[0]
        assert "免费" in drawn([told], "zh")[0]


def test_the_bar_shows_what_is_left_and_nothing_acts_on_a_terminal() -> None:
    (told,) = read(gauge.losses([balance()]))
    lines = drawn([told], "en")
    assert lines[0].startswith("privacy gov.firm per enterprise: epsilon 3.14 (rho 0.2) at delta 0.000001")
    assert lines[1].count("█") == 14
    assert lines[1].count("░") == 10
    assert "2026-11-23 00:00 +0800" in lines[1]
    assert lines[2].count("·") == 24 - lines[2].count("█")
    assert "at least" in lines[2]
    hostile = replace(told, dataset="gov.\x1b[2J", purpose="\x1b]0;x")
    assert not any("\x1b" in line for line in drawn([hostile], "zh"))
    document = plain(told)
    assert document["free"] is False
    assert document["cost"] == {"epsilon": "3.14", "rho": "0.2"}


def test_answers_stored_before_limits_were_kept_still_say_their_cost() -> None:
    (told,) = read(gauge.losses([replace(balance(), terms=None)]))
    assert told.cost.rho == Decimal("0.2")
    assert told.limits == ()


def test_a_threshold_that_spends_much_delta_is_stated_at_more_of_it() -> None:
    spent = replace(balance(), cost=PrivacyCost(Fraction(1, 5), Fraction(1, 1000)))
    (told,) = read(gauge.losses([spent]))
    assert Fraction(told.delta) > Fraction(1, 1000)


@pytest.mark.parametrize("period", list(Period))
def test_every_window_has_its_words(period: Period) -> None:
    told = read(gauge.losses([balance(of=terms(period=period))]))
    for language in ("en", "zh"):
        assert all("{" not in line for line in drawn(told, language))


# -- the wire

BAD = (
    "-1",
    "0",
    "0.0",
    "NaN",
    "nan",
    "inf",
    "Infinity",
    "1e5",
    "20.1",
    "1" * 40,
    "0." + "1" * 19,
    "half",
    " 1",
    "+1",
    "٣",
    "1\n",
)


@pytest.mark.parametrize("text", BAD)
def test_an_epsilon_that_is_none_is_refused_on_the_wire(text: str) -> None:
    for question in (
        pb.Question(
            request_id="123e4567-e89b-42d3-a456-426614174000", purpose="RESEARCH", sql="SELECT 1", epsilon=text
        ),
    ):
        with pytest.raises(Refused, match="LVR-2365"):
            convert.request(question, BANK_A)
    with pytest.raises(Refused, match="LVR-2365"):
        convert.dry_request(pb.ExplainRequest(purpose="RESEARCH", sql="SELECT 1", epsilon=text), BANK_A)


@pytest.mark.parametrize(
    "wanted",
    [
        [pb.WantedAccuracy(within="0")],
        [pb.WantedAccuracy(within="-1")],
        [pb.WantedAccuracy(within="NaN")],
        [pb.WantedAccuracy(within="")],
        [pb.WantedAccuracy(within="1" * 31)],
        [pb.WantedAccuracy(within="1e400")],
        [pb.WantedAccuracy(within="1", of="5")],
        [pb.WantedAccuracy(within="1", percent=True, of="0")],
        [pb.WantedAccuracy(within="1", among=10**13)],
        [pb.WantedAccuracy(within="1", column="a\nb")],
        [pb.WantedAccuracy(within="1"), pb.WantedAccuracy(within="2")],
        [pb.WantedAccuracy(within="1", column=f"c{n}") for n in range(65)],
    ],
)
def test_an_accuracy_that_is_none_is_refused_on_the_wire(wanted: list[pb.WantedAccuracy]) -> None:
    with pytest.raises(Refused, match="LVR-2367"):
        wish("", wanted)
    with pytest.raises(Refused, match="LVR-2367"):
        wish("1", [pb.WantedAccuracy(within="1")])


def test_what_is_wanted_is_signed() -> None:
    plain_bytes = signing_bytes(pb.Question(sql="SELECT 1"))
    others = [
        pb.Question(sql="SELECT 1", epsilon="0.5"),
        pb.Question(sql="SELECT 1", epsilon="0.6"),
        pb.Question(sql="SELECT 1", accuracy=[pb.WantedAccuracy(within="1")]),
        pb.Question(sql="SELECT 1", accuracy=[pb.WantedAccuracy(within="1", percent=True)]),
        pb.Question(sql="SELECT 1", accuracy=[pb.WantedAccuracy(within="1", column="a")]),
        pb.Question(sql="SELECT 1", accuracy=[pb.WantedAccuracy(within="1", among=1)]),
    ]
    made = {plain_bytes, *map(signing_bytes, others)}
    assert len(made) == len(others) + 1
