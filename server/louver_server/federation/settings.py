"""What the operator says of the provider: who it is, what it must attest, and what its claims make of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from louver.failures import Misused
from louver_server.accounts.model import Role

_TEXTS: Final = ("issuer", "client_id", "title", "client_secret", "ca", "claim", "name")
_LISTS: Final = ("hosts", "second_factor")
_ATTESTED: Final = ("acr", "amr")


@dataclass(frozen=True, slots=True)
class Provider:
    """The one provider. `hosts` are those that it may be asked at, its own among them; `claim` names the claim whose
    values `people` maps to a role and a profile; `second_factor` are (claim, value) pairs of which a token must have
    one: the console leaves the second factor to the provider, and has it say so."""

    issuer: str
    client_id: str
    title: str
    secret: Path | None
    ca: Path | None
    hosts: frozenset[str]
    claim: str
    name: str
    second_factor: frozenset[tuple[str, str]]
    people: Mapping[str, tuple[Role, str]]


def parse_provider(document: object, home: Path) -> Provider:
    """The table `[oidc]` of a console's configuration. What is not known is refused. Raises `Misused`."""
    if not isinstance(document, dict):
        raise Misused("`oidc` is a table")
    unknown = sorted(set(document) - {*_TEXTS, *_LISTS, "roles"})
    if unknown:
        raise Misused(f"[oidc] sets {unknown[0]!r}, which is not a setting", f"settings: {_all()}")
    texts = {name: document[name] for name in _TEXTS if name in document}
    lists = {name: document[name] for name in _LISTS if name in document}
    if not all(isinstance(value, str) and value for value in texts.values()):
        raise Misused(f"{', '.join(_TEXTS)} of [oidc] are strings")
    if not all(isinstance(value, list) and all(isinstance(one, str) for one in value) for value in lists.values()):
        raise Misused(f"{', '.join(_LISTS)} of [oidc] are lists of strings")
    for needed in ("issuer", "client_id", "claim"):
        if needed not in texts:
            raise Misused(f"[oidc] does not set {needed}")
    issuer = texts["issuer"]
    hosts = {_host(issuer), *(one.lower() for one in lists.get("hosts", ()))}
    secret, ca = (home / texts[name] if name in texts else None for name in ("client_secret", "ca"))
    return Provider(
        issuer,
        texts["client_id"],
        texts.get("title", urlsplit(issuer).hostname or issuer),
        secret,
        ca,
        frozenset(hosts),
        texts["claim"],
        texts.get("name", "preferred_username"),
        _attested(lists.get("second_factor", [])),
        _people(document.get("roles")),
    )


def _host(issuer: str) -> str:
    parts = urlsplit(issuer)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Misused("`issuer` of [oidc] is an https:// address", "as its discovery document has it")
    return parts.netloc.lower()


def _attested(written: list[str]) -> frozenset[tuple[str, str]]:
    pairs = [one.partition("=") for one in written]
    if not pairs or any(claim not in _ATTESTED or not value for claim, _, value in pairs):
        raise Misused(
            "`second_factor` of [oidc] says what a token must attest, each as acr=VALUE or amr=VALUE",
            'such as ["amr=mfa"]; the console asks for no second factor of its own then',
        )
    return frozenset((claim, value) for claim, _, value in pairs)


def _people(written: object) -> Mapping[str, tuple[Role, str]]:
    if not isinstance(written, dict) or not written:
        raise Misused("[oidc.roles] says which value of the claim is which role", "nobody is let in without one")
    found = {}
    for value, said in written.items():
        role, _, profile = said.partition(" ") if isinstance(said, str) else ("", "", "")
        if role not in set(Role) or (role == Role.ADMINISTRATOR) != (not profile):
            known = ", ".join(Role)
            raise Misused(
                f"[oidc.roles] {value!r} is a role and a profile, or administrator alone", f"roles: {known}"
            )
        found[value] = (Role(role), profile)
    return found


def _all() -> str:
    return ", ".join((*_TEXTS, *_LISTS, "roles"))
