"""A table on its way: bytes that can be sent again from any place, while more of them may still be made.

What was made is kept in a temporary file until the upload is through. So an upload that is cut off goes on where it
was cut, and what was encrypted once, at random, is never encrypted anew for another attempt.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Self

from louver.v1 import sandbox_pb2 as pb

PIECE = 1 << 20
"""Bytes of one piece of an upload."""

Progress = Callable[[int, int], None]


class Outgoing:
    """The bytes of a table. ``more``, each time it is stepped, writes some to the end of ``content``; ``total`` tells
    how many there will be, nearly until all are made. Use it in a ``with`` statement."""

    def __init__(
        self, content: IO[bytes], more: Iterator[None] | None = None, total: Callable[[int], int] | None = None
    ) -> None:
        self._content = content
        self._more = more
        self._total = total
        self._using = threading.Lock()
        self._turn = 0
        self._upload = secrets.token_hex(16)
        self.failure: BaseException | None = None
        """What went wrong while more was made: the call only says that it was cancelled."""

    @property
    def upload_id(self) -> str:
        """By which the service knows this upload."""
        return self._upload

    def messages(
        self, name: str, replace: bool, offset: int = 0, progress: Progress | None = None
    ) -> Iterator[pb.UploadTableRequest]:
        """What is sent, from a place on; ``progress`` hears bytes sent and bytes in all. Whatever an earlier call
        still asks for ends."""
        with self._using:
            self._turn += 1
            header = pb.UploadHeader(name=name, replace=replace, upload_id=self._upload, offset=offset)
            return self._from(self._turn, header, progress)

    def _from(self, turn: int, header: pb.UploadHeader, progress: Progress | None) -> Iterator[pb.UploadTableRequest]:
        yield pb.UploadTableRequest(header=header)
        offset = header.offset
        while piece := self._piece(turn, offset):
            yield pb.UploadTableRequest(arrow=piece)
            offset += len(piece)
            if progress:
                progress(offset, self._in_all(offset))
        if (sha256 := self._last(turn, offset)) is not None:
            yield pb.UploadTableRequest(end=pb.UploadEnd(sha256=sha256))

    def goes_on(self, received: int, sha256: bytes) -> int:
        """The place to go on at, where the service has so many bytes with this digest; what it has of another table,
        or of ours otherwise than it was sent, is left, and the upload begins anew under another id."""
        with self._using:
            self._turn += 1
            if received <= self._made() and self._sha256(received) == sha256:
                return received
            return self._anew()

    def begins_anew(self) -> int:
        """The place to begin at under another id, where the service does not let go of this one."""
        with self._using:
            self._turn += 1
            return self._anew()

    def _anew(self) -> int:
        self._upload = secrets.token_hex(16)
        return 0

    def whole(self) -> IO[bytes]:
        """The file with everything in it, made to the end; at its beginning."""
        with self._using:
            while self._step():
                continue
        self._content.seek(0)
        return self._content

    def close(self) -> None:
        """Lets go of the file and of whatever makes more of it."""
        with self._using:
            self._turn += 1
            close = getattr(self._more, "close", None)
            if close is not None:
                close()
            self._content.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _piece(self, turn: int, offset: int) -> bytes:
        """The next bytes, made where there are none yet; none at the end, or where another call has its turn."""
        with self._using:
            while turn == self._turn:
                self._content.seek(offset)
                if (piece := self._content.read(PIECE)) or not self._step():
                    return piece
            return b""

    def _step(self) -> bool:
        if self._more is None:
            return False
        self._content.seek(0, os.SEEK_END)
        try:
            next(self._more)
        except StopIteration:
            self._more = None
        except BaseException as error:
            self.failure = error
            raise
        return True

    def _last(self, turn: int, offset: int) -> bytes | None:
        with self._using:
            return self._sha256(offset) if turn == self._turn else None

    def _in_all(self, sent: int) -> int:
        with self._using:
            made = self._made()
            return made if self._more is None or self._total is None else max(sent, self._total(made))

    def _made(self) -> int:
        return self._content.seek(0, os.SEEK_END)

    def _sha256(self, size: int) -> bytes:
        digest = hashlib.sha256()
        self._content.seek(0)
        while size:
            part = self._content.read(min(size, 1 << 20))
            digest.update(part)
            size -= len(part)
        return digest.digest()
