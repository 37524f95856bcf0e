"""Totals are kept through the whole platform where the officers say so: worker, solver, releaser, receipt."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import Service, copy_of, service

from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import activate, development_keys

SECTIONS = (
    "SELECT r.section, t.grade, count(*) AS n, avg(t.score) AS score FROM gov.tax_credit t "
    "JOIN gov.ent_registry r USING (uscc) WHERE t.rating_year = 2025 GROUP BY CUBE (r.section, t.grade)"
)


@pytest.fixture(scope="module")
def keeping(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The city with every policy asking for complementary suppression."""
    with service(asking_for("complementary", city, tmp_path_factory.mktemp("keeping"))) as served:
        yield served


@pytest.fixture(scope="module")
def knowing(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The city in which every total counts as known."""
    with service(asking_for("known", city, tmp_path_factory.mktemp("knowing"))) as served:
        yield served


def asking_for(totals: str, city: City, folder: Path) -> City:
    """A copy of the city with all policies changed and signed anew."""
    made = copy_of(city, folder)
    library = made.settings.home / "policies"
    for path in library.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("noise: none}", f"noise: none, totals: {totals}}}"), encoding="utf-8")
    activate(made.settings, [library], development_keys(made.settings))
    return made


def rows(served: Service, sql: str) -> set[tuple[object, ...]]:
    with served.connect() as bank:
        return set(bank.analyse(sql, purpose="RESEARCH").rows)


def test_further_parts_are_missing_and_totals_are_not(served: Service, keeping: Service) -> None:
    back, kept = rows(served, SECTIONS), rows(keeping, SECTIONS)
    assert len([row for row in back if None in row[:2]]) < len([row for row in kept if None in row[:2]])
    assert len([row for row in back if None not in row[:2]]) > len([row for row in kept if None not in row[:2]])


def test_the_same_question_has_the_same_answer_from_a_new_solver(keeping: Service) -> None:
    turned = SECTIONS.replace("r.section, t.grade", "t.grade, r.section")
    assert {row[:3] for row in rows(keeping, SECTIONS)} == {(row[1], row[0], row[2]) for row in rows(keeping, turned)}


def test_it_is_explained(keeping: Service) -> None:
    with keeping.connect() as bank:
        explained = bank.explain(SECTIONS, purpose="RESEARCH")
    assert "complementary" in {notice.rule for notice in explained.rules}


PLAIN = SECTIONS.replace("CUBE (r.section, t.grade)", "r.section, t.grade")


def test_cells_are_the_same_whether_their_totals_are_asked_for_or_not(keeping: Service, knowing: Service) -> None:
    plain, cube = rows(knowing, PLAIN), rows(knowing, SECTIONS)
    assert {row for row in cube if None not in row[:2]} <= plain
    assert len(plain) < len(rows(keeping, PLAIN)), "without it further cells are shown where no total is asked for"


def test_known_totals_are_explained(knowing: Service) -> None:
    with knowing.connect() as bank:
        explained = bank.explain(PLAIN, purpose="RESEARCH")
    (told,) = [notice.message for notice in explained.rules if notice.rule == "complementary"]
    assert "whether they are asked for or not" in told
