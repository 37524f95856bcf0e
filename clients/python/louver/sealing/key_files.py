"""Private keys at rest: one file each, encrypted under a passphrase, in a folder that is a bank's key ring.

The private key's JSON is encrypted by AES-256-GCM (NIST SP 800-38D) under a key that scrypt (RFC 7914) derives from
the passphrase. What stands in clear beside it (id, public part, date) is authenticated with it. Old keys stay: an
answer sealed to one opens with no other. A file whose passphrase is in the operating system's keyring says so.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from louver.failures import Misused
from louver.sealing import keyrings
from louver.sealing.keys import PrivateKey, PublicKey

FORMAT = "louver-paillier-key/1"
ENDING = ".louver-key"
KEYRING = "keyring"
"""What a file says of a passphrase that nobody has to know."""

COST = 2**17
"""scrypt's N: 128 MiB and some 0.4 s for each guess at a passphrase (with r = 8, p = 1)."""

_DEAREST = 2**20
_R, _P = 8, 1
_SALT, _NONCE = 16, 12
_LARGEST_FILE = 64 * 1024


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file as anybody may read it: the public part."""

    path: Path
    public: PublicKey
    created: datetime
    in_keyring: bool = False

    @property
    def kid(self) -> str:
        """The key's id."""
        return self.public.kid


def lock(
    key: PrivateKey,
    passphrase: str,
    created: datetime,
    *,
    cost: int = COST,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
    in_keyring: bool = False,
) -> bytes:
    """The content of a key file. ``cost`` is scrypt's N. Raises ``Misused`` for an empty passphrase."""
    if not passphrase:
        raise Misused("a private key is not kept without a passphrase")
    salt, nonce = randomness(_SALT), randomness(_NONCE)
    clear: dict[str, Any] = {
        "format": FORMAT,
        "kid": key.kid,
        "public": key.public.to_jwk(),
        "created": created.astimezone(UTC).isoformat(timespec="seconds"),
        "kdf": {"name": "scrypt", "n": cost, "r": _R, "p": _P, "salt": _text(salt)},
        "cipher": {"name": "AES-256-GCM", "nonce": _text(nonce)},
        **({"passphrase": KEYRING} if in_keyring else {}),
    }
    sealed = AESGCM(_derived(passphrase, salt, cost)).encrypt(nonce, _canonical(key.to_jwk()), _canonical(clear))
    return _canonical({**clear, "private": _text(sealed)}) + b"\n"


def unlock(content: bytes, passphrase: str) -> PrivateKey:
    """The private key. Raises ``Misused``, in the same words, for another passphrase and for a changed file."""
    document = _document(content)
    sealed = _raw(document.pop("private", None))
    kdf, cipher = document["kdf"], document["cipher"]
    derived = _derived(passphrase, _raw(kdf["salt"]), kdf["n"])
    try:
        opened = AESGCM(derived).decrypt(_raw(cipher["nonce"]), sealed, _canonical(document))
    except InvalidTag:
        raise Misused("the passphrase is not the one of this key, or the file is damaged") from None
    return PrivateKey.from_jwk(json.loads(opened))


def describe(path: Path) -> KeyFile:
    """The public part of a key file. Raises ``Misused``."""
    document = _document(_read(path))
    public = PublicKey.from_jwk(document["public"])
    try:
        created = datetime.fromisoformat(document["created"])
    except (KeyError, TypeError, ValueError):
        raise _damaged() from None
    if created.tzinfo is None or document.get("kid") != public.kid:
        raise _damaged()
    return KeyFile(path, public, created, document.get("passphrase") == KEYRING)


class KeyRing:
    """The key files of one folder. ``passphrase`` is asked for when a private key is first needed."""

    def __init__(self, folder: Path, passphrase: Callable[[], str]) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._open: dict[str, PrivateKey] = {}

    def files(self) -> list[KeyFile]:
        """Every key file, the newest first. Raises ``Misused`` for one that cannot be read."""
        found = [describe(path) for path in sorted(self.folder.glob(f"*{ENDING}"))] if self.folder.is_dir() else []
        return sorted(found, key=lambda item: (item.created, item.kid), reverse=True)

    def find(self, kid: str = "") -> KeyFile:
        """The key whose id begins so; the newest where nothing is given. Raises ``Misused``."""
        found = [item for item in self.files() if item.kid.startswith(kid)]
        if not found:
            what = f"no key {kid[:16]}" if kid else "no key"
            raise Misused(f"there is {what} in {self.folder}", "louver keys new makes one and registers it")
        if kid and len(found) > 1:
            raise Misused(f"several keys begin with {kid}", "give more of the id")
        return found[0]

    def add(self, key: PrivateKey, created: datetime, *, cost: int = COST, keyring: bool = False) -> KeyFile:
        """Keeps a new key, in a file that only its owner may read; with ``keyring`` under a passphrase that the
        operating system's keyring keeps. Raises ``Misused``, ``MissingExtra``."""
        path = self.folder / f"{key.kid[:16]}{ENDING}"
        if path.exists():
            raise Misused(f"cannot write {path}")
        passphrase = keyrings.keep(key.kid) if keyring else self._passphrase()
        content = lock(key, passphrase, created, cost=cost, in_keyring=keyring)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if keyring:
                keyrings.forget(key.kid)
            raise Misused(f"cannot write {path}") from None
        self._open[key.kid] = key
        return describe(path)

    def private(self, kid: str) -> PrivateKey:
        """The private key of that id, unlocked once. Raises ``Misused``."""
        if kid not in self._open:
            file = self.find(kid)
            if file.kid != kid:
                raise Misused("a private key is named by its whole id")
            passphrase = keyrings.kept(kid) if file.in_keyring else self._passphrase()
            self._open[kid] = unlock(_read(file.path), passphrase)
        return self._open[kid]

    def remove(self, file: KeyFile) -> None:
        """Takes a key away that nothing can be sealed to. Raises ``Misused``."""
        self._open.pop(file.kid, None)
        file.path.unlink()
        if file.in_keyring:
            keyrings.forget(file.kid)


def _document(content: bytes) -> dict[str, Any]:
    try:
        document: Any = json.loads(content)
        kdf, cipher = document["kdf"], document["cipher"]
        known = document["format"] == FORMAT and kdf["name"] == "scrypt" and cipher["name"] == "AES-256-GCM"
        cost = kdf["n"]
        affordable = type(cost) is int and 2 <= cost <= _DEAREST and cost & (cost - 1) == 0
        # A cost that is not ours would let a file choose how much memory reading it takes.
        sound = known and affordable and (kdf["r"], kdf["p"]) == (_R, _P) and isinstance(document["public"], Mapping)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _damaged() from None
    if not sound:
        raise _damaged()
    found: dict[str, Any] = document
    return found


def _damaged() -> Misused:
    return Misused("this is no key file of louver, or it is damaged", "restore it from your copy")


def _derived(passphrase: str, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=cost, r=_R, p=_P).derive(passphrase.encode())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        raise Misused(f"cannot read {path}") from None


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _raw(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except ValueError:
        raise _damaged() from None
