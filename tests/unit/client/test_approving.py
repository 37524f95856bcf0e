"""Officers sign where their key is: what is signed is what the sandbox verifies, and nothing else gets signed."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.policy_questions import TODAY, city_catalog, grant_document, policy
from typer.testing import CliRunner, Result

from louver.approving import APPROVAL_CONTEXT, REVOCATION_CONTEXT, canonical, new_key, officers_key, read_version
from louver.cli.app import app
from louver.failures import Misused
from louver_sandbox.policy import approvals, revocations
from louver_sandbox.policy.approvals import Approval
from louver_sandbox.policy.lifecycle import Version, drafted, signed, version_text
from louver_sandbox.policy.officers import Signature, parse_officers

POLICY = policy(grant_document())
VERSION = Version(
    POLICY, Approval(drafted(POLICY, 3, (TODAY, TODAY), "wang", city_catalog()), ()), {"tests": {"taxation": 1}}
)
TEXT = version_text(VERSION)


def run(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, words)], input=typed)


def test_the_contexts_are_the_sandboxs() -> None:
    assert APPROVAL_CONTEXT == approvals.APPROVAL_CONTEXT
    assert REVOCATION_CONTEXT == revocations.REVOCATION_CONTEXT


@pytest.mark.parametrize("text", ["市税务局", 'quote " \\ slash', "tab\tline\nbell\a\x7f", "\u2028 \U0001f512", ""])
def test_what_is_signed_is_canonical_json(text: str) -> None:
    value: dict[str, Any] = {"owner": text, "serial": 7, "four_eyes": True, "id": "x"}
    assert canonical(value) == rfc8785.dumps(value)


def test_a_signature_made_here_is_filed_there(tmp_path: Path) -> None:
    file, key, out = tmp_path / "taxation-3.json", tmp_path / "wang.key", tmp_path / "wang.json"
    file.write_bytes(TEXT)
    made = run("key", key, "--officer", "wang", "--department", "市税务局", typed="pass\npass\n")
    assert made.exit_code == 0, made.output
    officers = parse_officers(f"[{made.stdout.strip().splitlines()[-1]}]".encode())
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in key.read_bytes()
    done = run("sign", file, "--officer", "wang", "--key", key, "-o", out, typed="pass\n")
    assert done.exit_code == 0, done.output
    assert "taxation version 3 of 市税务局" in done.stderr
    row = json.loads(out.read_bytes())
    more = signed(VERSION, Signature(row["officer"], base64.b64decode(row["signature"])), officers)
    assert len(more.approval.signatures) == 1
    assert run("sign", file, "--officer", "wang", "--key", key, typed="wrong\n").exit_code == 2
    assert run("key", key, "--officer", "wang", "--department", "x", "--no-encrypt").exit_code == 2, (
        "never over a key"
    )


def test_a_revocation_made_here_holds_there(tmp_path: Path) -> None:
    key = tmp_path / "wang.key"
    made = run("key", key, "--officer", "wang", "--department", "市税务局", "--no-encrypt")
    officers = parse_officers(f"[{made.stdout.strip()}]".encode())
    words = [
        "taxation",
        "--owner",
        "市税务局",
        "--serial",
        3,
        "--reason",
        '泄露 "x"',
        "--officer",
        "wang",
        "--key",
        key,
    ]
    done = run("revoke", *words)
    assert done.exit_code == 0, done.output
    (item,) = revocations.parse_revocations(f"[{done.stdout}]".encode())
    revocations.verify_revocation(item, officers)
    assert item.revocation.reason == '泄露 "x"'


def test_the_review_shows_the_document_itself(tmp_path: Path) -> None:
    file = tmp_path / "taxation-3.json"
    file.write_bytes(TEXT)
    shown = run("review", file)
    assert json.loads(shown.stdout)["grants"][0]["id"] == "g"
    assert f"sha256 {VERSION.statement.document}" in shown.stderr
    assert '{"tests": {"taxation": 1}}' in shown.stderr


def spoilt(change: str) -> bytes:
    body: dict[str, Any] = json.loads(TEXT)
    said = body["approval"]["statement"]
    match change:
        case "another document":
            body["document"] = body["document"].replace("RESEARCH", "MODEL_BUILD")
        case "another owner":
            said["owner"] = "市公安局"
        case "a word more":
            said["more"] = "x"
        case "a word less":
            del said["four_eyes"]
        case "a nested word":
            said["submitter"] = {"a": 1}
        case "not json":
            return b"{"
        case "a list":
            return b"[]"
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "change",
    ["another document", "another owner", "a word more", "a word less", "a nested word", "not json", "a list"],
)
def test_what_is_not_what_it_says_is_not_signed(change: str) -> None:
    with pytest.raises(Misused):
        read_version(spoilt(change))


def test_only_an_ed25519_key_is_an_officers_key() -> None:
    pem, row = new_key("wang", "x", b"\x01" * 32, None)
    assert isinstance(officers_key(pem, None), Ed25519PrivateKey)
    assert row["officer"] == "wang"
    with pytest.raises(Misused):
        officers_key(b"no key", None)
