"""A list's set: who is in it on a day, what it shows, and that nothing of it opens without a token."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.support.matching import FAR, Listed, firm, house, write_list
from tests.support.policy_questions import DEMO_CATALOG

from louver.errors import Unproven
from louver.matching import sets
from louver.matching.sets import MatchSet
from louver.matching.subjects import canonical, value_of
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.matching.building import SetRefused, build, entries
from louver_sandbox.matching.oprf import MATCH_USE, Key
from louver_sandbox.policy.matching import ListSpec

SEED, DAY = bytes(range(32)), date(2026, 7, 1)


def catalog_with(folder: Path, rows: list[Listed]) -> Catalog:
    write_list(folder, rows)
    return load_catalog([DEMO_CATALOG / "gov.credit_list.yaml"], folder)


def spec(catalog: Catalog, **changes: object) -> ListSpec:
    table = catalog.tables[TableName("gov", "credit_list")]
    fields = {
        "table": table.name, "name": "black", "predicate": "polarity = 'B'", "until": "valid_to",
        "ended": "repaired_on", "persons": False, "key": "subject_id", "columns": ("list_code", "listed_on", "measures"),
        "data_version": table.data_version, "day": DAY,
    }  # fmt: skip
    return ListSpec(**{**fields, **changes})  # type: ignore[arg-type]


def subjects(catalog: Catalog, **changes: object) -> set[str]:
    asked = spec(catalog, **changes)
    return {entry.subject for entry in entries(catalog.tables[asked.table], asked)}


@pytest.mark.parametrize(
    ("row", "counts"),
    [
        (Listed(firm(1)), True),
        (Listed(firm(1), valid_to=DAY), True),
        (Listed(firm(1), valid_to=date(2026, 6, 30)), False),
        (Listed(firm(1), valid_to=None), False),
        (Listed(firm(1), repaired_on=date(2026, 6, 30)), False),
        (Listed(firm(1), repaired_on=DAY), False),
        (Listed(firm(1), repaired_on=date(2026, 7, 2)), True),
        (Listed(firm(1), polarity="R"), False),
        (Listed(firm(1), subject_class="P"), False),
        (Listed("  "), False),
    ],
    ids=[
        "in force", "on its last day", "expired yesterday", "without an end", "repaired", "repaired today",
        "repaired tomorrow", "the other list", "a person", "no id",
    ],
)  # fmt: skip
def test_only_entries_in_force_are_in_the_set(tmp_path: Path, row: Listed, counts: bool) -> None:
    found = subjects(catalog_with(tmp_path, [row, Listed(firm(2))]))
    assert firm(2) in found
    assert (canonical(firm(1)) in found) is counts
    assert len(found) == 1 + counts


def test_persons_are_in_it_where_a_statute_makes_the_list_public(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, [Listed("370202199001011234", subject_class="P"), Listed(firm(2))])
    assert subjects(catalog, persons=True) == {"370202199001011234", firm(2)}


def test_a_person_leaves_the_list_after_five_years_and_a_firm_does_not(tmp_path: Path) -> None:
    """By the day of the data, 30 June 2026 (征信业管理条例 art. 16)."""
    person, other = "370202199001011234", "370202199001011242"
    catalog = catalog_with(
        tmp_path,
        [
            Listed(person, subject_class="P", listed_on=date(2021, 6, 30)),
            Listed(other, subject_class="P", listed_on=date(2021, 6, 29)),
            Listed(firm(2), listed_on=date(2015, 1, 1)),
        ],
    )
    assert subjects(catalog, persons=True) == {person, firm(2)}


def test_a_record_opens_with_its_subjects_token_and_with_no_other(tmp_path: Path) -> None:
    catalog = catalog_with(
        tmp_path, [Listed(firm(n)) for n in range(40)] + [Listed(firm(3), list_code="WAGE_ARREARS")]
    )
    asked = spec(catalog)
    found = MatchSet(build(catalog, asked, SEED).given)
    key = Key(SEED, MATCH_USE, asked.title, asked.id)
    (one,) = found.rows(key.token(value_of(firm(7))))
    assert one == {"list_code": "TAX_MAJOR", "listed_on": "2025-01-02", "measures": ["2.01", "2.04"]}
    assert [row["list_code"] for row in found.rows(key.token(value_of(firm(3))))] == ["TAX_MAJOR", "WAGE_ARREARS"]
    assert found.rows(key.token(value_of(firm(40)))) == ()
    other = Key(SEED, MATCH_USE, asked.title, spec(catalog, day=date(2026, 7, 2)).id)
    assert [found.rows(other.token(value_of(firm(n)))) for n in range(40)] == [()] * 40


def test_the_size_tells_the_number_of_subjects_to_a_power_of_two(tmp_path: Path) -> None:
    sizes = set()
    for count in (1, 30, 1000):
        catalog = catalog_with(tmp_path / str(count), [Listed(firm(n)) for n in range(count)])
        built = build(catalog, spec(catalog), SEED)
        assert built.subjects == count
        sizes.add(len(built.given))
        assert firm(0).encode() not in built.given
    assert len(sizes) == 1


def test_the_same_edition_is_the_same_bytes_and_another_day_shares_no_record(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, [Listed(firm(n)) for n in range(40)])
    first, again = (build(catalog, spec(catalog), SEED).given for _ in range(2))
    assert first == again
    later = build(catalog, spec(catalog, day=date(2026, 7, 2)), SEED).given
    width = sets.LABEL_BYTES + MatchSet(first).header.entry_bytes + sets.TAG_BYTES
    bodies = [content.partition(b"\n")[2] for content in (first, later)]
    records = [{body[at : at + width] for at in range(0, len(body), width)} for body in bodies]
    assert len(records[0]) == 1024
    assert not records[0] & records[1]


def test_ids_are_matched_whatever_way_they_are_written(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, [Listed("91370200ma0000001x")])
    asked = spec(catalog)
    found = MatchSet(build(catalog, asked, SEED).given)
    key = Key(SEED, MATCH_USE, asked.title, asked.id)
    for written in (
        "91370200MA0000001X",
        " 9137 0200 MA00 0000 1x ",
        "９１３７０２００ＭＡ0000001Ｘ",
        "9137-0200-MA0000001X",
    ):
        assert found.rows(key.token(value_of(written)))
    for wrong in ("", " - ", "a" * 65, "91370200'--", "\0"):
        with pytest.raises(ValueError, match="id"):
            value_of(wrong)


def test_a_set_that_is_cut_off_or_altered_is_none(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, [Listed(firm(n)) for n in range(5)])
    asked = spec(catalog)
    content = build(catalog, asked, SEED).given
    for wrong in (
        b"",
        b"{}\n",
        content[:-1],
        content + b"\0",
        content.replace(b'"format": 1', b'"format": 2'),
        b"\xff" * 9000,
    ):
        with pytest.raises(Unproven):
            MatchSet(wrong)
    token = Key(SEED, MATCH_USE, asked.title, asked.id).token(value_of(firm(1)))
    label, _ = sets.label_and_key(token, asked.id)
    place = content.index(label) + sets.LABEL_BYTES
    altered = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    with pytest.raises(Unproven):
        MatchSet(altered).rows(token)


def test_newer_data_and_columns_that_are_no_dates_make_no_set(tmp_path: Path) -> None:
    catalog = catalog_with(tmp_path, [Listed(firm(1))])
    for wrong in (
        spec(catalog, data_version="older"),
        spec(catalog, until="list_code"),
        spec(catalog, columns=("nothing",)),
    ):
        with pytest.raises(SetRefused):
            build(catalog, wrong, SEED)


def test_a_file_that_is_not_what_the_log_names_is_given_to_nobody(tmp_path: Path) -> None:
    with house(tmp_path, [Listed(firm(n)) for n in range(30)]) as here:
        here.ask(firm(n) for n in range(25))
        (path,) = (here.settings.matching / "sets").glob("*.set")
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
        with pytest.raises(Exception, match="LVR-5108"):
            here.ask(firm(n) for n in range(25))
        assert len(here.entries("admission")) == 1
    assert FAR > DAY
