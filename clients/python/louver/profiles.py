"""Where the client finds its settings: arguments, then environment, then a profile in a TOML file.

default = "bank-a"

[profiles.bank-a]
target = "sandbox.example.gov.cn:8443"
certificate = "bank-a.pem"      # paths are relative to this file
key = "bank-a.key"
ca = "sandbox-ca.pem"
log_key = "louver.example/log+1f2e3d4c+..."   # or the path of a file that holds it
purpose = "RESEARCH"
dialect = "duckdb"              # or postgres, mysql, spark, oracle
timeout = 120                   # seconds
keys = "keys"                   # folder of Paillier keys; this is the default
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from louver.failures import Misused

DEFAULT_TIMEOUT = 120.0
"""Seconds a call may take, retries included, when nobody says otherwise."""

_PATHS = ("certificate", "key", "ca")
_FIELDS = ("target", *_PATHS, "log_key", "purpose", "dialect", "timeout", "keys")
_VERIFIER_KEY = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+")
_TARGET = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything needed to reach a sandbox. ``log_key`` is a C2SP verifier key; empty means receipts stay unproven.

    ``timeout`` is in seconds and covers the retries of a call. ``keys`` is the folder of the key ring.
    """

    target: str
    certificate: Path
    key: Path
    ca: Path
    log_key: str = ""
    purpose: str = ""
    dialect: str = ""
    timeout: float = DEFAULT_TIMEOUT
    name: str = ""
    keys: Path = Path("keys")


def config_path(environment: Mapping[str, str], home: Path) -> Path:
    """``LOUVER_CONFIG``, else ``louver/config.toml`` in the XDG configuration directory."""
    if explicit := environment.get("LOUVER_CONFIG"):
        return Path(explicit).expanduser()
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home / ".config") / "louver" / "config.toml"


def parse_config(text: str, folder: Path) -> tuple[str, Mapping[str, Mapping[str, object]]]:
    """The default profile's name and the raw profiles, paths made relative to ``folder``. Raises ``Misused``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise Misused("the configuration file is not valid TOML", "louver config path says which file") from None
    unknown = sorted(set(document) - {"default", "profiles"})
    profiles = document.get("profiles", {})
    if unknown or not isinstance(profiles, dict) or not all(isinstance(item, dict) for item in profiles.values()):
        raise Misused("the configuration file holds `default` and [profiles.NAME] tables, nothing else")
    return str(document.get("default", "default")), {
        name: _checked(name, profile, folder) for name, profile in profiles.items()
    }


def _checked(name: str, profile: Mapping[str, object], folder: Path) -> Mapping[str, object]:
    checked: dict[str, object] = {}
    for field, value in profile.items():
        if field not in _FIELDS:
            raise Misused(f"profile {name} sets {field!r}, which is not a setting", f"settings: {', '.join(_FIELDS)}")
        if field == "timeout":
            checked[field] = value
        elif not isinstance(value, str):
            raise Misused(f"{field} of profile {name} must be a string")
        else:
            checked[field] = str(folder / Path(value).expanduser()) if field in (*_PATHS, "keys") else value
    log_key = checked.get("log_key")
    if isinstance(log_key, str) and not _is_key(log_key):
        checked["log_key"] = str(folder / Path(log_key).expanduser())
    return checked


def read_config(path: Path) -> tuple[str, Mapping[str, Mapping[str, object]]]:
    """The profiles of a file; none when there is no file. Raises ``Misused`` when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "default", {}
    except (OSError, UnicodeDecodeError):
        raise Misused("the configuration file cannot be read", "louver config path says which file") from None
    return parse_config(text, path.parent)


def resolve(
    arguments: Mapping[str, object], environment: Mapping[str, str], home: Path, profile: str | None = None
) -> Profile:
    """The settings in force. Arguments beat ``LOUVER_*`` variables, which beat the profile.

    Raises ``Misused`` for an unknown profile, a missing setting or one that cannot be right.
    """
    default, profiles = read_config(config_path(environment, home))
    asked = profile or environment.get("LOUVER_PROFILE")
    if asked and asked not in profiles:
        raise Misused(f"there is no profile {asked!r}", f"profiles: {', '.join(sorted(profiles)) or 'none'}")
    name = asked or (default if default in profiles else "")
    merged = dict(profiles.get(name, {}))
    for field in _FIELDS:
        if value := environment.get(f"LOUVER_{field.upper()}"):
            merged[field] = value
        if (given := arguments.get(field)) is not None:
            merged[field] = given
    return _profile(merged, name, keys_folder(merged, environment, home))


def keys_folder(settings: Mapping[str, object], environment: Mapping[str, str], home: Path) -> Path:
    """The folder of the key ring: ``keys`` of the settings, else ``keys`` beside the configuration file."""
    given = settings.get("keys")
    return Path(str(given)).expanduser() if given else config_path(environment, home).parent / "keys"


def _profile(merged: Mapping[str, object], name: str, keys: Path) -> Profile:
    missing = [field for field in ("target", *_PATHS) if not merged.get(field)]
    if missing:
        raise Misused(
            f"not set: {', '.join(missing)}",
            "pass them to connect(), set LOUVER_TARGET and the like, or write a profile (louver config path)",
        )
    target = str(merged["target"])
    if not _TARGET.fullmatch(target):
        raise Misused("the target must be HOST:PORT", "such as sandbox.example.gov.cn:8443, without https://")
    certificate, key, ca = (Path(str(merged[field])).expanduser() for field in _PATHS)
    return Profile(
        target=target,
        certificate=certificate,
        key=key,
        ca=ca,
        log_key=read_log_key(str(merged.get("log_key") or "")),
        purpose=str(merged.get("purpose") or ""),
        dialect=str(merged.get("dialect") or ""),
        timeout=_timeout(merged.get("timeout")),
        name=name,
        keys=keys,
    )


def _timeout(value: object) -> float:
    try:
        seconds = DEFAULT_TIMEOUT if value is None else float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise Misused("the timeout must be a number of seconds, more than 0 and at most a day")
    return seconds


def _is_key(value: str) -> bool:
    """Whether this is a key, perhaps with its successions below it, and no path."""
    return _VERIFIER_KEY.fullmatch(value.strip().partition("\n")[0]) is not None


def read_log_key(value: str) -> str:
    """The verifier key itself, read from its file when a path was given."""
    if not value or _is_key(value):
        return value.strip()
    try:
        return Path(value).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError):
        raise Misused("log_key is neither a verifier key (name+id+key) nor a file that holds one") from None
