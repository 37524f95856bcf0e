"""Officers' keys in a PKCS#11 token: SoftHSM, which is one in software, through the same library interface."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.unit.client.test_approving import TEXT
from typer.testing import CliRunner, Result

from louver.approving import REVOCATION_CONTEXT, canonical, read_version
from louver.cli.app import app
from louver.officer_tokens import Token, token_key

PIN = "271828"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")  # fmt: skip


@dataclass
class Desk:
    """An officer's table with a token on it."""

    module: str
    folder: Path

    def run(self, *words: object, typed: str = f"{PIN}\n", token: str = "officers") -> Result:
        hsm = ["--pkcs11-module", self.module, "--token", token]
        return CliRunner().invoke(app, ["policy", *map(str, words), *hsm], input=typed)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The library reads its configuration once for a process, so there is one token for all of these tests."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (louver[hsm])")
    module = next((path for path in MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("there is no SoftHSM on this machine (Debian: apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        make = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            "officers",
            "--pin",
            PIN,
            "--so-pin",
            "31415926",
        ]
        subprocess.run(make, check=True, capture_output=True)
        yield Desk(module, folder)


@pytest.fixture(scope="module")
def public(desk: Desk) -> Ed25519PublicKey:
    """Wang's, whose key is made in the token."""
    made = desk.run("key", "wang-2026", "--officer", "wang", "--department", "市税务局")
    assert made.exit_code == 0, made.output
    row = json.loads(made.stdout)
    assert (row["officer"], row["department"]) == ("wang", "市税务局")
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(row["public_key"]))


def test_a_version_and_a_revocation_are_signed_in_the_token(
    desk: Desk, public: Ed25519PublicKey, tmp_path: Path
) -> None:
    file = tmp_path / "taxation-3.json"
    file.write_bytes(TEXT)
    out = tmp_path / "wang.json"
    done = desk.run("sign", file, "--officer", "wang", "--key", "wang-2026", "-o", out)
    assert done.exit_code == 0, done.output
    said = json.loads(out.read_bytes())
    public.verify(base64.b64decode(said["signature"]), read_version(file.read_bytes()).message)
    ending = ["revoke", "taxation", "--owner", "市税务局", "--serial", 3, "--reason", "a leak", "--officer", "wang"]
    ended = desk.run(*ending, "--key", "wang-2026")
    assert ended.exit_code == 0, ended.output
    body = json.loads(ended.stdout)
    public.verify(base64.b64decode(body["signature"]), REVOCATION_CONTEXT + canonical(body["revocation"]))


def test_the_key_does_not_come_out(desk: Desk, public: Ed25519PublicKey) -> None:
    from pkcs11 import Attribute
    from pkcs11.exceptions import AttributeSensitive

    with token_key(Token(Path(desk.module), "officers", PIN), "wang-2026") as found:
        assert not found.key[Attribute.EXTRACTABLE]
        with pytest.raises(AttributeSensitive):
            _ = found.key[Attribute.VALUE]


def test_what_cannot_be_signed_says_why(desk: Desk, public: Ed25519PublicKey, tmp_path: Path) -> None:
    file = tmp_path / "taxation-3.json"
    file.write_bytes(TEXT)
    sign = ["sign", file, "--officer", "wang", "--key"]
    for words, typed, token, told in (
        ([*sign, "wang-2026"], "000000\n", "officers", "PinIncorrect"),
        ([*sign, "wang-2026"], f"{PIN}\n", "nobody's", "NoSuchToken"),
        ([*sign, "li-2026"], f"{PIN}\n", "officers", "no one Ed25519 key"),
        (["key", "wang-2026", "--officer", "wang", "--department", "d"], f"{PIN}\n", "officers", "already"),
    ):
        done = desk.run(*words, typed=typed, token=token)
        assert done.exit_code == 2, (words, done.output)
        assert told in done.output, (words, done.output)
    alone = CliRunner().invoke(app, ["policy", *map(str, sign), "x", "--token", "officers"])
    assert alone.exit_code == 2
    assert "go together" in alone.output
    none = CliRunner().invoke(
        app, ["policy", *map(str, sign), "x", "--token", "t", "--pkcs11-module", str(file)], input="1\n"
    )  # fmt: skip
    assert none.exit_code == 2
    assert "does not serve" in none.output
