"""What a policy gets that says nothing, and what each further word in it costs: the promise is 0.05 at most.

Two thousand people, three seeds, a secret that 0.3 have, one that half have and one of eight values, whatever all
institutions may ask together. Decisions, books and partitions are the platform's own. Each attack succeeds where the
setting that it is about is left out, and lint has a name for that (ADR 25).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.atomic import firm_bundle
from tests.support.attackers.majorities import by_majority, gain, groups, secrets_of
from tests.support.attackers.people import DISTRICTS
from tests.support.attackers.platform import (
    BANDS,
    NOISE,
    Dimensions,
    Platform,
    behind_a_cap,
    capped,
    person_grant,
    person_table,
    published,
    recoded,
    risks,
)
from tests.support.attackers.reconstruction import (
    DECODERS,
    asked,
    by_least_squares,
    decoded,
    random_halves,
    unions_of,
)
from tests.support.attackers.releasers import CellKeyed, LimitReached, PlainThreshold, Releaser, counts
from tests.support.attackers.scene import Scene, scene
from tests.support.attackers.trackers import TRACKERS, Attack, near_clones, threshold_probe, within
from tests.support.catalogs import a_catalog

from louver_sandbox.store import State

SEEDS = [1, 2, 3]
MOST = 0.05
DISTRICT = {"column": "district"}
LAST: dict[str, Dimensions] = {name: [BANDS, DISTRICT, {"column": name}] for name in ("late", "grade")}
"""A secret that is a dimension and gives way after everything else."""
FIRST: dict[str, Dimensions] = {name: [{"column": name}, BANDS, DISTRICT] for name in ("late", "grade")}
"""A secret that gives way first: a small group has the value that most of it have."""
SMALL = {"atom_units": {"person": 10}}


@pytest.fixture
def books(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "state.db") as state:
        yield state


# atoms


def gains(at: Scene, secret: str, dimensions: Dimensions, folder: Path, **more: object) -> tuple[float, float]:
    """What the numbers of all atoms tell of everybody, and of a thousand who are named."""
    snapshot = published(at.people, dimensions, folder, **more)
    guesses, truth = by_majority(groups(snapshot, secret), at.people.known), secrets_of(at.people, secret)
    named = list(at.targets)
    return gain(guesses, truth), gain(guesses[named], truth[named])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("secret", "rate"), [("late", 0.3), ("late", 0.5), ("grade", 0.5)])
def test_atoms_as_they_are_by_default_tell_nobodys_value(secret: str, rate: float, seed: int, tmp_path: Path) -> None:
    """Exact numbers, any number of questions, and every one that the rule allows follows from these."""
    at = scene(seed, rate, targets=1_000)
    for name, order in (("last", LAST), ("first", FIRST)):
        assert risks(person_grant(order[secret])) == set()
        assert max(gains(at, secret, order[secret], tmp_path / name)) <= MOST


@pytest.mark.parametrize("secret", ["late", "grade"])
def test_atoms_of_ten_tell_what_most_of_ten_have(secret: str, tmp_path: Path) -> None:
    """So lint wants the risk named."""
    assert risks(person_grant(FIRST[secret], **SMALL)) == {"small-atoms"}
    for seed in SEEDS:
        at = scene(seed, 0.5, targets=1_000)
        assert min(gains(at, secret, FIRST[secret], tmp_path / str(seed), **SMALL)) > MOST


ATTACKS: dict[str, Attack] = {**TRACKERS, "near-clones": near_clones(3), "threshold probe": threshold_probe}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_whoever_singles_somebody_out_is_refused_by_the_words_alone(attack: Attack) -> None:
    """Refusals depend on no row, so a few targets stand for all; a plain threshold tells of every one."""
    at = scene(1, 0.5)
    bundle = firm_bundle(person_grant(LAST["late"]))
    platform = Platform(PlainThreshold(at.engine), a_catalog(person_table(2_000)), bundle)
    targets = at.targets[:12]
    late = at.people.late[list(targets)]
    assert (attack(PlainThreshold(at.engine), at.people.known, targets) == late).all()
    assert not attack(platform, at.people.known, targets).any()
    assert set(platform.told.codes) == {"LVR-2108"}


def test_the_laboratory_answers_for_whole_atoms_as_the_line_does(tmp_path: Path) -> None:
    at = scene()
    snapshot = published(at.people, LAST["late"], tmp_path)
    platform = Platform(PlainThreshold(recoded(at.people, snapshot)), snapshot.catalog, snapshot.bundle)
    conditions = ["late", "district = 3", "age < 54 AND NOT late", "late OR district IN (1, 2)", "age = 20"]
    found = [snapshot.ask(f"SELECT count(*) FROM gov.person WHERE {one}").rows[0][0] for one in conditions]
    assert counts(platform, conditions) == found
    assert found[0] == int(at.people.late.sum())


def test_noise_over_atoms_adds_nothing_for_an_attacker(tmp_path: Path, books: State) -> None:
    """Unions of atoms under noise and rounding, beside their exact numbers: numbers of more sets, each less exact."""
    at = scene(1, 0.5)
    known = at.people.known
    more = {"threshold": {"noise": NOISE, "unit_sets": {"percent": 10}}}
    snapshot = published(at.people, LAST["late"], tmp_path, **more)
    platform = Platform(CellKeyed(recoded(at.people, snapshot)), snapshot.catalog, snapshot.bundle, books)
    left = sorted(groups(published(at.people, LAST["late"], tmp_path / "exact"), "late"))
    place = {group: number for number, group in enumerate(left)}
    bands = known.age // 6 * 6
    of = np.array([place.get(pair, -1) for pair in zip(known.district.tolist(), bands.tolist(), strict=True)])
    names = [f"(district = {district} AND age = {band})" for district, band in left]
    subsets = unions_of(known, of, names, 40, seed=1)
    answers = asked(platform, subsets)
    assert sum(answer is not None for answer in answers) > 30
    assert max(at.gain(decoded(known, subsets, answers, decode)) for decode in DECODERS.values()) <= MOST


# a cap, where an officer has accepted free predicates


@pytest.mark.parametrize("rate", [0.3, 0.5])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cap_as_it_is_by_default_holds_the_average_of_everybody(seed: int, rate: float, books: State) -> None:
    """One cell for a hundred people, over all institutions: random halves of everybody, solved for everybody."""
    at = scene(seed, rate)
    assert risks(capped(1)) == {"free-predicates"}
    platform = behind_a_cap(at.people, CellKeyed(at.engine), 1, books)
    subsets = random_halves(at.people.known, range(DISTRICTS), 20, seed=5)
    answers = asked(platform, subsets)
    assert (platform.left, None in answers) == (0, False)
    assert max(at.gain(decoded(at.people.known, subsets, answers, decode)) for decode in DECODERS.values()) <= MOST
    with pytest.raises(LimitReached):
        counts(platform, ["late"])


def test_a_cap_four_times_as_large_does_not(books: State) -> None:
    at = scene(1, 0.5)
    assert risks(capped(4)) == {"free-predicates", "large-cap"}
    platform = behind_a_cap(at.people, CellKeyed(at.engine), 4, books)
    subsets = random_halves(at.people.known, range(DISTRICTS), 80, seed=5)
    answers = asked(platform, subsets)
    assert at.gain(decoded(at.people.known, subsets, answers, by_least_squares)) > MOST
    with pytest.raises(LimitReached):
        counts(platform, ["late"])


def test_nothing_but_atoms_holds_for_a_thousand_who_are_named(books: State) -> None:
    """A probe is always right. One cell for a hundred of two thousand people is enough for twenty of the thousand;
    of fifteen thousand for too many: so there is no cap, noise or rounding by which free predicates hold."""
    at = scene(1, 0.5, targets=1_000)
    platform = behind_a_cap(at.people, CellKeyed(at.engine), 1, books)
    assert on_named(at, platform, 20) <= MOST
    larger = scene(1, 0.5, size=15_000, targets=1_000)
    assert on_named(larger, CellKeyed(larger.engine), 150) > MOST


def on_named(at: Scene, releaser: Releaser, affordable: int) -> float:
    """What probes of so many of the targets gain on all of them."""
    return at.gain_on_targets(within(threshold_probe, affordable)(releaser, at.people.known, at.targets))
