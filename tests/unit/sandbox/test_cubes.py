"""Published cubes: one draw, totals that add up, paid for once, and then as public as any table."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest
from pydantic import ValidationError
from sqlalchemy import text
from tests.support.policy_questions import TODAY, city_bundle, city_catalog

from louver.errors import Fault, Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.checker import Judgement
from louver_sandbox.demo.city import City
from louver_sandbox.operator import cubes
from louver_sandbox.operator.cubes import SUBJECT, judged, publish_cube
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.cubes import PUBLISHER, Cube
from louver_sandbox.policy.documents import check_together
from louver_sandbox.policy.grants import reading
from louver_sandbox.policy.linting.cubes import cube_findings
from louver_sandbox.policy.model import Grant
from louver_sandbox.premises import load_judgement, open_books
from louver_sandbox.settings import Settings
from louver_sandbox.stages import Facts, InstitutionType, Request, Subject, Treatment
from louver_sandbox.store import State

NAME, TABLE = "insured-staff@1", "cube.insured_staff_1"
BANK = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "")
STRANGER = Subject("stranger_d", InstitutionType.BANK, frozenset(), "")
SMALL: dict[str, object] = {
    "id": "insured-staff",
    "version": "1",
    "title": "insured staff by month and section",
    "read": "gov.ss_ent_month s JOIN gov.ent_registry r USING (uscc)",
    "keys": {"pay_month": {"sql": "s.pay_month", "title": "m"}, "section": {"sql": "r.section", "title": "s"}},
    "measures": {"staff": {"sql": "sum(s.headcount)", "title": "staff"}},
    "epsilon": "1",
    "purpose": "DUTY",
    "to": {"groups": ["banks"]},
    "purposes": ["RESEARCH"],
    "valid": {"from": "2026-01-01", "until": "2030-12-31"},
}


def cube(**changes: object) -> Cube:
    return Cube.model_validate(SMALL | changes)


def with_cube(made: Cube) -> Bundle:
    """The demo's policies with this cube in place of the department's own."""
    bundle = city_bundle()
    policies = [one.model_copy(update={"cubes": (made,)}) if one.cubes else one for one in bundle.policies]
    return Bundle(bundle.platform, tuple(policies), bundle.digest)


def rows(settings: Settings) -> list[dict[str, object]]:
    with duckdb.connect() as engine:
        found = engine.execute(f"SELECT * FROM read_parquet('{settings.data}/{TABLE}/*.parquet') ORDER BY ALL")
        names = [str(column[0]) for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def counted(settings: Settings, sql: str) -> int:
    with State.open(settings.state) as state, state.reading() as tx:
        return int(tx.execute(text(sql)).scalar_one())


def charges(settings: Settings) -> int:
    return counted(settings, f"SELECT count(*) FROM entries WHERE kind = 'admission' AND institution = '{PUBLISHER}'")


def broken(*args: object) -> None:
    raise OSError("the disk is full")


def test_an_edition_is_made_once_whatever_is_cut_off_and_its_totals_add_up(
    own_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = own_city.settings
    # Cut off before the rows were read, after it was paid for: the same admission is gone on with.
    with monkeypatch.context() as patched:
        patched.setattr("louver_sandbox.pipeline.decode", broken)
        with pytest.raises(Fault):
            publish_cube(settings, NAME, TOOLS)
    assert charges(settings) == 1
    # Cut off between the answer and its publication: the same noise is published.
    with monkeypatch.context() as patched:
        patched.setattr(cubes, "_write", broken)
        with pytest.raises(OSError, match="disk"):
            publish_cube(settings, NAME, TOOLS)
    assert not (settings.catalog / f"{TABLE}.yaml").exists()
    # The data were delivered again before that was gone on with: what was paid for and answered is published.
    request_of = cubes._request
    with monkeypatch.context() as patched:
        patched.setattr(
            cubes, "_request", lambda made, snapshots: request_of(made, [*snapshots, ("gov.x", "rebuilt")])
        )
        made = publish_cube(settings, NAME, TOOLS)
    assert charges(settings) == 1
    first = rows(settings)
    assert (made.table, made.rows, made.before) == (TABLE, len(first), False)
    again = publish_cube(settings, NAME, TOOLS)
    assert again.before
    assert rows(settings) == first
    assert charges(settings) == 1
    assert counted(settings, "SELECT count(*) FROM entries WHERE kind = 'cube_published'") == 1
    assert counted(settings, "SELECT count(DISTINCT request_id) FROM privacy_ledger") == 1

    _what_stands_is_not_paid_for_again(settings, monkeypatch)
    assert rows(settings) == first
    assert charges(settings) == 1
    _totals_add_up(first)
    for row in first:
        for measure in ("firms", "staff"):
            assert row[f"{measure}_low"] <= row[f"{measure}_high"]  # type: ignore[operator]
        assert (row["epsilon"], row["delta"], row["edition"]) == ("1", "0.0000001", date(2026, 6, 30))

    # It is a table like any other: exact, free of privacy loss, for those it is declared to.
    judgement = load_judgement(settings, TOOLS.clock())
    table = judgement.catalog.table(TableName("cube", "insured_staff_1"))
    assert table is not None
    assert table.owner == "市人社局"
    declared = json.loads((settings.catalog / f"{TABLE}.yaml").read_text(encoding="utf-8"))["description"]
    assert "epsilon 1 at delta 0.0000001" in declared
    assert "OpenDP" in declared
    asked = f"SELECT section, max(staff) AS most, sum(firms) AS n FROM {TABLE} WHERE totals = 0 GROUP BY section"
    facts = Facts(TODAY)
    plan = judge(Request("r", BANK, "RESEARCH", asked), judgement.catalog, judgement.bundle, facts)
    assert (plan.treatment, plan.privacy) == (Treatment.EXACT, ())
    for who, purpose in ((STRANGER, "RESEARCH"), (BANK, "MARKETING")):
        with pytest.raises(Refused):
            judge(Request("r", who, purpose, asked), judgement.catalog, judgement.bundle, facts)
    built = [one for one in publish_all(settings, TOOLS) if str(one.table) == TABLE]
    assert [one.rows for one in built] == [len(first)]


def _what_stands_is_not_paid_for_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a changed declaration nor for rebuilt snapshots of the same day, with the file or by the log alone."""
    judgement = load_judgement(settings, TOOLS.clock())
    (mine,) = [cube for policy in judgement.bundle.policies for cube in policy.cubes]
    fewer = {"firms": mine.measures["firms"]}
    for change in ({"epsilon": Decimal(2)}, {"measures": fewer}):
        changed = Judgement(judgement.catalog, with_cube(mine.model_copy(update=change)))
        with monkeypatch.context() as patched:
            patched.setattr(cubes, "load_judgement", lambda settings, now, held=changed: held)
            assert _refused(settings) == "LVR-5426"
    asked = cubes._request
    (file,) = (settings.data / TABLE).iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(cubes, "_request", lambda made, snapshots: asked(made, [*snapshots, ("gov.x", "rebuilt")]))
        assert _refused(settings) == "LVR-5426"
        aside = file.rename(settings.data / "aside")
        assert _refused(settings) == "LVR-5426"
        aside.rename(file)
    with State.open(settings.state) as state:  # a later edition under another statement
        books = open_books(settings, state, TOOLS.clock)
        later = date(2026, 9, 30)
        cubes._check_editions(settings, books, mine, later, "another")
        with pytest.raises(Refused) as refused:
            cubes._check_editions(settings, books, mine.model_copy(update={"epsilon": Decimal(2)}), later, "another")
        assert refused.value.code == "LVR-5427"


def _refused(settings: Settings) -> str:
    with pytest.raises(Refused) as refused:
        publish_cube(settings, NAME, TOOLS)
    return refused.value.code


def _totals_add_up(found: list[dict[str, object]]) -> None:
    """Every total is the sum of the cells below it, over each of the eight sets of keys."""
    bits = {"district_code": 4, "pay_month": 2, "section": 1}
    cells = [row for row in found if row["totals"] == 0]
    assert {row["totals"] for row in found} == set(range(8))
    for left_out in range(1, 8):
        kept = [key for key, bit in bits.items() if not left_out & bit]
        for measure in ("firms", "staff"):
            sums: dict[tuple[object, ...], int] = defaultdict(int)
            for row in cells:
                sums[tuple(row[key] for key in kept)] += int(str(row[measure]))
            told = {
                tuple(row[key] for key in kept): int(str(row[measure])) for row in found if row["totals"] == left_out
            }
            assert told == sums


def test_a_cube_is_a_question_that_grants_to_the_publisher_decide() -> None:
    judgement = Judgement(city_catalog(), with_cube(cube()))
    plan = judged(cubes._request(cube(), ()), judgement, Facts(TODAY))
    assert plan.treatment is Treatment.DP
    assert {charge.dataset for charge in plan.privacy} == {"gov.ss_ent_month", "gov.ent_registry"}
    assert all(charge.delta == Fraction(1, 10**7) for charge in plan.privacy)
    refusals: dict[str, Callable[[], object]] = {
        "LVR-2002": lambda: judged(cubes._request(cube(purpose="MARKETING"), ()), judgement, Facts(TODAY)),
        "LVR-1102": lambda: judged(
            cubes._request(cube(measures={"paid": {"sql": "sum(s.paid)", "title": "p"}}), ()), judgement, Facts(TODAY)
        ),
    }
    for code, act in refusals.items():
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == code
    # What the publisher is granted nobody else is.
    with pytest.raises(Refused):
        judge(Request("r", BANK, "DUTY", cube().statement), city_catalog(), city_bundle(), Facts(TODAY))


def granting(bundle: Bundle, **changes: object) -> Bundle:
    """The bundle with these changes to the other department's grant to the publisher."""
    policies = []
    for policy in bundle.policies:
        grants = [
            Grant.model_validate(one.model_dump(mode="json", by_alias=True) | changes)
            if one.id == "registry-cube"
            else one
            for one in policy.grants
        ]
        policies.append(policy.model_copy(update={"grants": tuple(grants)}))
    return Bundle(bundle.platform, tuple(policies), bundle.digest)


def test_no_department_publishes_what_another_granted_for_something_else(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"title": "another", "measures": {"n": {"sql": "count(*)", "title": "n"}}}
    named, unnamed = with_cube(cube()), with_cube(cube(version="2", **other))
    forgotten = granting(named, cubes=[])
    elsewhere = granting(named, cubes=["market-regulation/insured-staff@1"])
    for bundle, name in ((unnamed, "insured-staff@2"), (forgotten, NAME), (elsewhere, NAME)):
        (policy,) = [one for one in bundle.policies if one.cubes]
        (found,) = cube_findings(policy, bundle.rulebook, city_catalog(), TODAY)
        assert "market-regulation/registry-cube" in found.hint
        judgement = Judgement(load_judgement(city.settings, TOOLS.clock()).catalog, bundle)
        with monkeypatch.context() as patched:
            patched.setattr(cubes, "load_judgement", lambda settings, now, held=judgement: held)
            with pytest.raises(Refused) as refused:
                publish_cube(city.settings, name, TOOLS)
        assert refused.value.code == "LVR-5425"


@pytest.mark.parametrize("to", [{"institution_types": ["department"]}, {"groups": ["banks"]}])
def test_a_grant_to_every_department_is_none_to_the_publisher(to: dict[str, object]) -> None:
    bundle = granting(with_cube(cube()), to=to, cubes=[])
    with pytest.raises(Refused):
        judged(cubes._request(cube(), ()), Judgement(city_catalog(), bundle), Facts(TODAY))


def test_only_grants_to_the_publisher_name_cubes() -> None:
    with pytest.raises(ValidationError, match="cube-publisher"):
        granting(with_cube(cube()), to={"groups": ["banks"]})


@pytest.mark.parametrize(
    ("changes", "rule"),
    [({}, ""), ({"purpose": "MARKETING"}, "cube-unanswerable"), ({"read": "gov.nothing s"}, "cube-unanswerable")],
)
def test_lint_says_which_cube_cannot_be_published(changes: dict[str, object], rule: str) -> None:
    bundle = with_cube(cube(**changes))
    (policy,) = [one for one in bundle.policies if one.cubes]
    found = list(cube_findings(policy, bundle.rulebook, city_catalog(), TODAY))
    assert [one.code for one in found] == [rule] * bool(rule)


def test_a_name_that_two_cubes_have_is_nobodys_and_no_bundle_is_made_with_it() -> None:
    bundle = with_cube(cube())
    (theirs,) = [one for one in bundle.policies if one.cubes]
    other = next(one for one in bundle.policies if one.owner != theirs.owner)
    mine = other.model_copy(update={"cubes": (cube(measures={"n": {"sql": "count(*)", "title": "n"}}),)})
    twice = Bundle(bundle.platform, tuple(mine if one is other else one for one in bundle.policies), bundle.digest)
    (found,) = [finding for _, finding in check_together(twice.platform, twice.policies)]
    assert found.where == ("cubes", 0, "id")
    assert NAME in cubes.declared(Judgement(city_catalog(), bundle), TODAY)
    assert NAME not in cubes.declared(Judgement(city_catalog(), twice), TODAY)
    assert TABLE in bundle.rulebook.permits
    assert TABLE not in twice.rulebook.permits


def test_lint_tells_of_a_cube_that_would_take_the_name_of_anothers_table() -> None:
    bundle, catalog = with_cube(cube()), city_catalog()
    (policy,) = [one for one in bundle.policies if one.cubes]
    name = TableName(*TABLE.split("."))
    taken = replace(catalog.tables[TableName("gov", "pop_person")], name=name)
    with_table = replace(catalog, tables={**catalog.tables, name: taken})
    assert not list(cube_findings(policy, bundle.rulebook, catalog, TODAY))
    (found,) = cube_findings(policy, bundle.rulebook, with_table, TODAY)
    assert (found.where, TABLE in found.message) == (("cubes", 0, "id"), True)


def test_another_version_of_the_data_is_another_edition_and_the_same_is_the_same() -> None:
    one, same = cubes._request(cube(), [("a", "1")]), cubes._request(cube(title="another"), [("a", "1")])
    assert one.id == same.id
    others = (cubes._request(cube(), [("a", "2")]), cubes._request(cube(epsilon="2"), [("a", "1")]))
    assert len({one.id, *(other.id for other in others)}) == 3


def test_nobody_can_be_registered_as_the_publisher() -> None:
    from louver_sandbox.identity import INSTITUTION

    assert INSTITUTION.match(PUBLISHER) is None
    assert SUBJECT.institution == PUBLISHER


def test_unknown_cubes_and_those_that_are_not_private_are_refused(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    def code(made: Cube, name: str = NAME) -> str:
        judgement = Judgement(load_judgement(city.settings, TOOLS.clock()).catalog, with_cube(made))
        monkeypatch.setattr(cubes, "load_judgement", lambda settings, now: judgement)
        with pytest.raises(Refused) as refused:
            publish_cube(city.settings, name, TOOLS)
        assert refused.value.message_zh
        return refused.value.code

    assert code(cube(), "insured-staff@2") == "LVR-5421"
    assert code(cube(valid={"from": "2020-01-01", "until": "2020-12-31"})) == "LVR-5421"
    assert code(cube(read="gov.pen_penalty s", keys={"dept": {"sql": "dept", "title": "d"}})) == "LVR-1101"
    text_measure = {"staff": {"sql": "'x'", "title": "t"}}
    assert code(cube(measures=text_measure)).startswith("LVR-")


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": "0"}, {"epsilon": "-1"}, {"epsilon": "50"}, {"epsilon": "nan"}, {"id": "Big"}, {"version": "0"},
        {"measures": {"totals": {"sql": "count(*)", "title": "n"}}}, {"measures": {}}, {"keys": {}},
        {"measures": {"n": {"sql": "count(*)", "title": "n"}, "n_low": {"sql": "count(*)", "title": "n"}}},
        {"measures": {"section": {"sql": "count(*)", "title": "n"}}}, {"to": {}}, {"other": 1},
    ],
)  # fmt: skip
def test_declarations_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        cube(**wrong)


def test_the_grant_by_which_it_is_read_is_of_public_columns_alone(tmp_path: Path) -> None:
    made = cube()
    grant = reading(made)
    assert grant.table == made.table == TABLE
    assert set(grant.columns) == set(made.columns)
    assert made.bits == {"pay_month": 2, "section": 1}
    judgement = Judgement(city_catalog(), with_cube(made))
    plan = judged(cubes._request(made, ()), judgement, Facts(TODAY))
    (policy,) = [one for one in judgement.bundle.policies if one.cubes]
    said = cubes._declaration(policy, made, cubes._types(made, plan), date(2026, 6, 30), ("1", "0.0000001"))
    (tmp_path / "cube.yaml").write_text(said, encoding="utf-8")
    (table,) = load_catalog([tmp_path / "cube.yaml"], tmp_path).tables.values()
    assert {column.name for column in table.columns} == set(made.columns)
    assert {column.level for column in table.columns} == {1}
