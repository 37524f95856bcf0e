"""Whether an answer leaves sealed: where any policy asks for it, or the caller does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from louver_sandbox.obligations import Seal, ThresholdRules
from louver_sandbox.refusals import sealing as refuse
from louver_sandbox.stages import Facts, Request

SOME_KEY = "some key"
"""The key of a requester in decisions that are about policies alone, such as a policy's own tests."""


def strictest(seals: Iterable[Seal]) -> Seal:
    """Sealed where one of them says so."""
    return Seal.PAILLIER if Seal.PAILLIER in set(seals) else Seal.NONE


def demanded(rules: ThresholdRules | None, request: Request, facts: Facts) -> ThresholdRules | None:
    """The obligations with what the caller asks for. Raises `Refused` LVR-5021 where no key is registered, LVR-5022
    where the answer is exact."""
    if rules is None:
        if _asked(request) is not Seal.NONE:
            raise refuse.nothing_to_seal()
        return None
    return replace(rules, seal=of_private((rules.seal,), request, facts))


def of_private(written: Iterable[Seal], request: Request, facts: Facts) -> Seal:
    """How an answer leaves of which grants say so much of seals: one under differential privacy has no other rules.
    Raises `Refused` LVR-5021 where it is sealed and no key is registered."""
    seal = strictest((*written, _asked(request)))
    if seal is not Seal.NONE and not facts.sealing_key:
        raise refuse.no_key()
    return seal


def _asked(request: Request) -> Seal:
    return Seal(request.seal) if request.seal else Seal.NONE
