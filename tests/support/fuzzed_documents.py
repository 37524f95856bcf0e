"""Documents that are nearly right: YAML of catalogues and policies, bundles, registries and certificates, damaged.

    python -m tests.support.fuzzed_documents --count 100000

Each reader must take what it is given or refuse it by its own exception, with texts of its own; nothing else may
happen. A document is made from a seed and a number alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.support.catalogs import DEMO_DECLARATIONS, NOWHERE
from tests.support.fuzzing import FOREIGN, Told
from tests.support.policy_questions import LIBRARY, library

from louver.errors import Refused
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.positions import CatalogRefused
from louver_sandbox.identity import Registry, RegistryRefused, parse_registry
from louver_sandbox.pki import URN
from louver_sandbox.policy.bundle import BundleRefused, bundle_content, parse_bundle
from louver_sandbox.policy.load import read_policy_text

WORDS = (
    *(
        "&a",
        "*a",
        "!!python/object:os.system",
        "!!binary",
        "<<",
        "---",
        "...",
        "%YAML 1.1",
        "{",
        "}",
        "[",
        "]",
        "|",
        ">",
    ),
    *(
        "~",
        "null",
        "true",
        "yes",
        "1e400",
        ".inf",
        "0x1F",
        "-1",
        "9" * 30,
        "2026-13-45",
        "''",
        '""',
        "\t",
        "? ",
        "- - -",
    ),
    *(
        "\x00",
        "\u200b",
        "\ufeff",
        "\u2028",
        "\x85",
        "\u202e",
        "a: " * 40,
        "[" * 40,
        "kind: policy",
        "grants: []",
        "until:",
    ),
)
"""What YAML, JSON and TOML have pitfalls with."""


def damaged(chance: Random, text: str) -> str:
    """The text with one or two lines or characters taken out, doubled, moved, replaced or torn."""
    lines = text.splitlines(keepends=True) or ["\n"]
    for _ in range(chance.randint(1, 2)):
        place = chance.randrange(len(lines))
        line = lines[place]
        at = chance.randrange(len(line) + 1)
        match chance.randrange(7):
            case 0:
                lines[place] = ""
            case 1:
                lines.insert(place, line)
            case 2:
                lines[place] = f"{' ' * chance.randint(0, 5)}{line.lstrip()}"
            case 3:
                lines[place] = f"{line[:at]}{chance.choice(WORDS)}{line[at:]}"
            case 4:
                key, colon, _ = line.partition(":")
                lines[place] = f"{key}{colon} {chance.choice(WORDS)}\n"
            case 5:
                lines[place] = line[:at]
            case _:
                lines[place] = line.swapcase()
    return "".join(lines)


def flipped(chance: Random, content: bytes) -> bytes:
    """The bytes with some of them flipped, cut out or repeated."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 5)):
        if not found:
            break
        at = chance.randrange(len(found))
        match chance.randrange(4):
            case 0:
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                found[at] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                del found[at : at + chance.randint(1, 20)]
            case _:
                found[at:at] = found[at : at + chance.randint(1, 20)]
    return bytes(found)


@cache
def texts_in(folder: Path) -> tuple[str, ...]:
    """The YAML files of a folder."""
    return tuple(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml")))


def _says(texts: Sequence[str]) -> None:
    for text in texts:
        # A source of data may be a DuckDB file, and is called so.
        if word := FOREIGN.search(text.replace("duckdb", "")):
            raise Told(f"speaks like a library: {word[0]!r} in {text!r}")


def catalogue(chance: Random) -> str:
    """A declaration of the demonstration's catalogue, damaged, in a file of its own."""
    return read_catalogue(
        damaged(chance, chance.choice(texts_in(DEMO_DECLARATIONS))).encode("utf-8", "surrogatepass")
    )


def read_catalogue(content: bytes) -> str:
    """What becomes of these bytes as a declaration."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.yaml"
        path.write_bytes(content)
        try:
            load_catalog([path], NOWHERE)
        except CatalogRefused as refused:
            _says([part for item in refused.problems for part in (item.message, item.message_zh, item.hint)])
            return "refused"
    return "taken"


def policy(chance: Random) -> str:
    """A policy of the library, damaged."""
    return read_policy(damaged(chance, chance.choice(texts_in(LIBRARY))))


def read_policy(text: str) -> str:
    """What becomes of this text as a policy."""
    _, problems = read_policy_text("policy.yaml", text)
    _says([part for item in problems for part in (item.message, item.message_zh)])
    return "refused" if problems else "taken"


def bundle(chance: Random) -> str:
    """The library's bundle, as the service hands it to checkers, damaged."""
    content = bundle_content(library().platform, library().policies)
    return read_bundle(
        flipped(chance, content) if chance.random() < 0.5 else damaged(chance, content.decode()).encode()
    )


def read_bundle(broken: bytes) -> str:
    """What becomes of these bytes as a bundle."""
    try:
        parse_bundle(broken)
    except BundleRefused as refused:
        _says(refused.reasons)
        return "refused"
    return "taken"


REGISTERED = """[institutions.bank_a]
type = "bank"
title = "Bank A"
groups = ["banks"]
fingerprints = ["{fingerprint}"]
"""


def registry(chance: Random) -> str:
    """The registry of institutions, damaged."""
    return read_registry(damaged(chance, REGISTERED.format(fingerprint="a" * 64)))


def read_registry(text: str) -> str:
    """What becomes of this text as the registry."""
    try:
        parse_registry(text)
    except RegistryRefused:
        return "refused"
    return "taken"


@cache
def issued() -> bytes:
    # Its signatures have no randomness, so that every run damages the same bytes.
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank_a")])
    since = datetime(2026, 7, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, since, since + timedelta(days=9))
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{URN}bank_a")])
    return made.add_extension(names, critical=False).sign(key, None).public_bytes(Encoding.DER)


def certificate(chance: Random) -> str:
    """A registered certificate, damaged: none but the very one is anybody. What is no certificate is none to TLS."""
    return read_certificate(flipped(chance, issued()))


def read_certificate(broken: bytes) -> str:
    """Whom these bytes are taken for, as a certificate."""
    genuine = issued()
    try:
        with warnings.catch_warnings():
            # A serial number of zero or less is deprecated, and nobody's with us.
            warnings.simplefilter("ignore")
            found = x509.load_der_x509_certificate(broken)
    except (ValueError, x509.InvalidVersion):
        return "no certificate"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "institutions.toml"
        known = x509.load_der_x509_certificate(genuine).fingerprint(SHA256()).hex()
        path.write_text(REGISTERED.format(fingerprint=known), encoding="utf-8")
        try:
            Registry(path).subject(found)
        except Refused as refused:
            return refused.code
    if broken != genuine:
        raise Told("another certificate is taken for the registered one")
    return "taken"


KINDS: Mapping[str, Callable[[Random], str]] = {
    "catalogue": catalogue,
    "policy": policy,
    "bundle": bundle,
    "registry": registry,
    "certificate": certificate,
}


@dataclass(frozen=True)
class Outcome:
    """What became of damaged documents of one kind, and failures with their seeds and numbers."""

    verdicts: Counter[str]
    failures: list[str]


def tried(kind: str, seed: int, count: int) -> Outcome:
    """So many documents of a kind."""
    found = Outcome(Counter(), [])
    for number in range(count):
        try:
            found.verdicts[KINDS[kind](Random(f"{seed}:{kind}:{number}"))] += 1
        except Exception as broken:  # the whole point is to find out what breaks
            found.failures.append(f"{seed}:{kind}:{number} {type(broken).__name__}: {broken}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries every kind; the status is 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzzed_documents")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args(arguments)
    failed = 0
    for kind in KINDS:
        started, found = time.monotonic(), tried(kind, options.seed, options.count)
        print(*found.failures, sep="\n", end="\n" if found.failures else "")
        print(f"{kind}: {dict(found.verdicts)}, {time.monotonic() - started:.0f} s", flush=True)
        failed += len(found.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
