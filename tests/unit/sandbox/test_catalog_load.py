"""A table is registered when everything PRIVACY 2 demands is said, and every fault is shown at its place at once."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.catalogs import DEMO_DECLARATIONS, FIRM_YAML, declarations, demo_catalog

from louver_sandbox.algebra.types import DATE, TEXT_LIST, TableName, decimal
from louver_sandbox.catalog.load import CatalogProblem, CatalogRefused, load_catalog
from louver_sandbox.catalog.model import Role, SourceKind, SpaceKind, Table, UnitType, Verb
from louver_sandbox.catalog.positions import MAX_BYTES, read_documents
from louver_sandbox.catalog.schema import json_schema

REQUIRED = ("space", "owner", "title", "share_type", "open_type", "operable", "refresh", "as_of")


def problems_of(folder: Path, *texts: str) -> tuple[CatalogProblem, ...]:
    with pytest.raises(CatalogRefused) as refused:
        load_catalog(declarations(folder, *texts), folder)
    return refused.value.problems


def loaded(folder: Path, text: str) -> Table:
    (table,) = load_catalog(declarations(folder, text), folder).tables.values()
    return table


def test_a_whole_declaration_becomes_a_table(tmp_path: Path) -> None:
    table = loaded(tmp_path, FIRM_YAML)
    assert table.name == TableName("gov", "firm")
    assert table.space is SpaceKind.GOVERNMENT
    assert table.operable == {Verb.ANALYSE}
    assert table.as_of == date(2026, 6, 30)
    assert table.source is not None
    assert table.source.kind is SourceKind.PARQUET
    assert table.source.path == str(tmp_path.resolve() / "gov.firm/*.parquet")
    (unit,) = table.units
    assert (unit.type, unit.column, unit.rows_per_unit, unit.when) == (UnitType.ENTERPRISE, "uscc", 1, None)
    amount = table.column("amount")
    assert amount is not None
    assert amount.type == decimal(2)
    assert amount.bounds == (Decimal(0), Decimal(100))
    assert (amount.level, amount.role, amount.nullable) == (3, Role.VALUE, True)


@pytest.mark.parametrize("key", [*REQUIRED, "units", "columns"])
def test_nothing_that_privacy_demands_may_be_missing(tmp_path: Path, key: str) -> None:
    lines = FIRM_YAML.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{key}:"))
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
    (problem,) = problems_of(tmp_path, "".join(lines[:start] + lines[end:]))
    assert problem.message == f"key {key} is missing"
    assert problem.message_zh == f"缺少 {key}"
    assert problem.hint


@pytest.mark.parametrize("key", ["type", "nullable", "level", "role"])
def test_nothing_may_be_missing_of_a_column_and_the_column_is_shown(tmp_path: Path, key: str) -> None:
    column = {"type": "text", "nullable": "false", "level": "L1", "role": "id"}
    before = ", ".join(f"{k}: {v}" for k, v in column.items())
    after = ", ".join(f"{k}: {v}" for k, v in column.items() if k != key)
    (problem,) = problems_of(tmp_path, FIRM_YAML.replace(before, after))
    assert problem.message == f"key {key} is missing"
    assert (problem.line, problem.column) == (15, 3)


SPOILED: list[tuple[str, str, str, tuple[int, int]]] = [
    ("owner: 测试部门", "ownr: 测试部门", "key ownr is not known here", (4, 1)),
    ("space: government", "space: moon", "space has a value that is not allowed", (3, 1)),
    ("refresh: day", "refresh: daily", "refresh has a value that is not allowed", (9, 1)),
    ("as_of: 2026-06-30", "as_of: 2026-06-31", "as_of has a value that is not allowed", (10, 1)),
    ("operable: [analyse]", "operable: [analyze]", "operable has a value that is not allowed", (8, 12)),
    ("operable: [analyse]", "operable: [match, match]", "a verb is listed twice", (8, 1)),
    ("share_type: 有条件共享", "share_type: 不适用", "a department's table needs its share_type", (6, 1)),
    ("gov.firm/*.parquet", "../x/*.parquet", "the path leaves the data folder", (11, 25)),
    ("gov.firm/*.parquet", "/etc/passwd", "the path leaves the data folder", (11, 25)),
    ("rows_per_unit: 1", "rows_per_unit: 0", "rows_per_unit has a value that is not allowed", (13, 38)),
    ("unit: 1}", "unit: 1, once_per: [uscc]}", "each column of once_per must be another one", (13, 56)),
    ("unit: 1}", "unit: 1, once_per: [month]}", "each column of once_per must be another one", (13, 56)),
    ("unit: 1}", "unit: 1, once_per: []}", "once_per has a value that is not allowed", (13, 56)),
    ("column: uscc", "column: usc", "the unit's column must be a text or integer column", (13, 24)),
    (
        "  - {type: enterprise, column: uscc, rows_per_unit: 1}",
        "  []",
        "a table above L1 needs a privacy unit",
        (12, 1),
    ),
    (", bounds: [0, 100]", "", "a value column that may be aggregated needs bounds", (17, 3)),
    ("bounds: [0, 100]", "bounds: [100, 0]", "the lower bound must be below the upper", (17, 68)),
    ("bounds: [0, 100]", "bounds: [0, nan]", "bounds has a value that is not allowed", (17, 80)),
    ("decimal(2), nullable", "double, nullable", "a double needs decimals", (17, 3)),
    ("decimal(2), nullable", "decimal(30), nullable", "at most 18 digits after the point", (17, 12)),
    ("domain: [A, B]", "domain: [A, A]", "a value is listed twice", (16, 62)),
    ("level: L3", "level: L6", "level has a value that is not allowed", (17, 46)),
    ("nullable: false", "nullable: no", "nullable has a value that is not allowed", (15, 22)),
    ("  section:", "  record_key_x:", "names beginning with record_key_", (16, 3)),
    ("  section:", "  USCC:", "two columns differ only in case", (16, 3)),
    ("  section:", "  'a b':", "a b has a value that is not allowed", (16, 3)),
    (
        "role: qi,",
        "role: qi, when: [{predicate: \"section = 'A'\", level: L3}],",
        "the column's level is the stricter",
        (16, 98),
    ),
]


@pytest.mark.parametrize(("right", "wrong", "message", "place"), SPOILED)
def test_a_fault_is_shown_at_its_line_and_column(
    tmp_path: Path, right: str, wrong: str, message: str, place: tuple[int, int]
) -> None:
    problems = problems_of(tmp_path, FIRM_YAML.replace(right, wrong, 1))
    assert [(p.line, p.column) for p in problems if p.message.startswith(message)] == [place]


def test_every_fault_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    first = FIRM_YAML.replace("owner: 测试部门\n", "").replace("level: L3", "level: L9")
    second = FIRM_YAML.replace("gov.firm", "gov.other").replace("refresh: day", "refresh: never")
    problems = problems_of(tmp_path, first, second)
    assert [(problem.path, problem.line) for problem in problems] == [
        ("table1.yaml", 2),
        ("table1.yaml", 16),
        ("table2.yaml", 9),
    ]


def test_a_problem_never_repeats_the_value_that_is_wrong(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, FIRM_YAML.replace("level: L3", "level: 370202198001011234"))
    assert "370202198001011234" not in "".join(str(problem) for problem in problems)


def test_one_table_declared_twice_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, FIRM_YAML, FIRM_YAML)
    assert (problem.path, problem.message) == ("table2.yaml", "this table is declared twice")


COPY = FIRM_YAML.replace("gov.firm\n", "gov.copy\n")


def test_data_registered_twice_must_say_whose_budget_they_share(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, FIRM_YAML, COPY)
    assert (problem.path, problem.line) == ("table2.yaml", 11)
    assert "second budget" in problem.message
    assert problem.hint == "add copy_of: gov.firm"
    catalog = load_catalog(declarations(tmp_path, FIRM_YAML, COPY + "copy_of: gov.firm\n"), tmp_path)
    assert catalog.dataset_of(TableName("gov", "copy")) == TableName("gov", "firm")
    assert catalog.dataset_of(TableName("gov", "firm")) == TableName("gov", "firm")


def test_a_table_keeps_its_budget_under_a_new_name(tmp_path: Path) -> None:
    third = FIRM_YAML.replace("gov.firm\n", "gov.third\n") + "copy_of: gov.copy\n"
    catalog = load_catalog(declarations(tmp_path, COPY + "copy_of: gov.old_name\n", third), tmp_path)
    assert {str(catalog.dataset_of(name)) for name in catalog.tables} == {"gov.old_name"}


def test_a_copy_of_itself_and_a_copy_that_is_a_view_are_refused(tmp_path: Path) -> None:
    first, second = FIRM_YAML + "copy_of: gov.copy\n", COPY + "copy_of: gov.firm\n"
    assert {problem.message for problem in problems_of(tmp_path, first, second)} == {
        "a copy leads to another table in the end, and is no view"
    }
    view = COPY.replace("source: {kind: parquet, path: gov.firm/*.parquet}", "view: SELECT uscc FROM gov.firm")
    (problem,) = problems_of(tmp_path, FIRM_YAML, view + "copy_of: gov.firm\n")
    assert problem.line == 18


OTHERS = COPY.replace("owner: ", "owner: other ", 1)
FILES = "path: gov.firm/*.parquet"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "source"),
        ({FILES: "path: gov.firm/p*.parquet"}, "source"),
        ({FILES: "path: ./gov.FIRM//*"}, "source"),
        ({FILES: "path: '**/*.parquet'"}, "source"),
        ({FILES: "path: gov.*/part-00000.parquet"}, "source"),
        ({"kind: parquet, path: gov.firm/*.parquet": "kind: csv, path: 'gov.fir[m]/*'"}, "source"),
        ({FILES: "path: gov.copy/*.parquet", "space:": "copy_of: gov.firm\nspace:"}, "copy_of"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("units", [True, False])
def test_no_department_registers_what_another_answers_for(
    tmp_path: Path, changes: Mapping[str, str], key: str, units: bool
) -> None:
    text = OTHERS
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    if not units:
        start = text.index("units:")
        end = text.index("\n", start) if "[" in text[start : start + 9] else text.index("columns:") - 1
        text = text[:start] + "units: []" + text[end:]
    for pair in ((FIRM_YAML, text), (text, FIRM_YAML)) if key == "source" else ((FIRM_YAML, text),):
        found = problems_of(tmp_path, *pair)
        assert [problem for problem in found if "which another department answers for" in problem.message]


def test_departments_tables_may_lie_side_by_side_and_a_department_may_split_its_own(tmp_path: Path) -> None:
    apart = OTHERS.replace(FILES, "path: gov.firm/*.csv")
    third = COPY.replace("gov.copy\n", "gov.third\n").replace(FILES, "path: gov.firms/*.parquet")
    assert len(load_catalog(declarations(tmp_path, FIRM_YAML, apart, third), tmp_path).tables) == 3
    (problem,) = problems_of(tmp_path, FIRM_YAML, COPY.replace(FILES, "path: gov.firm/p*.parquet"))
    assert problem.hint == "add copy_of: gov.firm"
    base, own = "kind: duckdb, path: base.duckdb, table: ", "kind: parquet, path: gov.firm/*.parquet"
    first = FIRM_YAML.replace(own, base + "firms")
    assert load_catalog(declarations(tmp_path, first, OTHERS.replace(own, base + "others")), tmp_path)
    assert problems_of(tmp_path, first, OTHERS.replace(own, base + "main.Firms"))


def test_a_dataset_that_is_registered_no_longer_is_still_of_one_department(tmp_path: Path) -> None:
    other = OTHERS.replace(FILES, "path: gov.copy/*.parquet") + "copy_of: gov.old_name\n"
    (problem,) = problems_of(tmp_path, FIRM_YAML + "copy_of: gov.old_name\n", other)
    assert "gov.firm" in problem.message


def test_a_key_given_twice_is_refused_where_it_is_repeated(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, FIRM_YAML + "title: 又一个\n")
    assert problem.message == "key 'title' is given twice"
    assert problem.line == 18


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: [*x, *x]\n", "anchors and aliases are not allowed"),
        ("a: !!python/object/apply:os.system ['true']\n", "tags are not allowed"),
        ("a: !x 1\n", "tags are not allowed"),
        ("[" * 10_000, "nested deeper than 8 levels"),
        ("a:\n" + "".join(" " * i + "a:\n" for i in range(1, 500)), "nested deeper than 8 levels"),
        ("x" * (MAX_BYTES + 1), f"the file is larger than {MAX_BYTES} bytes"),
        ("{a: [1, 2}", "this is not YAML"),
        ("a: b: c", "this is not YAML"),
        ("? [a, b]\n: 1\n", "a key must be a word"),
        ("- 1\n- 2\n", "a table's declaration is a mapping"),
        ("\x00", "this is not YAML"),
    ],
)
def test_a_hostile_or_broken_file_is_refused_before_it_is_built(tmp_path: Path, text: str, message: str) -> None:
    assert message in [problem.message for problem in problems_of(tmp_path, text)]


def test_a_file_that_is_not_utf8_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogRefused, match="UTF-8"):
        load_catalog([path, tmp_path / "missing.yaml"], tmp_path)


@given(st.text(max_size=200) | st.lists(st.sampled_from("[]{}:,-'\"&*!|>%@ \n#ab1"), max_size=60).map("".join))
def test_no_text_at_all_makes_the_reader_fail(text: str) -> None:
    nodes, problems = read_documents("any.yaml", text)
    for node in nodes:
        node.plain()
    for problem in problems:
        assert problem.line is not None
        assert problem.line >= 1


def test_values_are_texts_until_their_field_reads_them(tmp_path: Path) -> None:
    table = loaded(tmp_path, FIRM_YAML.replace("domain: [A, B]", "domain: [no, 010, 1.0, null]"))
    section = table.column("section")
    assert section is not None
    assert section.domain == ("no", "010", "1.0", "null")


def test_a_level_condition_of_the_table_holds_for_columns_without_one_of_their_own(tmp_path: Path) -> None:
    shared = 'when: [{predicate: "amount < 5", level: L1}]\n'
    own = "role: qi, when: [{predicate: \"section = 'A'\", level: L1}],"
    table = loaded(tmp_path, FIRM_YAML.replace("role: qi,", own) + shared)
    predicates = {column.name: [(when.predicate, when.level) for when in column.when] for column in table.columns}
    assert predicates == {"uscc": [], "section": [("section = 'A'", 1)], "amount": [("amount < 5", 1)]}


def test_l5_is_never_registered_for_operation_but_one_column_may_say_so(tmp_path: Path) -> None:
    one = FIRM_YAML.replace("level: L2", "level: L5")
    section = loaded(tmp_path, one).column("section")
    assert section is not None
    assert section.level == 5
    whole = one.replace("level: L1", "level: L5").replace("level: L3", "level: L5")
    messages = [problem.message for problem in problems_of(tmp_path, whole)]
    assert "L5 data cannot be registered for operation" in messages


def test_an_institution_s_own_table_has_no_units(tmp_path: Path) -> None:
    own = FIRM_YAML.replace("space: government", "space: institution")
    (problem,) = problems_of(tmp_path, own)
    assert problem.message == "an institution's own table has no privacy units"


def test_a_foreign_key_path_must_lead_to_registered_columns(tmp_path: Path) -> None:
    via = "via: [uscc, gov.other.uscc, owner_id]"
    text = FIRM_YAML.replace("rows_per_unit: 1}", f"rows_per_unit: unbounded, {via}}}")
    (problem,) = problems_of(tmp_path, text)
    assert problem.message == "the foreign-key path does not lead to a registered column"
    other = FIRM_YAML.replace("gov.firm", "gov.other").replace("  section:", "  owner_id:")
    load_catalog(declarations(tmp_path, text, other), tmp_path)


def test_a_table_behind_a_foreign_key_has_a_new_version_when_the_table_referred_to_changes(tmp_path: Path) -> None:
    via = "rows_per_unit: unbounded, via: [uscc, gov.other.uscc, owner_id]}"
    text = FIRM_YAML.replace("rows_per_unit: 1}", via)
    other = FIRM_YAML.replace("gov.firm", "gov.other").replace("  section:", "  owner_id:")
    versions = set()
    for content in (b"1", b"2"):
        for name in ("gov.firm", "gov.other"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "part.parquet").write_bytes(content if name == "gov.other" else b"same")
        catalog = load_catalog(declarations(tmp_path, text, other), tmp_path)
        versions.add(catalog.tables[TableName("gov", "firm")].data_version)
    assert len(versions) == 2


def test_the_digest_knows_declarations_and_data_but_not_where_they_lie(tmp_path: Path) -> None:
    def digest(folder: Path, text: str, content: bytes) -> str:
        (folder / "gov.firm").mkdir(parents=True)
        (folder / "gov.firm" / "part-0.parquet").write_bytes(content)
        return load_catalog(declarations(folder, text), folder).digest

    first = digest(tmp_path / "a", FIRM_YAML, b"1")
    assert digest(tmp_path / "b", FIRM_YAML, b"1") == first
    assert digest(tmp_path / "c", FIRM_YAML, b"2") != first
    assert digest(tmp_path / "d", FIRM_YAML.replace("L3", "L4"), b"1") != first


def test_the_schema_can_be_exported_and_refuses_unknown_keys() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert set(REQUIRED) <= set(schema["required"])


class TestDemoCatalogue:
    def test_it_holds_the_sixteen_tables_and_three_views(self) -> None:
        tables = demo_catalog().tables
        views = {str(name) for name, table in tables.items() if table.view}
        assert len(tables) - len(views) == 16
        assert views == {"gov.credit_enterprise", "gov.credit_natural_person", "gov.credit_non_enterprise"}
        assert len(list(DEMO_DECLARATIONS.glob("*.yaml"))) == 19

    def test_departments_tables_all_have_units(self) -> None:
        for table in demo_catalog().tables.values():
            assert bool(table.units) is (table.space is not SpaceKind.INSTITUTION), table.name

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("pop_person", "person person_id 1"),
            ("ent_registry", "enterprise uscc 1, person legal_rep_id None"),
            ("tax_quarter", "enterprise uscc 8"),
            ("ss_person_month", "person person_id 24, enterprise uscc None"),
            ("utl_month", "person subject_id None, enterprise subject_id None"),
        ],
    )
    def test_units_are_those_of_the_domain(self, name: str, expected: str) -> None:
        units = demo_catalog().tables[TableName("gov", name)].units
        assert ", ".join(f"{u.type.value} {u.column} {u.rows_per_unit}" for u in units) == expected

    def test_a_penalty_is_public_in_its_period_only_and_persons_never(self) -> None:
        table = demo_catalog().tables[TableName("gov", "pen_penalty")]
        period = "repaired_on IS NULL AND published_on >= :as_of - INTERVAL 3 YEAR"
        for column in table.columns:
            (condition,) = column.when
            firms = "subject_class <> 'P' AND " if column.name == "subject_id" else ""
            assert (column.level, condition.level, condition.predicate) == (3, 1, firms + period)

    def test_types_follow_the_ddl(self) -> None:
        lists = demo_catalog().tables[TableName("gov", "credit_list")]
        assert {column.name: column.type for column in lists.columns}["measures"] == TEXT_LIST
        quarter = demo_catalog().tables[TableName("gov", "tax_quarter")]
        assert {column.name: column.type for column in quarter.columns}["quarter"] == DATE

    def test_loading_is_repeatable(self) -> None:
        load: Callable[[], str] = lambda: load_catalog([DEMO_DECLARATIONS], Path("/elsewhere")).digest  # noqa: E731
        assert load() == demo_catalog().digest


def data_of(folder: Path, name: str, content: bytes = b"rows") -> Path:
    (folder / name).mkdir(exist_ok=True)
    file = folder / name / "part.parquet"
    file.write_bytes(content)
    return file


THEIRS = FIRM_YAML.replace("gov.firm", "gov.other").replace("owner: ", "owner: 另一个")


@pytest.mark.parametrize("kind", ["file", "folder", "out of the data folder", "hard"])
def test_a_link_is_no_way_to_another_department_s_files(tmp_path: Path, kind: str) -> None:
    """What a declaration names is compared by its text; a link would read another's rows under its own rules."""
    data = tmp_path / "data"
    data.mkdir()
    theirs = data_of(data, "gov.other")
    mine = data / "gov.firm"
    if kind == "folder":
        mine.symlink_to(theirs.parent, target_is_directory=True)
    else:
        mine.mkdir()
        outside = tmp_path / "elsewhere.parquet"
        outside.write_bytes(b"secret")
        if kind == "hard":
            (mine / "part.parquet").hardlink_to(theirs)
        else:
            (mine / "part.parquet").symlink_to(theirs if kind == "file" else outside)
    paths = declarations(tmp_path, FIRM_YAML, THEIRS)
    with pytest.raises(CatalogRefused) as refused:
        load_catalog(paths, data)
    (problem,) = refused.value.problems
    said = "another department answers for" if kind == "hard" else "a link leads out of gov.firm"
    assert said in problem.message
    assert problem.message_zh
    assert problem.hint
    if kind == "hard":
        (mine / "part.parquet").unlink()
    elif kind == "folder":
        mine.unlink()
    else:
        (mine / "part.parquet").unlink()
    data_of(data, "gov.firm", b"its own")
    assert len(load_catalog(paths, data).tables) == 2


def test_a_link_within_a_department_s_own_folder_is_followed(tmp_path: Path) -> None:
    file = data_of(tmp_path, "gov.firm")
    (file.parent / "again.parquet").symlink_to(file)
    assert loaded(tmp_path, FIRM_YAML).data_version
