"""How exact a number of matches is, as cells of other answers say it of theirs.

Read off the noise, which follows from the policy and the bound that the requester has declared: it is the same
whatever met, so it may stand beside a number.
"""

from __future__ import annotations

from fractions import Fraction

from louver_sandbox.mechanisms.noise import half_width
from louver_sandbox.policy.match_numbers import NumberRules
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.release.accuracies import told
from louver_sandbox.release.exactness import Exactness
from louver_sandbox.stages import Accuracy

MATCHES = "in 95 of 100 matches", "100 次比对中有 95 次："


def accuracy_of(mode: MatchMode, rules: NumberRules) -> Accuracy:
    """What is said beside a number. Cutting it off at nothing and at the batch's size brings it nearer only."""
    reach = Fraction(half_width(rules.noise))
    return told(mode.value, mode.value, Exactness(rules.noise.scale, reach, reach), False, None, MATCHES)
