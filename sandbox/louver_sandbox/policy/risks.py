"""Risks that terms of a policy can take, by the names under which an officer accepts them (ADR 25)."""

from __future__ import annotations

from enum import StrEnum


class Risk(StrEnum):
    """What terms leave open of the promise about numbers: that nobody who may ask is right about a value of a subject
    more than 0.05 more often than without asking."""

    FREE_PREDICATES = "free-predicates"
    """Subjects can be selected by anything that is known of them: one of them is told by a threshold, by differences
    or by equal answers, whatever the noise and the cap."""

    SMALL_ATOMS = "small-atoms"
    """Groups that are small enough for their own majority to tell of each of them."""

    UNCAPPED_NOISE = "uncapped-noise"
    """Noise that can be averaged over any number of sets."""

    UNROUNDED_NOISE = "unrounded-noise"
    """Noise whose equal numbers tell equal sets."""

    READABLE_ROWS = "readable-rows"
    """Chances by which the group of a subject's encrypted rows can be read more often than 3 times in 4 from one sum,
    or 9 in 10 from all, whatever the encrypted values are."""

    LARGE_CAP = "large-cap"
    """So many released cells that single values can be solved for."""
