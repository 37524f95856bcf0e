"""What turns exact rows into publishable ones. A registry in code: a mechanism found by scanning would be a hole."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.release.authorised import Authorised
from louver_sandbox.release.complementary import Solve
from louver_sandbox.release.exact import Exact
from louver_sandbox.release.private import Private
from louver_sandbox.release.threshold import Threshold
from louver_sandbox.stages import Execution, Release, Treatment


class Mechanism(Protocol):
    """One way for a permitted answer to leave."""

    def release(self, execution: Execution, solve: Solve, secret: bytes | None, sampler: Sampler | None) -> Release:
        """What leaves of an execution; `secret` decides the noise of cell keys, `sampler` draws any other.

        Refuses nothing and never raises on data (law 1)."""
        ...


MECHANISMS: Mapping[Treatment, Mechanism] = MappingProxyType(
    {
        Treatment.EXACT: Exact(),
        Treatment.THRESHOLD: Threshold(),
        Treatment.DP: Private(),
        Treatment.AUTHORISED: Authorised(),
    }
)
