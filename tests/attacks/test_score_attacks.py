"""Attacks on secret scorecards (CRYPTO 5.0 and 5.2): each succeeds against the naive variant and fails here."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import compress, product
from pathlib import Path

import gmpy2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gmpy2 import mpz
from tests.support import scorecards
from tests.support.policy_questions import BANK_B
from tests.support.score_world import FIRMS, KEY, ScoreWorld, bins_of, score_world
from tests.support.sealed import small_key

from louver.errors import Refused, Unproven
from louver.failures import Misused
from louver.scoring import audit, layout
from louver.scoring.models import Opening, prepare
from louver.scoring.results import Scores, opened
from louver.scoring.telling import Telling
from louver.sealing import bulk
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.randomisers import randomisers
from louver_sandbox.demo.scorecard import POINTS
from louver_sandbox.sealing.packing import Points

N, SQUARE = KEY.public.n, KEY.public.square
WIDTH = KEY.public.width
BELOW = random.Random(6).randrange


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ScoreWorld]:
    with score_world(tmp_path) as made:
        yield made


def sealed(numbers: list[int]) -> list[mpz]:
    return encrypt(numbers, KEY.public, randomisers(KEY.public, len(numbers)))


def points_of(numbers: list[list[int]]) -> Points:
    """What a platform that asks no auditor would apply: any points at all, of a base of 0."""
    flat = [0, *(each for of in numbers for each in of)]
    return Points(KEY.public, sealed(flat), [len(of) for of in numbers])


def test_points_on_one_feature_read_it_out_and_no_auditor_signs_for_them(world: ScoreWorld) -> None:
    unit_vector = [[0] * 5 for _ in range(10)]
    unit_vector[3] = [0, 1, 2, 3, 4]
    for firm in FIRMS:
        (naive,) = Owner(KEY).decrypt([points_of(unit_vector).packed([bins_of(firm)])])
        assert naive == bins_of(firm)[3], "unaudited, the feature is read out"
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features, unit_vector))
    assert any("scores tell 100 percent of what there is to know of f3" in each for each in audit.findings(opening))
    with pytest.raises(Misused, match="fewer than 8 features"):
        audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY)
    with pytest.raises(Refused, match="LVR-5203"):
        world.register(opening.model, audit.Certificate(scorecards.AUDITOR, bytes(64)))
    assert world.models.of("bank_a") == ()


def digits(number: int) -> tuple[int, ...]:
    """Ten digits to the base 5, the lowest first: by points of 5^i times the bin they are a subject's ten bins."""
    return tuple(number // 5**place % 5 for place in range(10))


def test_points_that_are_powers_read_everything_out_and_no_auditor_signs_for_them(world: ScoreWorld) -> None:
    """The naive platform applies whatever points it is given: one score tells all ten features of every firm."""
    powers = [[place * 5**number for place in range(5)] for number in range(10)]
    naively = points_of(powers)
    for firm in FIRMS:
        (plain,) = Owner(KEY).decrypt([naively.packed([bins_of(firm)])])
        assert digits(plain) == bins_of(firm)
    # Here they do not fit a score at all; smaller ones give one feature most of the range.
    with pytest.raises(Misused, match="scores lie between"):
        scorecards.opening(KEY, world.features, scorecards.card(world.features, powers))
    small = [[place * 3**number for place in (0, 0, 0, 1, 2)] for number in range(10)]
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features, small))
    with pytest.raises(Misused, match="more than 40 percent"):
        audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY)
    # A client that leaves all of that out has a model that nobody has signed for.
    sealed_powers = sealed([0, *(each for of in powers for each in of)])
    model = replace(opening.model, content=bulk.write(sealed_powers, KEY.public))
    forger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    forged = audit.Certificate(scorecards.AUDITOR, forger.sign(audit.signing_bytes(scorecards.AUDITOR, model.digest)))
    with pytest.raises(Refused, match="LVR-5203"):
        world.register(model, forged)
    assert world.models.of("bank_a") == ()


def guessed_right(leaving: Callable[[int], mpz]) -> int:
    """In how many of 200 trials a key holder tells a sum from the same with something added above its window: one
    multiple of the check's prime, which is where points that no auditor has seen could put a feature."""
    drawn, right = random.Random(4), 0
    for _ in range(200):
        hidden = drawn.randrange(2)
        (plain,) = Owner(KEY).decrypt([leaving(hidden)])
        above = int(plain) % 2**layout.SLOT_BITS >> layout.SCORE_BITS
        right += (above // layout.CHECK % 2) == hidden
    return right


def test_above_its_window_a_score_tells_nothing_whatever_was_signed() -> None:
    """40 bits of a slot can be read: the score, and the check modulo its prime. What is beyond them is drowned."""
    held = points_of([[0, layout.CHECK << layout.SCORE_BITS]])
    assert guessed_right(lambda hidden: held.packed([(hidden,)])) == 200
    powers = iter(randomisers(KEY.public, 200))
    right = guessed_right(lambda hidden: held.leaving([(hidden,)], next(powers), BELOW))
    assert 65 < right < 135, "as a coin: a hundred, and a deviation of seven"


def test_every_mixed_radix_code_of_all_features_breaks_a_rule() -> None:
    """Points that are digits to some base give one feature at least half the range. Other points whose sums all differ
    do not: see below."""
    for bins in ((2,) * 10, (3,) * 8, (4,) * 8, (2, 3, 4, 5, 2, 3, 4, 2)):
        weight, points = 1, []
        for most in bins:
            points.append([weight * place for place in range(most)])
            weight *= most
        features = scorecards.feature_set(bins)
        assert max(map(max, points)) * 100 > audit.MOST_SHARE * sum(map(max, points))
        try:
            opening = scorecards.opening(KEY, features, scorecards.card(features, points, base=0))
        except Misused:
            continue
        assert any("percent of the range" in each for each in audit.findings(opening))


def certificate_of(points: list[list[int]]) -> audit.Certificate:
    """An auditor's signature for a card of so many features with these points. Raises ``Misused``."""
    features = scorecards.feature_set([len(of) for of in points])
    card = scorecards.card(features, points, base=0)
    return audit.certify(scorecards.opening(KEY, features, card), scorecards.AUDITOR, scorecards.AUDITOR_KEY)


SUMS_THAT_DIFFER = (84, 83, 82, 80, 77, 71, 60, 40)
"""The Conway-Guy set: no two of its 256 subsets have one sum, and no number in it is 15 percent of them all."""


def test_small_points_whose_sums_all_differ_read_everything_out_and_no_auditor_signs_for_them() -> None:
    """They pass every rule about single features. Naive: an auditor who looks at no more than those."""
    points = [[0, each] for each in SUMS_THAT_DIFFER]
    assert max(SUMS_THAT_DIFFER) * 100 < audit.MOST_SHARE * sum(SUMS_THAT_DIFFER)
    told = {sum(compress(SUMS_THAT_DIFFER, bins)): bins for bins in product((0, 1), repeat=8)}
    assert len(told) == 256
    naively, drawn = points_of(points), random.Random(3)
    for _ in range(5):
        bins = tuple(drawn.randrange(2) for _ in range(8))
        (score,) = Owner(KEY).decrypt([naively.packed([bins])])
        assert told[int(score)] == bins, "one score tells all eight features"
    with pytest.raises(
        Misused, match="100 percent of all combinations of bins have a score that fewer than 10 share"
    ):
        certificate_of(points)
    # What is read may stay the same while others join in: bins of which there is nobody.
    with pytest.raises(Misused, match="where nothing is missing"):
        certificate_of([[drawn.randrange(600), *of] for of in [*points, *[[0, 0]] * 4]])


def test_points_far_apart_tell_most_combinations_and_no_auditor_signs_for_them() -> None:
    """Eight features of four bins, drawn at random from a wide range: 65,536 combinations and as many scores."""
    drawn = random.Random(5)
    points = [[0, *sorted(drawn.randrange(16_000) for _ in range(3))] for _ in range(8)]
    sums = Counter(map(sum, product(*points)))
    assert sum(number == 1 for number in sums.values()) > 10_000, "scores that are one combination's alone"
    with pytest.raises(Misused, match="fewer than 10 share"):
        certificate_of(points)


def test_a_feature_in_the_last_digit_is_told_by_it_and_no_auditor_signs_for_it() -> None:
    """Every score has thousands of combinations, and the feature has a thirtieth of the range: what gives it away is
    that all other points are tens. Naive: an auditor who counts combinations alone."""
    points = [[0, 10, 20, 30] for _ in range(9)] + [list(range(10))]
    telling = Telling(points)
    assert telling.lonely(audit.CROWD) < 0.001
    (score,) = Owner(KEY).decrypt([points_of(points).packed([(1, 3, 0, 2, 2, 1, 3, 3, 0, 7)])])
    assert score % 10 == 7
    with pytest.raises(Misused, match="scores tell 100 percent of what there is to know of f9"):
        certificate_of(points)


def test_scorecards_as_banks_have_them_are_signed_for() -> None:
    """Eight to twenty features of three to eight bins, points to a hundred; the demo's own."""
    drawn = random.Random(8)
    cards = [
        [[0, *sorted(drawn.randrange(101) for _ in range(drawn.randrange(3, 8)))] for _ in range(number)]
        for number in range(8, 21)
    ]
    features = scorecards.feature_set([len(of) for of in POINTS.values()])
    explained = {one.name: "as it is" for one in features.features}
    demo = scorecards.card(features, list(POINTS.values()), explained=explained)
    assert audit.findings(scorecards.opening(KEY, features, demo)) == ()
    for points in cards:
        assert certificate_of(points).auditor == scorecards.AUDITOR


def bins_by_marks(ciphertext: mpz, primes: list[int]) -> tuple[int, ...] | None:
    """A firm's bins from a score's randomness, where each of a model's ciphertexts was made with a prime of its own:
    what was multiplied is found by factoring. None where it does not come out as one bin of each feature."""
    randomness = gmpy2.powmod(ciphertext, gmpy2.invert(N, (KEY.p - 1) * (KEY.q - 1)), N)
    found = [place for place, prime in enumerate(primes) if randomness % prime == 0]
    if len(found) != 11 or found[0] != 0:
        return None
    return tuple((place - 1) % 5 for place in found[1:])


def test_marked_randomness_tells_which_bins_were_added_until_it_is_randomised_anew(world: ScoreWorld) -> None:
    """Nothing is wrong with such a model: its points are a scorecard's, an auditor signs, and every ciphertext is
    admitted. The line scores with it, and the randomness of what comes back tells nothing."""
    primes = [int(gmpy2.next_prime(1000))]
    while len(primes) < 51:
        primes.append(int(gmpy2.next_prime(primes[-1])))
    chosen = iter(primes)
    opening = prepare(scorecards.card(world.features), world.features, "bank_a", KEY, below=lambda most: next(chosen))
    held = scorecards.points(opening, KEY)
    for firm in FIRMS:
        assert bins_by_marks(held.packed([bins_of(firm)]), primes) == bins_of(firm), "without r^n every bin is read"
    model = world.register(opening.model, audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY))
    for firm in FIRMS:
        answer = world.score(model, [(firm, world.authorise(firm))])
        scores = Scores.from_bytes(answer.content, WIDTH)
        (pack,) = scores.packs
        assert bins_by_marks(mpz(int.from_bytes(pack, "big")), primes) is None
        (score,) = opened(scores, KEY, "small-firms", "1", 0)
        assert score == scorecards.plain_score(opening, bins_of(firm)), "it is this firm that was scored"


def test_a_result_that_is_no_sum_of_the_models_points_is_not_believed() -> None:
    """A platform that changes a score without knowing alpha passes with one chance in a million. Naive: a bank that
    reads the score and leaves the check alone believes whatever it finds there."""
    features = scorecards.feature_set((3,) * 8)
    made = scorecards.opening(KEY, features, scorecards.card(features))
    held, bins = scorecards.points(made, KEY), (1, 2, 0, 1, 2, 0, 1, 2)
    honest = held.leaving([bins], randomisers(KEY.public, 1)[0], BELOW)

    def read(ciphertext: mpz) -> object:
        scores = Scores("m", KEY.kid, ((0, 0),), (int(ciphertext).to_bytes(WIDTH, "big"),))
        return opened(scores, KEY, "small-firms", "1", 0)[0]

    def naively(ciphertext: mpz) -> int:
        (plain,) = Owner(KEY).decrypt([ciphertext])
        return plain % (1 << layout.SCORE_BITS) - layout.OFFSET

    assert read(honest) == naively(honest) == scorecards.plain_score(made, bins)
    assert naively(honest * (1 + 50 * N) % SQUARE) == scorecards.plain_score(made, bins) + 50
    for change in (1, -1, 50, 2**19, layout.CHECK << layout.SCORE_BITS | 1, 1 << 20):
        with pytest.raises(Unproven, match="does not open"):
            read(honest * (1 + change * N) % SQUARE)
    # Another model's points under the same key have another alpha.
    other = scorecards.opening(KEY, features, scorecards.card(features, version="2"))
    with pytest.raises(Unproven):
        read(scorecards.points(other, KEY).leaving([bins], randomisers(KEY.public, 1)[0], BELOW))


@pytest.mark.parametrize("bad", ["zero", "one", "n", "minus one", "small", "bare", "twice", "outside"])
def test_a_degenerate_or_repeated_ciphertext_does_not_come_in(world: ScoreWorld, bad: str) -> None:
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features))
    numbers = scorecards.ciphertexts(opening, KEY)
    numbers[7] = {
        "zero": mpz(0), "one": mpz(1), "n": N, "minus one": SQUARE - 1, "small": N - 5,
        "bare": 1 + 3 * N, "twice": numbers[8], "outside": SQUARE + 5,
    }[bad]  # fmt: skip
    model = replace(opening.model, content=bulk.write(numbers, KEY.public))
    signed = audit.Certificate(
        scorecards.AUDITOR, scorecards.AUDITOR_KEY.sign(audit.signing_bytes(scorecards.AUDITOR, model.digest))
    )
    with pytest.raises(Refused, match="LVR-5014"):
        world.register(model, signed)
    assert world.models.of("bank_a") == ()


def test_what_an_auditor_has_seen_cannot_be_exchanged_for_something_else(world: ScoreWorld) -> None:
    """Honest points are shown; other ciphertexts, a feature read out among them, are handed in. Naive: a signature over
    the points alone holds for any ciphertexts."""
    honest = scorecards.opening(KEY, world.features, scorecards.card(world.features))
    certificate = audit.certify(honest, scorecards.AUDITOR, scorecards.AUDITOR_KEY)
    unit_vector = [[0] * 5 for _ in range(9)] + [[0, 1, 2, 3, 4]]
    hidden = scorecards.opening(KEY, world.features, scorecards.card(world.features, unit_vector))
    swapped = replace(hidden.model, rules_sha256=honest.model.rules_sha256)
    signature = scorecards.AUDITOR_KEY.sign(honest.model.rules_sha256.encode())
    scorecards.AUDITOR_KEY.public_key().verify(signature, swapped.rules_sha256.encode())  # or it would raise
    for firm in FIRMS[:20]:
        (naive,) = Owner(KEY).decrypt([scorecards.points(hidden, KEY).packed([bins_of(firm)])])
        assert naive % (1 << layout.SCORE_BITS) - layout.OFFSET - hidden.base == bins_of(firm)[9]
    for model in (
        hidden.model,
        swapped,
        replace(honest.model, content=hidden.model.content),
        replace(honest.model, version="2"),
        replace(honest.model, decimals=2),
    ):
        with pytest.raises(Refused, match="LVR-5203"):
            world.register(model, certificate)
    # Nor does an opening pass that shows points which are not in the ciphertexts.
    shown = replace(hidden, points=honest.points, base=honest.base, model=replace(
        hidden.model, rules_sha256=honest.model.rules_sha256), salt=honest.salt)  # fmt: skip
    assert audit.findings(shown) == ("a ciphertext holds something else than its points",)


def test_a_model_of_another_key_is_refused(world: ScoreWorld) -> None:
    """Naive: points are added up whoever's key they are under. An enemy's model in the bank's name has the bank's scores
    leave to the enemy."""
    other = small_key(2)
    opening = scorecards.opening(other, world.features, scorecards.card(world.features))
    for firm in FIRMS[:20]:
        (read,) = Owner(other).decrypt([scorecards.points(opening, other).packed([bins_of(firm)])])
        assert read % (1 << layout.SCORE_BITS) - layout.OFFSET == scorecards.plain_score(opening, bins_of(firm))
    certificate = audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY)
    with pytest.raises(Refused, match="LVR-5202"):
        world.register(opening.model, certificate)
    mine = replace(opening.model, kid=KEY.kid)
    with pytest.raises(Refused, match="LVR-5012"):
        world.register(mine, certificate)


def test_there_is_no_exponent_to_fill_the_memory_with(world: ScoreWorld) -> None:
    """phe's adder begins with 16 to the power of a difference that the sender chooses."""
    assert (16 ** (10**6)).bit_length() > 4_000_000, "the naive first step grows without limit"
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features))
    header, body = bulk.read(opening.model.content)
    bomb = bulk.write(bulk.numbers(body, WIDTH), KEY.public, (38,))
    signed = audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY)
    with pytest.raises(Refused, match="LVR-5012"):
        world.register(replace(opening.model, content=bomb), signed)
    assert header.scales == (0,)


def drawn_points(version: int) -> list[list[int]]:
    """Points of a model that an auditor signs for: on every feature, rising."""
    drawn = random.Random(version)
    return [sorted(drawn.randrange(50, 90) for _ in range(5)) for _ in range(10)]


def bins_by_equations(scores: dict[int, int], base: int) -> tuple[int, ...]:
    """A subject's bins from its scores by many models: each score is an equation for which bin of each feature."""
    design = np.array([[point for of in drawn_points(version) for point in of] for version in scores], dtype=float)
    wanted = np.array([score - base for score in scores.values()], dtype=float)
    # One bin of each feature: without that the points of a feature could all move together.
    ones = np.kron(np.eye(10), np.ones(5))
    found, *_ = np.linalg.lstsq(np.vstack([design, ones * 1000]), np.append(wanted, np.full(10, 1000.0)))
    return tuple(int(place) for place in found.reshape(10, 5).argmax(axis=1))


def test_many_models_of_one_subject_end_below_half_the_features(world: ScoreWorld) -> None:
    """As many scores of one subject as there are unknown bins are equations for all of them. Naive: every model that
    an auditor signs for scores as often as it is asked. Here fewer than half as many models as features ever do."""
    firm, base = FIRMS[0], 600
    naively = {}
    for version in range(1, 61):
        (total,) = Owner(KEY).decrypt([points_of(drawn_points(version)).packed([bins_of(firm)])])
        naively[version] = total + base
    assert bins_by_equations(naively, base) == bins_of(firm)
    pair = (firm, world.authorise(firm, uses=0))
    given = {}
    for version in range(1, 8):
        model = world.registered(str(version), drawn_points(version))
        scores = Scores.from_bytes(world.score(model, [pair]).content, WIDTH)
        (score,) = opened(scores, KEY, "small-firms", str(version), 0)
        if score is not None:
            assert score == naively[version], "it is this score"
            given[version] = int(score)
    assert list(given) == [1, 2, 3, 4]
    assert bins_by_equations(given, base) != bins_of(firm)


def malformed(opening: Opening) -> dict[str, tuple[bytes, str]]:
    """What may arrive in place of a model's ciphertexts, and the code that each must have."""
    numbers, public = scorecards.ciphertexts(opening, KEY), KEY.public
    whole = opening.model.content
    more = sealed([1])
    return {
        "nothing": (b"", "LVR-5011"),
        "no features at all": (bulk.write([], public), "LVR-5201"),
        "a base and no features": (bulk.write(numbers[:1], public), "LVR-5201"),
        "a bin too few": (bulk.write(numbers[:-1], public), "LVR-5201"),
        "a bin too many": (bulk.write([*numbers, *more], public), "LVR-5013"),
        "cut off": (whole[:-1], "LVR-5011"),
        "half of it": (whole[: len(whole) // 2], "LVR-5011"),
        "one byte more": (whole + b"\0", "LVR-5011"),
        "one bit turned": (whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], "LVR-5011"),
        "sent twice in one": (whole * 2, "LVR-5011"),
        "other bytes": (b"\0" * len(whole), "LVR-5011"),
        "other magnitudes": (bulk.write(numbers, public, (2,)), "LVR-5012"),
        "another key's": (bulk.write(numbers, small_key(2).public), "LVR-5012"),
    }


def test_whatever_arrives_in_place_of_a_model_has_a_code_and_leaves_nothing(world: ScoreWorld) -> None:
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features))
    signed = audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY)
    before = len(world.line.books.log.entries(kind="model_refused"))
    cases = malformed(opening)
    for what, (content, code) in cases.items():
        with pytest.raises(Refused) as refused:
            world.register(replace(opening.model, content=content), signed)
        assert refused.value.code == code, what
    model = opening.model
    for changed in (
        replace(model, model="../x"),
        replace(model, version=""),
        replace(model, kid="k"),
        replace(model, decimals=9),
        replace(model, feature_set=""),
    ):
        with pytest.raises(Refused, match="LVR-5201"):
            world.register(changed, signed)
    assert world.models.of("bank_a") == ()
    assert len(world.line.books.log.entries(kind="model_refused")) - before == len(cases) + 5, "refusals are logged"


def test_a_model_is_replayed_by_nobody_else_and_under_no_other_name(world: ScoreWorld) -> None:
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features))
    signed = audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY)
    kept = world.register(opening.model, signed)
    with pytest.raises(Refused, match="LVR-5201"):
        world.register(opening.model, signed, BANK_B)
    with pytest.raises(Refused, match="LVR-5202"):
        world.register(replace(opening.model, institution="bank_b"), signed, BANK_B)
    for changed in (replace(opening.model, model="other"), replace(opening.model, version="2")):
        with pytest.raises(Refused, match="LVR-5203"):
            world.register(changed, signed)
    assert world.register(opening.model, signed) == kept, "sent again, it is the same one"
    assert world.models.of("bank_a") == (kept,)
    with pytest.raises(Refused, match="LVR-5211"):
        world.score(kept, [(FIRMS[0], "none")], who=BANK_B)


def test_points_beyond_every_bound_are_signed_by_no_auditor_and_sealed_by_no_client(world: ScoreWorld) -> None:
    def certified(points: list[list[int]]) -> audit.Certificate:
        opening = scorecards.opening(KEY, world.features, scorecards.card(world.features, points))
        return audit.certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY)

    even = [[0, 1, 2, 3, 4]] * 9
    assert certified([*even, [0, 1, 2, 3, 5]]).auditor == scorecards.AUDITOR
    for huge in (1 << 16, 1 << 40, 1 << 4096):
        with pytest.raises(Misused):
            certified([*even, [0, 0, 0, 0, huge]])
