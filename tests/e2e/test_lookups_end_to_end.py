"""One subject, asked of by a bank through the real client and service, under its recorded authorisation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import duckdb
import pytest
from tests.support.installation import Service

import louver
from louver import Refused
from louver.results import Answer
from louver_sandbox.demo.city import City

REPORT, PERSON = "enterprise-report@1", "person-report@1"
SCOPE = ["gov.tax_credit", "gov.tax_quarter", "gov.ss_ent_month", "gov.ent_registry"]
PERSONAL = ["gov.hf_account", "gov.ss_person_month"]
LAST = date.today() + timedelta(days=300)  # a day far enough ahead in any zone
SIGNED = hashlib.sha256(b"signed by hand").hexdigest()
GIVEN: dict[str, object] = {
    "granted_on": date.today() - timedelta(days=1),
    "expires_on": LAST,
    "evidence_sha256": SIGNED,
    "purpose": "LOAN_ORIGINATION",
}


@contextmanager
def world(city: City) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as engine:
        for table in ("ent_registry", "tax_credit", "tax_quarter", "ss_ent_month", "hf_account", "ss_person_month"):
            engine.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{city.world}/gov.{table}/*.parquet')")
        yield engine


def one(engine: duckdb.DuckDBPyConnection, sql: str) -> tuple[object, ...]:
    found = engine.execute(sql).fetchone()
    assert found is not None
    return found


def told(answer: Answer) -> set[str]:
    return {notice.code for notice in answer.notices}


def nothing(answer: Answer) -> tuple[object, ...]:
    """All of an answer that says nothing, but for what names the request."""
    return (
        answer.rows,
        answer.stream,
        [(notice.code, notice.count, notice.rule, notice.message) for notice in answer.notices],
        dict(answer.cost),
        tuple(column.name for column in answer.columns),
    )


def enterprise_consent(bank: louver.Client, firm: str, **more: object) -> str:
    given: dict[str, object] = {"scope": SCOPE, **GIVEN}
    return bank.record_authorisation(firm, **{**given, **more})  # type: ignore[arg-type]


def test_a_firm_is_told_of_while_it_authorises_and_nothing_is_told_otherwise(served: Service) -> None:
    with world(served.city) as engine:
        firm, name, grade = one(
            engine,
            "SELECT r.uscc, r.ent_name, t.grade FROM ent_registry r JOIN tax_credit t USING (uscc) "
            "JOIN (SELECT DISTINCT uscc FROM tax_quarter) q USING (uscc) ORDER BY 1",
        )
        (other,) = one(engine, f"SELECT uscc FROM ent_registry WHERE uscc > '{firm}' ORDER BY 1")
        (revenue,) = one(
            engine,
            "SELECT sum(revenue) FROM (SELECT revenue FROM tax_quarter "
            f"WHERE uscc = '{firm}' ORDER BY quarter DESC LIMIT 4)",
        )
    assert isinstance(firm, str)
    with served.connect("bank_a") as bank, served.connect("bank_b") as rival:
        assert {REPORT, PERSON} <= {template.name for template in bank.templates()}

        def ask(subject: str, consent: str, request_id: str | None = None) -> Answer:
            return bank.lookup(
                REPORT, subject, authorisation=consent, purpose="LOAN_ORIGINATION", request_id=request_id
            )

        made = enterprise_consent(bank, firm, uses=2)
        answer = ask(firm, made)
        (row,) = answer.rows
        found = dict(zip((column.name for column in answer.columns), row, strict=True))
        assert (found["ent_name"], found["grade"]) == (name, grade)
        assert found["revenue_band"] in ("<100万", "100-500万", "500-2000万", ">2000万")
        assert (found["revenue_band"] == "<100万") is (revenue < 1_000_000)  # type: ignore[operator]
        assert str(found["established_on"])[4:6] == "-Q"
        assert {"TEMPLATE", "SOURCE", "AUTHORISED_UNTIL"} <= told(answer)
        assert answer.treatment == "authorised"
        assert {one.table for one in answer.quality} == set(SCOPE), "how good the data are that it read"
        # A retry is the same answer and does not use the consent up; a second question does, and a third has none.
        again = ask(firm, made, request_id=answer.request_id)
        assert again.stored
        assert again.rows == answer.rows
        assert ask(firm, made).rows == answer.rows
        unanswered = ask(firm, made)
        silent = nothing(unanswered)
        assert silent[0] == []
        assert unanswered.quality == answer.quality, "it follows from the tables, not from what was found"

        # Nobody, no consent, another bank's, another subject's, another purpose's, one that ended or has not begun,
        # one of another scope: one answer, byte for byte.
        today = date.today()
        assert nothing(ask("91370299MA3NOBODY1", made)) == silent
        assert nothing(ask(firm, "")) == silent
        assert nothing(ask(firm, "0" * 32)) == silent
        assert nothing(ask(firm, enterprise_consent(rival, firm))) == silent
        assert nothing(ask(firm, enterprise_consent(bank, str(other)))) == silent
        assert nothing(ask(firm, enterprise_consent(bank, firm, purpose="POST_LOAN"))) == silent
        past = enterprise_consent(bank, firm, granted_on=date(2026, 1, 1), expires_on=date(2026, 1, 31))
        assert nothing(ask(firm, past)) == silent
        later = enterprise_consent(bank, firm, granted_on=today + timedelta(days=30))
        assert nothing(ask(firm, later)) == silent
        assert nothing(ask(firm, enterprise_consent(bank, firm, scope=SCOPE[:1]))) == silent

        # Revoked a moment ago: nothing, and what was answered before is not given out again.
        live = enterprise_consent(bank, firm, uses=0)
        kept = ask(firm, live)
        assert kept.rows == answer.rows
        bank.revoke_authorisation(live)
        assert nothing(ask(firm, live)) == silent
        with pytest.raises(Refused) as refused:
            ask(firm, live, request_id=kept.request_id)
        assert refused.value.code == "LVR-6106"
        with pytest.raises(Refused) as unknown:
            rival.revoke_authorisation(made)
        assert unknown.value.code == "LVR-5222"
        listed = {one.id: one for one in bank.authorisations()}
        assert (listed[made].used, listed[made].uses) == (2, 2)
        assert listed[live].revoked
        assert listed[made].evidence_sha256 == SIGNED


def test_a_person_is_told_of_in_bands_with_separate_consent_and_a_warning_to_agencies(served: Service) -> None:
    with world(served.city) as engine:
        person, months, base = one(
            engine, "SELECT person_id, months_continuous, base_amt FROM hf_account WHERE base_amt > 0 ORDER BY 1"
        )
    with served.connect("bank_a") as bank, served.connect("agency_c") as agency:

        def consent(of: louver.Client, **more: bool) -> str:
            return of.record_authorisation(
                str(person),
                unit="person",
                scope=PERSONAL,
                **{**GIVEN, **more},  # type: ignore[arg-type]
            )

        def ask(of: louver.Client, authorisation: str) -> Answer:
            return of.lookup(PERSON, str(person), authorisation=authorisation, purpose="LOAN_ORIGINATION")

        answer = ask(bank, consent(bank, single_consent=True))
        (row,) = answer.rows
        assert row[0] is (months >= 24)  # type: ignore[operator]
        assert row[2] in ("<5千", "5千-1万", "1-2万", ">2万")
        assert (row[2] == "<5千") is (base < 5000)  # type: ignore[operator]
        assert ask(bank, consent(bank)).rows == []
        assert ask(agency, consent(agency, single_consent=True)).rows == []
        assert ask(agency, consent(agency, single_consent=True, adverse_notice=True)).rows == answer.rows


@pytest.mark.parametrize(
    ("template", "parameters", "subject", "purpose", "code"),
    [
        ("nothing@1", {}, "91370299MA3TEST012", "LOAN_ORIGINATION", "LVR-6101"),
        ("enterprise-report", {}, "91370299MA3TEST012", "LOAN_ORIGINATION", "LVR-6101"),
        ("enterprise-report@1", {}, "91370299MA3TEST012", "RESEARCH", "LVR-6102"),
        ("enterprise-report@1", {"year": 2025}, "91370299MA3TEST012", "LOAN_ORIGINATION", "LVR-6103"),
        ("enterprise-report@1", {}, "x' OR '1'='1", "LOAN_ORIGINATION", "LVR-6103"),
        ("enterprise-report@1", {}, "~", "LOAN_ORIGINATION", "LVR-6103"),
        ("enterprise-report@1", {}, "", "LOAN_ORIGINATION", "LVR-6103"),
    ],
)
def test_what_is_no_call_of_a_template_is_refused(
    bank: louver.Client, template: str, parameters: dict[str, int], subject: str, purpose: str, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        bank.lookup(template, subject, parameters=parameters, purpose=purpose)
    assert refused.value.code == code
    assert subject not in str(refused.value) or subject == ""
