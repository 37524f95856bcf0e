"""Making an installation from a backup, which gives nothing back that was spent, revoked or written since.

What came after the backup is only known from elsewhere: from the newest checkpoint that a witness saw, which the log
must reach, and from an export of the log, which holds what it lacks. Authorisations are revoked and institutions
suspended again by the entries that say so; of those authorisations that are good for so many uses nobody knows which
came after, so they count as used up.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from louver.transparency.checkpoint import Checkpoint
from louver_sandbox import consents, journal, suspensions
from louver_sandbox.audit.restore import restore_log
from louver_sandbox.operator.backup import HEAD, MANIFEST, STORE, verify_backup
from louver_sandbox.operator.forgetting import Forgotten
from louver_sandbox.operator.installation import InstallationRefused, write_registry
from louver_sandbox.operator.keys import settle_log
from louver_sandbox.operator.stores import log_key, require_sound
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.recount import anchor, verify
from louver_sandbox.registered import parse_registry
from louver_sandbox.registrations import taken_out
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.store.copying import copy_store

LOOK = (
    "administrators.toml, log-auditors.toml, officers.json, auditors.json, pki/ and the secrets are as of the "
    "backup, and the log does not say what was changed in them since: look at each before it is served"
)
LATER = {
    "activation": "bundle/ and policies/: a later bundle was activated, and an older one is not served",
    "policy": "policies/ and revocations.json: the log has later steps; its revocations count whatever they say",
    "registry": "institutions.toml: nothing new was written into it, so newer certificates have to be",
    "certificate_request": "requests for certificates: the log has later ones, which institutions must send again",
}
"""What must be looked at again, by the kind of a log entry that is newer than the backup."""

LAST = "witness-{}.checkpoint"
"""The name in `anchors/` of a checkpoint that the restored log must always reach."""


def restore(
    backup: Path, home: Path, witnessed: Sequence[Checkpoint], export: Path | None, secrets: Path | None
) -> str:
    """Makes the installation in a new folder; says what was done.

    Raises `InstallationRefused` where that folder exists, the backup is not sound, there are no secrets, or the
    database that its settings name is not empty; `LogDamaged` for an export that is not of this log; `Refused`
    LVR-3105 where the log ends before a checkpoint.
    """
    if home.exists():
        raise InstallationRefused(f"{home} exists already; a backup is restored into a new folder")
    if not witnessed:
        raise InstallationRefused("a restore needs the newest checkpoint that a witness saw, or a bank's receipt has")
    head = verify_backup(backup, [])
    staging = home.with_name(f".{home.name}.restoring")
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(backup, staging)
    try:
        staging.chmod(0o700)
        (staging / MANIFEST).unlink()
        (staging / "anchors").mkdir(mode=0o700)
        (staging / HEAD).rename(staging / "anchors" / HEAD)
        for number, one in enumerate(witnessed):
            (staging / "anchors" / LAST.format(number)).write_bytes(one.to_bytes())
        if secrets is not None:
            shutil.copytree(secrets, staging / "secrets")
        if not (staging / "secrets" / "log.seed").is_file():
            raise InstallationRefused("the backup holds no secrets: give the folder that has them")
        settings = load(staging)
        told = _brought_up(settings, head.size, export)
        if settings.store.url:
            with State.open(staging / STORE) as source, State.open(settings.state) as target:
                copy_store(source, target)
            for path in staging.glob(f"{STORE}*"):
                path.unlink()
        for name in ("spool", "snapshots", "data"):
            (staging / name).mkdir(mode=0o700, exist_ok=True)
        staging.rename(home)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return told


def _brought_up(settings: Settings, size: int, export: Path | None) -> str:
    """Takes the copied store as far as the export goes, and logs that it was restored."""
    with State.open(settings.home / STORE) as state:
        anchors = [one for _, one in anchor.checkpoints(settings.anchors)]
        entries = (
            0 if export is None else restore_log(state, log_key(settings), export, anchors, utc_now, Forgotten())
        )
        books = open_books(settings, state, utc_now)
        charges = verify.rebuild(books)
        with state.transaction() as tx:
            revoked, suspended = consents.revoke_again(tx, size), suspensions.again(tx)
        struck = _registry_again(settings, state, size)
        if (behind := anchor.problem(books, settings.anchors)) is not None:
            raise behind
        with state.transaction() as tx:
            used = consents.use_up(tx, utc_now()) if entries else 0
            journal.noted(books, tx, "restored", size=size, entries=entries, charges=charges, revoked=revoked)
        anchor.keep(books, settings.anchors)
        require_sound(state, settings)
        settle_log(settings, books)
        later = [text for kind, text in LATER.items() if books.log.entries(size, 1, kind=kind)]
    told = (
        f"{size} log entries in the backup, {entries} more and {charges} charges from the export; "
        f"{revoked} authorisations revoked again, {used} of limited use ended; "
        f"{suspended} suspensions brought to where the log has them"
    )
    return "\n".join((told, *struck, *later, LOOK))


def _registry_again(settings: Settings, state: State, size: int) -> list[str]:
    """Takes out of the copied registry what the log has taken out since; says which institutions that are."""
    if not settings.institutions.is_file():
        return []
    registry = parse_registry(settings.institutions.read_text(encoding="utf-8"))
    with state.transaction() as tx:
        kept = taken_out(tx, registry, size)
    changed = [name for name in sorted(registry) if kept.get(name) != registry[name]]
    if changed:
        write_registry(settings.institutions, list(kept.values()))
    return [
        f"{name}: the log has taken certificates, groups or all of it out since, and so they are out"
        for name in changed
    ]
