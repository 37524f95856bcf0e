"""The registry as its people use it: certificates that rotate, an institution that is suspended, access asked for."""

from __future__ import annotations

import csv
import io
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.e2e.conftest import PAIRS, SIMPLE, pairing
from tests.e2e.soundness import wrongs
from tests.support.console import AUDITOR, Browser, RunningConsole, console
from tests.support.installation import Service, copy_of, service
from tests.support.officers import TAX, appointed, connect
from typer.testing import CliRunner, Result

import louver
from louver import administration
from louver.access import AccessRequest
from louver.administration import AdministrationClient
from louver.audit import connect as connect_auditor
from louver.cli.app import app as bank_command
from louver.errors import Error, Refused
from louver_sandbox.demo.city import City
from louver_sandbox.operator.administrators import add_administrator
from louver_sandbox.operator.auditors import add_auditor
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.main import app as operator_command
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.registered import parse_registry
from louver_sandbox.store import State
from louver_server.accounts.model import Role

HOSTILE = '<script>alert(1)</script>=HYPERLINK("http://evil")'
RESEARCH = {"purpose": "RESEARCH", "legal_basis": "《征信业管理条例》第十三条", "reason": "测算行业税负"}


@pytest.fixture(scope="module")
def house(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this file's own, with officers of two departments, two administrators and an auditor."""
    folder = tmp_path_factory.mktemp("registry")
    own = copy_of(city, folder)
    appointed(own, folder / "desk")
    for name in ("zhao", "chu"):
        add_administrator(own.settings, name, TOOLS)
    add_auditor(own.settings, AUDITOR, "审计局", TOOLS)
    with service(own) as running:
        yield running
    assert wrongs(own) == []


@pytest.fixture(scope="module")
def pages(house: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    profiles = ("bank_b", "wang", "zhao", "chu", AUDITOR)
    with console(house, tmp_path_factory.mktemp("c") / "console", profiles) as found:
        yield found


def operator(house: Service, *words: str) -> Result:
    return CliRunner().invoke(operator_command, [*words, "--home", str(house.city.settings.home)])


def bank_says(house: Service, folder: Path, *words: str) -> Result:
    """The bank's command line, with its files where the bank keeps them."""
    options = ["--target", house.address, "--ca", str(house.files("bank_b")[0]), "--timeout", "60", "--lang", "en"]
    mine = ["--certificate", str(folder / "bank.pem"), "--key", str(folder / "bank.key")]
    return CliRunner().invoke(bank_command, [*options, *mine, *words])


def boss(house: Service, name: str) -> AdministrationClient:
    authority, key, certificate = house.files(name)
    return administration.connect(house.address, certificate=certificate, key=key, ca=authority, timeout=60.0)


def logged(house: Service, kind: str, **wanted: str) -> list[dict[str, object]]:
    with State.open(house.city.settings.state) as state:
        found = open_books(house.city.settings, state, utc_now).log.entries(kind=kind, limit=1000)
    told = [dict(entry.fields) for entry in found]
    return [one for one in told if all(one.get(name) == value for name, value in wanted.items())]


def code(act: object) -> str:
    with pytest.raises(Refused) as caught:
        act()  # type: ignore[operator] # a function of the test
    return caught.value.code


def test_a_bank_rotates_its_certificate_without_a_moment_in_which_none_counts(house: Service, tmp_path: Path) -> None:
    _, key, certificate = house.files("bank_b")
    (tmp_path / "bank.key").write_bytes(key.read_bytes())
    (tmp_path / "bank.pem").write_bytes(certificate.read_bytes())
    asked = bank_says(house, tmp_path, "certificate", "rotate")
    assert asked.exit_code == 0, asked.output
    request, digest = re.findall(r"(?:request|key) +([0-9a-f-]+)", asked.stdout)[:2]
    assert bank_says(house, tmp_path, "certificate", "rotate").stdout == asked.stdout, "asked twice is asked once"
    assert bank_says(house, tmp_path, "certificate", "fetch").exit_code == 3, "nobody has confirmed it"
    wrong = operator(house, "institution", "confirm", request[:8], "--key", "0" * 64)
    assert (wrong.exit_code, "another key" in wrong.output) == (1, True)
    assert f"key {digest}" in operator(house, "institution", "requests").stdout
    done = operator(house, "institution", "confirm", request[:8], "--key", digest, "--by", "zhou")
    assert done.exit_code == 0, done.output
    with house.connect("bank_b", "RESEARCH") as before:
        assert before.analyse(SIMPLE).rows, "the former one counts meanwhile"
    fetched = bank_says(house, tmp_path, "certificate", "fetch")
    assert fetched.exit_code == 0, fetched.output
    assert (tmp_path / "bank.key.former").read_bytes() == key.read_bytes()
    assert oct((tmp_path / "bank.key").stat().st_mode & 0o777) == "0o600"
    listed = bank_says(house, tmp_path, "certificate", "list").stdout
    assert ("ending" in listed, "live" in listed, "confirmed" in listed) == (True, True, True)
    (item,) = [one for one in boss(house, "zhao").institutions()[0] if one.id == "bank_b"]
    former = next(
        one.fingerprint for one in item.certificates if one.state in ("ending", "live") and not one.not_before
    )
    with house.connect("bank_b", "RESEARCH") as before:
        before.head()
        assert operator(house, "institution", "unpin", "bank_b", former[:16]).exit_code == 0
        assert code(before.head) == "LVR-0101", "at once, on an open connection"
    assert bank_says(house, tmp_path, "certificate", "list").exit_code == 0
    steps = [one["step"] for one in logged(house, "certificate_request", institution="bank_b")]
    assert steps == ["requested", "confirmed"]
    assert len(logged(house, "registry", institution="bank_b")) == 3
    # What other tests call with counts again.
    assert operator(house, "institution", "pin", "bank_b", str(certificate)).exit_code == 0
    with house.connect("bank_b", "RESEARCH") as again:
        again.head()


def test_a_request_under_a_stolen_certificate_is_void_once_that_is_struck_out(house: Service) -> None:
    registered = parse_registry(house.city.settings.institutions.read_text(encoding="utf-8"))
    (stolen,) = (pin.fingerprint for pin in registered["bank_a"].pins)
    with house.connect("bank_a") as thief:
        made = thief.request_certificate(ec.generate_private_key(ec.SECP256R1()))
    assert operator(house, "institution", "unpin", "bank_a", stolen[:12]).exit_code == 0
    assert "VOID" in operator(house, "institution", "requests").stdout
    refused = operator(house, "institution", "confirm", made.id, "--key", made.key_sha256)
    assert (refused.exit_code, "LVR-7308" in refused.output) == (1, True)
    after = parse_registry(house.city.settings.institutions.read_text(encoding="utf-8"))
    assert not after["bank_a"].pins, "the file is as it was"
    assert operator(house, "institution", "pin", "bank_a", str(house.files("bank_a")[2])).exit_code == 0
    assert operator(house, "institution", "reject", made.id).exit_code == 0


def test_a_file_with_a_mistake_changes_nothing_and_health_says_so(house: Service) -> None:
    path = house.city.settings.institutions
    good = path.read_text(encoding="utf-8")
    with house.connect("bank_a") as bank:
        bank.head()  # so that what counts now is what the file says
    try:
        path.write_text(good + "\n[institutions.bank_a]\ntwice = true\n", encoding="utf-8")
        with house.connect("bank_a") as bank, boss(house, "zhao") as administrator:
            bank.head()
            assert "goes on counting" in administrator.institutions()[1]
    finally:
        path.write_text(good, encoding="utf-8")
    with boss(house, "zhao") as administrator:
        assert administrator.institutions()[1] == ""


def test_the_switch_ends_what_is_under_way_and_two_persons_end_the_switch(house: Service) -> None:
    with house.connect("bank_a", "RESEARCH") as bank, boss(house, "zhao") as zhao, boss(house, "chu") as chu:
        bank.upload("pairs", PAIRS)
        told: list[Error] = []
        admitted = threading.Event()

        def asks() -> None:
            try:
                bank.analyse(pairing(20_000), progress=lambda stage: admitted.set() if stage == "admitted" else None)
            except Error as error:
                told.append(error)

        asking = threading.Thread(target=asks)
        asking.start()
        assert admitted.wait(60), "it is paid, and runs for minutes"
        begun = time.monotonic()
        held = zhao.suspend("bank_a", "key found on a public server")
        assert (held.by, held.resume_by) == ("administrator:zhao", "")
        assert code(bank.head) == "LVR-7301", "at the next call"
        with house.connect("bank_b", "RESEARCH") as other:
            assert other.analyse(SIMPLE).rows, "and nobody else's"
        asking.join(60)
        assert time.monotonic() - begun < 60, "on open streams within a minute (R17)"
        (error,) = told
        assert isinstance(error, Refused)
        assert error.code == "LVR-7301"
        assert "暂停服务" in error.message_zh
        assert zhao.suspend("bank_a", "again") == held
        assert zhao.resume("bank_a", "a new key") is not None
        assert zhao.resume("bank_a", "it is me again") is not None
        assert code(bank.head) == "LVR-7301"
        assert chu.resume("bank_a", "I have compared it") is None
        bank.head()
    steps = [one["step"] for one in logged(house, "suspension")]
    assert steps == ["suspended", "resume_proposed", "resumed"]
    after = logged(house, "suspension")[0]["index"]
    with State.open(house.city.settings.state) as state:
        left = open_books(house.city.settings, state, utc_now).log.entries(
            institution="bank_a", kind="outcome", limit=1000
        )
    assert all(entry.index < int(str(after)) for entry in left)


def test_only_administrators_throw_it_and_they_ask_nothing(house: Service) -> None:
    for name in ("bank_a", "wang", AUDITOR):
        with boss(house, name) as nobody:
            assert code(lambda nobody=nobody: nobody.suspend("bank_b", "x")) == "LVR-7302"
    with house.connect("zhao") as curious:
        assert code(curious.tables) == "LVR-7303"
    with boss(house, "zhao") as zhao:
        assert code(lambda: zhao.suspend("no_bank", "x")) == "LVR-7306"
        assert code(lambda: zhao.suspend("bank_b", " ")) == "LVR-7307"


def test_a_certificate_that_is_struck_out_ends_its_open_stream(house: Service) -> None:
    add_auditor(house.city.settings, "guest_office", "外聘审计", TOOLS)
    authority, key, certificate = house.files("guest_office")
    with connect_auditor(
        house.address, certificate=certificate, key=key, ca=authority, log_key=house.city.log_key, timeout=60.0
    ) as guest:
        stream = guest.tail(start=0)
        next(stream)
        assert operator(house, "auditor", "revoke", "guest_office").exit_code == 0
        begun = time.monotonic()
        assert code(lambda: list(stream)) == "LVR-0101"
        assert time.monotonic() - begun < 60, "within a minute (R17)"


def asked(bank: louver.Client, table: str = "gov.tax_quarter", *columns: str) -> AccessRequest:
    return bank.request_access(table, columns or ("vat_paid",), **RESEARCH)


def test_a_bank_asks_its_department_decides_and_nobody_else_sees_it(house: Service) -> None:
    with house.connect("bank_a") as bank, house.connect("bank_b") as other:
        made, unknown = asked(bank), asked(bank, "gov.no_such_table")
        assert (made.state, made.institution, made.department) == ("waiting", "", "")
        assert (unknown.state, unknown.due, unknown.department) == (made.state, made.due, "")
        assert asked(bank).id == made.id
        assert other.access_requests() == []
        assert code(lambda: other.withdraw_access(made.id)) == "LVR-5403"
        with connect(house, "qian") as police:
            assert made.id not in {one.id for one in police.access_requests()}
            assert code(lambda: police.decide_access(made.id, grant=True, answer="x")) == "LVR-5403"
        with connect(house, "wang") as tax:
            (seen,) = [one for one in tax.access_requests(waiting=True) if one.id == made.id]
            assert (seen.institution, seen.department, seen.legal_basis) == ("bank_a", TAX, RESEARCH["legal_basis"])
            assert unknown.id not in {one.id for one in tax.access_requests()}
            assert code(lambda: tax.decide_access(made.id, grant=True, answer="x", version="nothing-9")) == "LVR-7205"
            assert code(lambda: tax.decide_access(made.id, grant=True, answer=" ")) == "LVR-5401"
            done = tax.decide_access(made.id, grant=False, answer="用途不明确")
            assert (done.state, done.officer) == ("refused", "wang")
            assert code(lambda: tax.decide_access(made.id, grant=True, answer="x")) == "LVR-5404"
            figures = {one.department: one for one in tax.access_figures()}
        (mine,) = [one for one in bank.access_requests() if one.id == made.id]
        assert (mine.state, mine.answer, mine.officer) == ("refused", "用途不明确", "")
        assert bank.withdraw_access(unknown.id).state == "withdrawn"
    assert (figures[TAX].refused, figures[TAX].met, figures["*"].received) == (1, 0, 2)
    authority, key, certificate = house.files(AUDITOR)
    with connect_auditor(
        house.address, certificate=certificate, key=key, ca=authority, log_key=house.city.log_key, timeout=60.0
    ) as auditor:
        assert {one.department: one for one in auditor.access_figures()}[TAX] == figures[TAX]
    assert logged(house, "audit_look", verb="access_figures")
    with connect_auditor(
        house.address, certificate=house.files("bank_a")[2], key=house.files("bank_a")[1], ca=authority, verify=False
    ) as bank:
        assert code(bank.access_figures) == "LVR-7201", "an institution is told no figures"


def signed_in(pages: RunningConsole, role: Role, profile: str) -> Browser:
    return pages.signed_in(pages.person(f"p.{profile.replace('_', '.')}", role, profile))


def test_it_is_asked_for_and_decided_in_the_console_and_hostile_text_stays_text(
    house: Service, pages: RunningConsole
) -> None:
    analyst, officer = signed_in(pages, Role.ANALYST, "bank_b"), signed_in(pages, Role.OFFICER, "wang")
    entry = analyst.get("/catalogue").text
    assert "/access#ask" in entry
    first = re.search(r'href="(/catalogue/[^"]+)"', entry)
    assert first is not None
    assert "/access?table=" in analyst.get(first[1]).text
    asked = {"table": "gov.tax_quarter", "columns": "vat_paid， cit_paid", "purpose": "RESEARCH"}
    wrong = analyst.submit("/access", **asked, legal_basis=" ", reason=HOSTILE, sql="")
    assert wrong.status_code == 422
    assert "LVR-5401" in wrong.text
    assert "<script>alert" not in wrong.text, "what was typed is kept, as text"
    done = analyst.submit("/access", **asked, legal_basis="合同", reason=HOSTILE, sql="")
    assert done.status_code == 200
    queue = officer.get("/requests").text
    (path,) = set(re.findall(r'href="(/requests/[^"]+)"', queue)) - _decided(officer, queue)
    page = officer.get(path).text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    draft = officer.submit(f"{path}/draft", page=path).text
    assert "count(&#34;vat_paid&#34;)" in draft
    assert "vat_paid" in draft.partition("The smallest grant")[2]
    assert officer.submit(f"{path}/grant", page=path, answer=" ", version="").status_code == 422
    assert officer.submit(f"{path}/nothing", page=path).status_code == 404
    assert officer.submit(f"{path}/grant", page=path, answer="同意", version="").status_code == 200
    assert "同意" in analyst.get("/access").text
    auditor = signed_in(pages, Role.AUDITOR, AUDITOR)
    assert TAX in auditor.get("/figures").text
    rows = list(csv.DictReader(io.StringIO(auditor.get("/figures.csv").text)))
    assert {row["department"]: row for row in rows}[TAX]["granted"] == "1"
    assert auditor.get("/figures?since=nothing").status_code == 400
    for stranger, pages_of_others in (
        (analyst, ("/requests", "/figures", "/institutions")),
        (officer, ("/access", "/figures", "/institutions")),
        (auditor, ("/access", "/requests", "/institutions")),
    ):
        assert {stranger.get(one).status_code for one in pages_of_others} == {403}


def _decided(officer: Browser, queue: str) -> set[str]:
    return {one for one in re.findall(r'href="(/requests/[^"]+)"', queue) if "/grant" not in officer.get(one).text}


def test_administrators_throw_the_switch_in_the_console(house: Service, pages: RunningConsole) -> None:
    one, two = signed_in(pages, Role.ADMINISTRATOR, "zhao"), signed_in(pages, Role.ADMINISTRATOR, "chu")
    alone = pages.signed_in(pages.person("console.only", Role.ADMINISTRATOR))
    assert "administers the console alone" in alone.get("/institutions").text
    assert alone.submit("/institutions/bank_b/suspend", page="/accounts", reason="x").status_code == 404
    done = one.submit("/institutions/bank_b/suspend", page="/institutions", reason=HOSTILE)
    assert "Suspended since" in done.text
    assert "<script>alert" not in done.text
    with house.connect("bank_b") as bank:
        assert code(bank.head) == "LVR-7301"
        one.submit("/institutions/bank_b/resume", page="/institutions", reason="new key")
        assert code(bank.head) == "LVR-7301"
        assert "Agree to serve it again" in two.get("/institutions").text
        proposed = one.get("/institutions").text
        assert "Agree to serve it again" not in proposed
        assert "You have proposed it; somebody else agrees." in proposed
        assert 'action="/institutions/bank_b/resume"' not in proposed
        assert (
            "Suspended since"
            not in two.submit("/institutions/bank_b/resume", page="/institutions", reason="seen").text
        )
        bank.head()
    assert "institution suspended" in alone.get("/journal").text
    assert one.post("/institutions/bank_b/suspend", data={"reason": "forged"}).status_code == 400, "CSRF"


def test_who_cannot_call_for_long_any_more_is_named(house: Service) -> None:
    assert operator(house, "institution", "list", "--ending").exit_code == 0
    ends = (utc_now() + timedelta(days=3)).isoformat(timespec="seconds")
    certificate = str(house.files("bank_b")[2])
    before = house.city.settings.institutions.read_text(encoding="utf-8")
    try:
        for pin in parse_registry(before)["bank_b"].pins:
            operator(house, "institution", "unpin", "bank_b", pin.fingerprint)
        assert operator(house, "institution", "pin", "bank_b", certificate, "--until", ends).exit_code == 0
        found = operator(house, "institution", "list", "--ending")
        assert (found.exit_code, found.stdout.count("ENDS"), "bank_b" in found.stdout) == (3, 1, True)
    finally:
        house.city.settings.institutions.write_text(before, encoding="utf-8")
