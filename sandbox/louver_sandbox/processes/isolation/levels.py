"""The levels of isolation, from what was found to hold (SECURITY section 3.2, [ADR 30]).

A virtual machine or a trusted environment for each data owner, the third level of the design, cannot be seen from
inside and is no level here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

ALTERNATIVES: Final = ("landlock", "file_tree")
"""Either shuts the files of others; one is enough for the default level."""


class Level(IntEnum):
    """How well workers and checkers are confined; a higher one has everything a lower one has."""

    NONE = 0
    LIMITS = 1
    DEFAULT = 2
    HARDENED = 3

    @classmethod
    def named(cls, name: str) -> "Level":
        """The level of that name in lower case. Raises `KeyError`."""
        return cls[name.upper()]

    @property
    def title(self) -> str:
        """Its name as settings, the log and `doctor` write it."""
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """One layer as it was found on this host; `why` says what is missing where it does not hold."""

    layer: str
    group: str
    stops: str
    holds: bool
    why: str = ""


LIMITS, KERNEL, HOST = "limits", "kernel", "host"
"""Groups of layers: resource limits and the like, what the kernel takes away, what the service's own host gives."""

BEST_EFFORT: Final = frozenset({"processes"})
"""Limits that the kernel does not apply to root; the filter of system calls stops the same."""


def level_of(findings: Sequence[Finding]) -> Level:
    """The highest level of which nothing is missing."""
    reached = Level.NONE
    for level in (Level.LIMITS, Level.DEFAULT, Level.HARDENED):
        if missing_for(level, findings):
            break
        reached = level
    return reached


def missing_for(level: Level, findings: Sequence[Finding]) -> tuple[str, ...]:
    """The layers that this level needs and that do not hold, by name; "a or b" where either would do."""
    held = {finding.layer: finding.holds for finding in findings}
    missing = [name for name in _needed(level, findings) if not held[name]]
    if level >= Level.DEFAULT and not any(held.get(name, False) for name in ALTERNATIVES):
        missing = [name for name in missing if name not in ALTERNATIVES]
        missing.append(" or ".join(ALTERNATIVES))
    return tuple(missing)


def _needed(level: Level, findings: Sequence[Finding]) -> list[str]:
    groups: Mapping[str, Level] = {LIMITS: Level.LIMITS, KERNEL: Level.HARDENED, HOST: Level.HARDENED}
    early = {"system_calls": Level.DEFAULT, "capabilities": Level.DEFAULT}
    return [
        finding.layer
        for finding in findings
        if level >= early.get(finding.layer, groups[finding.group]) and finding.layer not in BEST_EFFORT
    ]


class TooLittleIsolation(Exception):
    """This host does not give the least level that is asked for; the text says what is missing and what to do."""


@dataclass(frozen=True)
class Isolation:
    """What this host gives: every finding, and the level they make."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        return level_of(self.findings)

    @property
    def layers(self) -> frozenset[str]:
        """The layers that a process can put on itself here."""
        return frozenset(finding.layer for finding in self.findings if finding.group == KERNEL and finding.holds)

    def missing_for(self, level: Level) -> tuple[str, ...]:
        """The layers that level needs and this host does not give, by name."""
        return missing_for(level, self.findings)

    def demand(self, least: Level) -> None:
        """Accepts the level that this host gives, or raises `TooLittleIsolation`."""
        if self.level < least:
            raise TooLittleIsolation(
                f"isolation: this host gives the level {self.level.title}, and {least.title} is the least that is "
                f"accepted; missing: {', '.join(self.missing_for(least))}; `louver-sandbox doctor` says why"
            )
