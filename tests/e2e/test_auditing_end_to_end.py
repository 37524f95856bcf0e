"""Auditors over a real service: they find, prove, replay, follow, export, verify and witness; and they alone."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from tests.e2e.conftest import PROTECTED, SIMPLE
from tests.support.installation import Service, copy_of, service
from tests.support.watched import BURST
from typer.testing import CliRunner

from louver import audit
from louver.alerts.following import Follower
from louver.alerts.memory import Memory
from louver.alerts.rules import parse
from louver.audit.witness import Contradiction, look, new_key
from louver.cli.app import app as client_app
from louver.errors import Refused
from louver.evidence import Scope, make_pack, verify_pack
from louver.transparency import VerifierKey
from louver.transparency.cosignature import cosignatures
from louver.v1 import audit_pb2 as pb
from louver.v1.audit_pb2_grpc import AuditServiceStub
from louver_sandbox.demo.city import City
from louver_sandbox.operator.auditors import add_auditor, add_witness
from louver_sandbox.operator.installation import TOOLS, development_keys
from louver_sandbox.operator.main import app as operator

GRADES = PROTECTED.format(1949)
NUMBERED = "SELECT count(*) AS n FROM gov.ent_registry WHERE uscc = '91350100M000100Y43'"
REFUSED = "SELECT nothing_like_it FROM gov.ent_registry"


def connect(served: Service, name: str = "audit_office") -> audit.AuditClient:
    authority, key, certificate = served.files(name)
    settings = served.city.settings
    log_key = (settings.home / "log.pub").read_text(encoding="utf-8").strip()
    return audit.connect(
        served.address, certificate=certificate, key=key, ca=authority, log_key=log_key, timeout=60.0
    )


@pytest.fixture(scope="module")
def audited(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An installation of its own with an auditor, whose bank has asked a few things."""
    mine = copy_of(city, tmp_path_factory.mktemp("audited"))
    add_auditor(mine.settings, "audit_office", "市审计局", TOOLS)
    with service(mine) as served:
        with served.connect(purpose="RESEARCH") as bank:
            bank.analyse(SIMPLE)
            bank.analyse(GRADES)
            bank.analyse(NUMBERED)
            with pytest.raises(Refused):
                bank.analyse(REFUSED)
        yield served


@pytest.fixture
def auditor(audited: Service) -> Iterator[audit.AuditClient]:
    with connect(audited) as client:
        yield client


def test_an_auditor_finds_proves_and_replays_a_question(auditor: audit.AuditClient) -> None:
    (found,) = auditor.search(verdict="answered", text="grade tax_credit")
    assert (found.institution, found.purpose, found.sql) == ("bank_a", "RESEARCH", GRADES)
    assert set(found.datasets) == {"gov.tax_credit", "gov.ent_registry"}
    whole = auditor.show(found.index)
    assert whole.proof is not None
    assert whole.proof.checked == {"sql"}
    assert whole.fields["kind"] == "outcome"
    assert whole.entry.verdict == "answered"
    admission = next(one for one in whole.related if one.kind == "admission")
    assert admission.cost > 0
    replayed = auditor.replay(found.index)
    assert replayed.same
    assert replayed.recorded == replayed.found
    assert replayed.recorded["statement_sha256"]


def test_every_look_is_in_the_log_and_says_who_and_what(auditor: audit.AuditClient) -> None:
    before = auditor.checkpoint().claimed.size
    list(auditor.search(verdict="refused", text="91350100M000100Y43"))
    auditor.show(0)
    auditor.count(kind="refusal")
    auditor.spending(institution="bank_a")
    looks = [auditor.show(one.index).fields for one in auditor.search(kind="audit_look", ascending=True, limit=500)]
    mine = [look for look in looks if isinstance(look["index"], int) and look["index"] >= before]
    assert [look["verb"] for look in mine][:4] == ["search", "get", "search", "spending"]
    assert {look["auditor"] for look in mine} == {"audit_office"}
    assert mine[0]["filter"] == {"verdict": ["refused"], "text": "‹18›"}, "a look tells nobody's number either"
    assert mine[1]["entry"] == 0
    assert mine[0]["found"] == 0


def test_nobody_is_named_to_an_auditor(auditor: audit.AuditClient) -> None:
    found = [one for one in auditor.search(limit=500) if "uscc =" in one.sql]
    assert {one.sql for one in found} == {NUMBERED.replace("91350100M000100Y43", "‹18›")}
    whole = auditor.show(found[0].index)
    assert whole.covered
    assert whole.receipt is not None
    assert not whole.receipt.openings, "a salt would let the number be guessed"
    assert "91350100" not in whole.receipt.to_bytes().decode()
    assert list(auditor.search(text="91350100M000100Y43")) == []


def test_counts_are_those_of_the_pages(auditor: audit.AuditClient) -> None:
    every = list(auditor.search(limit=10_000, until="2999-01-01"))
    counts = auditor.count(until="2999-01-01")
    assert counts.exact
    assert counts.matched == len(every) + 1, "the search that fetched the page was a look"
    assert dict(counts.facets["verdict"])["refused"] == sum(one.verdict == "refused" for one in every)
    assert [one.index for one in every] == sorted((one.index for one in every), reverse=True)


def test_a_tail_tells_what_comes(audited: Service, auditor: audit.AuditClient) -> None:
    heard: list[audit.AuditEntry] = []
    start = auditor.checkpoint().claimed.size

    def listen() -> None:
        with connect(audited) as other:
            for entry in other.tail(start, institution="bank_a"):
                heard.append(entry)
                if len(heard) == 2:
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    with audited.connect(purpose="RESEARCH") as bank:
        bank.analyse("SELECT count(*) AS n FROM gov.ent_registry WHERE district_code <> '1'")
    listener.join(60)
    assert [one.kind for one in heard] == ["admission", "outcome"]
    looks = list(auditor.search(kind="audit_look", limit=20))
    assert {auditor.show(one.index).fields["verb"] for one in looks} >= {"tail"}


def test_an_export_verifies_offline_and_its_totals_are_the_ledger_s(
    audited: Service, auditor: audit.AuditClient
) -> None:
    file = io.BytesIO()
    auditor.export(file)
    found = audit.verify_export(io.BytesIO(file.getvalue()), auditor.settings.log_key)
    assert found.findings == ()
    assert found.size == found.covered > 8
    with closing(sqlite3.connect(audited.city.settings.state_file)) as store:
        rows = store.execute("SELECT count(*) FROM ledger").fetchone()[0]
        spent = store.execute(
            'SELECT institution, dataset, purpose, kind, period || " " || "window", max(spent) FROM ledger '
            "GROUP BY 1, 2, 3, 4, 5"
        ).fetchall()
    assert found.totals.charges == rows > 0
    counted = [tuple(line.values()) for line in found.totals.lines()]
    assert sorted(counted) == sorted((*row[:5], str(row[5])) for row in spent)


@pytest.mark.parametrize("kind", ["ed25519", "ml-dsa-44"])
def test_a_witness_cosigns_and_its_cosignature_is_served(
    audited: Service, auditor: audit.AuditClient, tmp_path: Path, kind: str
) -> None:
    key = new_key(f"audit.example/{kind}", kind)
    log_key = auditor.settings.log_key
    with pytest.raises(Refused) as refused:
        look(auditor, tmp_path / "seen.json", log_key, [key], 1_790_000_000)
    assert refused.value.code == "LVR-7108", "nobody has registered it"
    add_witness(audited.city.settings, "audit_office", str(key.key))
    assert not look(auditor, tmp_path / "seen.json", log_key, [key], 1_790_000_000).new, "handed in what was kept"
    list(auditor.search(limit=1))
    step = look(auditor, tmp_path / "seen.json", log_key, [key], 1_790_000_001)
    assert step.new
    cosigned = auditor.checkpoint(cosigned=True)
    assert cosigned.verify(VerifierKey.parse(log_key)) == step.head
    (one,) = cosignatures(cosigned, (key.key,))
    assert (one.witness, one.time) == (key.name, 1_790_000_001)
    exported = io.BytesIO()
    auditor.export(exported)
    found = audit.verify_export(io.BytesIO(exported.getvalue()), log_key, (), [key.key])
    assert found.cosigned[key.name].head == step.head
    assert found.ok


def test_a_log_that_was_put_back_is_caught_by_its_witness(
    audited: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The whole store from an hour ago, its own anchors forgotten: whole in itself, and not what the witness saw."""
    folder = tmp_path_factory.mktemp("rewound")
    with connect(audited) as auditor:
        log_key = auditor.settings.log_key
        older = copy_of(audited.city, folder)
        for _ in range(40):
            auditor.show(0)
        look(auditor, folder / "seen.json", log_key, [], 1_790_000_000)
    (older.settings.anchors / "service.checkpoint").unlink(missing_ok=True)
    with service(older) as served, connect(served) as auditor:
        with pytest.raises(Contradiction, match="rewind: "):
            look(auditor, folder / "seen.json", log_key, [], 1_790_000_000)
        for _ in range(60):
            auditor.show(0)
        with pytest.raises(Contradiction, match="split view: "):
            look(auditor, folder / "seen.json", log_key, [], 1_790_000_000)


def test_roles_are_exclusive(audited: Service) -> None:
    with connect(audited, "bank_a") as bank:
        for call in (lambda: list(bank.search()), lambda: bank.show(0), lambda: bank.replay(0), bank.checkpoint):
            with pytest.raises(Refused) as refused:
                call()
            assert refused.value.code == "LVR-7101"
        with pytest.raises(Refused, match="LVR-7101"):
            next(bank.tail(0))
        with pytest.raises(Refused, match="LVR-7101"):
            bank.export(io.BytesIO())
    with audited.connect("audit_office", purpose="RESEARCH") as auditor:
        for asked in (lambda: auditor.analyse(SIMPLE), auditor.tables, auditor.my_queries, auditor.head):
            with pytest.raises(Refused) as refused:
                asked()
            assert refused.value.code == "LVR-7102"
        assert "audit_office" not in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (pb.SearchEntriesRequest(page_token="-1"), "LVR-7105"),
        (pb.SearchEntriesRequest(page_token="９"), "LVR-7105"),
        (pb.SearchEntriesRequest(page_token="9" * 19), "LVR-7105"),
        (pb.SearchEntriesRequest(page_size=201), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(since="yesterday")), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(since="2026-07-01T00:00:00")), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(until="0001-01-01T00:00:00+23:59")), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(kinds=[""])), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(codes=["x"] * 51)), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(verdicts=["guilty"])), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(text="a " * 251)), "LVR-7105"),
        (pb.SearchEntriesRequest(filter=pb.EntryFilter(least_cost=2**63)), "LVR-7105"),
        (pb.GetEntryRequest(index=2**63), "LVR-7104"),
        (pb.GetEntryRequest(index=10**9), "LVR-7104"),
        (pb.ReplayEntryRequest(index=10**9), "LVR-7104"),
        (pb.ReplayEntryRequest(index=0), "LVR-7106"),
        (pb.GetCheckpointRequest(size=10**9), "LVR-7107"),
        (pb.GetConsistencyRequest(old_size=10**9), "LVR-7107"),
        (pb.AddCosignatureRequest(size=10**9, line="x"), "LVR-7107"),
        (pb.ListSpendingRequest(since="2026-07-01T00:00:00Z"), "LVR-7105"),
    ],
)
def test_what_is_not_of_its_form_is_refused_by_name(auditor: audit.AuditClient, wanted: object, code: str) -> None:
    stub = AuditServiceStub(auditor._channel)
    method = getattr(stub, type(wanted).__name__.removesuffix("Request"))
    with pytest.raises(grpc.RpcError) as caught:
        method(wanted, timeout=60)
    assert f"{code}: " in (caught.value.details() or "")


def louver_command(served: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line as an auditor uses it."""
    authority, key, certificate = served.files("audit_office")
    settings = {
        "LOUVER_TARGET": served.address,
        "LOUVER_CERTIFICATE": str(certificate),
        "LOUVER_KEY": str(key),
        "LOUVER_CA": str(authority),
        "LOUVER_LOG_KEY": str(served.city.settings.home / "log.pub"),
        "LOUVER_CONFIG": str(served.city.settings.home / "none.toml"),
        "LOUVER_LANG": "en",
    }
    command = [sys.executable, "-c", "from louver.cli import main; main()", "audit", *arguments]
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=120)


def test_from_the_shell(audited: Service, auditor: audit.AuditClient, tmp_path: Path) -> None:
    """A search that can be piped, a proof that verifies without the service, a tampered export that does not."""
    listed = louver_command(audited, "search", "--verdict", "answered", "--text", "grade", "--format", "json")
    (entry,) = json.loads(listed.stdout)
    proof, log = tmp_path / "entry.tlog-proof", tmp_path / "log.jsonl"
    assert louver_command(audited, "proof", str(entry["index"]), "-o", str(proof)).returncode == 0
    proven = louver_command(audited, "verify", str(proof))
    assert (proven.returncode, json.loads(proven.stdout)["kind"]) == (0, "outcome"), proven.stderr
    assert louver_command(audited, "export", str(log)).returncode == 0
    whole = louver_command(audited, "verify", str(log))
    assert whole.returncode == 0, whole.stderr
    assert "nothing contradicts anything" in whole.stdout
    log.write_bytes(log.read_bytes().replace(b'\\"purpose\\":\\"RESEARCH\\"', b'\\"purpose\\":\\"MARKETIN\\"', 1))
    changed = louver_command(audited, "verify", str(log))
    assert changed.returncode == 4
    assert changed.stderr.startswith("entry ")


def test_a_follower_over_the_wire_alerts_once_and_has_no_more_to_read(
    audited: Service, auditor: audit.AuditClient, tmp_path: Path
) -> None:
    with audited.connect(purpose="RESEARCH") as bank:
        for number in range(6):
            with pytest.raises(Refused):
                bank.analyse(f"SELECT nothing_{number} FROM gov.ent_registry")
    memory = Memory.open(tmp_path / "alerts.db")
    follower = Follower(parse(BURST), memory, str(auditor.settings.log_key))
    step = follower.look(auditor, lambda: datetime.now(UTC))
    (alert,) = [one for one in step.alerts if one.rule == "burst"]
    assert {auditor.show(index).entry.verdict for index in alert.entries} == {"refused"}
    before = auditor.checkpoint().claimed.size
    follower.look(auditor, lambda: datetime.now(UTC))
    again = follower.look(auditor, lambda: datetime.now(UTC))
    assert again.alerts == ()
    assert again.before == again.size == auditor.checkpoint().claimed.size
    assert auditor.checkpoint().claimed.size == before + 1, "one look for what `show` had added, then none"
    position = memory.position()
    assert position is not None
    assert position.proven == position.size
    memory.close()


def test_an_institution_follows_nothing(audited: Service) -> None:
    with connect(audited, "bank_a") as stranger:
        with pytest.raises(Refused) as refused:
            stranger.read_entries(0)
        assert refused.value.code == "LVR-7101"


def by_operator(served: Service, *words: object) -> str:
    """What an operator's command prints; it succeeds."""
    home = ["--home", str(served.city.settings.home)]
    result = CliRunner().invoke(operator, [*map(str, words), *home])
    assert result.exit_code == 0, result.output
    return result.stdout


def ordered(served: Service, tmp_path: Path, request: str) -> list[object]:
    """The options by which two officers have a request of the bank redacted."""
    order = tmp_path / "order.json"
    words = ["log", "redact", "bank_a", request, "--reason", "court order 17"]
    assert "refusal" in by_operator(served, *words, "-o", order)
    options: list[object] = []
    for number, key in enumerate(development_keys(served.city.settings)[:2]):
        signed = tmp_path / f"{number}.json"
        made = CliRunner().invoke(
            client_app,
            ["policy", "redaction", str(order), "--officer", key.stem, "--key", str(key), "-o", str(signed)],
        )
        assert made.exit_code == 0, made.output
        options += ["--signature", signed]
    return [*words, *options]


def test_a_request_is_held_then_redacted_by_two_officers_and_every_proof_stands(
    audited: Service, auditor: audit.AuditClient, tmp_path: Path
) -> None:
    (asked,) = auditor.search(kind="refusal", text="nothing_like_it")
    whole = auditor.show(asked.index)
    words = ordered(audited, tmp_path, asked.request_id)
    home = ["--home", str(audited.city.settings.home)]
    alone = CliRunner().invoke(operator, [*map(str, words[:-2]), "--execute", *home])
    assert alone.exit_code == 1
    assert "2 officers have to sign, and 1 did" in alone.stderr
    by_operator(audited, "log", "hold", "case-17", "--reason", "a court", "--request-id", asked.request_id)
    for refused in ([*words, "--execute"], ["log", "erase", asked.index, "--field", "sql"]):
        held = CliRunner().invoke(operator, [*map(str, refused), *home])
        assert held.exit_code == 1
        assert "is under the hold 'case-17': a court" in held.stderr
    by_operator(audited, "log", "release", "case-17", "--reason", "closed", "--execute")
    assert "1 entries are redacted" in by_operator(audited, *words, "--execute")
    left = auditor.show(asked.index)
    assert left.head is not None
    assert left.receipt is None
    assert left.leaf is not None
    assert left.fields["code"] == asked.code
    assert set(left.fields) <= {"index", "kind", "institution", "purpose", "time", "code"}
    assert list(auditor.search(text="nothing_like_it")) == []
    file = tmp_path / "left.tlog-proof"
    file.write_bytes(left.file)
    key = str(auditor.settings.log_key)
    told = CliRunner().invoke(client_app, ["audit", "verify", str(file), "--log-key", key])
    assert "the entry was pruned" in told.stderr, told.output
    assert whole.receipt is not None
    assert whole.receipt.verify(key, sql=asked.sql).index == asked.index, "who has kept a receipt has it still"
    assert left.pruned_by is not None
    said = auditor.show(left.pruned_by).fields
    assert (said["kind"], said["rule"], said["reason"]) == ("pruning", "redaction", "court order 17")
    memory = Memory.open(tmp_path / "alerts.db")
    step = Follower(parse(BURST), memory, key).look(auditor, lambda: datetime.now(UTC))
    assert step.size > left.pruned_by, "a follower reads over what was pruned"
    memory.close()
    exported = io.BytesIO()
    auditor.export(exported)
    found = audit.verify_export(io.BytesIO(exported.getvalue()), key)
    assert (found.findings, found.pruned) == ((), 1)


def test_a_pack_over_the_wire_verifies_and_the_timeline_counts_what_there_is(
    audited: Service, auditor: audit.AuditClient, tmp_path: Path
) -> None:
    day = datetime.now(UTC).date()
    ends = {"since": (day - timedelta(days=1)).isoformat(), "until": (day + timedelta(days=2)).isoformat()}
    target, whole = io.BytesIO(), io.BytesIO()
    key = str(auditor.settings.log_key)
    make_pack(auditor, key, Scope(ends["since"], ends["until"], ("bank_a",)), target, whole_log=whole)
    found = verify_pack(io.BytesIO(target.getvalue()), key)
    assert found.findings == ()
    assert found.complete
    with zipfile.ZipFile(target) as files:
        kinds = {name.split("/")[0] for name in files.namelist()}
        assert {"bundles", "catalogs", "records"} <= kinds
        assert "Every admission was decided by what an activation" in files.read("report.en.md").decode()
    over = auditor.over_time(since=ends["since"], until=ends["until"])
    counts = auditor.count(until="2999-01-01").facets["verdict"]
    assert over.exact
    for verdict, number in counts:
        assert sum(n for (_, one), n in over.counts.items() if one == verdict) == number
    hours = auditor.over_time(hours=True, since=ends["since"], until=ends["until"])
    assert sum(hours.counts.values()) == sum(over.counts.values()) + 2, "and the looks between"
    with pytest.raises(Refused) as refused:
        auditor.over_time(since="2026-01-01", until="2028-01-01")
    assert refused.value.code == "LVR-7105"
    with pytest.raises(Refused) as unknown:
        auditor.decider("../../secrets/log.key")
    assert unknown.value.code == "LVR-7351"
