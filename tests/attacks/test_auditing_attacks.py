"""Against the auditors: a tampered store turns red, roles do not mix, hostile filters and forged witnesses get nowhere.

Mallory has the database file, or a certificate of the authority, or an auditor's wire. She has no signing key.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.rpc import status_pb2
from tests.support.audit_logs import KEY, ORIGIN, behind_the_back
from tests.support.audited import fill, year_log

from louver.audit import results
from louver.audit.witness import new_key
from louver.errors import Refused, Unproven
from louver.receipt import Receipt
from louver.transparency import TreeHead
from louver.transparency.cosignature import cosign
from louver.v1 import audit_pb2 as pb
from louver.v1 import errors_pb2
from louver_sandbox import journal
from louver_sandbox.auditing import index
from louver_sandbox.auditors import Auditors, parse_auditors
from louver_sandbox.identity import Registry, RegistryRefused
from louver_sandbox.journal import Books
from louver_sandbox.pki import Authority, Issued
from louver_sandbox.service import auditing
from louver_sandbox.service.auditing import Auditing
from louver_sandbox.store import State, StoreUnavailable

NOW = datetime(2026, 7, 1, tzinfo=UTC)
AUTHORITY = Authority.create(NOW)
AUDITOR = AUTHORITY.auditor("audit_office", NOW)
BANK = AUTHORITY.client("bank_a", NOW)
WITNESS = new_key("audit.example/w")


class Ended(Exception):
    """What gRPC raises when a call is aborted; with the code of the refusal."""


class Context:
    """A call as a servicer sees it."""

    def __init__(self, issued: Issued) -> None:
        self._pem = issued.certificate

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_pem_cert": [self._pem]}

    def add_callback(self, act: Callable[[], None]) -> bool:
        return True

    def abort_with_status(self, status: Any) -> None:
        details = dict(status.trailing_metadata)["grpc-status-details-bin"]
        refusal = errors_pb2.RefusalDetail()
        found = status_pb2.Status.FromString(details).details[0].Unpack(refusal)
        raise Ended(refusal.code if found else "fault")


class House:
    """A log with its registries, and the servicer over them."""

    def __init__(self, folder: Path, state: State) -> None:
        self.state, self.log = state, year_log(state, 200)
        fill(self.log, 60)
        self.log.head()
        self.institutions, self.auditors = folder / "institutions.toml", folder / "log-auditors.toml"
        self.institutions.write_text(
            f'[institutions.bank_a]\ntype = "bank"\nfingerprints = ["{BANK.fingerprint}"]\n', encoding="utf-8"
        )
        self.register(AUDITOR.fingerprint)
        self.strangers: list[str] = []
        registry = Registry(self.institutions)
        platform: Any = SimpleNamespace(
            books=Books(state, self.log),
            state=state,
            clock=lambda: NOW,
            log_auditors=Auditors(self.auditors, registry),
            note_stranger=lambda fingerprint, refused: self.strangers.append(refused.code),
        )
        self.service = Auditing(platform)

    def register(self, *fingerprints: str, name: str = "audit_office") -> None:
        quoted = ", ".join(f'"{one}"' for one in fingerprints)
        text = f'[auditors.{name}]\nfingerprints = [{quoted}]\nwitnesses = ["{WITNESS.key}"]\n'
        self.auditors.write_text(text, encoding="utf-8")

    def call(self, message: Any, issued: Issued = AUDITOR) -> Any:
        method = getattr(self.service, type(message).__name__.removesuffix("Request"))
        found = method(message, Context(issued))
        return list(found) if isinstance(found, Iterator) else found

    def code(self, message: Any, issued: Issued = AUDITOR) -> str:
        with pytest.raises(Ended) as caught:
            self.call(message, issued)
        return str(caught.value)

    def kinds(self) -> list[str]:
        return [str(entry.fields["kind"]) for entry in self.log.entries(limit=1000)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with State.open(tmp_path / "state.db") as state:
        yield House(tmp_path, state)


EVERY = [
    pb.SearchEntriesRequest(),
    pb.GetEntryRequest(index=1),
    pb.TailEntriesRequest(),
    pb.GetCheckpointRequest(),
    pb.GetConsistencyRequest(old_size=1),
    pb.ListSpendingRequest(),
    pb.ReplayEntryRequest(index=1),
    pb.ExportLogRequest(),
    pb.AddCosignatureRequest(size=60, line="x"),
]


def sql_entry(house: House) -> int:
    """An entry with SQL behind it, shown whole."""
    found = next(entry for entry in house.log.entries(limit=100) if "sql" in entry.commitments)
    whole = house.call(pb.GetEntryRequest(index=found.index))
    entry = results.whole(whole, found.index, KEY)
    assert entry.proof is not None
    assert entry.proof.checked == {"sql"}
    return found.index


TAMPERED = {
    "its bytes": "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'bank', 'bonk') AS BLOB) WHERE \"index\" = {0}",
    "the leaf beside it": "UPDATE nodes SET hash = zeroblob(32) WHERE id = {1}",
    "its text": "UPDATE openings SET text = 'SELECT 1' WHERE field = 'sql'",
    "its salt": "UPDATE openings SET salt = zeroblob(32) WHERE field = 'sql'",
    "half its salt": "UPDATE openings SET salt = zeroblob(3) WHERE field = 'sql'",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_entry_is_red_and_not_shown(house: House, what: str) -> None:
    place = sql_entry(house)
    with behind_the_back(house.state.location) as raw:
        raw.execute(TAMPERED[what].format(place, place ^ 1))
    before = house.kinds().count("audit_look")
    assert house.code(pb.GetEntryRequest(index=place)) == "LVR-7109"
    assert house.kinds().count("audit_look") == before, "nothing was shown, so nobody looked"


def test_a_service_that_lies_is_found_by_the_client(house: House) -> None:
    """The wire in Mallory's hand: another entry, other words, another text, a salt left out."""
    place = sql_entry(house)
    honest = house.call(pb.GetEntryRequest(index=place))
    other = house.call(pb.GetEntryRequest(index=place + 1))

    def lie(**summary: Any) -> pb.GetEntryResponse:
        message = pb.GetEntryResponse.FromString(honest.SerializeToString())
        for name, value in summary.items():
            setattr(message.summary, name, value)
        return message

    saltless = pb.GetEntryResponse.FromString(honest.SerializeToString())
    receipt = Receipt.from_bytes(honest.proof)
    saltless.proof = Receipt(receipt.entry, receipt.proof, {}).to_bytes()
    lies = [
        other,
        lie(institution="bank_z"),
        lie(code="LVR-1"),
        lie(kind="outcome2"),
        lie(time="2026-01-01T00:00:00Z"),
        lie(sql="SELECT other"),
        saltless,
    ]
    for message in lies:
        with pytest.raises(Unproven):
            results.whole(message, place, KEY)


def test_a_log_that_lost_its_end_signs_and_proves_nothing_more(house: House) -> None:
    with behind_the_back(house.state.location) as raw:
        raw.execute('DELETE FROM entries WHERE "index" > 50')
    assert house.code(pb.GetCheckpointRequest()) == "LVR-7109"
    assert house.code(pb.GetEntryRequest(index=3)) in ("LVR-7109", "LVR-3103")


def test_hiding_an_entry_from_the_index_is_mended_by_making_it_anew(house: House) -> None:
    """The index is believed by nobody: what was taken out of it comes back from the log."""
    found = house.call(pb.SearchEntriesRequest(filter=pb.EntryFilter(verdicts=["refused"]), page_size=200))
    with behind_the_back(house.state.location) as raw:
        raw.execute("DELETE FROM audit_rows WHERE entry = ?", (found.entries[0].index,))
    index.clear(house.state)
    again = house.call(pb.SearchEntriesRequest(filter=pb.EntryFilter(verdicts=["refused"]), page_size=200))
    assert [one.index for one in again.entries] == [one.index for one in found.entries] != []


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_nobody_but_an_auditor(house: House, message: Any) -> None:
    strangers = {
        "LVR-7101": BANK,
        "LVR-0101": AUTHORITY.auditor("audit_office", NOW),
        "LVR-0102": AUTHORITY.server("localhost", NOW),
    }
    size = house.log.size()
    for code, issued in strangers.items():
        assert house.code(message, issued) == code
    assert house.log.size() == size
    assert house.strangers == list(strangers), "each try is noted"


def test_who_is_an_institution_is_no_auditor_and_a_broken_registry_admits_nobody(house: House) -> None:
    both = AUTHORITY.auditor("bank_a", NOW)
    house.register(both.fingerprint, BANK.fingerprint, name="bank_a")
    assert house.code(pb.GetCheckpointRequest(), both) == "LVR-7101"
    assert house.code(pb.GetCheckpointRequest(), BANK) == "LVR-7101"
    house.register(AUDITOR.fingerprint)
    assert house.call(pb.GetCheckpointRequest()).checkpoint
    house.auditors.write_text("[auditors.audit_office]\nrole = 'all'\n", encoding="utf-8")
    assert house.code(pb.GetCheckpointRequest()) == "LVR-0101"
    house.auditors.unlink()
    assert house.code(pb.GetCheckpointRequest()) == "LVR-0101"
    for text in (
        "[institutions.x]",
        "[auditors.X]",
        "[auditors.x]\nfingerprints=['z']",
        "[auditors.x]\nwitnesses=['z']",
        "x",
    ):
        with pytest.raises(RegistryRefused):
            parse_auditors(text)


def test_an_auditor_asks_no_question(house: House) -> None:
    from cryptography import x509

    with pytest.raises(Refused, match="LVR-7102"):
        Registry(house.institutions).subject(x509.load_pem_x509_certificate(AUDITOR.certificate))


@pytest.mark.parametrize(
    "message",
    [m for m in EVERY if type(m).__name__ in ("SearchEntriesRequest", "GetEntryRequest", "ListSpendingRequest")],
    ids=lambda message: type(message).__name__,
)
def test_a_look_that_cannot_be_logged_shows_nothing(
    house: House, message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.catch_up(house.state, 1000)

    def broken(*args: Any, **more: Any) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(journal, "note", broken)
    assert house.code(message) == "LVR-3103"


def test_a_flood_of_auditors_is_turned_away_and_comes_again(house: House) -> None:
    for _ in range(auditing.AT_ONCE):
        house.service._calls.acquire()
    assert house.code(pb.SearchEntriesRequest()) == "LVR-7103"
    assert house.code(pb.GetEntryRequest(index=1)) == "LVR-7103"
    house.service._calls.release()
    for _ in range(3):
        assert house.call(pb.SearchEntriesRequest()).entries, "a place that was used is free again"
        assert house.code(pb.GetEntryRequest(index=10**6)) == "LVR-7104"


def test_a_tail_that_is_hung_up_gives_its_place_back_and_is_logged(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "TAILS", 1)
    house.service._tails = threading.BoundedSemaphore(1)
    for turn in range(2):
        context: Any = Context(AUDITOR)
        tail: Any = house.service.TailEntries(pb.TailEntriesRequest(), context)
        first = next(tail)
        assert len(first.entries) == 61 + 2 * turn, "its own look among them"
        assert house.code(pb.TailEntriesRequest()) == "LVR-7103"
        tail.close()
    looks = [entry.fields for entry in house.log.entries(limit=100, kind="audit_look")]
    assert [look["verb"] for look in looks] == ["tail", "tail_ended"] * 2
    assert looks[1]["found"] == 61


def test_forged_cosignatures_are_not_kept(house: House) -> None:
    size = house.log.head().claimed.size
    head = house.log.head().claimed
    second = int(NOW.timestamp())
    real = cosign(head, WITNESS, second)
    other = TreeHead(ORIGIN, size, bytes(32))
    forged = {
        "another head": cosign(other, WITNESS, second),
        "an unregistered key": cosign(head, new_key("audit.example/w"), second),
        "another's name": cosign(head, new_key("x"), second),
        "tomorrow": cosign(head, WITNESS, second + 86_400),
    }
    for what, line in forged.items():
        message = pb.AddCosignatureRequest(size=size, line=line.line().removesuffix("\n"))
        assert house.code(message) == "LVR-7108", what
    for text in ("", "\u2014 a b", real.line() * 2, real.line() + "\u2014 x AAAA\n", "x" * 10_000):
        assert house.code(pb.AddCosignatureRequest(size=size, line=text)) == "LVR-7108"
    assert house.call(pb.GetCheckpointRequest()).checkpoint.count("\u2014 ") == 1
    house.call(pb.AddCosignatureRequest(size=size, line=real.line().removesuffix("\n")))
    assert house.call(pb.GetCheckpointRequest(cosigned=True)).checkpoint.endswith(real.line())
    with behind_the_back(house.state.location) as raw:
        raw.execute("UPDATE cosignatures SET line = 'nonsense'")
    assert house.code(pb.GetCheckpointRequest()) == "LVR-7109"


def test_the_pages_of_a_hostile_reader_end(house: House) -> None:
    """Whatever token is sent, a page is bounded and leads nowhere that an honest one does not."""
    index.catch_up(house.state, 1000)
    for token in ("0", "59", "60", "999999999999999999"):
        for ascending in (False, True):
            page = house.call(pb.SearchEntriesRequest(page_token=token, page_size=200, ascending=ascending))
            assert len(page.entries) <= 200
            start = int(token)
            if ascending:
                assert all(one.index >= start for one in page.entries)
            else:
                assert all(one.index <= start for one in page.entries)


def test_sql_as_hostile_text_stays_text(house: House) -> None:
    """What a bank writes is shown to auditors in terminals and spreadsheets."""
    from louver.cli.export import csv_lines
    from louver.display import visible

    hostile = "=cmd|' /C calc'!A0 \x1b]0;owned\x07 \u202e <script>alert(1)</script>"
    with house.state.transaction() as tx:
        entry = house.log.append(
            tx, {"kind": "refusal", "institution": "bank_a", "request_id": "h"}, {"sql": hostile}
        )
    whole = results.whole(house.call(pb.GetEntryRequest(index=entry.index)), entry.index, KEY)
    assert whole.entry.sql == hostile, "the log keeps it as it was"
    assert csv_lines([(whole.entry.sql,)]).startswith("'=cmd")
    assert not set("\x1b\x07\u202e") & set(visible(whole.entry.sql))


def test_the_state_store_is_not_altered_by_searching(house: House) -> None:
    """A look adds an entry and follows the log in the index; entries, tree, texts and ledger stay as they are."""

    def dump() -> list[Any]:
        with sqlite3.connect(house.state.location) as raw:
            return [
                raw.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()[:60]
                for table in ("entries", "openings", "ledger")
            ]

    before = dump()
    house.call(pb.SearchEntriesRequest(with_counts=True))
    house.call(pb.GetEntryRequest(index=3))
    assert dump() == before
