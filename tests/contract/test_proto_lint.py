"""The protocol keeps the naming and layout rules of buf's STANDARD set (`proto/buf.yaml`)."""

import subprocess
import sys
from pathlib import Path

PROTO = Path(__file__).parents[2] / "proto"
BUF = Path(sys.executable).with_name("buf")


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    """What the linter says of a folder of `.proto` files."""
    return subprocess.run([BUF, "lint"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_protocol_keeps_the_rules() -> None:
    found = lint(PROTO)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_protocol_that_breaks_them_is_named(tmp_path: Path) -> None:
    (tmp_path / "buf.yaml").write_text((PROTO / "buf.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "wrong.proto").write_text(
        'syntax = "proto3";\npackage wrong;\nmessage bad_name {}\n', encoding="utf-8"
    )
    found = lint(tmp_path)
    assert found.returncode != 0
    assert "wrong.proto:3" in found.stdout
