"""What the log says of the installation itself: what is in force, what was revoked, what was made of the data.

Files can be put back; the log's last word cannot, so it is asked before they are believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from louver_sandbox import journal
from louver_sandbox.audit.entries import JSON
from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.checker import Judgement
from louver_sandbox.journal import Books
from louver_sandbox.matching.token_ahead import Made
from louver_sandbox.policy.approvals import Approval
from louver_sandbox.policy.bundle import BundleRefused


def activated_serials(books: Books) -> Mapping[str, int]:
    """The versions of policy documents that the log's last activation says are in force; none before the first."""
    last = books.log.latest(None, 1, institution=None, kinds=("activation",))
    serials = last[0].fields.get("serials") if last else None
    if not isinstance(serials, Mapping):
        return {}
    return {name: serial for name, serial in serials.items() if isinstance(serial, int)}


def logged_set(books: Books, edition: str) -> str | None:
    """The digest of a matching set in the newest log entry about it."""
    return _logged_digest(books, "match_set", "edition", edition)


def logged_tokens(books: Books, table: str) -> str | None:
    """The digest of a table of tokens in the newest log entry about it."""
    return _logged_digest(books, "token_table", "token_table", table)


def former_tokens(books: Books, institution: str, key: str) -> Iterator[str]:
    """The tables of tokens that the log names of an institution and a key, the newest first."""
    before: int | None = None
    while page := books.log.latest(before, MAX_PAGE, kinds=("token_table",)):
        for entry in page:
            if (entry.fields.get("institution"), entry.fields.get("key")) == (institution, key):
                yield str(entry.fields["token_table"])
        before = page[-1].index


def tables_of_tokens(books: Books) -> tuple[Made, ...]:
    """Every table of tokens that the log names, once, the oldest first."""
    found: dict[str, Made] = {}
    for fields in _all(books, "token_table"):
        told = (str(fields[name]) for name in ("token_table", "institution", "element", "key", "snapshot", "column"))
        made = Made(*told)
        found.setdefault(made.name, made)
    return tuple(found.values())


def tables_of_snapshots(books: Books) -> Mapping[str, str]:
    """The table of every snapshot that the log names."""
    return {str(fields["snapshot"]): str(fields["table"]) for fields in _all(books, "snapshot")}


def _all(books: Books, kind: str) -> Iterator[Mapping[str, object]]:
    """The fields of every entry of a kind, the oldest first."""
    start = 0
    while page := books.log.entries(start, MAX_PAGE, kind=kind):
        yield from (entry.fields for entry in page)
        start = page[-1].index + 1


def _logged_digest(books: Books, kind: str, field: str, made: str) -> str | None:
    before: int | None = None
    while page := books.log.latest(before, MAX_PAGE, kinds=(kind,)):
        for entry in page:
            if entry.fields.get(field) == made:
                return str(entry.fields.get("sha256"))
        before = page[-1].index
    return None


def logged_revocations(books: Books) -> Mapping[str, int]:
    """The last version of each policy document that the log says was revoked, whatever the file says now."""
    found: dict[str, int] = {}
    start = 0
    while page := books.log.entries(start, MAX_PAGE, kind="policy"):
        for fields in (entry.fields for entry in page):
            name, serial = fields.get("policy"), fields.get("serial")
            if fields.get("step") == "revoked" and isinstance(name, str) and isinstance(serial, int):
                found[name] = max(serial, found.get(name, 0))
        start = page[-1].index + 1
    return found


def refuse_former(books: Books, approvals: Sequence[Approval]) -> None:
    """Raises BundleRefused where the log knows a later version of some document: what lies here was put back."""
    serials = {item.statement.id: item.statement.serial for item in approvals}
    known = activated_serials(books)
    if back := [name for name, serial in serials.items() if serial < known.get(name, 0)]:
        raise BundleRefused(
            [f"{name}: the log knows version {known[name]}; this is {serials[name]}" for name in back]
        )


def refuse_other_owners(former: Sequence[Approval], approvals: Sequence[Approval]) -> None:
    """Raises BundleRefused where a document would pass from one department to another: its id stays its owner's."""
    owners = {item.statement.id: item.statement.owner for item in former}
    said = [item.statement for item in approvals]
    if taken := [item for item in said if owners.get(item.id, item.owner) != item.owner]:
        raise BundleRefused([f"{item.id} belongs to {owners[item.id]}, not to {item.owner}" for item in taken])


def note_activation(books: Books, judgement: Judgement, approvals: Sequence[Approval]) -> None:
    """Logs which policies and catalogue decide from now on, unless the log's last word on it says so already.

    Raises:
        BundleRefused: the log's last word is of a later version of some document: what lies here was put back.
    """
    refuse_former(books, approvals)
    last = books.log.latest(None, 1, institution=None, kinds=("activation",))
    serials = {item.statement.id: item.statement.serial for item in approvals}
    said: dict[str, JSON] = {
        "bundle": judgement.bundle.digest,
        "catalog": judgement.catalog.digest,
        "serials": dict(serials),
    }
    if not last or {name: last[0].fields.get(name) for name in said} != said:
        journal.note(books, "activation", **said)
