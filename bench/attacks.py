"""What attackers learn: beside a plain threshold, noise, rounding, caps and atoms. The attacks of `tests/attacks`.

First the shares of late people among named targets that attacks on single people find (nobody else is ever named);
then near-clones by number of pairs; then linear reconstruction of all bits by questions a person, in two districts of
200 people; then what a cap over all institutions leaves of it; then a thousand named targets and a cap of a tenth, in
datasets of growing size; at last what the exact numbers of all atoms tell, by the least size of atoms. Noise, books,
decisions and partitions are the platform's own (`tests/support/attackers/platform.py`).

Keys: `plain_least`, `rounded_most`, `atoms_most`: the extremes of the first table, the probe left out of the second;
`uncapped_4`: accuracy at four questions a person; `tenth_rare`, `tenth_even`, `hundredth_even`: the largest gain over
the base rate with caps of n/10 and n/100 where 0.3 and where 0.5 of the people have the bit; `targets_clones`,
`targets_probe`: gain on a thousand of two thousand people; `atoms_10`, `atoms_110`: the largest gain from all atoms
of at least so many, over secrets, rates and orders of giving way. `--full`: three seeds of everything instead of one.
"""

import tempfile
from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import numpy as np
from tests.support.atomic import firm_bundle
from tests.support.attackers.majorities import by_majority, gain, groups, secrets_of
from tests.support.attackers.people import DISTRICTS
from tests.support.attackers.platform import (
    BANDS,
    Dimensions,
    Platform,
    behind_a_cap,
    person_grant,
    person_table,
    published,
)
from tests.support.attackers.reconstruction import (
    asked,
    by_least_squares,
    decoded,
    random_halves,
    reconstruct,
)
from tests.support.attackers.releasers import NOISE, CellKeyed, PlainThreshold, Releaser
from tests.support.attackers.scene import Scene, scene
from tests.support.attackers.trackers import TRACKERS, Attack, near_clones, threshold_probe, within
from tests.support.catalogs import a_catalog

from bench.report import Figures, arguments, report, show
from louver_sandbox.store import State

Rows = list[dict[str, object]]

DISTRICT = {"column": "district"}
ATOMS = person_grant([BANDS, DISTRICT, {"column": "late"}])
SECRETS = ("late 0.3", "late 0.5", "grade")
ATTACKS = {**TRACKERS, "near-clones, one pair": near_clones(1), "threshold probe": threshold_probe}


def releasers(at: Scene) -> dict[str, Releaser]:
    """The settings of the first table."""
    rounded = CellKeyed(at.engine)
    return {
        "plain threshold": PlainThreshold(at.engine),
        "noise": CellKeyed(at.engine, NOISE),
        "noise, rounded": rounded,
        "and atoms": Platform(rounded, a_catalog(person_table(len(at.people.known))), firm_bundle(ATOMS)),
    }


def on_single_people(seeds: range) -> Rows:
    """The share of the late targets that each attack finds under each setting."""
    rows: Rows = []
    for name, attack in ATTACKS.items():
        found: dict[str, list[float]] = {}
        for seed in seeds:
            at = scene(seed)
            for setting, releaser in releasers(at).items():
                guesses = attack(releaser, at.people.known, at.targets)
                found.setdefault(setting, []).append(at.found(guesses))
        rows.append({"attack": name, **{setting: float(np.mean(shares)) for setting, shares in found.items()}})
    return rows


def by_pairs(seeds: range) -> Rows:
    """The same for near-clones, by number of pairs, with noise and rounding."""
    rows: Rows = []
    for pairs in (1, 2, 3, 5, 7):
        attack = near_clones(pairs)
        found = [at.found(attack(CellKeyed(at.engine), at.people.known, at.targets)) for at in map(scene, seeds)]
        rows.append({"pairs": pairs, "found": float(np.mean(found))})
    return rows


def without_a_cap(seeds: range) -> Rows:
    """The share of bits of two districts that reconstruction gets right, by questions a person."""
    rows: Rows = []
    for questions in (20, 50, 100, 200, 400, 800):
        row: dict[str, object] = {"questions a person": questions / 200}
        for rate in (0.3, 0.5):
            right: dict[str, list[float]] = {}
            for at in (scene(seed, rate) for seed in seeds):
                inside = at.people.known.district < 2
                for title, releaser in (("plain", PlainThreshold(at.engine)), ("rounded", CellKeyed(at.engine))):
                    found = reconstruct(releaser, at.people.known, range(2), questions)
                    best = max(float((one == at.people.late)[inside].mean()) for one in found.values())
                    right.setdefault(f"{rate} {title}", []).append(best)
            row |= {name: float(np.mean(values)) for name, values in right.items()}
        rows.append(row)
    return rows


def with_a_cap(seeds: range) -> Rows:
    """The largest gain over the base rate on all people, by how many cells are released to all institutions."""
    rows: Rows = []
    for part in (10, 20, 50, 100):
        row: dict[str, object] = {"cap": f"n/{part}", "0.4 sqrt(cells / n)": 0.4 / sqrt(part)}
        for rate in (0.3, 0.5):
            row[f"{rate}"] = max(gain for seed in seeds for gain in gains(scene(seed, rate), part))
        rows.append(row)
    return rows


def gains(at: Scene, part: int) -> Iterator[float]:
    """What the cap is worth spent on random halves of all people, as the platform's books allow, or on one district
    after the other."""
    known = at.people.known
    cells = len(known) // part
    subsets = random_halves(known, range(DISTRICTS), cells, seed=5)
    with tempfile.TemporaryDirectory() as folder, State.open(Path(folder) / "state.db") as books:
        answers = asked(behind_a_cap(at.people, CellKeyed(at.engine), 100 // part, books), subsets)
    yield at.gain(decoded(known, subsets, answers, by_least_squares))
    for districts in (5, 1):
        found = reconstruct(CellKeyed(at.engine), known, range(districts), cells // districts)
        yield from (at.gain(guesses) for guesses in found.values())


def with_atoms(seeds: range) -> Rows:
    """The largest gain from the exact numbers of all atoms, by the least size that a policy gives them."""
    rows: Rows = []
    for least in (10, 20, 40, 64, 110):
        row: dict[str, object] = {"least": least, "0.52 / sqrt(least)": 0.52 / sqrt(least)}
        for secret, rate in (("late", 0.3), ("late", 0.5), ("grade", 0.5)):
            itself = {"column": secret}
            orders: list[Dimensions] = [[BANDS, DISTRICT, itself], [itself, BANDS, DISTRICT]]
            found = [of_atoms(scene(seed, rate), secret, order, least) for seed in seeds for order in orders]
            row[f"{secret} {rate}" if secret == "late" else secret] = max(found)
        rows.append(row)
    return rows


def of_atoms(at: Scene, secret: str, order: Dimensions, least: int) -> float:
    """What one partition tells of everybody."""
    with tempfile.TemporaryDirectory() as folder:
        told = groups(published(at.people, order, Path(folder), atom_units={"person": least}), secret)
    return gain(by_majority(told, at.people.known), secrets_of(at.people, secret))


def on_a_thousand(seeds: range) -> Rows:
    """The gain on a thousand named targets within a cap of a tenth; targets beyond it are not asked about."""
    rows: Rows = []
    for size in (2_000, 5_000, 20_000):
        cap = size // 10
        attacks: dict[str, tuple[Attack, int]] = {
            "near-clones": (near_clones(1), cap - 10),
            "threshold probe": (threshold_probe, cap),
        }
        row: dict[str, object] = {"people": size, "cap": cap}
        for name, (attack, affordable) in attacks.items():
            found = []
            for at in (scene(seed, size=size, targets=1_000) for seed in seeds):
                limited = within(attack, min(affordable, 1_000))
                found.append(at.gain_on_targets(limited(CellKeyed(at.engine), at.people.known, at.targets)))
            row[name] = float(np.mean(found))
        rows.append(row)
    return rows


def figures(single: Rows, uncapped: Rows, capped: Rows, atoms: Rows, targets: Rows) -> Figures:
    """The last line."""
    tenth, *_, hundredth = capped
    smallest, *_, largest = atoms
    return {
        "plain_least": min(_number(row["plain threshold"]) for row in single),
        "rounded_most": max(_number(row["noise, rounded"]) for row in single if row["attack"] != "threshold probe"),
        "atoms_most": max(_number(row["and atoms"]) for row in single),
        "uncapped_4": min(_number(uncapped[-1][f"{rate} rounded"]) for rate in (0.3, 0.5)),
        "tenth_rare": _number(tenth["0.3"]),
        "tenth_even": _number(tenth["0.5"]),
        "hundredth_even": _number(hundredth["0.5"]),
        "atoms_10": max(_number(smallest[secret]) for secret in SECRETS),
        "atoms_110": max(_number(largest[secret]) for secret in SECRETS),
        "targets_clones": _number(targets[0]["near-clones"]),
        "targets_probe": _number(targets[0]["threshold probe"]),
    }


def _number(value: object) -> float:
    if not isinstance(value, float):
        raise TypeError(value)
    return value


def main() -> None:
    seeds = range(1, 4 if arguments(__doc__ or "").full else 2)
    show("late targets that are found", single := on_single_people(seeds))
    show("near-clones", by_pairs(seeds))
    show("bits that are right, no cap", uncapped := without_a_cap(seeds))
    show("largest gain over the base rate, all people", capped := with_a_cap(seeds))
    show("largest gain from the numbers of all atoms", atoms := with_atoms(seeds))
    targets = on_a_thousand(seeds)
    report("gain on a thousand named targets, cap n/10", targets, figures(single, uncapped, capped, atoms, targets))


if __name__ == "__main__":
    main()
