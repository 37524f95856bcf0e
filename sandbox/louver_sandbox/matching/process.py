"""The matcher: the process at the rim that holds the matching key. The service never reads it.

A session serves one match. For `hits` it evaluates blinded ids. For numbers and sums it plays the other side: it
blinds the list's subjects, finishes what the requester has evaluated with its own key, and compares the tokens with
the requester's. All of it holds the interpreter's lock for milliseconds at a time, which here disturbs nobody.

A request is one byte, then its body; an answer is what each method says. What is wrong with a stranger's bytes is
said by the first byte of an answer, `OK` or `WRONG`, and in no other way.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from louver.errors import Unproven
from louver.matching import oprf as requester
from louver.matching.evaluating import LEAST_SUBJECTS
from louver.matching.sets import LABEL_BYTES, label_and_key
from louver.matching.subjects import value_of
from louver_sandbox.matching.oprf import JOIN_USE, MATCH_USE, Key, NotElements, elements_of
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve
from louver_sandbox.processes.isolation.confinement import seal
from louver_sandbox.publishing.record_keys import KeyRefused, read_key

ENTRY: Final = "louver_sandbox.matching.process:main"
PREPARE: Final = "louver_sandbox.matching.process:prepare"
PRELOAD: Final = ("voprf.ristretto", "louver_sandbox.matching.oprf", "louver.matching.oprf")
LOCATION: Final = "LOUVER_MATCHING"
"""In the zygote's environment: the folder with the key and the sets."""
KEY_FILE: Final = "oprf.key"
JOIN_FILE: Final = "join.key"
"""The seed of keys that tokens are made with: another one, so that lists are matched by new keys and uploads last."""

OK, WRONG = b"\0", b"\1"
KEY, EVALUATE, BLIND, FINISH, TOKENS, RESULT, ELEMENTS = b"K", b"E", b"B", b"F", b"T", b"R", b"C"
NEXT = b"N"
"""Then eight bytes: where the piece of what was blinded begins."""
JOIN = b"J"
PERSONS = b"P"
"""Then JSON: the edition, the request, and for each authorisation its subject or null."""

TOKEN_SENT: Final = 32
"""Bytes of each of the requester's tokens that are compared: two different ids never share them."""
AMOUNT_BYTES: Final = 8
CHUNK: Final = requester.AT_ONCE
"""Elements of one request to a matcher: below the megabyte that a child takes."""
CHUNK_BYTES: Final = requester.evaluated_bytes(CHUNK)
PIECE: Final = 512 * 1024
"""Bytes of the longest piece of what was blinded: the service copies no more at once under the interpreter's lock."""
REPLY_CAP: Final = 64 << 20


def prepare() -> Path:
    """Run once in the zygote; children see no environment."""
    return Path(os.environ[LOCATION])


def main(channel: Channel, folder: Path) -> None:
    """A matcher's life: read the key, serve one session."""
    seed, join_seed = (_seed(folder / name) for name in (KEY_FILE, JOIN_FILE))
    matcher = Matcher(seed, lambda name: (folder / "sets" / name).read_bytes(), join_seed)
    # The file of subjects is opened when a session asks for it, so files stay open to it until then.
    serve(channel, matcher.answer)


def _seed(path: Path) -> bytes | None:
    try:
        return read_key(path, "matching key")
    except KeyRefused:
        return None


class Matcher:
    """What a session does. `read` gives the file of subjects of an edition, by its name; keys of lists come of
    `seed`, those that columns are joined by of `join_seed`."""

    def __init__(self, seed: bytes | None, read: Callable[[str], bytes], join_seed: bytes | None = None) -> None:
        self._seed = seed
        self._join_seed = join_seed
        self._read = read
        self._key: Key | None = None
        self._subjects = 0
        self._blinded: requester.Blinded | None = None
        self._evaluated = bytearray()
        self._tokens: dict[bytes, int] = {}
        self._does: Mapping[bytes, Callable[[bytes], bytes]] = {
            KEY: self._use,
            JOIN: self._use_to_join,
            ELEMENTS: self._elements,
            EVALUATE: self._evaluate,
            BLIND: self._blind,
            NEXT: self._next,
            FINISH: self._finish,
            TOKENS: self._take,
            RESULT: self._result,
            PERSONS: self._persons,
        }

    def answer(self, request: bytes) -> bytes:
        """One answer. Whatever is wrong on our side raises, and ends the process."""
        try:
            return OK + self._does[request[:1]](request[1:])
        except (NotElements, Unproven):
            return WRONG

    def _use(self, scope: bytes) -> bytes:
        """The key of a list's edition; answers its public part, or nothing where this installation has no key."""
        if self._seed is None:
            return b""
        self._key = Key(self._seed, MATCH_USE, *scope.decode().split("\0"))
        return self._key.public

    def _use_to_join(self, scope: bytes) -> bytes:
        """The key that an institution's ids of an element are joined by; as above."""
        if self._join_seed is None:
            return b""
        self._key = Key(self._join_seed, JOIN_USE, *scope.decode().split("\0"))
        return self._key.public

    def _elements(self, content: bytes) -> bytes:
        """Looks at blinded ids before anything is charged. Says nothing of good ones."""
        elements_of(content)
        return b""

    def _evaluate(self, content: bytes) -> bytes:
        if self._key is None:
            raise ValueError("no key is in use")
        return self._key.evaluate(content)

    def _persons(self, content: bytes) -> bytes:
        """The sealed record of each person who has authorised it and is on the list; for every other place what looks
        the same and opens with no token, and takes as long."""
        edition, request, subjects = json.loads(content)
        if self._key is None or self._seed is None:
            raise ValueError("no key is in use")
        held = self._read(f"{edition}.personal")
        size = int.from_bytes(held[:SIZE_BYTES], "big")
        found = {held[at : at + LABEL_BYTES]: held[at : at + size] for at in range(SIZE_BYTES, len(held), size)}
        # No id has a zero byte, so the token of a place without a subject is nobody's.
        values = [b"nobody\0" + os.urandom(16) if one is None else value_of(one) for one in subjects]
        told = []
        for place, token in enumerate(self._key.tokens(values)):
            said = f"{edition} {request} {place}".encode()
            other = hashlib.shake_256(hmac.digest(self._seed, b"louver persons\0" + said, "sha256")).digest(size)
            told.append(found.get(label_and_key(token, edition)[0], other))
        return b"".join(told)

    def _blind(self, edition: bytes) -> bytes:
        """Blinds the list's subjects, filled up with made-up ones; the session remembers which is which. Answers how
        many there are."""
        values = [b"subject\0" + line for line in self._read(f"{edition.decode()}.inside").splitlines()]
        self._subjects = len(values)
        number = max(LEAST_SUBJECTS, 1 << max(0, len(values) - 1).bit_length())
        # No id has a zero byte, so a made-up one is nobody's.
        values += [b"nobody\0" + os.urandom(16) for _ in range(number - len(values))]
        self._blinded = requester.blind(values)
        seal()
        return number.to_bytes(8, "big")

    def _next(self, start: bytes) -> bytes:
        """A piece of what was blinded."""
        if self._blinded is None:
            raise ValueError("nothing was blinded")
        at = int.from_bytes(start, "big")
        return self._blinded.elements[at : at + PIECE]

    def _finish(self, content: bytes) -> bytes:
        """A piece of what the requester has evaluated."""
        self._evaluated += content
        return b""

    def _take(self, content: bytes) -> bytes:
        """A piece of the requester's own tokens, each with its amount. A token that is there twice is wrong."""
        size = TOKEN_SENT + AMOUNT_BYTES
        before = len(self._tokens)
        self._tokens.update(
            (content[start : start + TOKEN_SENT], int.from_bytes(content[start + TOKEN_SENT : start + size], "big"))
            for start in range(0, len(content), size)
        )
        if len(content) % size or len(self._tokens) - before != len(content) // size:
            raise NotElements("not tokens, each once")
        return b""

    def _result(self, public_key: bytes) -> bytes:
        """How many subjects are on both sides, and what their amounts come to. Exact: for the releaser alone."""
        if self._blinded is None:
            raise ValueError("nothing was blinded")
        tokens = requester.finalize(self._blinded, bytes(self._evaluated), public_key)
        places = (self._tokens.get(token[:TOKEN_SENT]) for token in tokens[: self._subjects])
        met = [amount for amount in places if amount is not None]
        return json.dumps([len(met), sum(met)]).encode()


SIZE_BYTES: Final = 4
"""Of the length that stands before the records of persons (`building` writes it)."""
