"""The `louver-server` command."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn

from louver.cli.drawing import draw, exit_code
from louver.errors import Error
from louver.failures import Misused
from louver_server.accounts import codes
from louver_server.accounts.model import Role
from louver_server.accounts.naming import NAME
from louver_server.accounts.store import Held, Taken
from louver_server.app import create_app, open_console, utc_now
from louver_server.configuration import FILE, read

app = typer.Typer(
    help="The console of Louver: pages for analysts, officers, auditors and administrators.", no_args_is_help=True
)
accounts = typer.Typer(help="Who may use the console.", no_args_is_help=True)
app.add_typer(accounts, name="accounts")

Home = Annotated[Path, typer.Option(envvar="LOUVER_CONSOLE_HOME", help="The console's folder.")]
_HERE: Final = Path("console")
_OPERATOR: Final = "operator"
"""Who the journal names for what is done here."""

_CONFIGURATION: Final = """\
# The console of Louver. Paths are relative to this file.
address = "127.0.0.1:8443"
# As browsers write it, where a proxy or a name stands before the address:
# origin = "https://console.example.gov.cn"
# Without both, plain HTTP, which is for a loopback address only:
# certificate = "console.pem"
# key = "console.key"
profiles = "profiles.toml"
"""
_PROFILES: Final = """\
# Who the console may be towards sandboxes: one profile for each institution or department whose people use it.
# [profiles.bank-a]
# target = "sandbox.example.gov.cn:8443"
# certificate = "bank-a.pem"
# key = "bank-a.key"
# ca = "sandbox-ca.pem"
# log_key = "log.pub"
# purpose = "RESEARCH"
"""


@app.command()
def init(home: Annotated[Path, typer.Argument(help="A folder that is new or empty.")] = _HERE) -> None:
    """Make a console's folder, with a configuration to fill in."""
    with _ending():
        if home.exists() and any(home.iterdir()):
            raise Misused(f"{home} is not empty")
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / FILE).write_text(_CONFIGURATION, encoding="utf-8")
        (home / "profiles.toml").write_text(_PROFILES, encoding="utf-8")
    typer.echo(f"{home} is made. Next: write {home}/profiles.toml, then")
    typer.echo(f"  louver-server accounts add NAME administrator --home {home}")
    typer.echo(f"  louver-server serve --home {home}")


@app.command()
def serve(home: Home = _HERE) -> None:
    """Serve the pages until interrupted."""
    with _ending():
        configuration = read(home)
        console = open_console(configuration)
    typer.echo(f"console at {configuration.origin}", err=True)
    uvicorn.run(
        create_app(console),
        host=configuration.host,
        port=configuration.port,
        ssl_certfile=configuration.certificate,
        ssl_keyfile=configuration.key,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=64 * 1024,
        access_log=False,
    )


@accounts.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Small letters, digits, dots and dashes.")],
    role: Annotated[Role, typer.Argument(help="What the account is for; it has one role.")],
    profile: Annotated[
        str, typer.Option(help="The profile the person acts with; administrators may have none.")
    ] = "",
    home: Home = _HERE,
) -> None:
    """Make an account and print its first password, which its owner replaces at the first sign-in."""
    with _ending():
        console = open_console(read(home))
        if not NAME.fullmatch(name):
            raise Misused("a name has 2 to 40 small letters, digits, dots or dashes, and begins with a letter")
        if profile and profile not in console.connections.names:
            known = ", ".join(console.connections.names) or "none"
            raise Misused(f"there is no profile {profile!r}", f"profiles: {known}")
        if not console.connections.fits(role, profile):
            raise Misused(
                "an administrator has no profile or an administrator's, and every other role one of its own kind",
                "--profile NAME",
            )
        try:
            first = console.doors.invite(name, role, profile, _OPERATOR)
        except Taken:
            raise Misused(f"there is an account {name}", f"louver-server accounts reset {name}") from None
        except Held:
            raise Misused(f"another account acts with profile {profile!r}, which is one person's") from None
    typer.echo(f"the first password of {name}, shown once:", err=True)
    typer.echo(first)


@accounts.command("list")
def show(home: Home = _HERE) -> None:
    """All accounts, one a line: name, role, profile, state."""
    with _ending():
        found = open_console(read(home)).doors.store.accounts()
    for one in found:
        state = "locked" if one.locked else "ready" if one.enrolled else "invited"
        typer.echo("\t".join((one.name, one.role.value, one.profile or "-", state)))


@accounts.command("reset")
def reset(name: str, home: Home = _HERE) -> None:
    """A first password again for somebody who lost password or second factor; prints it. Their sessions end.
    Of somebody who signs in elsewhere the role is open again until the next sign-in, and nothing is printed."""
    with _ending():
        console = open_console(read(home))
        account = console.doors.store.account(name)
        if account is None:
            raise Misused(f"there is no account {name!r}")
        if account.subject:
            console.doors.release(name, _OPERATOR)
            return
        first = console.doors.invite_again(name, _OPERATOR)
    typer.echo(first)


@accounts.command("lock")
def lock(name: str, home: Home = _HERE) -> None:
    """Lock an account out at once; its sessions end."""
    _locked(name, home, locked=True)


@accounts.command("unlock")
def unlock(name: str, home: Home = _HERE) -> None:
    """Let an account in again."""
    _locked(name, home, locked=False)


@app.command()
def code(
    secret: Annotated[str, typer.Argument(help="The text under the picture where a second factor is set up.")],
) -> None:
    """Tell the code of the moment, as an authenticator does. For demonstrations: a telephone is the second factor of
    whoever has one."""
    with _ending():
        plain = "".join(secret.split()).upper()
        try:
            kept = base64.b32decode(plain + "=" * (-len(plain) % 8))
        except ValueError:
            raise Misused("that is no text of a second factor", "letters A to Z and digits 2 to 7") from None
    typer.echo(codes.code_at(kept, int(utc_now().timestamp()) // codes.STEP))


def _locked(name: str, home: Path, *, locked: bool) -> None:
    with _ending():
        console = open_console(read(home))
        if console.doors.store.account(name) is None:
            raise Misused(f"there is no account {name!r}")
        console.doors.lock(name, _OPERATOR, locked=locked)


@contextmanager
def _ending() -> Iterator[None]:
    try:
        yield
    except Error as error:
        typer.echo(draw(error), err=True)
        raise typer.Exit(exit_code(error)) from None


def main() -> None:
    """The program."""
    app()
