"""``louver audit verify``, ``witness-key`` and ``witness``: holding the log to what it has signed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from louver.cli.auditing import Shape, chosen_form, connect_log, write_rows
from louver.cli.drawing import EXIT_UNPROVEN
from louver.cli.export import Format
from louver.cli.receipts import log_key_of, visible_json
from louver.cli.session import Session, ending, read_bytes
from louver.display import visible
from louver.errors import Unproven
from louver.failures import Misused

if TYPE_CHECKING:
    from louver.transparency import Checkpoint
    from louver.transparency.cosignature import WitnessKey

LogKey = Annotated[str | None, typer.Option(help="The log's public key, or a file that holds it.")]
SAID = {
    "en": (
        "{size} entries, {covered} of them under {heads} signed heads; {charges} charges and {losses} of privacy "
        "loss follow from them; nothing contradicts anything"
    ),
    "zh": (
        "{size} 条，其中 {covered} 条在 {heads} 个签名检查点之下；"
        "账目共 {charges} 笔，隐私损失 {losses} 笔，均与条目一致"
    ),
}

PACKED = {
    "en": "{0} entries ({1} pruned) of {2}, all proved under its head of {3}; the report follows from them",
    "zh": "{2} 的 {0} 条（其中 {1} 条已清理）均在其 {3} 条的检查点之下得到证明，报告与条目一致",
}
PRUNED = {
    "en": "{0} of them were pruned; holds in force: {1}",
    "zh": "其中 {0} 条已依保存期限清理；有效的保全：{1}",
}


def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="An exported log, an evidence pack, a .tlog-proof, or a checkpoint.")],
    log_key: LogKey = None,
    anchor: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint kept elsewhere, which the log must extend; repeatable.")
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="A witness's public key whose cosignature must be there; repeatable.")
    ] = None,
    totals: Annotated[bool, typer.Option("--totals", help="Print every balance that follows from the log.")] = False,
    shape: Shape = None,
) -> None:
    """Verify a whole exported log, a proof or a checkpoint offline, with nothing but the log's public key.

    Of a log: every entry, the tree, every signed head, what admissions say the ledgers hold. Exits with 4 and every
    contradiction, the first entry it concerns first.

    Example: louver audit verify log-2026-07.jsonl --log-key log.pub --anchor 2026-07-01.checkpoint
    """
    from louver.transparency import Checkpoint
    from louver.transparency.cosignature import WitnessKey
    from louver.transparency.note import MAX_NOTE_BYTES
    from louver.transparency.proofs import MAGIC, MAX_PROOF_BYTES

    session: Session = context.obj
    with ending(session.language):
        key = log_key_of(log_key or session.log_key, session.profile)
        witnesses = [WitnessKey.parse(text) for text in witness or ()]
        try:
            with file.open("rb") as opened:
                begin = opened.read(len(MAGIC))
        except OSError:
            raise Misused(f"cannot read {file}") from None
        if begin == MAGIC.encode():
            _verify_proof(read_bytes(file, MAX_PROOF_BYTES + 1), key, witnesses, session.language)
        elif begin[:2] == b"PK":
            _verify_pack(file, key, witnesses, session.language)
        elif begin[:1] == b"{":
            anchors = [Checkpoint.parse(read_bytes(path, MAX_NOTE_BYTES + 1)) for path in anchor or ()]
            _verify_log(file, key, anchors, witnesses, totals, chosen_form(shape), session.language)
        else:
            checkpoint = Checkpoint.parse(read_bytes(file, MAX_NOTE_BYTES + 1))
            _verify_checkpoint(checkpoint, key, witnesses, session.language)


def _verify_pack(file: Path, key: str, witnesses: Sequence[WitnessKey], language: str) -> None:
    from louver.evidence import verify_pack

    with file.open("rb") as packed:
        found = verify_pack(packed, key, witnesses)
    for what in found.findings:
        typer.echo(visible(what), err=True)
    if not found.ok:
        raise typer.Exit(EXIT_UNPROVEN)
    chinese = language == "zh"
    whole = ("，无遗漏" if chinese else ", and none is missing") if found.complete else ""
    typer.echo(PACKED[language].format(found.entries, found.pruned, visible(found.origin), found.head) + whole)
    for one in found.cosigned:
        typer.echo(f"{visible(one.witness)}: {one.head.size}, {one.time}")


def _verify_proof(content: bytes, key: str, witnesses: Sequence[WitnessKey], language: str) -> None:
    from louver.receipt import Receipt
    from louver.transparency import LogKey, TlogProof
    from louver.transparency.retention import read_residue

    left = TlogProof.parse(content)
    if left.extra is not None and b'"leaf":' in left.extra and b'"entry":' not in left.extra:
        try:
            residue = read_residue(left.extra.decode())
        except ValueError:
            raise Unproven("the proof does not enclose what is left of an entry", content) from None
        head = left.verify(residue.leaf, LogKey.parse(key))
        _demand(left.checkpoint, witnesses)
        typer.echo(visible_json(left.extra))
        said = (
            "已证明：条目 {0} 的叶子属于 {1}，共 {2} 条；该条目已清理"
            if language == "zh"
            else "proven: the leaf of entry {0} of {1}, {2} entries; the entry was pruned"
        )
        typer.echo(said.format(left.index, visible(head.origin), head.size), err=True)
        return
    receipt = Receipt.from_bytes(content)
    proven = receipt.verify(key)
    _demand(receipt.checkpoint, witnesses)
    typer.echo(visible_json(receipt.entry))
    said = "已证明：条目 {0} 属于 {1}，共 {2} 条" if language == "zh" else "proven: entry {0} of {1}, {2} entries"
    typer.echo(said.format(proven.index, visible(proven.head.origin), proven.head.size), err=True)


def _verify_checkpoint(checkpoint: Checkpoint, key: str, witnesses: Sequence[WitnessKey], language: str) -> None:
    from louver.transparency import LogKey

    found = checkpoint.verify(LogKey.parse(key))
    _demand(checkpoint, witnesses)
    said = "已证明：{0} 的检查点，共 {1} 条" if language == "zh" else "proven: a head of {0}, {1} entries"
    typer.echo(said.format(visible(found.origin), found.size))


def _demand(checkpoint: Checkpoint, witnesses: Sequence[WitnessKey]) -> None:
    """Raises ``Unproven`` unless every one of these witnesses has cosigned."""
    from louver.transparency.cosignature import cosignatures

    found = {one.witness for one in cosignatures(checkpoint, tuple(witnesses))}
    for missing in (key.name for key in witnesses if key.name not in found):
        raise Unproven(f"{missing} has not cosigned this head", checkpoint.to_bytes())


def _verify_log(
    file: Path,
    key: str,
    anchors: Sequence[Checkpoint],
    witnesses: Sequence[WitnessKey],
    totals: bool,
    form: Format,
    language: str,
) -> None:
    from louver.transparency.whole_log import verify_export

    with file.open("rb") as lines:
        found = verify_export(lines, key, anchors, witnesses)
    for finding in found.findings:
        typer.echo(visible(str(finding)), err=True)
    missing = [one.name for one in witnesses if one.name not in found.cosigned]
    for name in missing:
        typer.echo(f"没有 {name} 的见证签名" if language == "zh" else f"no head is cosigned by {name}", err=True)
    if totals:
        names = ("institution", "dataset", "purpose", "kind", "window", "spent")
        write_rows(names, (tuple(line[name] for name in names) for line in found.totals.lines()), form, language)
    if not found.ok or missing:
        raise typer.Exit(EXIT_UNPROVEN)
    counts = {"charges": found.totals.charges, "losses": found.totals.losses}
    typer.echo(SAID[language].format(size=found.size, covered=found.covered, heads=found.heads, **counts), err=totals)
    if found.pruned or found.holds:
        holds = ", ".join(map(visible, found.holds)) or "-"
        typer.echo(PRUNED[language].format(found.pruned, holds), err=totals)
    for name, one in found.cosigned.items():
        typer.echo(f"{visible(name)}: {one.head.size}, {one.time}", err=totals)


def witness_key(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The key file to write; it must not exist.")],
    name: Annotated[str, typer.Option(help="What the witness is called, such as audit.example/witness.")],
    kind: Annotated[str, typer.Option(help="ed25519 or ml-dsa-44 (which resists quantum computers).")] = "ed25519",
) -> None:
    """Make a witness's key, and print the public key that the operator registers for you.

    Example: louver audit witness-key witness.pem --name audit.example/witness
    """
    from louver.audit.witness import new_key

    session: Session = context.obj
    with ending(session.language):
        made = new_key(name, kind)
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                target.write(made.to_pem())
        except FileExistsError:
            raise Misused(f"{file} exists already") from None
        except OSError:
            raise Misused(f"cannot write {file}") from None
        typer.echo(str(made.key))


def witness(
    context: typer.Context,
    state: Annotated[Path, typer.Argument(help="The file in which the witness remembers what it has seen.")],
    key: Annotated[
        list[Path] | None, typer.Option(help="A key to cosign with; repeatable. None: only watch.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for a timer.")] = False,
) -> None:
    """Follow the log, check that it only grows, and cosign its heads; a rewind or a split view ends it with 4.

    Example: louver audit witness seen.json --key witness.pem --every 60
    """
    from louver.audit.witness import Contradiction, keep_evidence, look, read_key

    session: Session = context.obj
    with ending(session.language):
        cosigners = [read_key(read_bytes(path), str(path)) for path in key or ()]
        with connect_log(session) as log:
            if not log.settings.log_key:
                raise Misused("a witness needs the log's public key", "set log_key")
            while True:
                try:
                    step = look(log, state, log.settings.log_key, cosigners, int(time.time()))
                except Contradiction as found:
                    typer.echo(f"evidence: {keep_evidence(state, found)}", err=True)
                    raise
                if step.new or once:
                    typer.echo(f"{step.head.size}  {step.head.root.hex()}")
                    sys.stdout.flush()
                if once:
                    return
                time.sleep(every)
