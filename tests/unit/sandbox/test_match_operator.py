"""The matching key as the operator keeps it: made with the installation, replaced as a logged act."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

import pytest

from louver_sandbox.operator import matching
from louver_sandbox.operator.backup import back_up
from louver_sandbox.operator.installation import InstallationRefused, Tools, create
from louver_sandbox.premises import MATCHING_FILE, open_books, utc_now
from louver_sandbox.publishing.record_keys import read_key
from louver_sandbox.store import State

TOOLS = Tools(utc_now, secrets.token_bytes)


def test_a_rotation_is_logged_replaces_the_key_and_drops_the_sets(tmp_path: Path) -> None:
    settings = create(tmp_path / "home", "louver.dev/test", "127.0.0.1", 0, TOOLS)
    path = settings.matching / MATCHING_FILE
    former = read_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.matching.stat().st_mode) == 0o700
    (settings.matching / "sets").mkdir()
    (settings.matching / "sets" / "old.set").write_bytes(b"x")
    for wrong in ("", " ", "two\nlines"):
        with pytest.raises(InstallationRefused):
            matching.rotate(settings, wrong, TOOLS)
    assert read_key(path) == former
    entry = matching.rotate(settings, "the key was on a lost disk", TOOLS)
    fresh = read_key(path)
    assert fresh != former
    assert list((settings.matching / "sets").iterdir()) == []
    with State.open(settings.state) as state:
        fields = open_books(settings, state, utc_now).log.entry(entry).fields
    assert (fields["kind"], fields["reason"]) == ("matching-rotation", "the key was on a lost disk")
    assert (fields["former"], fields["key"]) == (matching.fingerprint(former), matching.fingerprint(fresh))
    assert former.hex() not in str(fields)
    path.unlink()
    matching.rotate(settings, "there was none", TOOLS)
    assert len(read_key(path)) == 32
    copied = tmp_path / "copy"
    assert f"matching/{MATCHING_FILE}" in list(back_up(settings, copied, secrets=True))
    assert read_key(copied / "matching" / MATCHING_FILE) == read_key(path)
    assert not any("matching" in said for said in back_up(settings, tmp_path / "public", secrets=False))
