"""Files that are handed to whoever verifies: evidence packs, exported logs and proofs, damaged.

    python -m tests.support.fuzzed_files --count 2000 --seed 2

A verifier proves a file or says what is wrong with it, by its own exceptions and in bounded memory; nothing that was
changed is proved, and nothing else may happen. A file is made from a seed and a number alone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from random import Random

from tests.support.audit_logs import KEY, ORIGIN
from tests.support.fuzzed_documents import Outcome, damaged, flipped
from tests.support.fuzzing import FOREIGN, Told
from tests.support.packs import WITNESS, packed, service_over

from louver.cli.verifying import _verify_proof
from louver.errors import Unproven
from louver.evidence import Scope, verify_pack
from louver.failures import Misused
from louver.receipt import Receipt
from louver.transparency import TlogProof, VerifierKey
from louver.transparency.whole_log import verify_export
from louver_sandbox.audit import export_log
from louver_sandbox.store import State

ENTRIES = 40
LONGEST_S = 10.0
STRANGE: tuple[object, ...] = (
    None, True, -1, 2**53 - 1, 2**70, 1.5, "", "\ud800", "9" * 5000, "1e99999999", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z", [], {}, [[]], {"a": 1}, [None], "../../x", "x" * 70_000,
)  # fmt: skip
"""What a field of JSON may be, and is not."""


@cache
def genuine() -> Mapping[str, bytes]:
    """A pack with the whole log in it, the log as exported, a receipt, and the proof of what was pruned."""
    with tempfile.TemporaryDirectory() as folder, State.open(Path(folder) / "state.db") as state:
        pack = packed(service_over(state, ENTRIES), Scope("2026-01-01", "2027-01-01"), with_log=True)
        log = b"".join(export_log(state, ORIGIN))
    files = unpacked(pack)
    records = [content for name, content in sorted(files.items()) if name.startswith("records/")]
    whole = [one for one in records if b"eyJlbnRyeSI6" in one]  # {"entry": in base 64
    left = [one for one in records if one not in whole]
    assert whole
    assert left
    return {"pack": pack, "export": log, "receipt": whole[0], "residue": left[0]}


def unpacked(pack: bytes) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(pack)) as files:
        return {name: files.read(name) for name in files.namelist()}


def repacked(files: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of files, its manifest put right where it can be."""
    held = dict(files)
    try:
        manifest = json.loads(held["manifest.json"])
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in held.items()
            if name != "manifest.json"
        }
        held["manifest.json"] = json.dumps(manifest).encode()
    except (KeyError, ValueError, TypeError, RecursionError):
        pass
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for name, content in held.items():
            made.writestr(zipfile.ZipInfo(name), content, kind)
    return target.getvalue()


def odd(chance: Random, value: object) -> object:
    """A document with one part, somewhere in it, that is of another kind."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        return {**value, name: odd(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], odd(chance, value[at]), *value[at + 1 :]]
    return chance.choice(STRANGE)


def changed(chance: Random, content: bytes) -> bytes:
    """Flipped in some bits, damaged as a text, or of another kind in one of its fields."""
    match chance.randrange(3):
        case 0:
            return flipped(chance, content)
        case 1:
            return damaged(chance, content.decode("utf-8", "replace")).encode("utf-8", "replace")
        case _:
            lines = content.split(b"\n")
            at = chance.randrange(len(lines))
            lines[at] = _odd_line(chance, lines[at])
            return b"\n".join(lines)


def _odd_line(chance: Random, line: bytes) -> bytes:
    """A line of JSON with a field of another kind; an entry inside of it as often as what is around it."""
    try:
        item = json.loads(line)
        inside = next((name for name in ("entry", "pruned") if name in item), "")
        if inside and chance.random() < 0.7:
            item[inside] = json.dumps(odd(chance, json.loads(item[inside])), separators=(",", ":"), sort_keys=True)
        else:
            item = odd(chance, item)
        return json.dumps(item, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    except (ValueError, TypeError):
        return flipped(chance, line)


def pack(chance: Random) -> str:
    """A pack with some of its files damaged, missing or renamed, or damaged as a zip."""
    whole = genuine()["pack"]
    if chance.random() < 0.3:
        return read_pack(flipped(chance, whole))
    files = unpacked(whole)
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(sorted(files))
        match chance.randrange(6):
            case 0:
                del files[name]
            case 1:
                files[chance.choice(("../" * 9 + "tmp/x", "/etc/x", "a\x00b", "records/", "x" * 60_000))] = b"x"
            case 2:
                files[f"records/{chance.randrange(ENTRIES)}.tlog-proof"] = files[name]
            case _:
                files[name] = changed(chance, files[name])
        if not files:
            break
    return read_pack(repacked(files, chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))))


def is_proved(name: str) -> bool:
    """Whether a file of a pack says something that the log has proved, if it is there at all."""
    return name.startswith(("records/", "bundles/", "report.", "checkpoint", "texts"))


def read_pack(content: bytes) -> str:
    """What becomes of these bytes as an evidence pack."""
    try:
        found = verify_pack(io.BytesIO(content), KEY, (WITNESS.key,))
    except (Misused, Unproven) as refused:
        return _told(refused.message)
    _told("\n".join(found.findings), content)
    if found.findings:
        return "contradicted"
    now, then = unpacked(content), unpacked(genuine()["pack"])
    # A bundle that is no longer kept is not in a pack; without the whole log nobody can tell that a record is missing.
    lacking = {name for name in then.keys() - now.keys() if name.startswith("bundles/") or not found.complete}
    others = [name for name in now.keys() | then.keys() if now.get(name) != then.get(name) and is_proved(name)]
    if others := sorted(set(others) - lacking):
        raise Told(f"a pack whose {others} were changed is taken for the whole one")
    return "taken"


def export(chance: Random) -> str:
    """An exported log, damaged."""
    return read_export(changed(chance, genuine()["export"]))


def read_export(content: bytes) -> str:
    """What becomes of these bytes as an exported log."""
    found = verify_export(io.BytesIO(content), KEY, (), (WITNESS.key,))
    for _ in found.totals.lines():
        pass
    return "contradicted" if found.findings else "taken"


def receipt(chance: Random) -> str:
    """A receipt, damaged."""
    return read_receipt(changed(chance, genuine()["receipt"]))


def read_receipt(content: bytes) -> str:
    """What becomes of these bytes as a receipt."""
    try:
        found = Receipt.from_bytes(content)
        found.verify(KEY)
    except Unproven as unproven:
        return _told(unproven.message)
    # More signatures may stand under a head, and those of others count for nothing.
    told = Receipt.from_bytes(genuine()["receipt"])
    if (found.entry, found.index, found.openings) != (told.entry, told.index, told.openings):
        raise Told("a receipt that was changed is proved")
    return "taken"


def residue(chance: Random) -> str:
    """The proof of what is left of an entry, damaged."""
    return read_residue(changed(chance, genuine()["residue"]))


def read_residue(content: bytes) -> str:
    """What becomes of these bytes as such a proof, in a command."""
    told = io.StringIO()
    try:
        with redirect_stdout(told), redirect_stderr(told):
            _verify_proof(content, KEY, (), "en")
    except Unproven as unproven:
        return _told(unproven.message)
    TlogProof.parse(content).checkpoint.verify(VerifierKey.parse(KEY))
    return "taken"


def _told(text: str, content: bytes = b"") -> str:
    word = FOREIGN.search(text)
    if word is not None and word[0].encode() not in content:
        raise Told(f"speaks like a library: {word[0]!r} in {text[:200]!r}")
    return "refused"


KINDS: Mapping[str, Callable[[Random], str]] = {
    "pack": pack,
    "export": export,
    "receipt": receipt,
    "residue": residue,
}


def tried(kind: str, seed: int, count: int) -> Outcome:
    """So many files of a kind."""
    found = Outcome(Counter(), [])
    for number in range(count):
        started = time.process_time()
        try:
            found.verdicts[KINDS[kind](Random(f"{seed}:{kind}:{number}"))] += 1
            if time.process_time() - started > LONGEST_S:
                raise Told(f"no verdict within {LONGEST_S} s")
        except Exception as broken:  # the whole point is to find out what breaks
            found.failures.append(f"{seed}:{kind}:{number} {type(broken).__name__}: {str(broken)[:300]}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries every kind; the status is 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzzed_files")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args(arguments)
    failed = 0
    for kind in KINDS:
        started, found = time.monotonic(), tried(kind, options.seed, options.count)
        print(*found.failures, sep="\n", end="\n" if found.failures else "")
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{kind}: {dict(found.verdicts)}, {time.monotonic() - started:.0f} s, {most} MiB", flush=True)
        failed += len(found.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
