"""Whoever hands a verifier a file: an evidence pack, an exported log, a proof, a backup. It is proved, or told what is
wrong with it, in the verifier's own words, time and memory.

`python -m tests.support.fuzzed_files --count 2000` tries more.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit_logs import KEY
from tests.support.audited import year_log
from tests.support.fuzzed_files import KINDS, genuine, repacked, tried, unpacked
from tests.support.lengths import at_length
from typer.testing import CliRunner, Result

from louver.evidence import unpacking, verify_pack
from louver.failures import Misused
from louver.transparency.ledger_totals import Totals
from louver_sandbox.operator.installation import TOOLS, create
from louver_sandbox.operator.main import app
from louver_sandbox.recount import verify
from louver_sandbox.store import State

COUNTS = {"pack": 40, "export": 150, "receipt": 300, "residue": 300}
LONG = 20_000


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_proved_or_refused_and_nothing_else_happens(kind: str) -> None:
    found = tried(kind, 1, at_length(COUNTS[kind], LONG if kind != "pack" else LONG // 5))
    assert found.failures == []
    assert len(found.verdicts) > 1, found.verdicts


# Packs


def zipped(**files: bytes) -> bytes:
    return repacked({**unpacked(genuine()["pack"]), **{name.replace("__", "."): one for name, one in files.items()}})


def encrypted() -> bytes:
    """Its files are said to be encrypted, in both places where a zip says so."""
    content = bytearray(zipped())
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = -1
        while (where := content.find(sign, where + 1)) >= 0:
            content[where + at] |= 1
    return bytes(content)


def bomb() -> bytes:
    """A kilobyte for each megabyte of it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made, made.open("log.jsonl", "w") as opened:
        for _ in range(128):
            opened.write(bytes(1 << 20))
    return target.getvalue()


def overlapping() -> bytes:
    """One file of a megabyte that is listed ten thousand times."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("0", bytes(1 << 20))
        (first,) = made.infolist()
        for number in range(1, 10_000):
            again = zipfile.ZipInfo(str(number))
            again.file_size, again.compress_size, again.CRC = first.file_size, first.compress_size, first.CRC
            again.header_offset, again.compress_type = first.header_offset, first.compress_type
            made.filelist.append(again)
            made.NameToInfo[again.filename] = again
        made._didModify = True  # type: ignore[attr-defined]
    return target.getvalue()


def long_list() -> bytes:
    """It says that the list of its files has more bytes than there is memory for."""
    content = bytearray(zipped())
    end = content.rfind(b"PK\x05\x06")
    struct.pack_into("<L", content, end + 12, 0x7FFFFFFF)
    return bytes(content)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "encrypted": encrypted,
    "a bomb": bomb,
    "overlapping files": overlapping,
    "a list without end": long_list,
    "another way of packing": lambda: repacked(unpacked(genuine()["pack"]), zipfile.ZIP_LZMA),
    "a manifest of lists in lists": lambda: zipped(manifest__json=b"[" * 100_000),
    "a manifest without end": lambda: zipped(manifest__json=b"[[]," * 2_000_000),
    "a head without end": lambda: zipped(checkpoint=b"x" * (2 << 20)),
    "damage inside": lambda: genuine()["pack"][:200] + b"\xff" * 300 + genuine()["pack"][500:],
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_would_cost_more_than_a_pack_is_refused_at_once(how: str) -> None:
    with pytest.raises(Misused):
        verify_pack(io.BytesIO(HOSTILE[how]()), KEY)


@pytest.mark.parametrize("limit", ["MOST_FILES", "LARGEST_FILE", "LARGEST_PACK"])
def test_a_pack_has_limits(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(unpacking, limit, 3)
    with pytest.raises(Misused, match="not as large"):
        verify_pack(io.BytesIO(zipped()), KEY)


def test_two_files_of_one_name_are_no_pack() -> None:
    target = io.BytesIO(zipped())
    with zipfile.ZipFile(target, "a") as made, pytest.warns(UserWarning, match="Duplicate name"):
        made.writestr("checkpoint", b"")
    with pytest.raises(Misused, match="one name"):
        verify_pack(target, KEY)


def test_nothing_is_written_whatever_files_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pack = repacked({**unpacked(genuine()["pack"]), "../out": b"x", str(tmp_path / "there"): b"x"})
    verify_pack(io.BytesIO(pack), KEY)
    assert not list(tmp_path.iterdir())
    assert not (tmp_path.parent / "out").exists()


def test_one_record_under_many_names_is_kept_once() -> None:
    files = unpacked(genuine()["pack"])
    name = next(one for one in sorted(files) if one.startswith("records/"))
    found = verify_pack(io.BytesIO(repacked(files | {f"records/{n}x": files[name] for n in range(200)})), KEY)
    assert found.entries == verify_pack(io.BytesIO(genuine()["pack"]), KEY).entries
    assert len(found.findings) == 100, "so many are told, and no more"


def test_sql_that_is_told_twice_is_named() -> None:
    files = unpacked(genuine()["pack"])
    line = files["texts.jsonl"].split(b"\n", 1)[0] + b"\n"
    found = verify_pack(io.BytesIO(repacked(files | {"texts.jsonl": files["texts.jsonl"] + line})), KEY)
    assert any("told twice" in what for what in found.findings)


# What entries say

ADMISSION: dict[str, Any] = {
    "kind": "admission", "request_id": "r", "institution": "bank_a", "purpose": "P", "charged": "2026-07-01T00:00:00Z",
    "charges": [{"dataset": "t", "kind": "queries", "limit": 1, "further": {}, "count": 1, "keys": []}],
}  # fmt: skip
CHARGE = {"dataset": "t", "kind": "queries", "limit": 1, "further": {}, "count": 1, "keys": []}
ODD: dict[str, dict[str, Any]] = {
    "charges without end": {"charges": [{**CHARGE, "count": 2**53 - 1}]},
    "no number of charges": {"charges": [{**CHARGE, "count": -1}]},
    "a day before time": {"charged": "0001-01-01T00:00:00+23:59"},
    "a day after time": {"charged": "9999-12-31T23:59:59-08:00"},
    "a loss without end": {
        "privacy": [{"dataset": "t", "unit": "person", "cost": {"rho": "1e99999999", "delta": "0"}}]
    },
    "a loss over nothing": {"privacy": [{"dataset": "t", "unit": "person", "cost": {"rho": "1/0", "delta": "0"}}]},
}


@pytest.mark.parametrize("odd", ODD)
def test_what_was_never_charged_so_is_named_and_not_counted(odd: str, tmp_path: Path) -> None:
    """By whoever has an export, and by the sandbox over its own log, even where the log's key has signed for it."""
    said = {**ADMISSION, **ODD[odd]}
    totals = Totals()
    told = totals.take(said)
    assert told or odd == "charges without end"
    assert list(totals.lines()) is not None
    with State.open(tmp_path / "state.db") as state:
        log = year_log(state, 1)
        with state.transaction() as tx:
            log.append(tx, said)
        assert [str(found) for found in verify.differences(state)] == [
            "log entry 0: it does not say in a known form what was charged"
        ]


# Backups


def command(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backed")
    create(folder / "home", "louver.example/log", "127.0.0.1", 0, TOOLS)
    for name in ("earlier", "backup"):  # the second has the entry that says that the first was taken
        done = command("backup", folder / name, "--home", folder / "home")
        assert done.exit_code == 0, done.stderr
    return folder / "backup"


def relisted(backup: Path) -> None:
    """The manifest put right, as whoever changes a backup would."""
    from louver_sandbox.operator.backup import MANIFEST, _digests, _files

    (backup / MANIFEST).write_text(json.dumps(_digests(backup, _files(backup))))


def manifest(content: bytes) -> Callable[[Path], object]:
    return lambda backup: (backup / "backup.json").write_bytes(content)


def store(content: bytes) -> Callable[[Path], object]:
    def write(backup: Path) -> None:
        (backup / "state.db").write_bytes(content)
        relisted(backup)

    return write


def torn(backup: Path) -> None:
    content = bytearray((backup / "state.db").read_bytes())
    content[4096 : 3 * 4096] = b"\xff" * (2 * 4096)
    store(bytes(content))(backup)


def piped(backup: Path, name: str = "log.pub") -> None:
    (backup / name).unlink()
    os.mkfifo(backup / name)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a manifest that is a list": manifest(b"[]"),
    "a manifest of numbers": manifest(b'{"state.db": 7}'),
    "a manifest of lists in lists": manifest(b"[" * 100_000),
    "a manifest with a name outside": manifest(b'{"../../etc/passwd": ""}'),
    "a link to what is not the backup's": lambda backup: (backup / "catalog" / "x").symlink_to("/etc/passwd"),
    "a link to a folder": lambda backup: (backup / "policies" / "x").symlink_to("/etc"),
    "a pipe": piped,
    "a pipe as its manifest": lambda backup: piped(backup, "backup.json"),
    "a store that is none": store(b"no database at all" * 1000),
    "an empty store": store(b""),
    "a torn store": torn,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_backup_that_somebody_else_has_made_is_neither_verified_nor_restored(
    backed_up: Path, tmp_path: Path, how: str
) -> None:
    backup, home = tmp_path / "backup", tmp_path / "home"
    shutil.copytree(backed_up, backup)
    witness = tmp_path / "witness"
    shutil.copy(backup / "backup.checkpoint", witness)
    DAMAGE[how](backup)
    for done in (command("verify", backup), command("restore", backup, "--home", home, "--witness", witness)):
        assert done.exit_code == 1, done.stdout
        assert isinstance(done.exception, SystemExit), done.exception
        assert "Traceback" not in done.stderr
        assert not re.search("not a database|malformed|sqlalchemy", done.stderr)
    assert not home.exists()
    assert not list(tmp_path.glob(".home*"))
