"""Tables of registered models made before anybody is scored by them, a part at a time while there is nothing to do.

A table takes a model's ciphertexts to the power 2^72 once for each slot: 1.4 s of processor time for 160 bins at 2048
bits, in a scorer, ever. Without it every scorer would begin with the first subjects, after every start anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmpy2 import mpz

from louver.scoring import layout
from louver.sealing import bulk
from louver.sealing.keys import PublicKey
from louver_sandbox.scoring.registry import RegisteredModel
from louver_sandbox.sealing import tables
from louver_sandbox.sealing.packing import TABLE_BYTES

Shift = Callable[[PublicKey, Sequence[mpz]], list[mpz]]
"""Ciphertexts shifted by one slot. Raises `Failed`."""


@dataclass
class _Begun:
    digest: str
    key: PublicKey
    slots: list[list[mpz]] = field(default_factory=list)


class Ahead:
    """Keeps the tables of an installation in their folder. `models` gives those that may be scored by now, by their
    digests; `find` one of them, `public` a registered key, and `renew` has scorers look for tables anew."""

    def __init__(
        self,
        folder: Path,
        models: Callable[[], Iterable[str]],
        find: Callable[[str], RegisteredModel],
        public: Callable[[str], PublicKey],
        shift: Shift,
        renew: Callable[[], object],
    ) -> None:
        self._folder = folder
        self._models = models
        self._find = find
        self._public = public
        self._shift = shift
        self._renew = renew
        self._begun: _Begun | None = None
        self._unfit: set[str] = set()

    def make_next(self) -> bool:
        """Goes on with the first table that is missing, by one slot; whether there was one. Where none is, tables of
        models that nobody is scored by any more go. Raises what `shift` does; then the table is begun anew."""
        begun, self._begun = self._begun, None
        if begun is None and (begun := self._missing()) is None:
            return False
        begun.slots.append(self._shift(begun.key, begun.slots[-1]))
        if len(begun.slots) < layout.slots(begun.key):
            self._begun = begun
            return True
        tables.keep(self._folder, begun.digest, begun.key, [each for of in begun.slots for each in of])
        self._renew()
        return True

    def _missing(self) -> _Begun | None:
        live = set(self._models())
        for path in self._folder.iterdir():
            if path.stem not in live:
                path.unlink(missing_ok=True)
        for digest in sorted(live - self._unfit):
            if tables.path_of(self._folder, digest).exists():
                continue
            model = self._find(digest)
            key = self._public(model.kid)
            ciphertexts = bulk.numbers(bulk.read(model.content)[1], key.width)
            if len(ciphertexts) * layout.slots(key) * key.width <= TABLE_BYTES:
                return _Begun(digest, key, [ciphertexts])
            self._unfit.add(digest)
        return None
