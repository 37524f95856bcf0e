"""Same blueprint, same bytes: whoever makes them, in whatever order, and a chunk can be made again alone."""

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from louver_sandbox.demo.world import SCHEMAS, TABLES, Blueprint, World, build, generate, generator
from louver_sandbox.demo.world.columns import coded

PLAN = Blueprint(3_000, seed=3, as_of=date(2026, 6, 30), dirt=0.3, person_chunk=700, firm_chunk=150, key_parts=2)


def _digests(world: World) -> dict[str, str]:
    return {
        str(path.relative_to(world.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(world.root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(PLAN, tmp_path_factory.mktemp("alone") / "world", processes=1)


def test_the_number_of_processes_does_not_show_in_the_bytes(alone: World, tmp_path: Path) -> None:
    together = build(PLAN, tmp_path / "world", processes=2)
    assert _digests(together) == _digests(alone)
    assert together.rows == alone.rows


def test_another_seed_is_another_world(alone: World, tmp_path: Path) -> None:
    other = build(replace(PLAN, seed=4), tmp_path / "world", processes=1)
    ours, theirs = _digests(alone), _digests(other)
    filled = {
        str(part.relative_to(alone.root))
        for table in TABLES
        for part in alone.parts(table)
        if pq.read_metadata(part).num_rows
    }
    same = {name for name in filled | {"truth/targets.json"} if ours[name] == theirs.get(name)}
    assert not same


def test_one_chunk_can_be_made_again_alone(alone: World) -> None:
    clean = replace(PLAN, dirt=0.0)
    city = generator.draw(clean)
    remade = dict(generator.person_tables(clean, city, 2))["gov.ss_person_month"]
    part = alone.parts("gov.ss_person_month")[2]
    assert pq.read_table(part) == remade.cast(SCHEMAS["gov.ss_person_month"])


def test_the_world_tells_what_it_holds(alone: World) -> None:
    assert alone.tables == TABLES
    assert len(TABLES) == 16
    for table in TABLES:
        parts = alone.parts(table)
        assert sum(pq.read_metadata(part).num_rows for part in parts) == alone.rows[table]
        assert all(part.parent == alone.root / table for part in parts)
    assert alone.total_rows == sum(alone.rows.values())
    with pytest.raises(KeyError):
        alone.folder("gov.unknown")


def test_types_are_those_of_the_ddl(alone: World) -> None:
    for table in TABLES:
        for part in alone.parts(table):
            found = pq.read_schema(part)
            assert found.names == SCHEMAS[table].names
            for field in SCHEMAS[table]:
                assert str(found.field(field.name).type).replace("element", "item") == str(field.type).replace(
                    "element", "item"
                )


def test_progress_names_every_table_and_ends_complete(tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    generate(
        persons=200, out=tmp_path / "world", progress=lambda table, done, total: seen.update({table: (done, total)})
    )
    assert set(seen) == set(TABLES)
    assert all(done == total for done, total in seen.values())


def test_a_folder_in_use_is_refused_and_nothing_half_made_remains(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "note").write_text("mine")
    with pytest.raises(FileExistsError):
        generate(persons=100, out=tmp_path / "used")

    def interrupt(table: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(persons=100, out=tmp_path / "world", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


@pytest.mark.parametrize(
    "wrong",
    [{"persons": 5}, {"persons": 10**9}, {"seed": -1}, {"dirt": 1.5}, {"as_of": date(1990, 1, 1)}],
    ids=str,
)
def test_values_out_of_range_are_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    values: dict[str, object] = {"persons": 100, "seed": 1, "as_of": date(2026, 6, 30), "dirt": 0.0} | wrong
    with pytest.raises(ValueError, match="must"):
        generate(out=tmp_path / "world", **values)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match="not both"):
        generate(persons=100, scale=1.0, out=tmp_path / "world")


def test_targets_are_named_and_private_to_the_truth_folder(alone: World) -> None:
    named = json.loads(alone.targets.read_text(encoding="utf-8"))
    assert named["seed"] == 3
    assert alone.targets.parent.name == "truth"
    kinds = {"unique_persons", "cell_giants", "alone_in_cell", "early_warnings", "family_groups"}
    assert all(named[kind] for kind in kinds)


def test_a_dictionary_never_holds_a_word_twice() -> None:
    column = coded(np.array([2, 0, 1, -1, 2, 0]), ["税务", "市监", "税务"])
    assert column.to_pylist() == ["税务", "税务", "市监", None, "税务", "税务"]
    assert column.dictionary.to_pylist() == ["税务", "市监"]
    assert coded(np.array([1]), ["税务", "市监"]).to_pylist() == ["市监"]


def test_twice_the_same_world_is_twice_the_same_bytes(alone: World, tmp_path: Path) -> None:
    # Junk on the heap brings out bytes that a writer forgot to set.
    digests = []
    for turn in range(2):
        junk = [bytes([turn + 1]) * size for size in range(100, 20_000, 700)]
        digests.append(_digests(build(PLAN, tmp_path / str(turn), processes=1)))
        del junk
    assert digests == [_digests(alone)] * 2
