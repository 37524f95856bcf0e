"""Reading a zip that somebody handed over: whatever bytes it is made of, in memory that does not grow with what they
say, and with no error but ``Misused``. Nothing is written anywhere, so a file's name is nothing but a name."""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Final, TypeVar, cast

from louver.failures import Misused

LARGEST_FILE: Final = 4 << 30
LARGEST_PACK: Final = 16 << 30
MOST_FILES: Final = 2_000_000
MOST_AT_ONCE: Final = 256 << 20
"""Bytes of the list of files in a zip, which is read in one piece: enough for `MOST_FILES` names of ours."""
MOST_EXPANSION: Final = 64
"""Hashes, which are most of a pack, do not shrink; nothing honest is larger than its zip so many times over."""
SMALL: Final = 64 << 20
"""A pack that holds no more than this is never too much larger than its zip."""
PIECE: Final = 1 << 20

_DAMAGED: Final = (
    zipfile.BadZipFile, KeyError, NotImplementedError, EOFError, zlib.error, struct.error, RuntimeError,
    OverflowError, ValueError, OSError,
)  # fmt: skip
"""What `zipfile` raises over bytes that are no zip, or one that is damaged, encrypted or cut off."""
_T = TypeVar("_T")


class Unpacked:
    """A file of a pack, read bit by bit. Everything may raise ``Misused``."""

    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at its end."""
        return _whole(lambda: self._opened.read(size))

    def readline(self, size: int) -> bytes:
        """A line, or so many bytes of it."""
        return _whole(lambda: self._opened.readline(size))


class Packed:
    """The files of a zip. Everything may raise ``Misused``."""

    def __init__(self, source: IO[bytes]) -> None:
        self._files, size = _whole(lambda: _opened(source))
        self.names = _names(self._files, size)

    @contextmanager
    def open(self, name: str) -> Iterator[Unpacked]:
        """A file, for the length of a `with` block."""
        with _whole(lambda: self._files.open(name)) as opened:
            yield Unpacked(opened)

    def read(self, name: str, most: int) -> bytes:
        """All of a file, which must not be larger than that."""
        with self.open(name) as opened:
            found = bytearray()
            while part := opened.read(min(PIECE, most + 1 - len(found))):
                found += part
        if len(found) > most:
            raise _too_large()
        return bytes(found)

    def digest(self, name: str) -> str:
        """The SHA-256 of a file, in hex."""
        running = hashlib.sha256()
        with self.open(name) as opened:
            while part := opened.read(PIECE):
                running.update(part)
        return running.hexdigest()


class _Bounded:
    """A file of which nothing is read in larger pieces than the list of an honest pack is."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.seek, self.tell = source.seek, source.tell

    def read(self, size: int = -1) -> bytes:
        if size > MOST_AT_ONCE:
            raise _too_large()
        return self._source.read(size)

    def seekable(self) -> bool:
        return True


def _opened(source: IO[bytes]) -> tuple[zipfile.ZipFile, int]:
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    return zipfile.ZipFile(cast("IO[bytes]", _Bounded(source))), size


def _names(files: zipfile.ZipFile, size: int) -> frozenset[str]:
    infos = files.infolist()
    sizes = [one.file_size for one in infos]
    if len(infos) > MOST_FILES or max(sizes, default=0) > LARGEST_FILE or sum(sizes) > LARGEST_PACK:
        raise _too_large()
    if sum(sizes) > SMALL + MOST_EXPANSION * size:
        raise Misused("a pack does not unfold to so many times its own size")
    # Only these two are unpacked bit by bit, whatever the bytes say.
    if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in infos):
        raise Misused("a pack is packed by other means than deflate")
    names = frozenset(one.filename for one in infos)
    if len(names) != len(infos):
        raise Misused("two files of the pack have one name")
    return names


def _whole(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except _DAMAGED:
        raise Misused("not an evidence pack, or one with files missing") from None


def _too_large() -> Misused:
    return Misused("a pack is not as large as that")
