"""`louver-sandbox institution`: who may ask, by which certificates, and who is served at this moment."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from louver.errors import Refused
from louver_sandbox import journal
from louver_sandbox.identity import uri_name
from louver_sandbox.operator.installation import (
    TOOLS,
    InstallationRefused,
    Tools,
    add_institution,
    revoke,
    write_registry,
)
from louver_sandbox.operator.output import Home, explained, problem
from louver_sandbox.pki import URN, Authority, Issued
from louver_sandbox.premises import open_books
from louver_sandbox.refusals import registry as refuse
from louver_sandbox.registered import Institution, Pin, PinState, ending, parse_registry, stamp
from louver_sandbox.registrations import note_registry
from louver_sandbox.renewals import Renewal, Renewals, next_key
from louver_sandbox.settings import Settings, load
from louver_sandbox.stages import InstitutionType
from louver_sandbox.store import State
from louver_sandbox.suspensions import Suspensions

app = typer.Typer(help="Institutions that may ask.", no_args_is_help=True)

OVERLAP_DAYS = 14
"""For how long the former certificate counts beside the next one."""
CERTIFICATE_DAYS = 90
EXIT_ENDING = 3
"""What `list --ending` ends with while some institution's last certificate ends soon, so that a timer can warn."""

Name = Annotated[str, typer.Argument(help="The institution's id.")]
Reason = Annotated[str, typer.Option(help="Why; it is logged, and administrators see it.")]
By = Annotated[str, typer.Option(help="Who does it; default: the user of this machine.", show_default=False)]
Request = Annotated[str, typer.Argument(help="The request's id, or how it begins.")]


@dataclass(frozen=True)
class Desk:
    """An installation's registry with what is recorded about it; the service may run beside it."""

    settings: Settings
    clock: Callable[[], datetime]
    state: State
    append: Callable[..., int]

    @property
    def suspensions(self) -> Suspensions:
        """The kill switch."""
        return Suspensions(self.state, self.clock, self.append)

    @property
    def renewals(self) -> Renewals:
        """Requests for certificates."""
        return Renewals(self.state, self.clock, self.append)

    def registry(self) -> dict[str, Institution]:
        """The institutions as the file says now. Raises `RegistryRefused`."""
        return dict(parse_registry(self.settings.institutions.read_text(encoding="utf-8")))

    def institution(self, name: str) -> Institution:
        """One of them. Raises `InstallationRefused`."""
        found = self.registry().get(name)
        if found is None:
            raise InstallationRefused(f"{name} is not registered")
        return found

    def write(self, changed: Institution) -> None:
        """Writes one of them into the file, in one step."""
        write_registry(self.settings.institutions, list((self.registry() | {changed.id: changed}).values()))

    def note(self) -> None:
        """Says in the log what has changed in the file."""
        note_registry(self.state, self.append, self.registry())


@contextmanager
def desk(settings: Settings, tools: Tools) -> Iterator[Desk]:
    """Opens the books; what has changed in the registry is logged at the end."""
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        at = Desk(settings, tools.clock, state, partial(journal.appended, books))
        yield at
        at.note()


@app.command("add")
def add(
    name: str,
    kind: Annotated[InstitutionType, typer.Option("--type", help="What it is; decides which rules apply.")],
    group: Annotated[list[str] | None, typer.Option(help="A policy group it belongs to; may be repeated.")] = None,
    title: Annotated[str, typer.Option(help="Its name for people.")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Register an institution and issue its certificate.

    Example: louver-sandbox institution add bank_a --type bank --group banks
    """
    with explained():
        settings = load(home)
        issued = add_institution(settings, name, kind, group or [], title, TOOLS)
        with desk(settings, TOOLS):
            typer.echo(f"certificate  {settings.home / 'clients' / (name + '.pem')}")
            typer.echo(f"fingerprint  {issued.fingerprint}")


@app.command("list")
def listed(
    only_ending: Annotated[
        bool, typer.Option("--ending", help="Those whose last certificate ends within 14 days; exit code 3 if any.")
    ] = False,
    home: Home = Path("louver-home"),
) -> None:
    """List the registered institutions: id, type, groups, certificates that count, title, and what wants attention.

    Example: louver-sandbox institution list --ending
    """
    with explained():
        settings, now = load(home), TOOLS.clock()
        registered = parse_registry(settings.institutions.read_text(encoding="utf-8"))
        late = dict(ending(registered.values(), now))
        held = _suspended(settings)
        for item in sorted(registered.values(), key=lambda item: item.id):
            if only_ending and item.id not in late:
                continue
            groups = ",".join(sorted(item.groups)) or "-"
            live = sum(pin.holds(now) for pin in item.pins)
            said = [f"{item.id}  {item.type.value}  {groups}  {live} certificates  {item.title}"]
            said += [f"SUSPENDED since {held[item.id]}"] if item.id in held else []
            said += [_until(late[item.id], now)] if item.id in late else []
            typer.echo("  ".join(said))
        if only_ending and late:
            raise typer.Exit(EXIT_ENDING)


@app.command("show")
def show(name: Name, home: Home = Path("louver-home")) -> None:
    """Show the certificates of an institution: SHA-256, from, until, state; and its requests for more.

    Example: louver-sandbox institution show bank_a
    """
    with explained():
        settings, now = load(home), TOOLS.clock()
        with desk(settings, TOOLS) as at:
            item, waiting = at.institution(name), at.renewals.waiting()
            for pin in item.pins:
                typer.echo(
                    f"{pin.fingerprint}  {_day(pin.not_before)}  {_day(pin.not_after)}  {pin.state(now).value}"
                )
            for one in waiting:
                if one.institution == name:
                    typer.echo(_line(one, item, now))


@app.command("pin")
def pin(
    name: Name,
    certificate: Annotated[Path, typer.Argument(help="The certificate (PEM), of the authority that callers have.")],
    since: Annotated[str, typer.Option("--from", help="From when it counts; default: now.")] = "",
    until: Annotated[str, typer.Option("--until", help="Until when; default: the certificate's end.")] = "",
    home: Home = Path("louver-home"),
) -> None:
    """Add a certificate to those of an institution; the others go on counting until each one's own end.

    Example: louver-sandbox institution pin bank_a next.pem --from 2026-08-01T00:00:00Z
    """
    with explained(), desk(load(home), TOOLS) as at:
        found = _read(certificate, name)
        first, last = _moment(since) or at.clock(), _moment(until) or found.not_valid_after_utc
        if last <= first:
            raise InstallationRefused("it would end before it begins")
        item = at.institution(name)
        added = Pin(found.fingerprint(hashes.SHA256()).hex(), first.replace(microsecond=0), last)
        others = tuple(one for one in item.pins if one.fingerprint != added.fingerprint)
        at.write(replace(item, pins=(*others, added)))
        typer.echo(f"{added.fingerprint} counts from {_day(added.not_before)} until {_day(added.not_after)}")


@app.command("unpin")
def unpin(
    name: Name,
    fingerprint: Annotated[
        str, typer.Argument(help="SHA-256 of the certificate in hex, or how it begins (8 or more).")
    ],
    home: Home = Path("louver-home"),
) -> None:
    """Strike out one certificate of an institution; a running service obeys at once, on open streams too.

    Example: louver-sandbox institution unpin bank_a 3f9c11d2
    """
    with explained(), desk(load(home), TOOLS) as at:
        item = at.institution(name)
        struck = [one for one in item.pins if one.fingerprint.startswith(fingerprint.lower())]
        if len(fingerprint) < 8 or len(struck) != 1:
            raise InstallationRefused(f"{len(struck)} certificates of {name} begin so; name one of them")
        left = tuple(one for one in item.pins if one != struck[0])
        at.write(replace(item, pins=left))
        typer.echo(f"{struck[0].fingerprint} counts no more; {sum(one.holds(at.clock()) for one in left)} others do")


@app.command("revoke")
def revoke_all(name: Name, home: Home = Path("louver-home")) -> None:
    """Strike out every certificate of an institution; a running service obeys at once, on open streams too."""
    with explained():
        settings = load(home)
        revoke(settings, name)
        with desk(settings, TOOLS):
            typer.echo(f"{name} is known by no certificate any more")


@app.command("requests")
def requests(home: Home = Path("louver-home")) -> None:
    """List the requests for certificates that wait: id, institution, when, SHA-256 of the next public key.

    Example: louver-sandbox institution requests
    """
    with explained(), desk(load(home), TOOLS) as at:
        registered, now = at.registry(), at.clock()
        for one in at.renewals.waiting():
            typer.echo(_line(one, registered.get(one.institution), now))


@app.command("confirm")
def confirm(
    request: Request,
    key: Annotated[str, typer.Option(help="SHA-256 of the next public key, as the institution has told you.")],
    certificate: Annotated[
        Path | None, typer.Option(help="The certificate (PEM) of your own authority; default: issue one here.")
    ] = None,
    overlap: Annotated[int, typer.Option(min=0, max=365, help="Days in which the former certificate counts too.")] = (
        OVERLAP_DAYS
    ),
    by: By = "",
    home: Home = Path("louver-home"),
) -> None:
    """Confirm a request for a certificate: both count for a while, then the former one no more.

    Compare the key with what a person of the institution reads to you: whoever has stolen a certificate can ask too.

    Example: louver-sandbox institution confirm 5f2c --key 9b1e...
    """
    with explained(), desk(load(home), TOOLS) as at:
        made = confirmed(at, request, key, certificate, timedelta(days=overlap), _who(by))
        typer.echo(f"{made.institution} may fetch its certificate: `louver certificate fetch`")


@app.command("reject")
def reject(request: Request, by: By = "", home: Home = Path("louver-home")) -> None:
    """Turn a request for a certificate down.

    Example: louver-sandbox institution reject 5f2c
    """
    with explained(), desk(load(home), TOOLS) as at:
        made = at.renewals.reject(_asked(at, request).id, _who(by))
        typer.echo(f"the request of {made.institution} is rejected")


@app.command("suspend")
def suspend(name: Name, reason: Reason, by: By = "", home: Home = Path("louver-home")) -> None:
    """End all service to an institution from this moment on, also of questions that are under way.

    Example: louver-sandbox institution suspend bank_a --reason "key found on a public server"
    """
    with explained(), desk(load(home), TOOLS) as at:
        if at.suspensions.of(name) is None:
            at.institution(name)
        held = at.suspensions.suspend(name, reason, _who(by))
        typer.echo(f"{name} is suspended since {stamp(held.since)}; log entry {held.entry}")


@app.command("resume")
def resume(name: Name, reason: Reason, by: By = "", home: Home = Path("louver-home")) -> None:
    """Propose that a suspended institution be served again, or agree to what another person has proposed.

    Example: louver-sandbox institution resume bank_a --reason "new certificate in place"
    """
    with explained(), desk(load(home), TOOLS) as at:
        held = at.suspensions.resume(name, reason, _who(by))
        if held is None:
            at.institution(name)
            typer.echo(f"{name} is served")
        else:
            typer.echo(f"{name} stays suspended until another person agrees; proposed by {held.resume_by}")


def confirmed(at: Desk, request: str, key: str, file: Path | None, overlap: timedelta, by: str) -> Renewal:
    """Confirms a request for the key that was told. Raises `InstallationRefused`, `Refused` LVR-73xx."""
    found = _asked(at, request)
    if len(key) < 16 or not found.key_sha256.startswith(key.lower()):
        raise InstallationRefused("the request is for another key; ask the institution which one it has made")
    content = _issued(at, found) if file is None else file.read_bytes()

    def counts() -> None:
        """Both certificates count from here; the former no longer than the overlap."""
        item, now = at.institution(found.institution), at.clock().replace(microsecond=0)
        if not item.knows(found.signer, now):
            raise refuse.unknown_certificate_request()
        read = x509.load_pem_x509_certificate(content)
        fresh = Pin(read.fingerprint(hashes.SHA256()).hex(), now, read.not_valid_after_utc)
        last = now + overlap
        others = tuple(_ends_by(one, last) if one.fingerprint == found.signer else one for one in item.pins)
        kept = tuple(one for one in others if one.state(now) is not PinState.OVER)
        at.write(replace(item, pins=(*kept, fresh)))

    return at.renewals.confirm(found.id, content, by, counts)


def _ends_by(pin: Pin, last: datetime) -> Pin:
    return replace(pin, not_after=last if pin.not_after is None else min(pin.not_after, last))


def _issued(at: Desk, found: Renewal) -> bytes:
    secrets = at.settings.secrets
    key = secrets / "authority.key"
    if not key.is_file():
        raise InstallationRefused("this installation has no authority's key; bring a --certificate of yours")
    authority = Authority(Issued((secrets / "authority.pem").read_bytes(), key.read_bytes()))
    public = next_key(found.request, found.institution)
    return authority.requested(found.institution, public, at.clock(), CERTIFICATE_DAYS)


def _asked(at: Desk, begins: str) -> Renewal:
    found = [one for one in at.renewals.waiting() if begins and one.id.startswith(begins)]
    if len(found) != 1:
        raise refuse.unknown_certificate_request()
    return found[0]


def _read(path: Path, name: str) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        said = uri_name(found)
    except (ValueError, Refused):
        raise InstallationRefused(f"{path.name}: not a certificate that names one institution") from None
    if said != URN + name:
        raise InstallationRefused(f"{path.name}: names {said}, not {URN}{name}")
    return found


def _suspended(settings: Settings) -> Mapping[str, str]:
    """Since when, by institution; nobody where there are no books yet."""
    if settings.state == settings.state_file and not settings.state_file.is_file():
        return {}
    with State.open(settings.state) as state:
        held = Suspensions(state, TOOLS.clock, lambda tx, body, private: 0).all()
        return {name: stamp(one.since) for name, one in held.items()}


def _who(by: str) -> str:
    """Who acts at the machine; never as somebody who acts over the wire."""
    return f"operator:{by or getpass.getuser()}"


def _line(one: Renewal, item: Institution | None, now: datetime) -> str:
    void = "" if item is not None and item.knows(one.signer, now) else "  VOID: its signer counts no more"
    return f"{one.id}  {one.institution}  {stamp(one.requested)}  key {one.key_sha256}{void}"


def _until(pin: Pin, now: datetime) -> str:
    if pin.not_after is not None and pin.not_after <= now:
        return f"ENDED {_day(pin.not_after)}"
    return f"ENDS {_day(pin.not_after)}"


def _day(moment: datetime | None) -> str:
    return "-" if moment is None else stamp(moment)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        moment = None
    if text and (moment is None or moment.tzinfo is None):
        problem(f"{text!r} is no moment")
        raise InstallationRefused("a moment is written 2026-08-01T00:00:00Z")
    return moment
