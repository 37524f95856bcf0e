"""What an installation of the console is told: one TOML file in its folder.

address = "127.0.0.1:8443"
origin = "https://console.example.gov.cn"   # what browsers write in their address bar
certificate = "console.pem"                 # paths are relative to this file
key = "console.key"
profiles = "profiles.toml"                  # who the console may be towards sandboxes, see louver.profiles
witnesses = "witnesses.txt"                 # public keys of the log's witnesses, one a line
trusted_proxy = "10.0.0.5"                  # whose word for where a request comes from is taken
alerts = "alerts.db"                        # the file of `louver audit alerts watch`, shown to auditors

[oidc]                                      # where people may sign in besides here, see louver_server.federation

Without `certificate` and `key` it speaks plain HTTP, which it does on a loopback address only.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from louver.failures import Misused
from louver_server.federation.settings import Provider, parse_provider

FILE: Final = "console.toml"
_FIELDS: Final = ("address", "origin", "certificate", "key", "profiles", "alerts", "witnesses", "trusted_proxy")
_ADDRESS: Final = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where the console listens, as whom browsers know it, and where its own state is."""

    home: Path
    host: str
    port: int
    origin: str
    certificate: Path | None
    key: Path | None
    profiles: Path
    alerts: Path | None = None
    provider: Provider | None = None
    witnesses: Path | None = None
    trusted_proxy: str = ""
    """The address of the proxy that stands before the console; none by default."""

    @property
    def state(self) -> Path:
        """The database of accounts, sessions and acts."""
        return self.home / "console.db"

    @property
    def secret(self) -> Path:
        """The key under which second factors are kept."""
        return self.home / "console.secret"

    @property
    def public_host(self) -> str:
        """The host of the origin, as a browser's Host header names it."""
        return urlsplit(self.origin).hostname or ""


def read(home: Path) -> Configuration:
    """The configuration of a console's folder. Raises `Misused`."""
    path = home / FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misused(f"there is no {FILE} in {home}", "louver-server init FOLDER writes one") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise Misused(f"{path} is no TOML that can be read") from None
    return parse(document, home)


def parse(document: Mapping[str, object], home: Path) -> Configuration:
    """The settings in force. What is not known is refused. Raises `Misused`."""
    document = dict(document)
    provider = parse_provider(document.pop("oidc"), home) if "oidc" in document else None
    unknown = sorted(set(document) - set(_FIELDS))
    if unknown:
        raise Misused(
            f"{FILE} sets {unknown[0]!r}, which is not a setting", f"settings: {', '.join((*_FIELDS, '[oidc]'))}"
        )
    texts = {name: value for name, value in document.items() if isinstance(value, str)}
    if len(texts) < len(document):
        raise Misused(f"every setting of {FILE} besides [oidc] is a string")
    found = _ADDRESS.fullmatch(texts.get("address", "127.0.0.1:8443"))
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise Misused("`address` must be HOST:PORT", "such as 127.0.0.1:8443")
    certificate, key = (home / texts[name] if name in texts else None for name in ("certificate", "key"))
    if (certificate is None) != (key is None):
        raise Misused("`certificate` and `key` are set together")
    host, port = found["host"].strip("[]"), int(found["port"])
    if certificate is None and not _is_loopback(host):
        raise Misused("without `certificate` and `key` the console listens on a loopback address only")
    scheme = "https" if certificate else "http"
    origin = texts.get("origin", f"{scheme}://{found['host']}:{port}").rstrip("/")
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise Misused("`origin` must be as browsers write it", "such as https://console.example.gov.cn")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise Misused("`origin` must begin with https:// where it is not a loopback address")
    alerts = home / texts["alerts"] if "alerts" in texts else None
    witnesses = home / texts["witnesses"] if "witnesses" in texts else None
    profiles = home / texts.get("profiles", "profiles.toml")
    proxy = plain_address(texts["trusted_proxy"]) if "trusted_proxy" in texts else ""
    if proxy is None:
        raise Misused("`trusted_proxy` must be one IP address", "such as 10.0.0.5")
    return Configuration(home, host, port, origin, certificate, key, profiles, alerts, provider, witnesses, proxy)


def plain_address(text: str) -> str | None:
    """An IP address as it is compared: an IPv4 address that IPv6 carries is that one. None for anything else."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return None if found.scope_id else str(found.ipv4_mapped or found)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
