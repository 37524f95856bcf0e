"""The catalogue as one caller may see it, and plans with readable names."""

from __future__ import annotations

from collections.abc import Sequence

from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.catalog.model import Column, SpaceKind, Table
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy.atoms import told
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.permissions import Permission, permissions
from louver_sandbox.policy.visible import visible
from louver_sandbox.stages import Plan, Subject
from louver_sandbox.uploads.registry import OwnTable
from louver_sandbox.wiring import Platform


def tables(platform: Platform, subject: Subject, *, own_only: bool) -> list[pb.Table]:
    """Granted tables with the rights held on each column, then the caller's own."""
    own = [own_table(stored) for stored in platform.own_tables.stored(subject.institution)]
    if own_only:
        return own
    judgement = platform.judgement
    seen = visible(judgement.catalog, judgement.bundle, subject)
    granted = [table for table in seen.tables.values() if table.space is SpaceKind.GOVERNMENT]
    return [_granted(platform, judgement.bundle, table, subject) for table in granted] + own


def own_table(stored: OwnTable) -> pb.Table:
    """An uploaded table."""
    return pb.Table(
        schema=stored.institution,
        name=stored.name,
        title=stored.name,
        owner=stored.institution,
        space=SpaceKind.INSTITUTION.value,
        columns=[pb.Column(name=item.name, type=item.type, nullable=item.nullable) for item in stored.columns],
        version=stored.digest,
        rows=stored.rows,
        created=stored.created.isoformat(timespec="seconds"),
    )


def _granted(platform: Platform, bundle: Bundle, table: Table, subject: Subject) -> pb.Table:
    """A table with what can be done with each column today; one that is only matched or queried so far has none."""
    covering = bundle.rulebook.covering(table, subject)
    held = permissions(table, covering, bundle.platform.purposes, facts_at(platform.clock()).today)
    named = {name for permit in covering.permits for name in permit.grant.rights}
    usable = [permission for found in held.values() for permission in found]
    return pb.Table(
        schema=table.name.schema,
        name=table.name.name,
        title=table.title,
        owner=table.owner,
        space=table.space.value,
        refresh=table.refresh,
        as_of=table.as_of.isoformat(),
        columns=[
            _column(column, held.get(column.name, ()), told(covering.atoms, column.name))
            for column in table.columns
            if column.name in named
        ],
        units=[f"{unit.type.value} by {unit.column}" for unit in table.units],
        purposes=sorted({purpose for permission in usable for purpose in permission.purposes}),
        verbs=sorted({verb.value for permit in covering.permits for verb in permit.grant.verbs}),
        themes=table.themes or (),
    )


def _column(column: Column, held: Sequence[Permission], atoms: str) -> pb.Column:
    return pb.Column(
        name=column.name,
        type=str(column.type),
        nullable=column.nullable,
        level=column.level,
        role=column.role.value,
        description="; ".join(filter(None, [column.description, atoms])),
        rights=sorted({right for permission in held for right in permission.rights}),
        bounds=f"[{column.bounds[0]}, {column.bounds[1]}]" if column.bounds else "",
        element=column.element,
        domain=column.domain or (),
        permissions=[
            pb.Permission(
                treatment=permission.treatment.value,
                rights=permission.rights,
                purposes=permission.purposes,
                rows=permission.rows,
            )
            for permission in held
        ],
    )


def readable(plan: Plan) -> str:
    """The statements that would run, in order, with each source named as the caller knows it."""
    statement = ";\n".join(plan.statements)
    for source in plan.sources:
        statement = statement.replace(
            f'"{source.alias}"."main"."data"', f'"{source.table.schema}"."{source.table.name}"'
        )
    return statement
