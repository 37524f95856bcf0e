"""Warnings through the real client and service: flags of authorised borrowers, and nothing of anybody else.

The whole of B09 of the design, with its variants: flags are right against the world, no amount leaves, and an
authorisation of another purpose, bank, subject, day or scope tells what no authorisation tells.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from tests.support.installation import Service, eventually
from tests.support.matched_city import louver_command

import louver
import louver.aio
from louver import Refused
from louver.warnings import Borrower, Subscription
from louver_sandbox.demo.city import City

TEMPLATE, PURPOSE = "post-loan-warning@1", "POST_LOAN"
SCOPE = ["gov.tax_quarter", "gov.ss_ent_month", "gov.court_dishonest", "gov.utl_month"]
TODAY = date.today()
SETTLED = TODAY + timedelta(days=200)
FLAGS = ("tax_arrears", "headcount_drop", "dishonest", "power_drop")
TRUTH = """
SELECT r.uscc,
       coalesce((SELECT max(arrears_amt) > 0 FROM (SELECT arrears_amt FROM tax_quarter t WHERE t.uscc = r.uscc
                 ORDER BY quarter DESC LIMIT 2)), false),
       coalesce((SELECT 10 * arg_max(headcount, pay_month) < 7 * arg_min(headcount, pay_month) FROM ss_ent_month s
                 WHERE s.uscc = r.uscc AND headcount IS NOT NULL), false),
       EXISTS (SELECT 1 FROM court_dishonest d WHERE d.subject_id = r.uscc AND removed_on IS NULL)
FROM ent_registry r WHERE subject_class = 'E' ORDER BY 1
"""


@pytest.fixture(scope="module")
def truth(city: City) -> dict[str, tuple[str, ...]]:
    """Of every firm the first three flags, counted from the world by other SQL."""
    with duckdb.connect() as engine:
        for table in ("ent_registry", "tax_quarter", "ss_ent_month", "court_dishonest"):
            engine.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{city.world}/gov.{table}/*.parquet')")
        rows = engine.execute(TRUTH).fetchall()
    return {str(firm): tuple(flag for flag, up in zip(FLAGS[:3], told, strict=True) if up) for firm, *told in rows}


def consent(bank: louver.Client, firm: str, **more: object) -> str:
    given: dict[str, object] = {
        "purpose": PURPOSE,
        "scope": SCOPE,
        "granted_on": TODAY - timedelta(days=1),
        "expires_on": SETTLED,
        "evidence_sha256": hashlib.sha256(b"signed by hand").hexdigest(),
    }
    return bank.record_authorisation(firm, **{**given, **more})  # type: ignore[arg-type]


def everything(bank: louver.Client) -> dict[str, tuple[str, ...]]:
    """What has been told of each subscription so far."""
    return {notice.subscription: notice.raised for notice in bank.warnings.poll()}


def waited(bank: louver.Client, subscriptions: set[str]) -> dict[str, tuple[str, ...]]:
    """What has been told once something is told of all of these."""
    assert eventually(lambda: subscriptions <= everything(bank).keys(), 60)
    return everything(bank)


def made_alike(one: Subscription) -> tuple[object, ...]:
    """All of a subscription but what names it."""
    return one.template, one.purpose, one.unit, one.until, one.cancelled, len(one.id)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    assert refused.value.message_zh
    return refused.value.code


def test_flags_of_authorised_borrowers_and_of_nobody_else(served: Service, truth: dict[str, tuple[str, ...]]) -> None:
    flagged = [firm for firm, flags in truth.items() if flags]
    clear = [firm for firm, flags in truth.items() if not flags]
    assert len(flagged) >= 8, "the world has borrowers in trouble"
    with served.connect("bank_a", PURPOSE) as bank, served.connect("bank_b", PURPOSE) as rival:
        (offered,) = [one for one in bank.warnings.templates() if one.name == TEMPLATE]
        assert {field.name for field in offered.fields} == set(FLAGS)
        assert TEMPLATE not in {one.name for one in bank.templates()}, "what is subscribed to is not asked"
        assert refusal(lambda: bank.lookup(TEMPLATE, flagged[0])) == "LVR-6101"

        # Firms in trouble of which no authorisation tells: another bank's, another firm's, another purpose's, one that
        # has not begun, of another scope, revoked, none, and nobody's; and a firm that is not there.
        voided = consent(bank, flagged[5])
        bank.revoke_authorisation(voided)
        silent = [
            (flagged[4], consent(rival, flagged[4])),
            (flagged[4], consent(bank, clear[30])),
            (flagged[4], consent(bank, flagged[4], purpose="LOAN_ORIGINATION")),
            (flagged[5], consent(bank, flagged[5], granted_on=TODAY + timedelta(days=30))),
            (flagged[5], consent(bank, flagged[5], scope=SCOPE[:1])),
            (flagged[5], voided),
            (flagged[6], ""),
            (flagged[6], "0" * 32),
            ("91370299MA3NOBODY1", consent(bank, "91370299MA3NOBODY1")),
        ]
        untold = [bank.warnings.subscribe(TEMPLATE, who, authorisation=of, until=SETTLED) for who, of in silent]
        wanted = [Borrower(firm, consent(bank, firm), SETTLED) for firm in flagged[:4] + clear[:20]]
        made = list(bank.warnings.subscribe_all(TEMPLATE, wanted))
        assert len({made_alike(one) for one in (*untold, *made)}) == 1, "no subscription says what covers it"

        in_trouble = {one.id: truth[one.subject] for one in made[:4]}
        told = waited(bank, set(in_trouble))
        assert told.keys() <= {one.id for one in made}, "what no authorisation covers is silent"
        for one in made:
            assert told.get(one.id, ())[: len(truth[one.subject])] == truth[one.subject]
            assert set(told.get(one.id, ())) <= {*truth[one.subject], "power_drop"}
        notices = bank.warnings.poll()
        assert not any(firm.encode() in notices.document for firm in truth), "no subject leaves in clear"
        assert set(json.loads(notices.document)["notices"][0]) == {
            *("id", "subscription", "template", "raised", "cleared", "as_of", "made")
        }
        half = bank.warnings.poll(most=1)
        rest = bank.warnings.poll(half.last)
        assert [*half, *rest] == list(notices)
        assert list(rival.warnings.poll()) == []
        assert refusal(lambda: rival.warnings.poll(half.last)) == "LVR-5148"
        assert refusal(lambda: rival.warnings.cancel(made[0].id)) == "LVR-5148"

        # A stream tells the same; a receipt proves every document, and one that was changed is found out.
        stream = bank.warnings.stream()
        assert list(next(stream)) == list(notices)
        with pytest.raises(louver.Unproven):
            replace(notices, document=notices.document + b" ").verify(served.city.log_key)

        # A revocation stops it at once: nothing that was raised is told again. What is cancelled is told no more.
        bank.revoke_authorisation(made[0].authorisation)
        assert everything(bank).keys() == told.keys() - {made[0].id}
        assert bank.warnings.cancel(made[1].id).cancelled
        assert everything(bank).keys() == told.keys() - {made[0].id, made[1].id}
        listed = {one.id: one for one in bank.warnings.list()}
        assert bool(listed[made[1].id].cancelled) is True
        assert made_alike(listed[made[0].id]) == made_alike(untold[0]), "that it was revoked is told nobody"
        # The authorisation was used once, however often its subscription is evaluated.
        assert {one.used for one in bank.authorisations() if one.id == made[2].authorisation} == {1}


def test_what_a_subscription_must_be(served: Service, truth: dict[str, tuple[str, ...]]) -> None:
    firm = list(truth)[-1]
    with served.connect("bank_a", PURPOSE) as bank, served.connect("agency_c", PURPOSE) as stranger:
        held, ours = consent(bank, firm), bank.warnings

        def code(**more: object) -> str:
            given: dict[str, object] = {"authorisation": held, "until": SETTLED, **more}
            subject, template = given.pop("subject", firm), given.pop("template", TEMPLATE)
            return refusal(lambda: ours.subscribe(str(template), str(subject), **given))  # type: ignore[arg-type]

        assert code(template="post-loan-warning@2") == "LVR-5141"
        assert code(template="enterprise-report@1") == "LVR-5141", "a lookup is not subscribed to"
        assert code(purpose="MARKETING") == "LVR-5142"
        assert code(subject="' OR 1=1 --") == "LVR-5143"
        assert code(authorisation="x" * 100) == "LVR-5143"
        assert code(until=TODAY - timedelta(days=2)) == "LVR-5144"
        assert code(until=TODAY + timedelta(days=9_000)) == "LVR-5144"
        assert code(until=SETTLED + timedelta(days=1)) == "LVR-5144", "the authorisation lasts until settlement"
        assert (
            refusal(lambda: stranger.warnings.subscribe(TEMPLATE, firm, authorisation="", until=SETTLED))
            == "LVR-5141"
        )
        identity = str(uuid.uuid4())
        first = ours.subscribe(TEMPLATE, firm, authorisation=held, until=SETTLED, request_id=identity)
        assert ours.subscribe(TEMPLATE, firm, authorisation=held, until=SETTLED, request_id=identity) == first
        assert first.id == identity
        assert code(request_id=identity, until=TODAY) == "LVR-0106"
        for _ in range(2):
            ours.cancel(ours.subscribe(TEMPLATE, firm, authorisation=held, until=SETTLED).id)
        assert code() == "LVR-5147", "cancelling and subscribing again is no way to ask every day"
        for url in ("http://hooks.example", "https://hooks.example/", "https://127.0.0.1/", "https://[::1]/", "x"):
            assert refusal(lambda url=url: ours.set_webhook(url)) == "LVR-5151"  # type: ignore[misc]
        assert ours.webhook() == ""


def test_the_command_subscribes_to_a_file_of_borrowers_and_polls(
    served: Service, truth: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    firms = [*list(truth)[-6:-4], [firm for firm, flags in truth.items() if flags][7]]
    with served.connect("bank_a", PURPOSE) as bank:
        rows = [f"{firm},{consent(bank, firm)},{SETTLED}" for firm in firms]
    listing = tmp_path / "borrowers.csv"
    listing.write_text("\n".join(["subject,authorisation,until", *rows]), encoding="utf-8")

    def command(*arguments: str) -> str:
        done = louver_command(served, "warnings", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = command("subscribe", TEMPLATE, "--file", str(listing), "--purpose", PURPOSE).split()
    assert len(made) == len(firms)
    assert {one["id"] for one in json.loads(command("list", "--json"))} >= set(made)
    with served.connect("bank_a", PURPOSE) as bank:
        waited(bank, {made[-1]})
    told = {one["subscription"]: one for one in json.loads(command("poll", "--json"))}
    assert set(told[made[-1]]["raised"]) >= set(truth[firms[-1]])
    command("cancel", made[-1])
    assert made[-1] not in {one["subscription"] for one in json.loads(command("poll", "--json"))}


def test_the_asyncio_client_does_the_same(served: Service, truth: dict[str, tuple[str, ...]]) -> None:
    """Subscribes, lists, polls, follows and cancels; a stream that is closed ends its call."""
    flagged = [firm for firm, flags in truth.items() if flags][:3]
    clients = served.city.settings.home / "clients"

    async def act() -> None:
        async with louver.aio.connect(
            served.address,
            certificate=clients / "bank_b.pem",
            key=clients / "bank_b.key",
            ca=served.city.settings.pki / "authority.pem",
            log_key=served.city.log_key,
            purpose=PURPOSE,
            timeout=120.0,
        ) as bank:
            evidence = hashlib.sha256(b"signed by hand").hexdigest()
            wanted = [
                Borrower(
                    firm,
                    await bank.record_authorisation(
                        firm,
                        purpose=PURPOSE,
                        scope=SCOPE,
                        granted_on=TODAY - timedelta(days=1),
                        expires_on=SETTLED,
                        evidence_sha256=evidence,
                    ),
                    SETTLED,
                )
                for firm in flagged
            ]
            assert TEMPLATE in {one.name for one in await bank.warnings.templates()}
            made = [one async for one in bank.warnings.subscribe_all(TEMPLATE, wanted)]
            assert [one.subject for one in made] == flagged
            assert {one.id for one in made} <= {one.id async for one in bank.warnings.list()}
            told: dict[str, tuple[str, ...]] = {}
            stream = bank.warnings.stream()
            async for notices in stream:
                told |= {notice.subscription: notice.raised for notice in notices}
                if {one.id for one in made} <= told.keys():
                    break
            await stream.aclose()  # type: ignore[attr-defined]
            for one in made:
                assert set(truth[one.subject]) <= set(told[one.id])
            polled = await bank.warnings.poll()
            assert {notice.subscription for notice in polled} >= {one.id for one in made}
            assert (await bank.warnings.cancel(made[0].id)).cancelled
            assert await bank.warnings.webhook() == ""
            with pytest.raises(Refused) as refused:
                await bank.warnings.set_webhook("https://elsewhere.example/louver")
            assert refused.value.code == "LVR-5151"
            await bank.warnings.set_webhook("")

    asyncio.run(asyncio.wait_for(act(), 120))
