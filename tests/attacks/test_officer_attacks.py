"""Against the officers: nobody signs as two, nothing that was signed comes to mean something else, and what decides is
what was signed.

Mallory is an officer, or has the installation's disk; she has nobody else's key. The platform is a real one, without
its wire: `tests/e2e/test_officers_end_to_end.py` has that.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import grpc
import pytest
from tests.support.installation import copy_of
from tests.support.line import ask
from tests.support.officers import POLICE, TAX, Desk, appointed
from tests.support.policy_questions import BANK_A, LIBRARY

from louver.errors import Refused
from louver.v1 import policy_pb2 as pb
from louver_sandbox.annals import refuse_other_owners
from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.demo.city import City
from louver_sandbox.drafting import texts
from louver_sandbox.drafting.office import Office
from louver_sandbox.identity import RegistryRefused
from louver_sandbox.officers import Caller, parse_callers
from louver_sandbox.operator.installation import TOOLS, InstallationRefused
from louver_sandbox.operator.officers import add_officer
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy import load
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.lifecycle import State, Version, version_text
from louver_sandbox.policy.load import load_bundle, load_officers
from louver_sandbox.policy.officers import Signature
from louver_sandbox.premises import load_judgement, utc_now
from louver_sandbox.service.edge import new_incident
from louver_sandbox.service.policies import AT_ONCE, Policies
from louver_sandbox.wiring import Platform

QUESTION = "SELECT grade, count(*) AS n FROM gov.tax_credit WHERE rating_year = 2025 GROUP BY grade"
PURPOSE = "LOAN_ORIGINATION"
YAML = (LIBRARY / "taxation.yaml").read_text(encoding="utf-8")
WIDER = YAML.replace(
    "purposes: [POST_LOAN, MODEL_BUILD, RESEARCH]",
    "purposes: [LOAN_ORIGINATION, POST_LOAN, MODEL_BUILD, RESEARCH]",
    1,
)
PLENTIFUL = YAML.replace("queries_per_day: 5000", "queries_per_day: 6000", 1)

EMPTY = """kind: policy
id: {id}
version: "9"
owner: {owner}
title: gone
grants: []
tests:
  today: 2026-07-01
  subjects: {{bank_a: {{type: bank, groups: [banks]}}}}
  cases:
    - {{case: nothing, who: bank_a, purpose: RESEARCH, sql: SELECT 1 AS n FROM gov.nothing, expect: LVR-1101}}
"""


class House:
    """A platform with officers."""

    def __init__(self, city: City, desk: Desk) -> None:
        self.city, self.desk = city, desk
        self.platform = Platform(city.settings, utc_now, new_incident)
        self.office = Office(self.platform)

    def caller(self, name: str) -> Caller:
        return self.platform.officers.registered()[name]

    def submitted(self, text: str, days: tuple[date, date | None] | None = None) -> Version:
        made = self.office.submit(self.caller("wang"), text, days or (self.office.today, None))
        assert isinstance(made, Version), made
        return made

    def signature(self, name: str, version: Version) -> Signature:
        said = self.desk.sign(name, version_text(version))
        return Signature(said["officer"], base64.b64decode(said["signature"]))

    def approve(self, version: Version, *names: str) -> None:
        for name in names:
            self.office.approve(self.caller(name), version.name, self.signature(name, version))

    def state(self, version: Version) -> State:
        return self.office.lifecycle().standing().state(self.office.version(version.name))

    def verdict(self) -> tuple[str, str]:
        """What the question comes to, and by which bundle where it is permitted."""
        request = replace(ask(QUESTION, purpose=PURPOSE), subject=BANK_A)
        try:
            return "permitted", self.platform.pipeline.explain(request).bundle_digest
        except Refused as refused:
            return refused.code, ""

    def close(self) -> None:
        self.office.close()
        self.platform.close()


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code


@contextmanager
def opened(city: City, desk: Desk) -> Iterator[House]:
    house = House(city, desk)
    try:
        yield house
    finally:
        house.close()


@pytest.fixture
def house(own_city: City, tmp_path: Path) -> Iterator[House]:
    with opened(own_city, appointed(own_city, tmp_path / "desk")) as found:
        yield found


def test_nobody_is_two_officers(house: House) -> None:
    """One person with two names: two certificates for one signer, two rows for one key, a signature lent."""
    with pytest.raises(InstallationRefused, match="nobody calls as two"):
        add_officer(house.city.settings, "wang_again", "wang", TOOLS)
    with pytest.raises(RegistryRefused, match="stands with two officers"):
        parse_callers('[officers.a]\nsigns_as = "wang"\n[officers.b]\nsigns_as = "wang"\n')
    rows = json.loads(house.city.settings.officers.read_bytes())
    mine = next(row for row in rows if row["officer"] == "wang")
    rows = [{**row, "public_key": mine["public_key"]} if row["officer"] == "zhou" else row for row in rows]
    house.city.settings.officers.write_text(json.dumps(rows), encoding="utf-8")
    shutil.copy(house.desk.folder / "wang.key", house.desk.folder / "zhou.key")
    version = house.submitted(WIDER)
    house.approve(version, "wang")
    assert refusal(
        lambda: house.office.approve(house.caller("li"), version.name, house.signature("zhou", version))
    ) == ("LVR-7207"), "li's certificate, zhou's name"
    house.approve(version, "zhou")
    assert house.state(version) is State.REVIEW, "one key is one officer, whatever its rows say"
    assert refusal(lambda: house.office.activate(house.caller("wang"), version.name)) == "LVR-7208"
    assert house.verdict()[0] == "LVR-2009"


def test_an_approval_means_one_version_of_one_text(house: House) -> None:
    """A signature under an older draft is brought for a later one; a version's text is changed after its review."""
    first = house.submitted(PLENTIFUL)
    old = house.signature("li", first)
    second = house.submitted(WIDER)
    house.approve(second, "wang")
    assert refusal(lambda: house.office.approve(house.caller("li"), second.name, old)) == "LVR-7207"
    house.approve(first, "wang")
    path = house.city.settings.requests / f"{first.name}.json"
    body = json.loads(path.read_bytes())
    body["document"] = version_text(second) and json.loads(version_text(second))["document"]
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(BundleRefused, match="of another document"):
        house.office.approve(house.caller("li"), first.name, old)
    body["approval"]["statement"]["document"] = second.statement.document
    path.write_text(json.dumps(body), encoding="utf-8")
    assert refusal(lambda: house.office.approve(house.caller("li"), first.name, old)) == "LVR-7207"
    assert house.state(first) is not State.APPROVED
    assert house.verdict()[0] == "LVR-2009"


def test_no_department_takes_over_anothers_document(house: House) -> None:
    """The police submit a document of their own under another's id, and file it past the office."""
    former = house.platform.judgement.bundle.digest
    found = (
        (item, text)
        for item in house.platform.judgement.bundle.policies
        if item.owner != POLICE
        for text in [EMPTY.format(id=item.id, owner=POLICE)]
        if "document" in house.office.at_desk("submit", text)
    )
    (victim, bare) = next(found)  # nothing but its owner stands in the way of this one
    days = (house.office.today, house.office.today + timedelta(days=30))
    assert refusal(lambda: house.office.submit(house.caller("qian"), bare, (days[0], None))) == "LVR-7206"
    lifecycle = house.office.lifecycle()
    document = texts.placed(bare, house.platform.judgement.bundle).document
    version = lifecycle.file(document, {}, "qian", days)
    house.approve(version, "qian", "sun")
    assert house.state(version) is State.APPROVED
    assert refusal(lambda: house.office.activate(house.caller("qian"), version.name)) == "LVR-7209"
    mine = house.platform.approvals
    taken = [
        replace(item, statement=item.statement.model_copy(update={"owner": POLICE}))
        if item.statement.id == victim.id
        else item
        for item in mine
    ]
    with pytest.raises(BundleRefused, match=f"{victim.id} belongs to"):
        refuse_other_owners(mine, taken)
    assert house.platform.judgement.bundle.digest == former


def test_nobody_tries_another_departments_documents_on_what_banks_have_asked(house: House) -> None:
    """What a draft would change tells of the literals in questions, so one guesses with one's own alone, and is named."""
    look = house.office.to_be_simulated
    assert refusal(lambda: look(house.caller("qian"), PLENTIFUL, "", 7)) == "LVR-7206"
    claimed = EMPTY.format(id="taxation", owner=POLICE)
    assert refusal(lambda: look(house.caller("qian"), claimed, "", 7)) == "LVR-7206"
    version = house.submitted(PLENTIFUL)
    assert refusal(lambda: look(house.caller("qian"), "", version.name, 7)) == "LVR-7206"
    books = house.platform.books

    def steps() -> list[object]:
        found = books.log.latest(None, 100, kinds=("policy",))
        return [entry.fields["officer"] for entry in found if entry.fields["step"] == "simulating"]

    assert steps() == []
    assert "content" in look(house.caller("wang"), PLENTIFUL, "", 7)
    assert steps() == ["wang"]


def test_drafts_that_are_held_keep_nobody_from_revoking(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mallory holds every place for officers' calls; the policy ends all the same."""
    service = Policies(house.platform, house.office)
    monkeypatch.setattr(service, "_peer", lambda context: house.caller("wang"))
    for _ in range(AT_ONCE):
        assert service._calls.acquire(blocking=False)
    context = cast(grpc.ServicerContext, None)  # who calls is known, and nothing is refused
    status = service.GetPolicyStatus(pb.GetPolicyStatusRequest(), context)
    assert status.officer == "wang"
    ending = house.desk.revoke("wang", "taxation", TAX, status.serials["taxation"])
    said = service.RevokePolicy(pb.RevokePolicyRequest(revocation=ending), context)
    assert (said.id, said.serial) == ("taxation", status.serials["taxation"])
    assert house.office.lifecycle().standing().revoked["taxation"] == said.serial


def test_an_order_is_no_signature(house: House) -> None:
    """Whoever writes into a version's report that it was ordered gets nothing into force."""
    version = house.submitted(WIDER)
    path = house.city.settings.requests / f"{version.name}.json"
    body = json.loads(path.read_bytes())
    body["report"]["ordered_by"] = "wang"
    path.write_text(json.dumps(body), encoding="utf-8")
    assert house.office.put_due_in_force() == ()
    house.approve(version, "wang")
    assert house.office.put_due_in_force() == ()
    assert house.verdict()[0] == "LVR-2009"


def test_what_is_put_back_does_not_decide(house: House) -> None:
    """A former bundle with all its signatures is copied over the one in force, and one without signatures."""
    settings = house.city.settings
    former = Path(shutil.copytree(settings.bundle, settings.home / "former"))
    version = house.submitted(WIDER)
    house.approve(version, "wang", "li")
    house.office.activate(house.caller("li"), version.name)
    running = house.platform.judgement.bundle.digest
    assert house.verdict() == ("permitted", running)
    assert house.office.status() == (running, running, running, "")
    present = Path(shutil.copytree(settings.bundle, settings.home / "present"))
    shutil.rmtree(settings.bundle)
    shutil.copytree(former, settings.bundle)
    with pytest.raises(BundleRefused, match="the log knows version 2; this is 1"):
        house.office.follow()
    assert house.office.status()[:2] == (running, "")
    assert "the log knows version 2" in house.office.status()[3]
    shutil.rmtree(settings.bundle)
    shutil.copytree(present, settings.bundle)
    (approvals,) = settings.bundle.glob("approvals-*.json")
    body = json.loads(approvals.read_bytes())
    next(item for item in body if item["statement"]["id"] == "taxation")["signatures"].pop()
    approvals.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(BundleRefused, match="2 are needed"):
        house.office.follow()
    assert house.verdict() == ("permitted", running)


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "error"),
        ("id: " + "[" * 2_000 + "]" * 2_000, "error"),
        ("id: x\n" * 20_000, "error"),
        ("- " * 50_000, "error"),
        ("\x00\x01", "error"),
        ("!!python/object/apply:os.system [true]", "error"),
        ("---\n" * 1_000, "error"),
    ],
)
def test_a_hostile_text_is_a_finding(house_once: House, draft: str, says: str) -> None:
    found = house_once.office.at_desk("lint", draft)["findings"]
    assert {one["severity"] for one in found} == {says}


def test_a_huge_draft_is_refused_before_it_is_read(house_once: House) -> None:
    assert refusal(lambda: house_once.office.at_desk("lint", "x" * (texts.LONGEST + 1))) == "LVR-7204"


@pytest.fixture(scope="module")
def house_once(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    mine = copy_of(city, tmp_path_factory.mktemp("hostile"))
    with opened(mine, appointed(mine, tmp_path_factory.mktemp("desk"))) as found:
        yield found


def test_approvals_at_the_same_moment_are_all_kept(house: House) -> None:
    version = house.submitted(WIDER)
    house.approve(version, "wang")
    signed = {name: house.signature(name, version) for name in ("li", "zhou")}
    begin = threading.Barrier(2)

    def approve(name: str) -> None:
        begin.wait()
        house.office.approve(house.caller(name), version.name, signed[name])

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(approve, name) for name in signed]
    refused = [one.exception() for one in done if one.exception()]
    kept = [one.officer for one in house.office.version(version.name).approval.signatures]
    # Whoever comes after the threshold is reached is told so; no signature that was taken is lost.
    assert len(kept) + len(refused) == 3
    assert all(isinstance(one, Refused) and one.code == "LVR-7208" for one in refused)
    assert house.state(version) is State.APPROVED


def test_a_question_meets_one_bundle_while_they_are_exchanged(house: House) -> None:
    """Many ask while a bundle comes into force: each is refused by the former or permitted by the latter, in order."""
    version = house.submitted(WIDER)
    house.approve(version, "wang", "li")
    former = house.platform.judgement.bundle.digest
    over, seen = threading.Event(), []

    def asking() -> None:
        mine = []
        while not over.is_set():
            mine.append(house.verdict())
        mine.append(house.verdict())
        seen.append(mine)

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(asking) for _ in range(2)]
        try:
            house.office.activate(house.caller("li"), version.name)
        finally:
            over.set()
        [one.result() for one in running]
    digest = house.platform.judgement.bundle.digest
    assert digest != former
    for mine in seen:
        assert set(mine) <= {("LVR-2009", ""), ("permitted", digest)}
        assert mine == sorted(mine), "what was permitted once is not refused again by the former"
        assert mine[-1] == ("permitted", digest)


def test_a_crash_between_any_two_steps_leaves_one_whole_bundle(
    own_city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, settings = appointed(own_city, tmp_path / "desk"), own_city.settings
    real = os.replace

    class Crash(Exception):
        pass

    def crash(source: Path, target: Path) -> None:
        if Path(target).name == load.CONTENT_FILE:
            raise Crash
        real(source, target)

    with opened(own_city, desk) as house:
        version = house.submitted(WIDER)
        house.approve(version, "wang", "li")
        former = house.platform.judgement.bundle.digest
        monkeypatch.setattr(os, "replace", crash)
        with pytest.raises(Crash):
            house.office.activate(house.caller("li"), version.name)
        monkeypatch.undo()
        assert house.verdict()[0] == "LVR-2009", "nothing has changed"
        assert house.platform.judgement.bundle.digest == former
    today = utc_now().date()
    stored = load_bundle(
        settings.bundle, load_officers(settings.officers), today, load_judgement(settings, utc_now()).catalog
    )
    assert stored.digest == former, "the former content has its own approvals"
    with opened(own_city, desk) as again:
        assert again.state(version) is State.APPROVED
        assert again.office.put_due_in_force() == (version.name,), "the order outlived the crash"
        assert again.verdict()[0] == "permitted"
        assert again.office.status()[0] == again.office.status()[2], "and the log says so"


def test_an_operators_activation_waits_for_what_it_grants(house: House) -> None:
    """A bundle is put into the folder before its snapshots are published: nobody pays for a question that must fail."""
    settings, version = house.city.settings, house.submitted(WIDER)
    house.approve(version, "wang", "li")
    lifecycle = house.office.lifecycle()
    with lifecycle.alone():
        lifecycle.keep(lifecycle.coming())
    aside = settings.home / "aside"
    settings.snapshots.rename(aside)
    settings.snapshots.mkdir()
    assert refusal(house.office.follow) == "LVR-7210"
    running, stored, _, problem = house.office.status()
    assert running != stored
    assert "publish" in problem
    assert house.verdict()[0] == "LVR-2009"
    settings.snapshots.rmdir()
    aside.rename(settings.snapshots)
    assert house.office.follow()
    assert house.verdict() == ("permitted", stored)
    assert not house.office.follow(), "it is taken once"


def test_what_is_scheduled_waits_for_its_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tomorrow = house.office.today + timedelta(days=1)
    version = house.submitted(WIDER, (tomorrow, None))
    house.approve(version, "wang", "li")
    assert house.office.put_due_in_force() == ()
    house.office.activate(house.caller("wang"), version.name)
    assert house.state(version) is State.SCHEDULED
    assert house.office.put_due_in_force() == ()
    assert house.verdict()[0] == "LVR-2009"
    monkeypatch.setattr(house.platform, "clock", lambda: utc_now() + timedelta(days=1))
    assert house.office.put_due_in_force() == (version.name,)
    assert house.verdict()[0] == "permitted"
    steps = [
        entry.fields["step"]
        for entry in house.platform.books.log.entries(0, MAX_PAGE, kind="policy")
        if entry.fields.get("policy") == "taxation"
    ]
    assert steps == ["drafted", "submitted", "approved", "scheduled", "activated", "superseded"]
    assert facts_at(utc_now()).today < tomorrow
    assert version.statement.owner == TAX
