"""Whether an answer leaves sealed: where any policy asks for it, or the caller does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from louver_sandbox.obligations import Seal, ThresholdRules
from louver_sandbox.refusals import sealing as refuse
from louver_sandbox.stages import Facts, Request


def strictest(seals: Iterable[Seal]) -> Seal:
    """Sealed where one of them says so."""
    return Seal.PAILLIER if Seal.PAILLIER in set(seals) else Seal.NONE


def demanded(rules: ThresholdRules | None, request: Request, facts: Facts) -> ThresholdRules | None:
    """The obligations with what the caller asks for. Raises `Refused` LVR-5021 where no key is registered, LVR-5022
    where the answer is exact."""
    asked = Seal(request.seal) if request.seal else Seal.NONE
    if rules is None:
        if asked is not Seal.NONE:
            raise refuse.nothing_to_seal()
        return None
    seal = strictest((rules.seal, asked))
    if seal is not Seal.NONE and not facts.sealing_key:
        raise refuse.no_key()
    return replace(rules, seal=seal)
