"""Noise as policies write it: refused at its place when it cannot hold, and the strictest of all that meet."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest
import rfc8785
from tests.unit.sandbox.test_operator_cli import problem, run
from tests.unit.sandbox.test_policy_load import PLATFORM, POLICY

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, RoundingKind
from louver_sandbox.perturbation.named import SUPPLIED, fitting, is_known, named, rounding_of
from louver_sandbox.perturbation.rounding import checked
from louver_sandbox.policy.bundle import BundleRefused, bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.load import load_library
from louver_sandbox.policy.noise import combined

K = {UnitType.PERSON: 10, UnitType.ENTERPRISE: 5}
TABLES = {UnitType.PERSON: "persons", UnitType.ENTERPRISE: "enterprises"}


def problems(folder: Path, threshold: str) -> list[str]:
    """What loading says of a policy with this threshold."""
    text = POLICY.replace("treatment: threshold", f"treatment: threshold\n    threshold:\n{threshold}")
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (folder / "tax.yaml").write_text(text, encoding="utf-8")
    try:
        load_library([folder])
    except PolicyRefused as refused:
        return [str(problem) for problem in refused.problems]
    return []


def noise(*lines: str) -> str:
    return "".join(f"      {line}\n" for line in ("noise:", *(f"  {line}" for line in lines))).rstrip("\n")


@pytest.mark.parametrize(
    "lines",
    [
        ["method: cell-key"],
        ["method: cell-key", "rounding: {mode: none}"],
        ["method: cell-key", "person: persons", "rounding: {mode: base, base: 10}"],
        ["method: cell-key", "rounding: {mode: random, base: 5}"],
        ["method: cell-key", "rounding: {mode: controlled, base: 5}"],
        ["method: cell-key", "sums: {share: 1.5}"],
        ["method: cell-key", "sums: {}"],
    ],
    ids=str,
)
def test_noise_that_holds_is_loaded(tmp_path: Path, lines: list[str]) -> None:
    assert problems(tmp_path, noise(*lines)) == []


@pytest.mark.parametrize(
    ("lines", "place", "says"),
    [
        (["method: laplace"], "tax.yaml:19:9", "one of the allowed words"),
        (["method: cell-key", "person: people"], "tax.yaml:20:9", "unknown perturbation table people"),
        (["method: cell-key", "person: enterprises"], "tax.yaml:20:9", "at least 5 units, not 10"),
        (["method: cell-key", "rounding: {mode: up, base: 5}"], "tax.yaml:20:20", "one of the allowed words"),
        (["method: cell-key", "rounding: {mode: base}"], "tax.yaml:20:9", "contradicts itself"),
        (["method: cell-key", "rounding: {base: 5}"], "tax.yaml:20:9", "contradicts itself"),
        (
            ["method: cell-key", "rounding: {mode: random, base: 4}"],
            "tax.yaml:20:34",
            "not coarser than twice the standard deviation",
        ),
        (["method: cell-key", "rounding: {mode: base, base: 6}"], "tax.yaml:20:32", "must divide k or reach it"),
        (["method: cell-key", "sums: {share: 0.5}"], "tax.yaml:20:16", "below the floor of 1"),
        (["method: cell-key", "sums: {share: 0}"], "tax.yaml:20:16", "kind this key needs"),
    ],
    ids=str,
)
def test_noise_that_cannot_hold_is_refused_at_its_place(
    tmp_path: Path, lines: list[str], place: str, says: str
) -> None:
    (problem,) = problems(tmp_path, noise(*lines))
    assert problem.startswith(place)
    assert says in problem


def test_a_table_is_made_for_one_threshold(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "      enterprise: 7\n" + noise("method: cell-key"))
    assert "the perturbation table enterprises is made for at least 5 units, not 7" in problem


def test_every_supplied_table_can_be_named() -> None:
    for name in SUPPLIED:
        assert named(name).terms.variance >= 1


def test_nobody_who_asks_for_noise_is_outvoted() -> None:
    rules = NoiseRules(TABLES, RoundingKind.RANDOM, 5)
    for several in permutations([None, rules, None]):
        assert combined(several, K) == rules
    assert combined([None, None], K) is None


@pytest.mark.parametrize("other", [(RoundingKind.NONE, 1), (RoundingKind.BASE, 5), (RoundingKind.BASE, 10)], ids=str)
def test_the_stricter_rounding_holds_with_a_base_that_both_divide(other: tuple[RoundingKind, int]) -> None:
    one, two = NoiseRules(TABLES, RoundingKind.RANDOM, 5), NoiseRules(TABLES, *other)
    for several in permutations([one, two]):
        assert combined(several, K) == NoiseRules(TABLES, RoundingKind.RANDOM, max(5, other[1]))


def test_bases_that_do_not_divide_one_another_meet_in_one_that_fits_every_table() -> None:
    one, two = NoiseRules(TABLES, RoundingKind.BASE, 12), NoiseRules(TABLES, RoundingKind.BASE, 10)
    found = combined([one, two], K)
    assert found is not None
    assert found.base == 60
    for name in found.tables.values():
        rounding = rounding_of(found)
        assert rounding is not None
        checked(rounding, named(name).terms)


def test_sums_leave_where_all_allow_them_with_the_largest_share() -> None:
    small, large, none = (NoiseRules(TABLES, share=share) for share in (Decimal("1.5"), Decimal(2), None))
    for several in permutations([small, large, None]):
        assert combined(several, K) == large
    for several in permutations([small, large, none]):
        assert combined(several, K) == none


def test_a_table_fits_that_is_made_for_the_threshold_and_has_as_much_noise() -> None:
    assert fitting({"enterprises"}, 5) == "enterprises"
    assert fitting({"enterprises"}, 10) == "persons"
    assert fitting({"enterprises", "persons"}, 10) == "persons"
    assert fitting({"persons"}, 5) is None, "it has less noise than the one that was asked for"
    assert fitting((), 10) is None


def test_where_no_table_fits_the_strictest_threshold_there_is_none_in_force() -> None:
    """Nobody is counted without noise, and none is counted with noise that was made for another threshold."""
    rules = NoiseRules(TABLES)
    found = combined([rules, None], {UnitType.PERSON: 10, UnitType.ENTERPRISE: 7})
    assert found == NoiseRules({UnitType.PERSON: "persons"})
    again = combined([found, rules], K)
    assert again == NoiseRules({UnitType.PERSON: "persons"})


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """A table for cells of 7 enterprises, by the operator's command: its reference and its document."""
    home = tmp_path_factory.mktemp("tables") / "home"
    assert run("init", home=home).exit_code == 0
    terms = ("--threshold", "7", "--largest", "9", "--variance", "9/2")
    made = run("noise", "table", "firms-7", *terms, home=home)
    assert made.exit_code == 0, made.output
    reference, properties, *_ = made.stdout.splitlines()
    assert "k 7, largest noise 9, variance at most 9/2" in properties
    file = home / "policies" / "tables" / "firms-7.json"
    assert run("noise", "verify", file).stdout == made.stdout
    assert "there already" in problem("noise", "table", "firms-7", *terms, home=home)
    assert "from k = 7" in problem(
        "noise", "table", "small", *terms[:2], "--largest", "6", "--variance", "4", home=home
    )
    assert "no variance" in problem("noise", "table", "other", *terms[:4], "--variance", "much", home=home)
    assert "small letters" in problem("noise", "table", "../other", *terms, home=home)
    return reference, file.read_bytes()


def test_a_table_of_the_operator_is_used_by_name_and_digest(tmp_path: Path, computed: tuple[str, bytes]) -> None:
    reference, document = computed
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "firms-7.json").write_bytes(document)
    asked = "      enterprise: 7\n" + noise("method: cell-key", f"enterprise: {reference}")
    assert problems(tmp_path, asked) == []
    library = load_library([tmp_path])
    content = bundle_content(library.platform, library.policies)
    assert json.loads(content)["tables"] == {reference: json.loads(document)}
    # In a process that never saw the file the bundle brings it along.
    with pytest.MonkeyPatch.context() as forgetful:
        forgetful.setattr("louver_sandbox.perturbation.named._REGISTERED", {})
        assert not is_known(reference)
        bundle = parse_bundle(content)
        assert is_known(reference)
        assert bundle.digest == hashlib.sha256(content).hexdigest()
    k = {UnitType.PERSON: 10, UnitType.ENTERPRISE: 7}
    rules = NoiseRules({UnitType.PERSON: "persons", UnitType.ENTERPRISE: reference})
    assert combined([rules, None], k) == rules
    row = named(reference).row(7)
    assert row.mean == 0
    assert {7 + step for step in row.noise} & set(range(1, 7)) == set()


def test_a_table_that_does_not_hold_is_refused_wherever_it_comes_from(
    tmp_path: Path, computed: tuple[str, bytes]
) -> None:
    reference, document = computed
    asked = "      enterprise: 7\n" + noise("method: cell-key", f"enterprise: {reference}")
    assert any(
        "unknown perturbation table" in found
        for found in problems(tmp_path, asked.replace(reference[-8:], "00000000"))
    )
    (tmp_path / "tables").mkdir()
    file = tmp_path / "tables" / "firms-7.json"
    wrong = json.loads(document)
    wrong["rows"][9]["weights"][0] += 1
    file.write_bytes(rfc8785.dumps(wrong))
    assert any("unsound" in found and "tables/firms-7.json" in found for found in problems(tmp_path, asked))
    file.write_bytes(document + b"\n")
    assert any("canonical" in found for found in problems(tmp_path, asked))
    file.write_bytes(document)
    library = load_library([tmp_path])
    content = json.loads(bundle_content(library.platform, library.policies))
    renamed = {reference.replace("@", "x@"): json.loads(document)}
    others: list[object] = [{reference: wrong}, renamed, [], {}]
    for tables in others:
        with pytest.MonkeyPatch.context() as forgetful:
            forgetful.setattr("louver_sandbox.perturbation.named._REGISTERED", {})
            with pytest.raises(BundleRefused):
                parse_bundle(rfc8785.dumps(content | {"tables": tables}))


def test_bases_by_bounds_hold_where_anybody_asks_for_them(tmp_path: Path) -> None:
    lines = ["method: cell-key", "rounding: {mode: random, base: 5}", "sums: {share: 2, base: bounds}"]
    assert problems(tmp_path, noise(*lines)) == []
    (problem_,) = problems(tmp_path, noise(lines[0], lines[2]))
    assert "rounding is none" in problem_
    by_cell = NoiseRules(TABLES, RoundingKind.RANDOM, 5, Decimal(2))
    by_bounds = NoiseRules(TABLES, RoundingKind.RANDOM, 5, Decimal(2), by_bounds=True)
    for several in permutations([by_cell, by_bounds, None]):
        assert combined(several, K) == by_bounds
    no_sums = NoiseRules(TABLES, RoundingKind.RANDOM, 5)
    assert combined([no_sums, by_bounds], K) == no_sums
