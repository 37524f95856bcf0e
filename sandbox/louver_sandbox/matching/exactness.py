"""How exact a number of matches is, as cells of a `threshold` answer say it of theirs.

Read off the mode and the policy: it is the same for whatever batch and whatever met, so it may stand beside a number.
What follows from the largest contributions of one match is never said; of a sum it is said in proportion to the sum.
"""

from __future__ import annotations

from collections.abc import Sequence

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, ThresholdRules
from louver_sandbox.perturbation.accuracy import CONFIDENCE
from louver_sandbox.perturbation.named import magnitudes_of, mode_of, rounding_of
from louver_sandbox.perturbation.sum_accuracy import SumAccuracy
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.release.accuracies import decimal_text, told
from louver_sandbox.release.exactness import Exactness, added, spread
from louver_sandbox.stages import Accuracy

MATCHES = "in 95 of 100 matches", "100 次比对中有 95 次："
DOUBT = 1 - CONFIDENCE


def accuracy_of(mode: MatchMode, units: Sequence[UnitType], rules: ThresholdRules) -> Accuracy | None:
    """What is said beside the number of a match whose list may hold subjects of these types; None in mode hits.

    Raises:
        ValueError: the rules name no noise for such a number, so that none leaves.
    """
    if mode is MatchMode.HITS:
        return None
    if rules.noise is None:
        raise ValueError("a number without noise")
    if mode is MatchMode.COUNT:
        tables = tuple(rules.noise.tables[unit] for unit in units)
        return told(mode.value, "count", _counted(tables, rules.noise), False, None, MATCHES)
    return _summed(rules, rules.noise)


def of_largest(mode: MatchMode, rules: ThresholdRules) -> str:
    """For a sum: in 95 of 100 matches the true one is at most so many times the root of the squares of the two
    largest amounts away. Requesters know their own amounts, of which some have met. Empty for other modes."""
    if mode is not MatchMode.SUM or rules.noise is None or rules.noise.share is None:
        return ""
    one = SumAccuracy(magnitudes_of(rules.noise.share), rules.dominance_percent, mode_of(rules.noise))
    return decimal_text(one.of_largest(CONFIDENCE))


def _counted(tables: tuple[str, ...], noise: NoiseRules) -> Exactness:
    """One perturbed number for each type; together they hold as often as each of them fails more rarely."""
    return added(spread(table, rounding_of(noise), DOUBT / len(tables)) for table in tables)


def _summed(rules: ThresholdRules, noise: NoiseRules) -> Accuracy:
    if noise.share is None:
        raise ValueError("a sum without noise")
    one = SumAccuracy(magnitudes_of(noise.share), rules.dominance_percent, mode_of(noise))
    reach, error = one.within(CONFIDENCE), one.standard_error
    found = Exactness(error.absolute, reach.absolute, reach.absolute, error.relative, reach.relative)
    bases = None if mode_of(noise) is None else one.bases(CONFIDENCE)
    return told(MatchMode.SUM.value, "sum", found, False, bases, MATCHES)
