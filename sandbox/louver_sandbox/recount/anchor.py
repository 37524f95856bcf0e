"""Whether log and ledgers still hold all that was once proved: checked before anything is served.

The log and its ledgers are one database. An older copy of it, put back from a backup, is whole and says nothing of
what it has forgotten. So the newest signed head is kept beside it as well, in a file that no backup takes along, and
checkpoints from elsewhere can be put beside that one: an auditor's, or the one in a bank's receipt. A log that does
not extend every one of them is not served.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from louver.errors import Refused, Unproven
from louver.transparency.checkpoint import Checkpoint
from louver.transparency.succession import LogKey
from louver_sandbox import suspensions
from louver_sandbox.accounting import ledger
from louver_sandbox.journal import Books
from louver_sandbox.recount import mark
from louver_sandbox.refusals.capacity import ledger_behind

OWN = "service.checkpoint"
"""The file in the folder of anchors that the service keeps."""


def problem(books: Books, anchors: Path) -> Refused | None:
    """Why nothing may be served over these books; None is good.

    Raises:
        LogDamaged: the log contradicts a head that it stores.
    """
    found = next(_behind_anchors(books, anchors), None) or next(_behind_log(books), None)
    return None if found is None else ledger_behind(found)


def keep(books: Books, anchors: Path) -> None:
    """Keeps the newest signed head in the folder, durably. Raises OSError."""
    head = books.log.head()
    content, target = head.to_bytes(), anchors / OWN
    anchors.mkdir(mode=0o700, exist_ok=True)
    # Another service may have kept a newer one meanwhile.
    if target.exists() and Checkpoint.parse(target.read_bytes()).claimed.size >= head.claimed.size:
        return
    beside = target.with_suffix(f".{os.getpid()}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)


def checkpoints(anchors: Path) -> Iterator[tuple[str, Checkpoint]]:
    """Every checkpoint in the folder by the name of its file. Raises `Unproven` for one that is none."""
    for path in sorted(anchors.glob("*.checkpoint")):
        yield path.name, Checkpoint.parse(path.read_bytes())


def _behind_anchors(books: Books, anchors: Path) -> Iterator[str]:
    key = LogKey.parse(books.log.key)
    try:
        for name, checkpoint in checkpoints(anchors):
            head = checkpoint.verify(key)
            if not books.log.extends(head):
                size = books.log.size()
                yield f"{name} proves {head.size} log entries, and the log has {size} that are not all the same"
    except Unproven as unproven:
        yield f"a file in {anchors.name}/ proves nothing: {unproven.message}"


def _behind_log(books: Books) -> Iterator[str]:
    with books.state.reading() as tx:
        said, counted = mark.said(tx), mark.counted(tx)
        if said is not None and said != counted:
            yield (
                f"the log's last admission says that there are {said.charges} charges and {said.privacy} of privacy "
                f"loss; the ledger has {counted.charges} and {counted.privacy}"
            )
        yield from ledger.broken(tx)
        for name in suspensions.forgotten(tx):
            yield f"the log says that {name} is suspended, and the table of suspensions does not"
