"""From declarations in YAML to the catalogue; what is missing or does not fit is refused, all at once (PRIVACY 2).

Only the declarations are judged here. Whether the data are as declared is `check.py`; whether the predicates and
views are valid SQL is `publishing/registration.py`, which stands above the SQL front.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from itertools import chain
from pathlib import Path

from pydantic import ValidationError

from louver_sandbox.algebra.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TEXT,
    TEXT_LIST,
    TIMESTAMP,
    TableName,
    Type,
    decimal,
)
from louver_sandbox.catalog.model import (
    Catalog,
    Column,
    LevelCondition,
    PrivacyUnit,
    QualityRule,
    Source,
    SpaceKind,
    Table,
)
from louver_sandbox.catalog.positions import CatalogProblem, CatalogRefused, Node, read_documents
from louver_sandbox.catalog.rules import Finding, table_findings
from louver_sandbox.catalog.schema import (
    EXPECTED,
    ColumnDeclaration,
    LevelConditionDeclaration,
    QualityRuleDeclaration,
    TableDeclaration,
)
from louver_sandbox.catalog.sources import data_version, first_folder, overlap, source_files

__all__ = [
    "CatalogProblem",
    "CatalogRefused",
    "Declared",
    "catalog_of",
    "load_catalog",
    "read_declarations",
    "with_record_key",
]

_TYPES: Mapping[str, Type] = {
    str(type_): type_ for type_ in (TEXT, INTEGER, DOUBLE, BOOLEAN, DATE, TIMESTAMP, TEXT_LIST)
}


@dataclasses.dataclass(frozen=True, slots=True)
class Declared:
    """A table as declared (source path still relative), the file it stands in, and its place there."""

    table: Table
    path: str
    node: Node

    def problem(self, finding: Finding) -> CatalogProblem:
        """The finding with the place it is about."""
        line, column = self.node.locate(finding.at)
        return CatalogProblem(self.path, line, column, finding.message, finding.message_zh, finding.hint)


def load_catalog(paths: Sequence[Path], base: Path) -> Catalog:
    """The catalogue that these files (or folders of `*.yaml`) declare, over data below the folder `base`.

    A table whose files are not there yet is loaded with an empty data version: it can be decided about, `check`
    reports it and nothing is ever published from it. The digest covers the declarations and the data versions, not
    where the data lie.

    Raises:
        CatalogRefused: with every problem of every file.
    """
    declared, problems = read_declarations(paths)
    if problems:
        raise CatalogRefused(problems)
    root = base.resolve()
    if strayed := tuple(item.problem(finding) for item, finding in _strayed(declared, root)):
        raise CatalogRefused(strayed)
    tables = []
    for item in declared:
        if item.table.source is None:
            tables.append(item.table)
            continue
        located = replace(item.table.source, path=str(root / item.table.source.path))
        tables.append(replace(item.table, source=located, data_version=_kept_version(item.table, located)))
    return catalog_of(_with_referred_data(tables), base=root)


def _strayed(declared: Sequence[Declared], root: Path) -> Iterator[tuple[Declared, Finding]]:
    """Files that are not where they are declared, or are another department's under a second name: links.

    What a declaration may name is compared by its text (`_across`); a link would lead around that.
    """
    held: dict[tuple[int, int, str], Table] = {}
    for item in declared:
        if item.table.source is None or item.table.space is SpaceKind.INSTITUTION:
            continue
        located = replace(item.table.source, path=str(root / item.table.source.path))
        for file in source_files(located):
            begins = file.relative_to(root).parts[0]
            if not file.resolve().is_relative_to(root / begins):
                yield item, _link(begins)
                break
            status, inside = file.stat(), (located.table or "").casefold()  # a database holds tables of several
            other = held.setdefault((status.st_dev, status.st_ino, inside), item.table)
            if other.owner != item.table.owner:
                yield item, _of_another(other, ("source",))
                break


def _link(begins: str) -> Finding:
    return Finding(
        ("source",),
        f"a link leads out of {begins} in the data folder",
        f"链接指向数据目录中 {begins} 之外",
        "put the files themselves there: what a link leads to may be another department's",
    )


def _kept_version(table: Table, located: Source) -> str:
    """The version of the rows that may be used: of the source's, and of what says which of them those are."""
    version = data_version(located)
    if table.kept is None or not version:
        return version
    return hashlib.sha256("\0".join((version, table.kept, table.as_of.isoformat())).encode()).hexdigest()


def _with_referred_data(tables: Sequence[Table]) -> list[Table]:
    """Tables whose units lie behind foreign keys change when the tables referred to change."""
    versions = {str(table.name): table.data_version for table in tables}
    return [
        replace(table, data_version=_joint_version(table, versions))
        if any(unit.via for unit in table.units)
        else table
        for table in tables
    ]


def _joint_version(table: Table, versions: Mapping[str, str]) -> str:
    referred = {step.rpartition(".")[0] for unit in table.units for step in unit.via[1::2]}
    parts = [table.data_version, *(versions[name] for name in sorted(referred))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest() if all(parts) else ""


def catalog_of(tables: Iterable[Table], *, base: Path | None = None) -> Catalog:
    """A catalogue of these tables with the digest of what they declare; source paths are taken relative to `base`."""
    by_name = {table.name: table for table in sorted(tables, key=lambda table: str(table.name))}
    content = [_json(_relative(table, base)) for table in by_name.values()]
    digest = hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    return Catalog(by_name, digest)


def with_record_key(catalog: Catalog, fingerprint: str | None, base: Path) -> Catalog:
    """The catalogue whose snapshots are made with the record key of this fingerprint (None: the first one): they are
    others, and so it has another digest. Tables without units have no record keys."""
    tables = [replace(table, record_key=fingerprint if table.units else None) for table in catalog.tables.values()]
    return catalog_of(tables, base=base.resolve())


_LATER = frozenset({"kept", "sunset", "repaired", "rules", "themes", "record_key"})
"""Keys that came after catalogues had digests: where they are not given they are not in them."""


def _relative(table: Table, base: Path | None) -> Table:
    if table.source is None or base is None or not Path(table.source.path).is_relative_to(base):
        return table
    return replace(table, source=replace(table.source, path=str(Path(table.source.path).relative_to(base))))


def _json(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {name: said for name, said in fields.items() if said is not None or name not in _LATER}
    if isinstance(value, frozenset):
        return sorted(str(_json(item)) for item in value)
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def read_declarations(paths: Sequence[Path]) -> tuple[tuple[Declared, ...], tuple[CatalogProblem, ...]]:
    """Every well-formed table of the files with its place, and every problem found."""
    declared: list[Declared] = []
    problems: list[CatalogProblem] = []
    for path in _files(paths):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            problems.append(
                CatalogProblem(
                    path.name, None, None, "the file cannot be read as UTF-8", "文件无法按 UTF-8 读取", "check it"
                )
            )
            continue
        nodes, found = read_documents(path.name, text)
        problems.extend(found)
        for node in nodes:
            item, faults = _read_table(path.name, node)
            problems.extend(faults)
            declared.extend([item] if item else [])
    problems.extend(_across(declared))
    return tuple(declared), tuple(problems)


def _files(paths: Sequence[Path]) -> list[Path]:
    return [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]


def _read_table(path: str, node: Node) -> tuple[Declared | None, list[CatalogProblem]]:
    if not isinstance(node.value, Mapping):
        place = node.place
        return None, [
            CatalogProblem(path, *place, "a table's declaration is a mapping", "表的声明应为映射", EXPECTED["table"])
        ]
    try:
        declaration = TableDeclaration.model_validate(node.plain())
    except ValidationError as error:
        return None, [_form_problem(path, node, item["type"], item["loc"]) for item in error.errors()]
    item = Declared(_table(declaration), path, node)
    return item, [item.problem(finding) for finding in table_findings(declaration)]


def _form_problem(path: str, node: Node, kind: str, location: tuple[int | str, ...]) -> CatalogProblem:
    """Our words for what pydantic found; its own text may quote values."""
    steps = tuple(step for step in location if step != "[key]")
    keys = [str(step) for step in steps if isinstance(step, str)]
    name = keys[-1] if keys else "table"
    line, column = node.locate(steps)
    hint = EXPECTED.get(name, EXPECTED["columns"])
    if kind == "missing":
        message, message_zh = f"key {name} is missing", f"缺少 {name}"
    elif kind == "extra_forbidden":
        message, message_zh = f"key {name} is not known here", f"此处不认识 {name}"
        hint = "check the spelling; the keys are listed in docs/reference/catalogue.md"
    else:
        message, message_zh = f"{name} has a value that is not allowed", f"{name} 的值不合规"
    return CatalogProblem(path, line, column, message, message_zh, hint)


def _across(declared: Sequence[Declared]) -> list[CatalogProblem]:
    """Problems between tables: the same name twice, foreign-key paths that lead nowhere."""
    first: dict[TableName, Table] = {}
    problems = []
    for item in declared:
        if item.table.name in first:
            finding = Finding(
                ("table",), "this table is declared twice", "该表重复声明", "keep one of the declarations"
            )
            problems.append(item.problem(finding))
        first.setdefault(item.table.name, item.table)
    for item in declared:
        for index, unit in enumerate(item.table.units):
            if unit.via and not _leads_to_unit(unit, first):
                finding = Finding(
                    ("units", index, "via"),
                    "the foreign-key path does not lead to a registered column",
                    "外键路径未指向已登记的列",
                    EXPECTED["via"],
                )
                problems.append(item.problem(finding))
    problems += [item.problem(finding) for item, finding in _copies(declared, first)]
    return problems


def _copies(declared: Sequence[Declared], tables: Mapping[TableName, Table]) -> Iterator[tuple[Declared, Finding]]:
    """Data that have a budget twice because they are registered twice, or that another department answers for; and
    copies of themselves."""
    passed: dict[str, list[Table]] = {}
    copies: dict[TableName, Table] = {}
    for item in declared:
        table, dataset = item.table, _original(item.table, tables)
        copied = None if table.copy_of is None else tables.get(table.copy_of, table)
        if dataset is None or (table.copy_of is not None and table.view is not None):
            finding = Finding(
                ("copy_of",),
                "a copy leads to another table in the end, and is no view",
                "copy_of 须最终指向另一张表，且视图不适用",
                EXPECTED["copy_of"],
            )
            yield item, finding
            continue
        if copied is not None:
            alike = copies.setdefault(dataset, table)
            for other in (copied, alike):
                if other.owner != table.owner:
                    yield item, _of_another(other, ("copy_of",))
                    break
        if table.source is None:
            continue
        # Only sources that begin alike are compared: a catalogue may have thousands.
        near = first_folder(table.source)
        others = passed.get("", []) + passed.get(near, []) if near else list(chain(*passed.values()))
        for other in others:
            if other.source is None or not overlap(table.source, other.source):
                continue
            if other.owner != table.owner:
                yield item, _of_another(other, ("source",))
                break
            theirs = _original(other, tables)
            if table.units and other.units and theirs is not None and theirs != dataset:
                finding = Finding(
                    ("source",),
                    f"these are the data of {theirs}, which would have a second budget",
                    f"与 {theirs} 为同一数据，将形成重复额度",
                    f"add copy_of: {theirs}",
                )
                yield item, finding
                break
        passed.setdefault(near, []).append(table)


def _of_another(table: Table, at: tuple[str, ...]) -> Finding:
    return Finding(
        at,
        f"these are data of {table.name}, which another department answers for",
        f"与其他部门负责的 {table.name} 为同一数据",
        "a department registers data of its own, in files of its own",
    )


def _original(table: Table, tables: Mapping[TableName, Table]) -> TableName | None:
    """What a table is a copy of in the end; None where that leads back."""
    name, passed = table.name, set[TableName]()
    while (found := tables.get(name)) is not None and found.copy_of is not None:
        if name in passed:
            return None
        passed.add(name)
        name = found.copy_of
    return name


def _leads_to_unit(unit: PrivacyUnit, tables: Mapping[TableName, Table]) -> bool:
    for step in range(1, len(unit.via) - 1, 2):
        parts = unit.via[step].split(".")
        table = tables.get(TableName(*parts[:2])) if len(parts) == 3 else None
        if table is None or table.source is None:
            return False
        if table.column(parts[2]) is None or table.column(unit.via[step + 1]) is None:
            return False
    return True


def _table(declaration: TableDeclaration) -> Table:
    source = declaration.source
    return Table(
        name=TableName(*declaration.table.split(".")),
        space=SpaceKind(declaration.space),
        owner=declaration.owner,
        title=declaration.title,
        share_type=declaration.share_type,
        open_type=declaration.open_type,
        operable=frozenset(declaration.operable),
        refresh=declaration.refresh,
        as_of=declaration.as_of,
        units=tuple(
            PrivacyUnit(
                unit.type,
                unit.column,
                unit.rows_per_unit,
                unit.when,
                unit.via or (),
                unit.at_least,
                unit.once_per or (),
            )
            for unit in declaration.units
        ),
        columns=tuple(_column(name, item, declaration.when) for name, item in declaration.columns.items()),
        source=Source(source.kind, source.path, source.table) if source else None,
        view=declaration.view,
        copy_of=None if declaration.copy_of is None else TableName(*declaration.copy_of.split(".")),
        kept=declaration.kept,
        sunset=declaration.sunset,
        repaired=declaration.repaired,
        rules=tuple(map(_rule, declaration.rules)) or None,
        themes=declaration.themes or None,
    )


def _rule(rule: QualityRuleDeclaration) -> QualityRule:
    title = rule.title or rule.holds or ""
    if rule.working_days is not None:
        first, then, days = rule.working_days
        title = rule.title or f"{then} is within {days} working days of {first}"
    if rule.magnitude is not None:
        title = rule.title or f"{rule.magnitude} is of the order of its subject's others"
    return QualityRule(rule.dimension, title, rule.holds, rule.working_days, rule.magnitude)


def _column(name: str, item: ColumnDeclaration, shared: tuple[LevelConditionDeclaration, ...]) -> Column:
    level = int(item.level[1])
    conditions = item.when or tuple(condition for condition in shared if int(condition.level[1]) < level < 5)
    return Column(
        name=name,
        type=_TYPES[item.type] if item.type in _TYPES else decimal(int(item.type[8:-1])),
        nullable=item.nullable,
        level=level,
        role=item.role,
        bounds=item.bounds,
        domain=item.domain,
        decimals=6 if item.decimals is None else item.decimals,
        when=tuple(LevelCondition(condition.predicate, int(condition.level[1])) for condition in conditions),
        description=item.description,
        unique=item.unique,
        element=item.element,
    )
