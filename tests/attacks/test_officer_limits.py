"""Officers among themselves: what one may take, learn of banks, and keep others from. The house is that of
`test_officer_attacks`, a real platform without its wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.attacks.test_officer_attacks import EMPTY, YAML, House, opened, refusal
from tests.support.installation import copy_of
from tests.support.officers import POLICE, TAX, appointed

from louver.errors import Refused
from louver_sandbox.demo.city import City
from louver_sandbox.policy.lifecycle import Version
from louver_sandbox.service.officer_limits import AT_ONCE, IN_A_WINDOW, WINDOW_S, OfficerLimits

NEW = EMPTY.replace("title: gone", "title: new")
DENY = """
denies:
  - {{id: no-more, to: {{institutions: [bank_a]}}, table: {table}, reason: none of theirs}}
"""


@pytest.fixture(scope="module")
def house(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    mine = copy_of(city, tmp_path_factory.mktemp("limits"))
    with opened(mine, appointed(mine, tmp_path_factory.mktemp("desk"))) as found:
        yield found


def test_one_officer_does_not_take_the_places_of_all() -> None:
    now = 100.0
    limits = OfficerLimits(lambda: now)
    held = [limits.call("mallory") for _ in range(AT_ONCE)]
    for one in held:
        one.__enter__()
    with pytest.raises(Refused) as refused, limits.call("mallory"):
        pass
    assert (refused.value.code, refused.value.retry_after) == ("LVR-7251", 1.0)
    with limits.call("wang"):
        pass
    for one in held:
        one.__exit__(None, None, None)
    for _ in range(IN_A_WINDOW - AT_ONCE):
        with limits.call("mallory"):
            pass
    with pytest.raises(Refused) as refused, limits.call("mallory"):
        pass
    assert refused.value.retry_after == WINDOW_S
    now += WINDOW_S
    with limits.call("mallory"):
        pass


def test_an_officer_learns_of_no_banks_tables_and_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mallory asks whether bank A has a table of defaulters: what a bank has is not even looked at, and it is written
    down who wanted to know."""

    def looked_at(institution: str) -> None:
        raise AssertionError(institution)

    monkeypatch.setattr(house.platform.own_tables, "tables", looked_at)
    monkeypatch.setattr(house.platform.sealing_keys, "current", looked_at)
    wang, sql = house.caller("wang"), "SELECT count(*) AS n FROM own.defaulters"
    told = []
    for step, act in (("explaining", "explain"), ("drafting_grants", "grants")):
        case = house.office.case(wang, step, "bank_a", "RESEARCH", sql, "")
        told.append(house.office.at_desk(act, "", case))
    assert [str(one).count("LVR-1101") for one in told] == [1, 1], told
    entries = [entry.fields for entry in house.platform.books.log.latest(None, 50, kinds=("policy",))]
    steps = [(said["step"], said["officer"], said["asker"]) for said in entries[:2]]
    assert steps == [("drafting_grants", "wang", "bank_a"), ("explaining", "wang", "bank_a")]
    assert "defaulters" not in str(entries), "by its digest, and not its text"


def test_an_id_is_whose_first_signed_it(house: House) -> None:
    """The police want the tax office's id for good: a draft that nobody signed keeps nothing from anybody, and a signed
    one does until it is revoked or expires."""
    today, ours, theirs = house.office.today, *(NEW.format(id="payroll", owner=one) for one in (TAX, POLICE))

    def submit(name: str, text: str) -> Version:
        made = house.office.submit(house.caller(name), text, (today, today + timedelta(days=30)))
        assert isinstance(made, Version), made
        return made

    squatting, mine = submit("qian", theirs), submit("wang", ours)
    house.approve(mine, "wang")
    assert house.office.lifecycle().first_owner("payroll") == TAX
    assert refusal(lambda: house.approve(squatting, "qian")) == "LVR-7252", "though its serial is the lower"
    assert refusal(lambda: submit("qian", theirs)) == "LVR-7252"
    assert refusal(lambda: house.office.revoke(house.caller("qian"), revoked(house, "qian", POLICE))) == "LVR-7207"
    later = house.office.lifecycle()
    later.today += timedelta(days=31)
    assert later.first_owner("payroll") is None, "expired"
    house.office.revoke(house.caller("wang"), revoked(house, "wang", TAX))
    assert house.office.lifecycle().first_owner("payroll") is None, "revoked"
    submit("qian", theirs)
    second = submit("wang", ours)
    house.approve(second, "wang", "li")
    house.office.activate(house.caller("wang"), second.name)
    assert refusal(lambda: submit("qian", theirs)) == "LVR-7206"


def revoked(house: House, name: str, owner: str) -> bytes:
    """What was waiting as `payroll`, revoked by an officer in the name of a department."""
    return house.desk.revoke(name, "payroll", owner, 2)


def test_a_department_allows_less_of_its_own_whatever_others_expect(house: House) -> None:
    """A test of the police's policy expects an answer from the tax office's table; the tax office ends that grant."""
    taxation = next(item for item in house.platform.judgement.bundle.policies if item.id == "taxation")
    assert taxation.tests is not None
    case = next(one for one in taxation.tests.cases if one.expect == "threshold" and one.sql)
    expecting = f"""kind: policy
id: police-wishes
version: "1"
owner: {POLICE}
title: wishes
grants: []
tests:
  today: {taxation.tests.today}
  subjects: {{bank_a: {{type: bank, groups: [banks]}}}}
  cases:
    - {{case: a wish, who: bank_a, purpose: {case.purpose}, sql: {case.sql!r}, expect: threshold}}
"""
    days = (house.office.today, None)
    made = house.office.submit(house.caller("qian"), expecting, days)
    assert isinstance(made, Version), made
    house.approve(made, "qian", "sun")
    house.office.activate(house.caller("qian"), made.name)
    lean = EMPTY.format(id="taxation", owner="市税务局")
    less = house.submitted(lean)
    assert "police-wishes: a wish" in less.report["refused_now"], "and those who review it are told"
    house.approve(less, "wang", "li")
    house.office.activate(house.caller("li"), less.name)
    assert house.verdict()[0] == "LVR-1101", "nothing of it is granted to anybody"
    wider = house.submitted(YAML)
    house.approve(wider, "wang", "li")
    house.office.activate(house.caller("li"), wider.name)


def test_what_a_department_denies_of_others_answers_to_their_tests(house: House) -> None:
    """Mallory of the police denies the tax office's table to everybody: its tests still stand against that."""
    hostile = EMPTY.format(id="spite", owner=POLICE) + DENY.format(table="gov.tax_credit")
    found = house.office.submit(house.caller("qian"), hostile, (house.office.today, None))
    assert not isinstance(found, Version)
    assert any(one["name"].startswith("taxation: ") for one in found["tests"])


def test_whoever_answers_what_must_be_refused_is_stopped_by_anybodys_test(house: House) -> None:
    """Loosening stays everybody's business: a test of the police that expects a refusal of the tax office's table."""
    wish = f"""kind: policy
id: police-caution
version: "1"
owner: {POLICE}
title: caution
grants: []
tests:
  today: 2026-07-01
  subjects: {{bank_a: {{type: bank, groups: [banks]}}}}
  cases:
    - {{case: not for loans, who: bank_a, purpose: LOAN_ORIGINATION, expect: LVR-2009,
       sql: "SELECT grade, count(*) AS n FROM gov.tax_credit WHERE rating_year = 2025 GROUP BY grade"}}
"""
    made = house.office.submit(house.caller("qian"), wish, (house.office.today, None))
    assert isinstance(made, Version), made
    house.approve(made, "qian", "sun")
    house.office.activate(house.caller("qian"), made.name)
    before, after = (
        "purposes: [POST_LOAN, MODEL_BUILD, RESEARCH]",
        "purposes: [LOAN_ORIGINATION, POST_LOAN, MODEL_BUILD, RESEARCH]",
    )
    found = house.office.submit(house.caller("wang"), YAML.replace(before, after, 1), (house.office.today, None))
    assert not isinstance(found, Version)
    assert [one["name"] for one in found["tests"]] == ["police-caution: not for loans"]
