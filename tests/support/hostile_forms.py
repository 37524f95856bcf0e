"""Forms as no page of ours sends them: fields that say anything, and bodies that are no form."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

FORM = "application/x-www-form-urlencoded"
VALUES = (
    "\x00",
    "a\r\nSet-Cookie: x=y\r\n\r\n<script>",
    "\x1b[2J\x7f\x85\u2028\u202e\u2066\ufeff\uffff",
    "9" * 5_000,
    "-1e400",
    "9999-12-31",
    "../../../../etc/passwd\x00.json",
    "{{7*7}}${7*7}%s%n%d",
    "' OR 1=1 --",
    "[" * 5_000,
    "&a: *a\n<<: *a",
    "\U0001f600" * 2_000,
    "x" * 60_000,
)
"""What any field may be sent as; a browser would."""


def bodies(fields: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Content type and bytes that say these fields in ways that are no form of ours."""
    plain = urlencode(fields)
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    yield "multipart/form-data; boundary=b", f"{parts}--b--\r\n".encode()
    yield "multipart/form-data", b"--b"
    yield "application/json", json.dumps(dict(fields)).encode()
    yield "", plain.encode()
    yield "text/plain", plain.encode()
    yield FORM, json.dumps([dict(fields)]).encode()
    yield FORM, json.dumps(7).encode()
    yield FORM, b""
    yield FORM, b"\xff\xfe" + plain.encode("utf-16-le")
    yield FORM, f"{plain}&x=%ED%A0%80".encode()
    yield FORM, f"{plain}&x=%FF".encode()
    yield FORM, f"{plain}&x".encode()
    yield FORM, f"{plain}&{plain}".encode()
    yield FORM, (plain + "".join(f"&x{number}=" for number in range(100))).encode()
    yield FORM, urlencode({name: value for name, value in fields.items() if name != "csrf"}).encode() or b"x=1"
    yield FORM, urlencode({**fields, "csrf": "x" * 43}).encode()
    yield FORM, urlencode({**fields, "csrf": "\u00e9"}).encode()
    yield FORM, b"csrf=" + quote("\x00" * 9).encode()


def stored(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that the databases of a folder hold, but for who is signed in and who guesses."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for file in sorted(folder.glob("*.db")):
        opened = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            names = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in sorted(names):
                if not any(word in name for word in ("session", "attempt", "failure", "throttle", "guess")):
                    found[f"{file.name}.{name}"] = sorted(opened.execute(f'SELECT * FROM "{name}"'), key=repr)
        finally:
            opened.close()
    return found
