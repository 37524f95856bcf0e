"""A loan officer's credit report: made by the real service, proved, printed, checked, disputed and corrected."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import uuid
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from pypdf import PdfReader
from tests.support.installation import Service
from typer.testing import CliRunner

import louver
from louver import Refused, Unproven
from louver.aio import AsyncClient
from louver.cli.app import app as bank_app
from louver.reports import CreditReport
from louver.reports.document import load
from louver.reports.paper import printable
from louver_sandbox.operator.main import app as operator_app

REPORT, ORGANISATION, PERSON = "credit-enterprise@1", "credit-organisation@1", "credit-person@1"
SCOPE = [
    *("gov.tax_credit", "gov.tax_quarter", "gov.ss_ent_month"),
    *("gov.pen_penalty", "gov.court_dishonest", "gov.credit_list"),
]
PERSONAL = ["gov.hf_account", "gov.ss_person_month", "gov.credit_list", "gov.court_dishonest"]
SIGNED = hashlib.sha256(b"signed by hand").hexdigest()


def world(served: Service, sql: str) -> tuple[str, ...]:
    with duckdb.connect() as engine:
        for folder in served.city.world.glob("gov.*"):
            name = folder.name.removeprefix("gov.")
            engine.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder}/*.parquet')")
        found = engine.execute(sql).fetchone()
    assert found is not None
    return tuple(map(str, found))


def punished(served: Service) -> str:
    """A firm with a penalty in its publicity period, taxes and staff."""
    (firm,) = world(
        served,
        "SELECT min(uscc) FROM ent_registry r WHERE subject_class = 'E' "
        "AND EXISTS (FROM pen_penalty p WHERE p.subject_id = uscc AND repaired_on IS NULL "
        "AND published_on >= DATE '2026-01-01') "
        "AND EXISTS (FROM tax_quarter q WHERE q.uscc = r.uscc) AND EXISTS (FROM ss_ent_month s WHERE s.uscc = r.uscc)",
    )
    return firm


def consent(of: louver.Client, subject: str, **more: object) -> str:
    given: dict[str, object] = {
        "purpose": "LOAN_ORIGINATION",
        "scope": SCOPE,
        "granted_on": date.today() - timedelta(days=1),
        "expires_on": date.today() + timedelta(days=300),
        "evidence_sha256": SIGNED,
    }
    return of.record_authorisation(subject, **{**given, **more})  # type: ignore[arg-type]


def made(
    of: louver.Client, subject: str, authorisation: str, name: str = REPORT, request: str | None = None
) -> CreditReport:
    return of.report(name, subject, authorisation=authorisation, purpose="LOAN_ORIGINATION", request_id=request)


def form(report: CreditReport) -> dict[str, object]:
    """All of a report but for what names the request, the subject and the moment."""
    said: dict[str, object] = json.loads(report.document)
    for name in ("request_id", "authorisation", "made", "subject"):
        said[name] = len(str(said[name]))
    return said


def test_a_report_is_all_of_it_or_nothing(served: Service) -> None:
    firm = punished(served)
    with served.connect("bank_a") as bank, served.connect("bank_b") as rival:
        assert [one.name for one in bank.reports()] == [REPORT, ORGANISATION, PERSON]
        held = consent(bank, firm)
        told = made(bank, firm, held)
        assert [one.title for one in told.sections][:2] == ["登记信息", "纳税信息"]
        assert all(one.sources and one.template for one in told.sections)
        assert told.valid_until == told.made.date() + timedelta(days=30)
        penalties = told.sections[3]
        (number,) = world(
            served,
            f"SELECT count(*) FROM pen_penalty WHERE subject_id = '{firm}' AND repaired_on IS NULL "
            f"AND published_on >= DATE '{told.made.date()}' - INTERVAL 3 YEAR",
        )
        assert len(penalties.rows) == int(number)
        entry = told.verify(served.city.log_key)
        assert bank.receipt(told.request_id).verify(served.city.log_key).index == entry
        assert REPORT in {one.sql for one in bank.my_queries(20) if one.request_id == told.request_id}
        assert {one.id: one.used for one in bank.authorisations()}[held] == 1, "six sections are one use"
        # The very request again is the very document; another finds the authorisation used up.
        assert made(bank, firm, held, request=told.request_id).document == told.document
        silent = made(bank, firm, held)
        assert silent.sections == ()
        silent.verify(served.city.log_key)
        # Nobody, no authorisation, another bank's, one for part of it, one that ended or has not begun, and two that
        # together would do: one form.
        today = date.today()
        past = {"granted_on": date(2026, 1, 1), "expires_on": date(2026, 1, 31)}
        for subject, held in [
            (firm, ""),
            (firm, str(uuid.uuid4())),
            ("91370299MA3NOBODY1", consent(bank, "91370299MA3NOBODY1")),
            (firm, consent(rival, firm)),
            (firm, consent(bank, firm, scope=SCOPE[:3])),
            (firm, consent(bank, firm, scope=SCOPE[3:])),
            (firm, consent(bank, firm, **past)),
            (firm, consent(bank, firm, granted_on=today + timedelta(days=30))),
        ]:
            found = form(made(bank, subject, held))
            assert found | {"authorisation": 0} == form(silent) | {"authorisation": 0}
        # Revoked afterwards, it is not given again.
        live = consent(bank, firm)
        kept = made(bank, firm, live)
        bank.revoke_authorisation(live)
        with pytest.raises(Refused) as refused:
            made(bank, firm, live, request=kept.request_id)
        assert refused.value.code == "LVR-5134"


def test_each_library_has_its_own_rules(served: Service) -> None:
    (organisation,) = world(served, "SELECT min(uscc) FROM ent_registry WHERE subject_class = 'N'")
    (business,) = world(served, "SELECT min(uscc) FROM ent_registry WHERE subject_class = 'I'")
    (person,) = world(served, "SELECT min(person_id) FROM hf_account WHERE base_amt > 0")
    with served.connect("bank_a") as bank:
        # What is public of an organisation needs nobody's leave; of an enterprise there is more, and that needs it.
        assert made(bank, organisation, "", ORGANISATION).sections[0].rows
        assert made(bank, organisation, consent(bank, organisation)).sections == (), "it is no enterprise"
        report = made(bank, business, consent(bank, business))
        assert report.sections[0].rows[0][0] is None, "the name of an individual business is a person's"
        personal = {"unit": "person", "scope": PERSONAL}
        assert made(bank, person, consent(bank, person, **personal), PERSON).sections == ()
        told = made(bank, person, consent(bank, person, single_consent=True, **personal), PERSON)
        assert told.sections
        assert person not in told.document.decode(), "a person's number is masked"


def test_a_report_is_printed_and_checked(served: Service, tmp_path: Path) -> None:
    firm = punished(served)
    with served.connect("bank_a") as bank:
        report = made(bank, firm, consent(bank, firm))
    report.to_pdf(tmp_path / "firm.pdf")
    report.save(tmp_path / "firm.json")
    content = (tmp_path / "firm.pdf").read_bytes()
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    assert "企业公共信用报告" in text
    assert firm in text
    assert report.sha256 in text
    (tmp_path / "log.pub").write_text(served.city.log_key, encoding="utf-8")
    for name in ("firm.pdf", "firm.json"):
        assert load(tmp_path / name).document == report.document
        key = ["--log-key", str(tmp_path / "log.pub")]
        checked = CliRunner().invoke(bank_app, ["report-check", str(tmp_path / name), *key])
        assert checked.exit_code == 0, checked.output
    forged = report.document.replace(b'"C"', b'"A"').replace(firm.encode(), b"91370299MA3FORGED1")
    (tmp_path / "firm.json").write_bytes(forged)
    with pytest.raises(Unproven):
        load(tmp_path / "firm.json").verify(served.city.log_key)


def test_a_repair_reaches_the_bank_that_was_told(served: Service, tmp_path: Path) -> None:
    firm, home = punished(served), str(served.city.settings.home)
    evidence = tmp_path / "request.pdf"
    evidence.write_bytes(b"signed")
    run = CliRunner().invoke
    with served.connect("bank_a") as bank, served.connect("bank_b") as rival:
        report = made(bank, firm, consent(bank, firm))
        made(rival, firm, "")
        said = {"table": "gov.pen_penalty", "statement": "已缴清", "evidence_sha256": SIGNED}
        with pytest.raises(Refused) as refused:
            rival.dispute(report.request_id, **said)
        assert refused.value.code == "LVR-5121"
        taken = bank.dispute(report.request_id, **said)
        assert (taken.state, taken.outcome) == ("open", "")
        listed = run(operator_app, ["disputes", "list", "--home", home])
        assert taken.id in listed.output
        shown = json.loads(run(operator_app, ["disputes", "show", taken.id, "--home", home]).output)
        assert (shown["statement"], shown["subject"], shown["through"]) == ("已缴清", firm, "bank_a")
        answered = run(
            operator_app,
            ["disputes", "answer", taken.id, "--outcome", "corrected", "--reason", "已撤销", "--home", home],
        )
        assert answered.exit_code == 0, answered.output
        assert [one.outcome for one in bank.disputes() if one.id == taken.id] == ["corrected"]
        found = [one for one in bank.corrections() if report.request_id in one.request_ids]
        assert [(one.subject, one.table, one.kind) for one in found] == [(firm, "gov.pen_penalty", "corrected")]
        assert rival.corrections() == []
    told = run(operator_app, ["subjects", "report", "--subject", firm, "--evidence", str(evidence), "--home", home])
    assert told.exit_code == 0, told.output
    access = json.loads(told.output)
    asked = {(one["institution"], one["was_told"]) for one in access["inquiries"]}
    assert {("bank_a", True), ("bank_b", False)} <= asked
    assert access["corrections"][-1]["passed_on"]["bank_a"]
    assert run(operator_app, ["disputes", "due", "--home", home]).exit_code == 0
    swept = run(operator_app, ["corrections", "sweep", "--home", home])
    assert swept.exit_code == 0, swept.output


def test_the_asynchronous_client_does_the_same(served: Service) -> None:
    firm = punished(served)
    with served.connect("bank_a") as bank:
        held = consent(bank, firm)
        profile = bank.settings

    async def ask() -> CreditReport:
        async with AsyncClient(profile) as bank:
            assert [one.name for one in await bank.reports()] == [REPORT, ORGANISATION, PERSON]
            told = await bank.report(REPORT, firm, authorisation=held, purpose="LOAN_ORIGINATION")
            taken = await bank.dispute(
                told.request_id, table="gov.pen_penalty", statement="不属实", evidence_sha256=SIGNED
            )
            assert taken.id in {one.id for one in await bank.disputes()}
            await bank.corrections()
            return told

    assert asyncio.run(ask()).sections


def test_a_name_in_the_data_is_text_on_paper() -> None:
    hostile = "甲<b>)Tj ET\n\u202e公司\U0002cb4a\x00"
    assert printable(hostile) == "甲<b>)Tj ET〔U+000A〕〔U+202E〕公司〔U+2CB4A〕〔U+0000〕"
