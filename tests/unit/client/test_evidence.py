"""An evidence pack proves what it says offline, follows from the log alone, and shows what was done to it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator

import pytest
from tests.support.audit_logs import KEY
from tests.support.packs import BUNDLE, ENTRIES, WITNESS, Service, packed, service_over

from louver.audit.results import Given
from louver.audit.witness import new_key
from louver.errors import Refused, Unproven
from louver.evidence import Checked, Scope, compliance, paper, verify_pack
from louver.evidence.pack import read_records
from louver.evidence.paths import Leaves
from louver.failures import Misused
from louver.transparency.merkle import leaf_hash, verify_inclusion
from louver_sandbox import journal
from louver_sandbox.auditing import index
from louver_sandbox.journal import Books
from louver_sandbox.store import State

EVERYBODY = Scope("2026-01-01", "2027-01-01")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with State.open(tmp_path_factory.mktemp("evidence") / "state.db") as state:
        yield state


@pytest.fixture(scope="module")
def service(state: State) -> Service:
    return service_over(state)


def checked(pack: bytes) -> Checked:
    return verify_pack(io.BytesIO(pack), KEY, (WITNESS.key,))


def test_a_pack_verifies_offline_with_the_logs_key_alone(service: Service) -> None:
    found = checked(packed(service, with_log=True))
    assert found.findings == ()
    assert found.complete
    assert found.entries > 10
    assert 0 < found.pruned < found.entries
    assert [one.head.size for one in found.cosigned] == [ENTRIES]
    assert not checked(packed(service)).complete, "without the log nobody can tell that none is missing"


def test_the_same_log_gives_the_same_bytes(service: Service) -> None:
    assert packed(service) == packed(service)


def test_a_pack_holds_what_it_is_about_and_nothing_of_others(service: Service) -> None:
    with zipfile.ZipFile(io.BytesIO(packed(service))) as files:
        names = files.namelist()
        assert {"README.md", "README.zh-CN.md", "report.zh.html", "report.en.md", "cosigned", "consistency"} <= set(
            names
        )
        assert b"bank_b" not in b"".join(files.read(name) for name in names)
        digest = hashlib.sha256(BUNDLE).hexdigest()
        assert files.read(f"bundles/{digest}.json") == BUNDLE
        assert "已清理" in files.read("README.zh-CN.md").decode()


Edit = Callable[[dict[str, bytes]], object]


def repacked(pack: bytes, edit: Edit, *, listed: bool = True) -> bytes:
    """The pack after somebody's edit, its manifest put right."""
    with zipfile.ZipFile(io.BytesIO(pack)) as files:
        held = {name: files.read(name) for name in files.namelist()}
    edit(held)
    if listed:
        manifest = json.loads(held["manifest.json"])
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in held.items()
            if name != "manifest.json"
        }
        held["manifest.json"] = json.dumps(manifest).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as files:
        for name, content in held.items():
            files.writestr(name, content)
    return target.getvalue()


def first(held: dict[str, bytes]) -> str:
    return next(name for name in sorted(held) if name.startswith("records/") and b"extra" in held[name])


def reworded(held: dict[str, bytes]) -> None:
    line = held["texts.jsonl"].split(b"\n", 1)[0]
    held["texts.jsonl"] = held["texts.jsonl"].replace(line, line.replace(b"SELECT", b"SELECT 1 +"), 1)


def fewer(held: dict[str, bytes]) -> None:
    held["manifest.json"] = json.dumps(
        json.loads(held["manifest.json"]) | {"entries": json.loads(held["manifest.json"])["entries"] - 1}
    ).encode()
    name = max((one for one in held if one.startswith("records/")), key=lambda one: int(one[8:].split(".")[0]))
    number = json.dumps({"index": int(name[8:].split(".")[0])})[:-1].encode()
    held["texts.jsonl"] = b"\n".join(line for line in held["texts.jsonl"].split(b"\n") if not line.startswith(number))
    del held[name]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (reworded, "the log entry is about another sql"),
        (fewer, "left out of the pack"),
        (lambda held: held.pop(first(held)), "the manifest says"),
        (lambda held: held.update({"report.en.md": b"# All is well"}), "the records give another report"),
        (lambda held: held.update({"records/1.tlog-proof": held[first(held)]}), "it is entry"),
        (lambda held: held.update({f"bundles/{'b' * 64}.json": b"{}"}), "its bytes have another digest"),
        (lambda held: held.update({f"bundles/{'e' * 64}.json": b"{}"}), "no entry names it"),
        (lambda held: held.update({"alerts.json": b'{"refusal_burst": 0}'}), "the records give another report"),
    ],
)
def test_whatever_is_done_to_a_pack_is_named(service: Service, edit: Edit, said: str) -> None:
    found = checked(repacked(packed(service, with_log=True), edit))
    assert any(said in what for what in found.findings), found.findings


def test_files_are_those_that_the_manifest_lists(service: Service) -> None:
    changed = checked(repacked(packed(service), lambda held: held.update({"README.md": b"trust me"}), listed=False))
    assert changed.findings == ("README.md: not the file that the manifest lists",)
    more = checked(repacked(packed(service), lambda held: held.update({"extra": b""}), listed=False))
    assert more.findings == ("extra: not in the manifest",)


def test_a_pack_under_another_key_or_without_a_witness_is_none(service: Service) -> None:
    with pytest.raises(Unproven):
        verify_pack(io.BytesIO(packed(service)), KEY.replace("log+", "other+"))
    stranger = new_key("audit.example/other", "ed25519")
    found = verify_pack(io.BytesIO(packed(service)), KEY, (stranger.key,))
    assert found.findings == ("no head in the pack is cosigned by audit.example/other",)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip", b"PK" * 100])
def test_what_is_no_pack_is_told_so(content: bytes) -> None:
    with pytest.raises(Misused):
        verify_pack(io.BytesIO(content), KEY)


def test_a_log_that_leaves_an_entry_out_gives_no_pack(service: Service) -> None:
    class Hiding(Service):
        def _given(self, start: int, end: int) -> Iterator[Given]:
            yield from list(super()._given(start, end))[:-1]

    with pytest.raises(Unproven, match="other entries than it has signed"):
        packed(Hiding(service.log))
    with pytest.raises(Refused):
        Hiding(service.log).checkpoint(cosigned=True)


# The report


def table(service: Service, title: str, scope: Scope = EVERYBODY) -> list[tuple[object, ...]]:
    _, records = read_records(service, KEY, scope)
    found = compliance.sections((one.fields for one in records), scope)
    return [row for section in found if section.title == title for row in section.rows]


def test_counts_are_those_of_the_search(service: Service) -> None:
    from louver_sandbox.auditing import search

    while index.catch_up(service.log.state, 1000):
        pass
    with service.log.state.reading() as tx:
        facets = search.counts(tx, search.Filter(until="2027-01-01")).facets
    verdicts = table(service, "verdicts")
    sums = [sum(row[1:]) for row in verdicts]  # type: ignore[arg-type]
    told = {row[0]: number for row, number in zip(verdicts, sums, strict=True)}
    assert told == dict(facets["institution"])
    assert {code for code, _, _ in table(service, "refusals")} == {code for code, _ in facets["code"]}
    assert table(service, "pruned")[0][0] > 5  # type: ignore[operator]


def test_decisions_by_what_was_never_put_into_force_are_named(service: Service) -> None:
    """The year's admissions name a bundle of their own, and the one activation another."""
    drifted = table(service, "drift")
    assert len(drifted) == compliance.MOST_LISTED
    assert {row[2] for row in drifted} == {"b" * 64}


def admission(number: int, time: str, bundle: str) -> dict[str, object]:
    return {"kind": "admission", "index": number, "time": time, "bundle": bundle, "catalog": "c", "institution": "a"}


def test_what_was_replaced_decides_for_ten_minutes_more() -> None:
    activations = [
        {"kind": "activation", "index": 0, "time": "2026-07-01T00:00:00Z", "bundle": "one", "catalog": "c"},
        {"kind": "activation", "index": 1, "time": "2026-07-02T00:00:00Z", "bundle": "two", "catalog": "c"},
    ]
    asked = [admission(2, "2026-07-02T00:09:00Z", "one"), admission(3, "2026-07-02T00:11:00Z", "one")]
    asked.append(admission(4, "2026-07-02T00:11:00Z", "two"))
    found = compliance.sections([*activations, *asked], Scope("2026-07-01", "2026-08-01"))
    assert [row[0] for section in found if section.title == "drift" for row in section.rows] == [3]


def test_reports_say_nothing_that_could_be_taken_for_markup() -> None:
    evil = "<script>alert(1)</script>|[x](javascript:y)"
    entries = [{"kind": "refusal", "index": 0, "time": "2026-07-01T00:00:00Z", "institution": evil, "code": "`x`"}]
    scope = Scope("2026-07-01", "2026-08-01", (evil,))
    found = compliance.sections(entries, scope)
    for language in ("en", "zh"):
        assert "<script" not in compliance.html(found, scope, "o", language)
        written = compliance.markdown(found, scope, "o", language).split("##", 1)[1]
        assert "|[x]" not in written
        assert "<script" not in written.replace("\\<script", "")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 64, 100])
def test_paths_are_those_of_the_tree(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    tree = Leaves(leaves)
    for number in range(size):
        verify_inclusion(leaves[number], number, size, tree.path(number), tree.root())


@pytest.mark.parametrize(("since", "until"), [("2026-7-1", "2026-08-01"), ("2026-08-01", "2026-08-01"), ("x", "y")])
def test_days_are_days(since: str, until: str) -> None:
    with pytest.raises(Misused):
        Scope(since, until)


def test_a_note_of_the_journal_is_an_act(service: Service) -> None:
    journal.note(Books(service.log.state, service.log), "purge", table="gov.t")
    kinds = [row[0] for row in table(service, "acts", Scope("2027-01-01", "2027-02-01"))]
    assert kinds == ["pruning", "purge"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_report_prints_as_a_pdf_with_every_number_of_the_others(language: str) -> None:
    """The same entries give the same bytes; the digest on every page is that of the Markdown in a pack."""
    pypdf = pytest.importorskip("pypdf")
    pytest.importorskip("reportlab")
    entries = [
        {"kind": "refusal", "index": number, "time": "2026-07-01T00:00:00Z", "institution": f"bank_{number}\u202e<b>"}
        for number in range(120)
    ]
    scope = Scope("2026-07-01", "2026-08-01", ("bank_7",))
    found = compliance.sections(entries, scope)
    made = paper.pdf(found, scope, "example.org/日志", language)
    assert made == paper.pdf(found, scope, "example.org/日志", language)
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(made)).pages]
    assert len(pages) > 3
    digest = hashlib.sha256(compliance.markdown(found, scope, "example.org/日志", language).encode()).hexdigest()
    assert all(digest in page for page in pages)
    whole = "".join(pages).replace("\n", "")
    words = compliance.wording(language)
    assert all(words(section.title) in whole for section in found)
    assert words("title") in whole
    assert all(f"bank_{number}" in whole for number in range(120))
    assert "\u202e" not in whole
