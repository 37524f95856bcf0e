"""The cap on released cells: charged by declared bounds before a row is read, once for each family, never overspent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support.audit_logs import SIGNER, SeededRandomness, SettableClock
from tests.support.catalogs import a_catalog, a_table
from tests.support.line import Line, call, line
from tests.support.noisy import SUMS, sections, world
from tests.support.policy_questions import BANK_A, BANK_B, bundle_of, grant_document, policy
from tests.support.relations import World, column, enterprise, person, question, run, table

from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.accounting import ledger
from louver_sandbox.accounting.unit_sets import Cells
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.catalog.model import Catalog, SpaceKind, Table
from louver_sandbox.commit import Preview, charge_cells, commit
from louver_sandbox.journal import Books
from louver_sandbox.obligations import ThresholdRules, UnitSetCap
from louver_sandbox.pipeline import facts_at, judge
from louver_sandbox.plan.plan import plan
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.service import convert, explaining, rules_told
from louver_sandbox.stages import Committed, Facts, Plan, Request, Subject
from louver_sandbox.store import State

NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
CAPPED = replace(SUMS, unit_sets=UnitSetCap(percent=10, institution_percent=25))
BY_SECTION = "SELECT section, count(*) AS n FROM gov.firm GROUP BY section"


# What a question is charged.


def with_declarations(made: World, at_least: int | None = 400) -> World:
    """The noisy world whose sections are A, B and C, and that has so many firms and persons at least."""

    def declared(one: Table) -> Table:
        columns = (replace(item, domain=("A", "B", "C")) if item.name == "section" else item for item in one.columns)
        return replace(
            one, columns=tuple(columns), units=tuple(replace(unit, at_least=at_least) for unit in one.units)
        )

    return World(tuple(map(declared, made.tables)), made.rows)


def planned(sql: str, rules: ThresholdRules = CAPPED, at_least: int | None = 400) -> Plan:
    made = with_declarations(world(sections(A=12, B=8)), at_least)
    return plan(question(made, sql, rules=rules))


def charged(sql: str) -> list[int]:
    """The cells of each family, in order of size."""
    return sorted(one.cells for one in planned(sql).cells)


def families(sql: str) -> set[str]:
    return {one.key for one in planned(sql).cells}


@pytest.mark.parametrize(
    ("sql", "cells"),
    [
        ("SELECT count(*) FROM gov.firm", [1]),
        ("SELECT count(*) FROM gov.firm WHERE arrears", [1]),
        (BY_SECTION, [5]),  # three sections, firms without one, and those withheld together
        ("SELECT DISTINCT section FROM gov.firm", [5]),
        (f"{BY_SECTION} LIMIT 1", [5]),
        (f"{BY_SECTION} HAVING count(*) > 9", [5]),
        ("SELECT section, count(DISTINCT uscc) FROM gov.firm GROUP BY section", [5]),
        ("SELECT section, sum(revenue) FROM gov.firm GROUP BY section", [5, 5]),
        ("SELECT section, avg(revenue) FROM gov.firm GROUP BY section", [5, 5, 5]),
        ("SELECT section, avg(staff) FROM gov.firm GROUP BY section", [5, 5]),  # every firm has a number of staff
        ("SELECT section, count(*), count(*) FILTER (WHERE arrears) FROM gov.firm GROUP BY section", [5, 5]),
        ("SELECT section, arrears, count(*) FROM gov.firm GROUP BY ROLLUP (section, arrears)", [1, 5, 13]),
        ("SELECT section, count(*) FROM gov.firm WHERE section IN ('A', 'B') GROUP BY section", [3]),
        ("SELECT CASE WHEN staff < 9 THEN 'few' ELSE 'many' END AS s, count(*) FROM gov.firm GROUP BY s", [3]),
        (f"SELECT sum(n) FROM ({BY_SECTION})", [5]),
        (f"{BY_SECTION} UNION ALL SELECT 'all', count(*) FROM gov.firm", [1, 5]),
    ],
)
def test_a_question_is_charged_what_its_cells_can_be_at_most(sql: str, cells: list[int]) -> None:
    assert charged(sql) == cells


def test_what_is_asked_again_in_other_words_is_the_same_family() -> None:
    assert families(BY_SECTION) == families("SELECT f.section AS s, count(*) AS m FROM gov.firm AS f GROUP BY 1")
    assert families(BY_SECTION) < families("SELECT section, count(*), sum(revenue) FROM gov.firm GROUP BY section")
    assert families(BY_SECTION) < families("SELECT section, arrears, count(*) FROM gov.firm GROUP BY CUBE (1, 2)")
    narrowed = "SELECT section, count(*) FILTER (WHERE {}) FROM gov.firm GROUP BY section"
    assert families(narrowed.format("arrears AND staff > 3")) == families(narrowed.format("staff > 3 AND arrears"))


@pytest.mark.parametrize(
    "other",
    [
        "SELECT section, count(*) AS n FROM gov.firm WHERE arrears GROUP BY section",
        "SELECT section, count(*) AS n FROM gov.firm WHERE section <> 'A' GROUP BY section",
        "SELECT section, count(*) AS n FROM gov.return GROUP BY section",
        "SELECT f.section, count(*) FROM gov.firm f JOIN gov.return r ON f.uscc = r.uscc GROUP BY f.section",
    ],
)
def test_what_selects_or_divides_otherwise_is_another_family(other: str) -> None:
    assert not families(BY_SECTION) & families(other)


def test_a_condition_is_about_one_of_two_uses_of_a_table() -> None:
    joined = (
        "SELECT count(*), sum(a.staff) FILTER (WHERE {}.arrears) FROM gov.firm a JOIN gov.firm b ON a.uscc = b.uscc"
    )
    both = "SELECT count(*) FROM gov.firm a JOIN gov.firm b ON a.uscc = b.uscc WHERE {}.section = 'A'"
    assert families(joined.format("a")) != families(joined.format("b"))
    assert families(both.format("a")) != families(both.format("b"))


def test_every_protected_dataset_is_charged_and_the_smaller_kind_of_unit_decides() -> None:
    owned = replace(column("uscc", nullable=False))
    two = table("gov.owner", [owned, column("person_id")], [enterprise("uscc", 1), person("person_id")])
    two = replace(two, units=(replace(two.units[0], at_least=90), replace(two.units[1], at_least=500)))
    firm = replace(table("gov.firm", [owned], [enterprise("uscc", 1)]))
    firm = replace(firm, units=(replace(firm.units[0], at_least=1_000),))
    sql = "SELECT count(*) FROM gov.firm f JOIN gov.owner o ON f.uscc = o.uscc"
    rules = replace(CAPPED, noise=None)
    made = plan(question(World((two, firm), {}), sql, rules=rules))
    limits = [(one.dataset, one.version, one.limit, one.share) for one in made.cells]
    assert limits == [("gov.firm", "v-gov.firm", 100, 25), ("gov.owner", "v-gov.owner", 9, 2)]
    assert len({one.key for one in made.cells}) == 1


def test_own_labels_count_by_what_was_uploaded() -> None:
    made = with_declarations(world(sections(A=12)))
    branch = replace(column("branch"), distinct=7)
    own = table("bank_a.loan", [replace(column("id_no"), unique=True), branch], (), space=SpaceKind.INSTITUTION)
    sql = "SELECT l.branch, count(*) FROM gov.firm f JOIN bank_a.loan l ON l.id_no = f.uscc GROUP BY l.branch"
    assert [
        one.cells for one in plan(question(replace(made, tables=(*made.tables, own)), sql, rules=CAPPED)).cells
    ] == [9]


@pytest.mark.parametrize("key", ["staff", "staff % 7", "revenue"])
def test_a_key_that_nobody_has_declared_is_refused_by_name(key: str) -> None:
    with pytest.raises(Refused) as caught:
        planned(f"SELECT {key}, count(*) FROM gov.firm GROUP BY 1")
    assert caught.value.code == "LVR-2340"
    assert caught.value.details == {"columns": f"gov.firm.{key.split()[0]}"}
    assert caught.value.line == 1


def test_a_table_whose_units_nobody_has_counted_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        planned("SELECT count(*) FROM gov.firm", at_least=None)
    assert caught.value.code == "LVR-2341"
    assert caught.value.details == {"table": "gov.firm"}


def test_without_a_cap_nothing_is_counted() -> None:
    made = planned("SELECT staff, count(*) FROM gov.firm GROUP BY 1", replace(CAPPED, unit_sets=None), None)
    assert made.cells == ()
    assert all(core.families == () for core in made.cores)


def test_charges_cross_to_the_service_as_they_are() -> None:
    made = planned(BY_SECTION)
    assert codec.decode(codec.encode(made), Plan).cells == made.cells


# What the ledger does with it.


@dataclass(frozen=True)
class House:
    """Books, a catalogue and policies under which 40 cells of `gov.firm` may be released, 15 of them to one bank."""

    books: Books
    catalog: Catalog
    bundle: Bundle

    def plan(self, request: Request) -> Plan:
        return judge(request, self.catalog, self.bundle, facts_at(NOON))

    def ask(self, sql: str, request_id: str, who: Subject = BANK_A) -> Committed:
        request = Request(request_id, who, "RESEARCH", sql)
        found = commit(self.plan(request), request, self.books, NOON)
        assert isinstance(found, Committed)
        return found

    def spent(self, kind: str) -> int:
        with self.books.state.reading() as tx:
            total = tx.execute(text("SELECT sum(amount) FROM ledger WHERE kind = :kind"), {"kind": kind}).scalar_one()
        return int(total or 0)


def firms(version: str = "v1") -> Catalog:
    made = a_table("gov.firm", data_version=version)
    columns = (replace(item, domain=("A", "B", "C")) if item.name == "section" else item for item in made.columns)
    return a_catalog(replace(made, columns=tuple(columns), units=(replace(made.units[0], at_least=400),)))


def policies(**terms: object) -> Bundle:
    grant = grant_document(
        table="gov.firm",
        columns={"section": ["group_key", "filter"], "amount": ["aggregate", "filter", "group_key"]},
        threshold={"unit_sets": {"percent": 10, "institution_percent": 39}} | terms,
        budget={"queries_per_day": 1000, "predicates_per_day": 1000},
    )
    return bundle_of(policy(grant, owner="测试部门"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with State.open(tmp_path / "state.db", busy_timeout_s=60) as state:
        log = AuditLog(state, SIGNER, "louver.example/log", clock=SettableClock(NOON), randomness=SeededRandomness())
        yield House(Books(state, log), firms(), policies())


def above(number: int) -> str:
    return f"SELECT count(*) AS n FROM gov.firm WHERE amount > {number}"


def test_an_institution_has_its_share_and_all_have_theirs(house: House) -> None:
    first = house.ask(BY_SECTION, "1")
    assert (first.cost["gov.firm cells"], first.remaining["gov.firm cells"]) == (5, 10)
    for number in range(10):
        house.ask(above(number), f"n{number}")
    with pytest.raises(Refused) as caught:
        house.ask(above(10), "n10")
    assert (caught.value.code, caught.value.rule) == ("LVR-3010", "unit-sets.institution")
    assert caught.value.details == {"dataset": "gov.firm", "needed": "1", "remaining": "0", "limit": "15"}
    assert (house.spent("cells"), house.spent("cells_of_institution")) == (15, 15)
    assert house.ask(above(10), "n10", BANK_B).remaining["gov.firm cells"] == 14


def test_what_everybody_has_had_is_nothing_new_to_all_and_something_to_one(house: House) -> None:
    house.ask(BY_SECTION, "1", BANK_B)
    again = house.ask("SELECT f.section AS s, count(*), sum(amount) FROM gov.firm f GROUP BY 1", "2")
    assert again.cost["gov.firm cells"] == 10, "its share: the sections, and where the amount is not zero"
    assert house.spent("cells") == 10, "all together: the sections once, and the amounts"
    third = house.ask("SELECT section, count(*) AS other FROM gov.firm GROUP BY section", "3")
    assert third.cost["gov.firm cells"] == 0
    assert (house.spent("cells"), house.spent("cells_of_institution")) == (10, 15)


def test_the_last_cells_of_all_are_nobodys_share(house: House) -> None:
    for number in range(40):
        house.ask(above(number), f"n{number}", replace(BANK_A, institution=f"bank_{number % 4}"))
    with pytest.raises(Refused) as caught:
        house.ask(above(40), "last", replace(BANK_A, institution="bank_9"))
    assert caught.value.rule == "unit-sets.everybody"
    assert caught.value.details["limit"] == "40"


def test_a_refused_question_has_charged_nothing_at_all(house: House) -> None:
    wide = "SELECT section, section = 'A' AS a, amount > 3 AS b, amount > 5 AS c, count(*) FROM gov.firm GROUP BY ALL"
    with pytest.raises(Refused) as caught:
        house.ask(wide.replace("GROUP BY ALL", "GROUP BY 1, 2, 3, 4"), "1")
    assert caught.value.code == "LVR-3010"
    assert int(caught.value.details["needed"]) > 15
    with house.books.state.reading() as tx:
        assert tx.execute(text("SELECT count(*) FROM ledger")).scalar_one() == 0
        assert tx.execute(text("SELECT count(*) FROM entries")).scalar_one() == 0


def test_a_retry_and_an_abandoned_run_pay_once_and_get_nothing_back(house: House) -> None:
    first, again = house.ask(BY_SECTION, "1"), house.ask(BY_SECTION, "1")
    assert again.admission == first.admission
    assert again.cost == {}
    assert house.spent("cells") == 5


def test_a_new_version_of_the_data_is_counted_anew(house: House) -> None:
    house.ask(BY_SECTION, "1")
    newer = replace(house, catalog=firms("v2"))
    assert newer.ask(BY_SECTION, "2").remaining["gov.firm cells"] == 10
    assert house.spent("cells") == 10


def test_a_dry_run_says_cost_and_rest_and_spends_nothing(house: House) -> None:
    house.ask(BY_SECTION, "1")
    request = Request("2", BANK_A, "RESEARCH", "SELECT section, sum(amount) FROM gov.firm GROUP BY section")
    made = house.plan(request)
    with house.books.state.reading() as tx:
        cells = charge_cells(tx, made, request, NOON, dry=True)
    assert cells == (Cells("gov.firm", added=5, left=5),)
    assert house.spent("cells") == 5
    told = convert.explanation(made, "SELECT 1", Preview(False, (), cells, ()))
    assert (told.cost["gov.firm cells"], told.remaining["gov.firm cells"]) == (5, 5)
    (rule,) = (rule for rule in rules_told.rules(made) if rule.rule == "unit-sets")
    assert rule.count == 10
    assert "40" in rule.message
    assert "15" in rule.message_zh
    assert any("released groups are at most 10 %" in words for words in told.obligations)


def test_the_admission_says_what_was_charged(house: House) -> None:
    found = house.ask(BY_SECTION, "1")
    (charge,) = found.plan.cells
    fields = house.books.log.entry(found.admission).fields
    assert fields["unit_sets"] == [
        {"dataset": "gov.firm", "data_version": "v1", "family": charge.key, "cells": 5, "limit": 40, "share": 15}
    ]
    with house.books.state.reading() as tx:
        assert ledger.audit(tx) == ()


class CappedLine(Line):
    """The whole line in one process, over a catalogue with declarations."""

    def _judge(self, request: Request, facts: Facts) -> Plan:
        return judge(request, firms(), self.bundle, facts)


def test_an_answer_says_its_cost_and_asking_again_is_free(tmp_path: Path) -> None:
    bundle = policies(accepts_risk="pilot until March")
    with line(tmp_path) as made:
        capped = CappedLine(made.books, made.clock, made.path, bundle)
        first = capped.pipeline.answer(Request("1", BANK_A, "RESEARCH", BY_SECTION), call())
        again = capped.pipeline.answer(Request("2", BANK_A, "RESEARCH", BY_SECTION), call())
    assert first.answer.cost == {"gov.firm query": 1, "gov.firm cells": 5}
    assert first.answer.remaining["gov.firm cells"] == 10
    assert again.stored
    assert again.answer.cost == {}
    assert again.answer.arrow == first.answer.arrow
    for answer in (first.answer, again.answer):
        assert "RISK_ACCEPTED" in {notice.code for notice in answer.notices}


def test_a_refusal_for_want_of_cells_is_in_the_log_and_reads_nothing(tmp_path: Path) -> None:
    with line(tmp_path) as made:
        capped = CappedLine(made.books, made.clock, made.path, policies(unit_sets={"percent": 1}))
        with pytest.raises(Refused) as caught:
            capped.pipeline.answer(Request("1", BANK_A, "RESEARCH", BY_SECTION), call())
        assert caught.value.code == "LVR-3010"
        assert capped.kinds() == ["refusal"]
        assert capped.spent() == 0


def test_sixty_four_clients_never_overspend_and_lose_none(house: House) -> None:
    banks = [replace(BANK_A, institution=f"bank_{number}") for number in range(4)]
    asked = [Request(f"r{number}", banks[number % 4], "RESEARCH", above(number)) for number in range(64)]
    plans = [house.plan(request) for request in asked]
    start, outcomes = threading.Barrier(64), dict[str, str]()

    def ask(request: Request, made: Plan) -> None:
        start.wait()
        try:
            commit(made, request, house.books, NOON)
            outcomes[request.id] = "admitted"
        except Refused as refused:
            outcomes[request.id] = refused.code

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(asked, plans, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["LVR-3010"] * 24 + ["admitted"] * 40
    assert (house.spent("cells"), house.spent("cells_of_institution")) == (40, 40)
    admitted = [entry for entry in house.books.log.entries(limit=100) if entry.fields["kind"] == "admission"]
    assert {str(entry.fields["request_id"]) for entry in admitted} == {
        name for name, outcome in outcomes.items() if outcome == "admitted"
    }


# What an officer has accepted is said.


def test_a_risk_that_an_officer_accepts_is_in_the_log_and_in_every_answer(house: House) -> None:
    named = [{"risk": "free-predicates", "because": "a pilot"}, {"risk": "large-cap", "because": "until March"}]
    risky = replace(house, bundle=policies(accepts_risk=named))
    found = risky.ask(above(1), "1")
    said = ["taxation/g: free-predicates: a pilot", "taxation/g: large-cap: until March"]
    assert risky.books.log.entry(found.admission).fields["accepted_risks"] == said
    assert [notice.code for notice in explaining.certain_notices(found.plan)] == ["RISK_ACCEPTED"] * 2
    rules = replace(CAPPED, noise=None, risks=tuple(said[:1]))
    made = with_declarations(world(sections(A=12)))
    (notice,) = run(made, question(made, "SELECT count(*) FROM gov.firm", rules=rules)).release.notices
    assert (notice.code, notice.rule) == ("RISK_ACCEPTED", "accepts-risk")
    assert said[0] in notice.message
    assert said[0] in notice.message_zh
