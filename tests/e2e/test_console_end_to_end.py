"""The console as its people use it: real processes, a real sandbox, HTTP as a browser speaks it."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest
from tests.support.audit_logs import behind_the_back
from tests.support.console import AUDITOR, PASSWORD, Browser, RunningConsole, console
from tests.support.installation import Service, eventually, service
from tests.support.watched import BURST
from typer.testing import CliRunner

from louver.audit import AuditClient
from louver.audit.witness import new_key
from louver.catalogue import sample
from louver.cli.app import app as client_command
from louver.errors import Refused
from louver.failures import Misused
from louver.receipt import Receipt
from louver.reports.document import load
from louver.transparency import Checkpoint
from louver.transparency.cosignature import Cosigner, cosign
from louver_sandbox.demo.city import City
from louver_sandbox.operator.auditors import add_witness
from louver_sandbox.operator.main import app as operator_command
from louver_server.accounts.model import Role
from louver_server.command import app as console_command
from louver_server.connections import Connections
from louver_server.witnessed import read_keys, witnessed

QUESTION = "SELECT district_code, count(*) AS firms\nFROM gov.ent_registry GROUP BY district_code"
DEMONSTRATION = "import sys; from pathlib import Path; from louver_sandbox.demo.browsing import browse; browse(Path(sys.argv[1]), print)"
REFUSED = "SELECT ent_name FROM gov.ent_registry"


@pytest.fixture(scope="module")
def running(served: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with console(served, tmp_path_factory.mktemp("c") / "console") as found:
        yield found


@pytest.fixture(scope="module")
def analyst(running: RunningConsole) -> Browser:
    return running.signed_in(running.person("wang.fang", Role.ANALYST, "bank_a"))


def test_an_analyst_explains_a_question_for_nothing_and_asks_it(
    running: RunningConsole, analyst: Browser, served: Service
) -> None:
    token = analyst.csrf("/ask")
    page = analyst.get("/ask").text
    (request_id,) = {part.split('"')[0] for part in page.split('name="request_id" value="')[1:]}
    fields = {
        "csrf": token,
        "request_id": request_id,
        "sql": QUESTION,
        "purpose": "RESEARCH",
        "dialect": "",
        "epsilon": "",
    }
    with served.connect("bank_a") as bank:
        before = {one.log_index for one in bank.my_queries(500)}
    explained = analyst.post("/ask", data={**fields, "accuracy": "", "act": "explain"})
    assert explained.status_code == 200
    assert "What it would do" in explained.text
    with served.connect("bank_a") as bank:
        # The newest come first, and others have asked the same service more than five hundred.
        (logged,) = (one for one in bank.my_queries(500) if one.log_index not in before)
        assert (logged.state, logged.cost) == ("explained", {})
        answered = analyst.post("/ask", data={**fields, "accuracy": "", "act": "run"})
        assert answered.url.path == f"/answers/{request_id}"
        direct = bank.analyse(QUESTION, purpose="RESEARCH")
    assert direct.rows
    shown = list(csv.reader(io.StringIO(analyst.get(f"/answers/{request_id}/rows.csv").text)))
    assert shown[0] == ["district_code", "firms"]
    assert sorted(shown[1:]) == sorted(["" if value is None else str(value) for value in row] for row in direct.rows)
    assert all(str(value) in answered.text for row in direct.rows for value in row if value is not None)
    assert json.loads(analyst.get(f"/answers/{request_id}/rows.json").text)["verified"] is True
    assert "of the log, proved" in answered.text


def test_a_receipt_that_was_downloaded_is_verified_by_the_log_key_alone(analyst: Browser, served: Service) -> None:
    asked = _ask(analyst, "SELECT count(*) AS firms FROM gov.ent_registry")
    request_id = asked.url.path.rsplit("/", 1)[1]
    receipt = Receipt.from_bytes(analyst.get(f"/answers/{request_id}/receipt").content)
    proof = receipt.verify(served.city.log_key, sql="SELECT count(*) AS firms FROM gov.ent_registry")
    assert proof.kind == "outcome"
    page = analyst.get(f"/history/{request_id}").text
    assert "it commits to this SQL" in page
    assert f"Entry {proof.index} is in the tree" in page


def test_sending_a_form_twice_asks_and_pays_once(analyst: Browser, served: Service) -> None:
    page = analyst.get("/ask").text
    request_id = page.split('name="request_id" value="')[1].split('"')[0]
    token = page.split('name="csrf" value="')[1].split('"')[0]
    sql = "SELECT industry_code, count(*) AS firms FROM gov.ent_registry GROUP BY 1"
    fields = {"csrf": token, "request_id": request_id, "sql": sql, "purpose": "RESEARCH", "act": "run"}
    first, second = analyst.post("/ask", data=fields), analyst.post("/ask", data=fields)
    assert first.status_code == second.status_code == 200
    with served.connect("bank_a") as bank:
        admitted = [one for one in bank.my_queries(500) if one.sql == sql and one.state == "admitted"]
    assert len(admitted) == 1
    other = analyst.post("/ask", data=fields | {"sql": sql + " "})
    assert other.status_code == 400


def test_a_refusal_teaches_with_its_place_in_the_sql(analyst: Browser) -> None:
    refused = _ask(analyst, REFUSED)
    assert refused.status_code == 422
    assert "LVR-" in refused.text
    assert "1 | SELECT ent_name" in refused.text
    assert "       ^" in refused.text
    assert 'aria-invalid="true"' in refused.text
    chinese = analyst.post(
        "/ask",
        data={
            "csrf": analyst.csrf("/ask"), "request_id": "7a0dbd2a-5df3-4a4c-9d2b-0c6a9ab2b0a1", "sql": REFUSED,
            "purpose": "RESEARCH", "act": "explain",
        },
        headers={"accept-language": "zh-CN,zh;q=0.9"},
    )  # fmt: skip
    assert "提示" in chinese.text or "用途" in chinese.text
    assert any("一" <= char <= "鿿" for char in chinese.text.split('id="refused"')[1])


def test_history_is_the_institutions_own_and_opens_inert_in_a_spreadsheet(
    running: RunningConsole, analyst: Browser, served: Service
) -> None:
    with served.connect("bank_b") as other:
        other.analyse("SELECT count(*) AS only_bank_b_asks_this FROM gov.ent_registry", purpose="RESEARCH")
    _ask(analyst, "=1+1")
    everything = analyst.get("/history").text
    assert "only_bank_b_asks_this" not in everything
    csv.field_size_limit(1 << 24)  # others ask of the same service, one of them at great length
    rows = list(csv.DictReader(io.StringIO(analyst.get("/history.csv").text)))
    assert rows
    assert not any(value.startswith("=") for row in rows for value in row.values())
    assert any(row["sql"] == "'=1+1" for row in rows)
    refused = json.loads(analyst.get("/history.json", params={"state": "refused"}).text)
    assert refused
    assert {one["state"] for one in refused} == {"refused"}
    assert json.loads(analyst.get("/history.json", params={"words": "no such words at all"}).text) == []


def test_one_institutions_answers_are_not_anothers(running: RunningConsole, analyst: Browser) -> None:
    asked = _ask(analyst, QUESTION)
    path = asked.url.path
    assert asked.status_code == 200
    other = running.signed_in(running.person("li.na", Role.ANALYST, "bank_b"))
    for ending in ("", "/rows.csv", "/rows.json"):
        assert other.get(path + ending).status_code == 404
    assert other.get(f"/ask?again={path.rsplit('/', 1)[1]}").text.count("gov.ent_registry GROUP") == 0


def test_a_subject_is_asked_about_under_its_authorisation_and_silent_without(
    running: RunningConsole, analyst: Browser, served: Service
) -> None:
    world = served.city.world
    with duckdb.connect() as engine:
        ((firm, name),) = engine.execute(
            f"SELECT e.uscc, e.ent_name FROM '{world}/gov.ent_registry/*.parquet' e "
            f"JOIN '{world}/gov.tax_credit/*.parquet' t USING (uscc) ORDER BY 1 LIMIT 1"
        ).fetchall()
    page = analyst.get("/lookups").text
    (template,) = set(re.findall(r"enterprise-report@\d+", page))
    scope = ("gov.tax_credit", "gov.tax_quarter", "gov.ss_ent_month", "gov.ent_registry")
    fields = {
        "subject": firm, "unit": "enterprise", "purpose": "LOAN_ORIGINATION", "granted_on": "2026-01-01", "uses": "0",
        "expires_on": "2099-12-31", "evidence": "ab" * 32, **{f"t.{table}": "on" for table in scope},
    }  # fmt: skip
    recorded = analyst.submit("/authorisations", **fields)
    assert recorded.status_code == 201
    consent = recorded.text.split("Recorded:")[1].split("<code>")[1].split("</code>")[0]
    ask = {"subject": firm, "authorisation": consent, "purpose": "LOAN_ORIGINATION"}

    def lookup(**other: str) -> str:
        form = analyst.get(f"/lookups/{template}").text
        (request_id,) = re.findall(r'name="request_id" value="([^"]+)"', form)
        done = analyst.submit(f"/lookups/{template}", **{**ask, **other, "request_id": request_id})
        assert done.status_code == 200, done.text
        return done.text

    told = lookup()
    assert name in told
    assert "of the log, proved" in told
    silent = lookup(subject="91370299MA3NOBODY1")
    assert "There is nothing to tell." in silent
    assert name not in silent
    analyst.submit(f"/authorisations/{consent}/revoke", page="/authorisations")
    assert "There is nothing to tell." in lookup()
    assert consent not in analyst.get(f"/lookups/{template}").text
    listed = analyst.get("/authorisations").text
    assert firm in listed
    assert "revoked" in listed
    kept = b"".join(path.read_bytes() for path in running.home.glob("console.db*"))
    assert firm.encode() not in kept
    for wrong in ({"expires_on": ""}, {"evidence": "short"}, {"unit": "nobody"}, {"uses": "-1"}, {"subject": ""}):
        assert analyst.submit("/authorisations", **{**fields, **wrong}).status_code in {400, 422}, wrong
    assert (
        analyst.submit("/authorisations", **{k: v for k, v in fields.items() if not k.startswith("t.")}).status_code
        == 422
    )
    assert analyst.get("/lookups/nothing@1").status_code == 404


def test_warnings_are_subscribed_to_and_cancelled(analyst: Browser, running: RunningConsole) -> None:
    assert "贷后预警" in analyst.get("/warnings").text
    firm, wanted = "91370299MA3CONSOL1", {"template": "post-loan-warning@1", "purpose": "POST_LOAN"}
    wanted |= {"subject": firm, "authorisation": "0" * 32, "until": "2027-06-30"}
    assert analyst.submit("/warnings", **wanted).status_code in {200, 303}
    page = analyst.get("/warnings").text
    assert firm in page
    (identity,) = re.findall(
        r"/warnings/([0-9a-f-]{36})/cancel", page.partition(f"<code>{firm}")[2].partition("</tr>")[0]
    )
    assert analyst.submit("/warnings", **{**wanted, "until": "soon"}).status_code == 422
    refused = analyst.submit("/warnings", **{**wanted, "until": "2001-01-01"})
    assert (refused.status_code, "LVR-5144" in refused.text) == (422, True)
    analyst.submit(f"/warnings/{identity}/cancel", page="/warnings")
    assert f"/warnings/{identity}/cancel" not in analyst.get("/warnings").text
    kept = b"".join(path.read_bytes() for path in running.home.glob("console.db*"))
    assert firm.encode() not in kept


def test_the_catalogue_is_browsed_and_searched(analyst: Browser, served: Service) -> None:
    with served.connect("bank_a") as bank:
        tables = bank.tables()
    assert tables
    page = analyst.get("/catalogue").text
    assert all(table.full_name in page for table in tables)
    one = next(table for table in tables if table.full_name == "gov.tax_credit")
    found = analyst.get("/catalogue", params={"words": "tax_credit"}).text
    assert one.full_name in found
    assert "gov.hukou" not in found
    detail = analyst.get(f"/catalogue/{one.full_name}").text
    assert all(column.name in detail for column in one.columns)
    assert {item["name"] for item in json.loads(analyst.get("/catalogue.json").text)} == {t.name for t in tables}
    assert analyst.get("/catalogue/gov.nothing").status_code == 404
    for asked, shown, hidden in (
        ({"theme": "社会保障"}, "gov.hf_account", "gov.tax_quarter"),
        ({"owner": "市税务局"}, "gov.tax_quarter", "gov.hf_account"),
        ({"level": "4"}, "gov.hf_account", "gov.tax_quarter"),
    ):
        listed = analyst.get("/catalogue", params=asked).text
        assert shown in listed
        assert hidden not in listed
    # Rows that nobody is in, the same for everybody, and said to be so in either language.
    made = sample(one)
    assert all(str(value) in detail for value in made.rows[0])
    assert made.note in detail
    chinese = analyst.get(f"/catalogue/{one.full_name}", headers={"accept-language": "zh"}).text
    assert made.note_zh in chinese


def test_a_report_is_made_filed_disputed_and_corrected_in_the_console(
    running: RunningConsole, analyst: Browser, served: Service, tmp_path: Path
) -> None:
    with duckdb.connect() as engine:
        ((firm, name),) = engine.execute(
            f"SELECT uscc, ent_name FROM '{served.city.world}/gov.ent_registry/*.parquet' WHERE subject_class = 'E' "
            "ORDER BY uscc DESC LIMIT 1"
        ).fetchall()
    path = "/reports/credit-enterprise@1"
    assert "credit-enterprise@1" in analyst.get("/reports").text
    scope = (
        "gov.tax_credit",
        "gov.tax_quarter",
        "gov.ss_ent_month",
        "gov.pen_penalty",
        "gov.court_dishonest",
        "gov.credit_list",
    )
    held = analyst.submit(
        "/authorisations", subject=firm, unit="enterprise", purpose="LOAN_ORIGINATION", granted_on="2026-01-01",
        uses="1", expires_on="2099-12-31", evidence="cd" * 32, **{f"t.{table}": "on" for table in scope},
    )  # fmt: skip
    consent = held.text.split("Recorded:")[1].split("<code>")[1].split("</code>")[0]
    form = analyst.get(path).text
    (request_id,) = re.findall(r'name="request_id" value="([^"]+)"', form)
    asked = {"subject": firm, "authorisation": consent, "purpose": "LOAN_ORIGINATION", "request_id": request_id}
    told = analyst.submit(path, **asked)
    assert told.status_code == 200
    assert name in told.text
    assert "登记信息" in told.text
    # The files are the same report, not another: one use of the authorisation, and its receipt proves it.
    files = {
        kind: analyst.submit(f"{path}/file.{kind}", page=path, **asked).content for kind in ("json", "receipt", "pdf")
    }
    (tmp_path / "firm.json").write_bytes(files["json"])
    (tmp_path / "firm.json.receipt").write_bytes(files["receipt"])
    (tmp_path / "firm.pdf").write_bytes(files["pdf"])
    for file in ("firm.json", "firm.pdf"):
        report = load(tmp_path / file)
        assert report.verify(served.city.log_key) >= 0
        assert (report.request_id, report.subject) == (request_id, firm)
    assert analyst.submit(f"{path}/file.exe", page=path, **asked).status_code == 404
    again = analyst.submit(path, **{**asked, "request_id": str(uuid.uuid4())})
    assert "There is nothing to tell." in again.text
    # A dispute of what was told, and one of what nobody asked.
    said = {"table": "gov.ent_registry", "statement": "<b>已缴清</b>罚款", "evidence": "ef" * 32}
    filed = analyst.submit("/disputes", request_id=request_id, **said)
    assert filed.status_code == 201
    listed = analyst.get("/disputes").text
    assert request_id in listed
    assert "open" in listed
    assert analyst.submit("/disputes", request_id=str(uuid.uuid4()), **said).status_code == 422
    assert analyst.submit("/disputes", request_id=request_id, **{**said, "evidence": "short"}).status_code == 422
    assert analyst.submit("/disputes", request_id="nothing", **said).status_code == 400
    # The record is corrected by the operator: the notice is there, and read once for all.
    done = CliRunner().invoke(
        operator_command,
        ["corrections", "record", "--subject", firm, "--table", "gov.ent_registry", "--kind", "corrected",
         "--effective", "2026-07-01", "--home", str(served.city.settings.home)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    first, second = (analyst.get("/corrections").text for _ in range(2))
    assert firm in first
    assert request_id in first
    assert "now" in first
    assert '<td class="time">now</td>' not in second
    other = running.signed_in(running.person("bo.li", Role.ANALYST, "bank_b"))
    assert firm not in other.get("/corrections").text
    assert request_id not in other.get("/disputes").text
    kept = b"".join(path.read_bytes() for path in running.home.glob("console.db*"))
    assert firm.encode() not in kept


def test_an_administrator_invites_locks_and_lets_in_again(running: RunningConsole) -> None:
    boss = running.signed_in(running.person("zhao.lei", Role.ADMINISTRATOR))
    invited = boss.submit("/accounts", name="qian.li", role="analyst", profile="bank_a")
    assert invited.status_code == 201
    first = invited.text.split("shown only now:")[1].split("<code>")[1].split("</code>")[0]
    assert first not in boss.get("/accounts").text
    other = running.browser()
    assert other.post("/login", data={"name": "qian.li", "password": first}).url.path == "/login/enrol"
    person = running.person("sun.yu", Role.ANALYST, "bank_a")
    inside = running.signed_in(person)
    assert inside.get("/ask").status_code == 200
    boss.submit("/accounts/sun.yu/lock", page="/accounts")
    assert inside.get("/ask").url.path == "/login"
    assert running.browser().post("/login", data={"name": "sun.yu", "password": PASSWORD}).status_code == 422
    boss.submit("/accounts/sun.yu/unlock", page="/accounts")
    let_in = running.browser().post("/login", data={"name": "sun.yu", "password": PASSWORD})
    assert let_in.url.path == "/login/code"
    assert boss.submit("/accounts/zhao.lei/lock", page="/accounts").status_code == 422
    for fields in ({"name": "A B", "role": "analyst", "profile": "bank_a"}, {"name": "sun.yu", "role": "analyst", "profile": "bank_a"},
                   {"name": "no.profile", "role": "analyst", "profile": ""}, {"name": "boss.two", "role": "administrator", "profile": "bank_a"},
                   {"name": "one.two", "role": "analyst", "profile": "bank_z"}):  # fmt: skip
        assert boss.submit("/accounts", **fields).status_code == 422, fields
    journal = boss.get("/journal").text
    assert "account locked" in journal
    assert "sun.yu" in journal
    assert first not in journal


def test_over_tls_a_session_is_for_this_host_alone(served: Service, tmp_path: Path) -> None:
    with console(served, tmp_path / "console", tls=True) as secure:
        person = secure.person("han.mei", Role.ANALYST, "bank_a")
        inside = secure.signed_in(person)
        assert inside.get("/catalogue").status_code == 200
        reply = secure.browser().post(
            "/login", data={"name": "han.mei", "password": PASSWORD}, follow_redirects=False
        )
    (cookie,) = reply.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-louver=")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= attributes
    assert not any(part.startswith("domain") for part in attributes)
    assert reply.headers["strict-transport-security"] == "max-age=31536000"


def test_an_auditor_finds_a_question_proves_it_and_has_it_decided_again(
    running: RunningConsole, analyst: Browser, served: Service
) -> None:
    sql = "SELECT section, count(*) AS found_by_the_auditor FROM gov.ent_registry GROUP BY section"
    assert _ask(analyst, sql).status_code == 200
    auditor = running.signed_in(running.person("sun.li", Role.AUDITOR, AUDITOR))

    def searched() -> list[dict[str, object]]:
        found: list[dict[str, object]] = auditor.get(
            "/log.json", params={"text": "found_by_the_auditor", "verdict": "answered", "institution": "bank_a"}
        ).json()
        return found

    assert eventually(lambda: len(searched()) == 1)
    (one,) = searched()
    page = auditor.get("/log", params={"text": "found_by_the_auditor"}).text
    assert "found_by_the_auditor" in page
    assert '<span class="hint">' in page
    shown = auditor.get(f"/log/{one['index']}").text
    assert "checked here" in shown
    assert "found_by_the_auditor" in shown
    again = auditor.submit(f"/log/{one['index']}/replay", page=f"/log/{one['index']}")
    assert (again.status_code, "the same, byte for byte" in again.text) == (200, True)
    receipt = Receipt.from_bytes(auditor.get(f"/log/{one['index']}/proof").content)
    assert receipt.verify(served.city.log_key, sql=sql).index == one["index"]
    twin = auditor.get(f"/log/{one['index']}.json").json()
    assert (twin["sql"], twin["entry"]["index"], twin["tree_size"] > one["index"]) == (sql, one["index"], True)
    parts = dict(csv.reader(io.StringIO(auditor.get(f"/log/{one['index']}.csv").text)))
    assert (parts["purpose"], json.loads(parts["entry"])) == ("RESEARCH", twin["entry"])
    head = auditor.get("/head.json").json()
    assert head["size"] >= twin["tree_size"]
    assert dict(csv.reader(io.StringIO(auditor.get("/head.csv").text)))["origin"] == head["origin"]
    assert {auditor.get(f"{path}.txt").status_code for path in ("/head", f"/log/{one['index']}")} == {404}
    spending = auditor.get("/spending", params={"institution": "bank_a"}).text
    assert "gov.ent_registry" in spending
    assert '<svg class="chart"' in spending
    told = auditor.get("/spending.json", params={"institution": "bank_a"}).json()
    assert {one["institution"] for one in told} == {"bank_a"}
    spent = list(csv.DictReader(io.StringIO(auditor.get("/spending.csv", params={"institution": "bank_a"}).text)))
    assert [one["total"] for one in spent] == [one["total"] for one in told]
    for odd in ({"since": "x"}, {"until": "2026-02-30"}, {"since": "2026-07-02", "until": "2026-07-01"}):
        assert auditor.get("/spending", params=odd).status_code == 400, odd
    assert auditor.get("/spending", params={"since": "0001-01-01", "until": "9999-12-31"}).status_code == 400
    looks = auditor.get("/log.json", params={"kind": "audit_look"}).json()
    assert len(looks) >= 5
    rows = list(csv.reader(io.StringIO(auditor.get("/log.csv", params={"kind": "audit_look"}).text)))
    assert len(rows) > len(looks)
    for wrong in ({"verdict": "guilty"}, {"least_cost": "-1"}, {"text": "x" * 600}):
        assert auditor.get("/log", params=wrong).status_code == 400, wrong
    assert auditor.get("/log", params={"since": "yesterday"}).status_code == 422
    assert auditor.get("/log/99999999").status_code in {404, 422}


def test_an_auditor_keeps_searches_follows_the_log_and_sees_it_over_time_and_who_looked(
    running: RunningConsole, analyst: Browser
) -> None:
    auditor = running.signed_in(running.person("qian.wen", Role.AUDITOR, AUDITOR))
    other = running.signed_in(running.person("xu.yan", Role.AUDITOR, AUDITOR))
    assert (
        _ask(analyst, "SELECT section, count(*) AS seen_growing FROM gov.ent_registry GROUP BY 1").status_code == 200
    )
    name = '<b>"mine"</b>'
    kept = auditor.submit("/searches", page="/log", name=name, query="text=seen_growing&verdict=answered&nonsense=1")
    assert (kept.status_code, kept.url.query.decode()) == (200, "text=seen_growing&verdict=answered")
    assert 'href="/log?text=seen_growing&amp;verdict=answered"' in auditor.get("/log").text
    assert "&lt;b&gt;" in auditor.get("/log").text
    assert "seen_growing" not in other.get("/log", params={"kind": "hold"}).text, "searches are one's own"
    assert auditor.post("/searches", data={"name": "x", "query": ""}).status_code == 400, "no token"
    for bad in ({"name": ""}, {"name": "x" * 81}, {"name": "x", "query": "verdict=nothing"}):
        assert auditor.submit("/searches", page="/log", **{"query": "", **bad}).status_code == 400, bad
    assert name not in auditor.submit("/searches/forget", page="/log", name=name).text
    assert "&lt;b&gt;" not in auditor.get("/log").text

    def found() -> list[dict[str, int]]:
        told: list[dict[str, int]] = auditor.get(
            "/log.json", params={"text": "seen_growing", "kind": "outcome"}
        ).json()
        return told

    assert eventually(lambda: len(found()) == 1)
    index = found()[0]["index"]
    assert "Nobody has opened it before" in auditor.get(f"/log/{index}").text
    assert "<b>audit_office</b>" in other.get(f"/log/{index}").text

    page = auditor.get("/log/over-time", params={"institution": "bank_a"}).text
    assert '<svg class="chart parts"' in page
    told = auditor.get("/log/over-time.json", params={"institution": "bank_a", "step": "hour"}).json()
    counted = auditor.get("/log/over-time.json", params={"institution": "bank_a"}).json()
    assert told["exact"]
    assert sum(one["entries"] for one in told["counts"]) == sum(one["entries"] for one in counted["counts"]) >= 2
    rows = list(csv.DictReader(io.StringIO(auditor.get("/log/over-time.csv", params={"institution": "bank_a"}).text)))
    assert [{**row, "entries": int(row["entries"])} for row in rows] == counted["counts"]
    for odd in ({"since": "x"}, {"step": "week"}, {"since": "2020-01-01"}, {"step": "hour", "since": "2026-01-01"}):
        assert auditor.get("/log/over-time", params=odd).status_code == 400, odd

    assert "seen_growing" in auditor.get("/log/tail", params={"institution": "bank_a"}).text
    options = {"text": "growing_further", "start": str(index)}
    with auditor.stream("GET", "/log/tail/events", params=options) as stream:
        lines = stream.iter_lines()
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert next(lines) == "retry: 5000"
        sql = "SELECT section AS growing_further, count(*) FROM gov.ent_registry GROUP BY 1"
        assert _ask(analyst, sql).status_code == 200
        come = next(json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {"))
        assert (come["institution"], come["sql"]) == ("bank_a", sql)


def test_the_console_says_what_of_the_log_is_witnessed(
    running: RunningConsole, served: Service, tmp_path: Path
) -> None:
    witness = new_key("audit.example/witness", "ed25519")
    auditor = running.signed_in(running.person("lu.jia", Role.AUDITOR, AUDITOR))
    assert "this console was given no witness" in auditor.get("/head").text
    file = running.home / "witnesses.txt"
    file.write_text(f"# the auditor's own\n{witness.key}\n", encoding="utf-8")
    assert "not all: 0 entries are" in auditor.get("/head").text
    assert "not yet, witnesses have cosigned 0 entries" in auditor.get("/log/0").text
    add_witness(served.city.settings, AUDITOR, str(witness.key))
    log = Connections.of_file(running.home / "profiles.toml").log_of(AUDITOR)
    head = log.checkpoint()
    assert eventually(lambda: _cosigned(log, head, witness))
    assert f"yes, a witness has cosigned {head.claimed.size} entries" in auditor.get("/log/0").text
    page = auditor.get("/head").text
    assert f"{head.claimed.size} entries are, and the" in page
    assert "audit.example/witness" in page
    stranger = new_key("audit.example/stranger", "ed25519")
    assert witnessed(log, (stranger.key,)).size == 0, "a witness that nobody here knows says nothing"
    with pytest.raises(Misused):
        read_keys(tmp_path / "nowhere.txt")
    log.close()
    file.write_text("", encoding="utf-8")


def _cosigned(log: AuditClient, head: Checkpoint, witness: Cosigner) -> bool:
    """Whether the service has taken the cosignature; it reads its registry again within a moment."""
    try:
        log.cosign(head.claimed.size, cosign(head.claimed, witness, int(time.time())))
    except Refused:
        return False
    return True


def test_a_store_that_was_altered_turns_the_auditors_page_red(own_city: City, tmp_path: Path) -> None:
    with service(own_city) as altered, console(altered, tmp_path / "console", ("bank_a", AUDITOR)) as running:
        with altered.connect("bank_a") as bank:
            bank.analyse("SELECT count(*) AS n FROM gov.ent_registry", purpose="RESEARCH")
        auditor = running.signed_in(running.person("sun.li", Role.AUDITOR, AUDITOR))
        assert eventually(lambda: len(auditor.get("/log.json", params={"verdict": "answered"}).json()) == 1)
        (one,) = auditor.get("/log.json", params={"verdict": "answered"}).json()
        assert auditor.get(f"/log/{one['index']}").status_code == 200
        with behind_the_back(own_city.settings.state_file) as store:
            changed = store.execute(
                "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '\"RESEARCH\"', '\"MARKETS_\"') AS BLOB) "
                'WHERE "index" = ?',
                (one["index"],),
            )
            assert changed.rowcount == 1
        red = auditor.get(f"/log/{one['index']}")
        assert red.status_code >= 400
        assert "MARKETS_" not in red.text


def test_the_demonstration_opens_a_console_that_somebody_can_sign_in_to(own_city: City) -> None:
    """As `make demo` does it on a terminal, until Ctrl-C."""
    command = [sys.executable, "-u", "-c", DEMONSTRATION, str(own_city.settings.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demonstration:
        assert demonstration.stdout is not None
        told = []
        for line in demonstration.stdout:
            told.append(line)
            if "in a browser" in line:
                break
        assert {role: sum(line.startswith(role) for line in told) for role in Role} == {
            Role.ANALYST: 2, Role.OFFICER: 2, Role.AUDITOR: 1, Role.ADMINISTRATOR: 2,
        }  # fmt: skip
        assert (own_city.settings.secrets / "officers" / "wang_min.key").exists()
        (url,) = re.findall(r"http://[0-9.:]+", told[-1])
        (first,) = [line.split()[-1] for line in told if " wang.fang " in line]
        with Browser(url) as browser:
            assert eventually(lambda: _answers(browser))
            enrolling = browser.post("/login", data={"name": "wang.fang", "password": first})
            (secret,) = re.findall(r"<p><code>([A-Z2-7 ]+)</code></p>", enrolling.text)
            code = CliRunner().invoke(console_command, ["code", secret]).stdout.strip()
            done = browser.submit("/login/enrol", password=PASSWORD, again=PASSWORD, code=code)
            assert done.url.path == "/ask"
            assert "gov.ent_registry" in done.text
        demonstration.send_signal(signal.SIGINT)
        assert demonstration.wait(60) == 0


def test_health_names_no_sandbox(running: RunningConsole) -> None:
    assert running.browser().get("/health").json() == {"console": "ok", "sandbox": "ok"}


def _ask(browser: Browser, sql: str) -> httpx.Response:
    page = browser.get("/ask").text
    return browser.post(
        "/ask",
        data={
            "csrf": page.split('name="csrf" value="')[1].split('"')[0],
            "request_id": page.split('name="request_id" value="')[1].split('"')[0],
            "sql": sql, "purpose": "RESEARCH", "act": "run",
        },
    )  # fmt: skip


def _answers(browser: Browser) -> bool:
    try:
        return browser.get("/login").status_code == 200
    except httpx.ConnectError:
        return False


def test_an_auditor_reads_alerts_of_a_follower_and_opens_their_entries(
    running: RunningConsole, analyst: Browser, served: Service, tmp_path: Path
) -> None:
    auditor = running.signed_in(running.person("zhou.mi", Role.AUDITOR, AUDITOR))
    assert "Nobody follows the log" in auditor.get("/alerts").text
    assert auditor.get("/alerts.json").status_code == 404
    for number in range(5):
        assert _ask(analyst, f"SELECT ent_name, {number} FROM gov.ent_registry").status_code == 422
    (tmp_path / "rules.yaml").write_text(BURST, encoding="utf-8")
    ca, key, certificate = served.files(AUDITOR)
    options = ["--target", served.address, "--certificate", certificate, "--key", key, "--ca", ca]
    options += ["--log-key", served.city.log_key, "--timeout", "60"]
    state, siem = running.home / "alerts.db", tmp_path / "siem.jsonl"
    (tmp_path / "outputs.yaml").write_text("outputs: [{name: siem, kind: file, path: siem.jsonl}]", encoding="utf-8")
    watch = ["audit", "alerts", "watch", "--state", state, "--rules", tmp_path / "rules.yaml", "--once"]
    run = CliRunner().invoke(
        client_command, [*map(str, options + watch), "--outputs", str(tmp_path / "outputs.yaml")]
    )
    assert run.exit_code == 0, run.output
    said = [json.loads(line) for line in run.stdout.splitlines()]
    assert {one["rule"] for one in said} == {"burst"}
    assert [json.loads(line)["metadata"]["uid"] for line in siem.read_text().splitlines()] == [
        one["id"] for one in said
    ]
    page = auditor.get("/alerts").text
    assert "Many refusals" in page
    assert f'href="/log/{said[0]["entries"][-1]}"' in page
    assert auditor.get(f"/log/{said[0]['entries'][-1]}").status_code == 200
    assert "多次被拒" in auditor.get("/alerts", headers={"accept-language": "zh"}).text
    assert [one["id"] for one in auditor.get("/alerts.json").json()] == [one["id"] for one in said][::-1]
    assert auditor.get("/alerts.json", params={"severity": "low"}).json() == []
    rows = list(csv.DictReader(io.StringIO(auditor.get("/alerts.csv", params={"rule": "burst"}).text)))
    assert [one["id"] for one in rows] == [one["id"] for one in said][::-1]
    for wrong in ({"severity": "x"}, {"before": "0"}, {"before": "x"}, {"rule": "r" * 65}):
        assert auditor.get("/alerts", params=wrong).status_code in {400, 422}, wrong
    assert auditor.get("/alerts.exe").status_code == 404
    listed = CliRunner().invoke(client_command, ["audit", "alerts", "list", "--state", str(state), "--ocsf"])
    assert json.loads(listed.stdout.splitlines()[0])["class_uid"] == 2004
