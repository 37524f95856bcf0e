"""From what is asked of encrypted columns to what runs: the statement that says which row is in which group, the
noise of each sum, and what it costs (CRYPTO 5.1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Named, Value
from louver_sandbox.algebra.relations import Project, scans
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import SpaceKind
from louver_sandbox.encrypted_core import (
    THOUSAND,
    ContractRules,
    EncryptedMeasure,
    EncryptedPlan,
    EncryptedTold,
    Protection,
    StrictRules,
    SumOf,
)
from louver_sandbox.mechanisms.noise import Sensitivity, gaussian
from louver_sandbox.obligations import (
    CHANCE,
    CHANCE_OF_ALL,
    EVERY_PURPOSE,
    Charge,
    Period,
    PrivacyCharge,
    PrivacyTerms,
    Seal,
)
from louver_sandbox.plan.carry import Carrier
from louver_sandbox.plan.conditions import all_of
from louver_sandbox.plan.cores import SourceOf, carriable
from louver_sandbox.plan.emit import emit
from louver_sandbox.plan.encrypted.asked import AskedOfEncrypted, AskedSum, asked_of_encrypted
from louver_sandbox.plan.encrypted.ways import digest, tables_of, way
from louver_sandbox.plan.private.domains import Domains
from louver_sandbox.plan.private.ranges import Ranges
from louver_sandbox.plan.provenance import trace
from louver_sandbox.plan.units import UnitGroup, protected_units, unit_groups
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.privacy.conversion import epsilon_of
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.refusals import encrypted as refuse
from louver_sandbox.stages import Admitted, SourceRef, Treatment

WINDOW = 62
"""Bits of a sum that leave: no more of what is inside is ever told, whatever was uploaded (CRYPTO 5.0)."""

STRICT_WINDOW = 110
"""Under `strict` a sum is multiplied by the chances, which takes more room; what protects there is the chances."""

_SPREAD = 2.72
"""Mean square over squared mean of amounts that are log-normal with deviation 1: what exposures are like."""


@dataclass(frozen=True, slots=True)
class EncryptedQuestion:
    """A question over encrypted columns: as it is planned, what is asked, and which rows."""

    admitted: Admitted
    asked: AskedOfEncrypted
    rows: Project
    group: UnitGroup | None
    conditions: tuple[tuple[Expression, ...], ...]


def encrypted_question(admitted: Admitted) -> EncryptedQuestion | None:
    """The question in which numbers of rows stand for encrypted sums; None for one without encrypted columns.

    Raises:
        Refused: LVR-5302, LVR-5303, LVR-5304, LVR-5305, LVR-5306, LVR-5309.
    """
    asked = asked_of_encrypted(admitted.bound)
    if asked is None:
        return None
    at = asked.aggregate.measures[0].expression.at
    if admitted.treatment is Treatment.DP:
        raise refuse.with_noise_only(at)
    for column in asked.table.columns:
        wanted = any(one.column == column.name for one in asked.sums)
        if wanted and column.encrypted != admitted.facts.sealing_key:
            raise refuse.another_key(column.name, at)
    made = replace(admitted, bound=asked.bound)
    if admitted.threshold is not None:
        if asked.sums and admitted.threshold.encrypted is None:
            raise refuse.not_granted(_protected_names(admitted)[0], at)
        # Without a remainder row: nobody has asked which rows are in it.
        made = replace(made, threshold=replace(admitted.threshold, remainder=False, seal=Seal.PAILLIER))
    return _question(made, asked)


def _question(admitted: Admitted, asked: AskedOfEncrypted) -> EncryptedQuestion:
    core, catalog = asked.aggregate, admitted.bound.catalog
    conditions = tuple(dict.fromkeys(one.conditions for one in asked.sums if one.conditions))
    source, group = core.input, None
    if admitted.threshold is not None:
        units = protected_units(core.input, admitted.protected, catalog)
        provenance = trace(core)
        keys = tuple(key.expression for key in core.keys)
        carried = Carrier(units, catalog, provenance, admitted.threshold, keys).carry(core.input)
        found = unit_groups(core.input, carried.units, carried.keys, provenance)
        if len(found) != 1 or carried.guarded:
            raise refuse.several_subjects(core.measures[0].expression.at)
        source, group = carried.relation, found[0]
    row = ColumnRef(asked.scan.id, _row_column(asked), INTEGER)
    shown = (
        *(key.expression for key in core.keys),
        row,
        *(() if group is None else (group.key,)),
        *(all_of(each) for each in conditions),
    )
    columns = tuple(Named(f"c{place}", expression) for place, expression in enumerate(shown, start=1))
    return EncryptedQuestion(admitted, asked, Project(core.id, source, columns), group, conditions)


def _row_column(asked: AskedOfEncrypted) -> str:
    """Any encrypted column of the table: each holds the row's number."""
    names = [column.name for column in asked.table.columns if column.encrypted and column.name in asked.scan.columns]
    return names[0]


def _protected_names(admitted: Admitted) -> list[str]:
    found = [scan for scan in scans(admitted.bound.relation) if scan.id in admitted.protected]
    return sorted({str(scan.table) for scan in found})


@dataclass(frozen=True, slots=True)
class Planned:
    """What a question over encrypted columns adds to its plan."""

    encrypted: EncryptedPlan
    charges: tuple[Charge, ...]
    privacy: tuple[PrivacyCharge, ...]


def encrypted_plan(question: EncryptedQuestion, sources: Sequence[SourceRef], source_of: SourceOf) -> Planned | None:
    """Which rows are added up, with which noise, and what that costs; None where only rows are counted.

    Raises:
        Refused: LVR-5302, LVR-5307, LVR-5308.
    """
    asked = question.asked
    if not asked.sums:
        return None
    made = _unprotected(question, source_of)
    rules = None if question.admitted.threshold is None else question.admitted.threshold.encrypted
    match rules:
        case None:
            return Planned(made, (), ())
        case ContractRules():
            return _contract(made, question, rules)
        case StrictRules():
            return _strict(made, question, rules, sources)


def _unprotected(question: EncryptedQuestion, source_of: SourceOf) -> EncryptedPlan:
    asked = question.asked
    if asked.table.space is not SpaceKind.INSTITUTION:
        raise PlanUnverified("an encrypted column that is nobody's upload")
    names = [column.name for column in asked.table.columns if column.encrypted]
    rows = {column.distinct for column in asked.table.columns if column.encrypted}
    kids = {column.encrypted for column in asked.table.columns if column.encrypted}
    if len(rows) != 1 or len(kids) != 1 or None in rows:
        raise PlanUnverified("encrypted columns of one upload that differ in rows or keys")
    keys = tuple(key.expression.type for key in asked.aggregate.keys)
    for type_ in keys:
        carriable(type_)
    types = tuple(named.expression.type for named in question.rows.columns)
    return EncryptedPlan(
        statement=emit(question.rows, source_of, types),
        keys=keys,
        places=asked.places,
        conditions=len(question.conditions),
        has_units=question.group is not None,
        snapshot=asked.table.data_version,
        kid=next(iter(kids)),
        rows=next(iter(rows)) or 0,
        columns=len(names),
        measures=tuple(_measure(one, names, question) for one in asked.sums),
        protection=Protection.NONE,
        window=WINDOW,
    )


def _measure(one: AskedSum, names: Sequence[str], question: EncryptedQuestion) -> EncryptedMeasure:
    condition = question.conditions.index(one.conditions) if one.conditions else -1
    column = names.index(one.column)
    return EncryptedMeasure(one.place, column, one.factor, condition, one.type, one.digits, one.divided)


def _contract(made: EncryptedPlan, question: EncryptedQuestion, rules: ContractRules) -> Planned:
    """Noise that hides a subject's rows as long as no value is above the bound. Its cost is divided evenly."""
    scales: dict[SumOf, Fraction] = {}
    cost, part = NOTHING, rules.each.rho / len({one.sum_of for one in made.measures})
    bounds = {one.column: rules.bound(one.column) for one in question.asked.sums}
    for one, asked in zip(made.measures, question.asked.sums, strict=True):
        if one.sum_of in scales:
            continue
        most = math.ceil(Fraction(bounds[asked.column]) * 10**one.digits)
        # All of a subject's rows may be in one cell.
        sensitivity = Sensitivity(max(1, most * abs(one.factor) * rules.rows))
        noise = gaussian(part, sensitivity)
        cost += noise.cost(sensitivity)
        scales[one.sum_of] = noise.scale
    measures = [replace(one, noise=scales[one.sum_of]) for one in made.measures]
    told = EncryptedTold(_text(epsilon_of(cost, rules.delta)), _text(rules.delta), most=_bounds(bounds))
    planned = replace(made, measures=tuple(measures), protection=Protection.CONTRACT, unit_rows=rules.rows, told=told)
    return Planned(planned, (), tuple(_paid(question, cost, rules)))


def _bounds(of: Mapping[str, Decimal]) -> str:
    """The bounds that an answer's noise is for: one, or one for each column."""
    if len(set(of.values())) == 1:
        return _text(Fraction(next(iter(of.values()))))
    return ", ".join(f"{_text(Fraction(most))} ({name})" for name, most in of.items())


def _paid(question: EncryptedQuestion, cost: PrivacyCost, rules: ContractRules) -> Iterable[PrivacyCharge]:
    group, admitted = question.group, question.admitted
    if group is None:
        raise PlanUnverified("protected rows without units")
    terms = PrivacyTerms(group.type, rules.lifetime, rules.allowance, rules.period, rules.each, shared=False)
    for dataset in _protected_names(admitted):
        yield PrivacyCharge(dataset, admitted.bound.request.purpose, cost, terms, rules.delta)


def _strict(
    made: EncryptedPlan, question: EncryptedQuestion, rules: StrictRules, sources: Sequence[SourceRef]
) -> Planned:
    """Each row's group is told at random, the same for ever: then no value tells more than the chances let it."""
    at = question.asked.aggregate.measures[0].expression.at
    if question.conditions:
        what = "the policy lets rows be counted in a group by chance, so conditions stand in WHERE or GROUP BY"
        name = question.asked.sums[0].column
        raise refuse.misused(name, what, "策略要求随机化分组，条件须写入 WHERE 或 GROUP BY", at)
    domain = _domain(question)
    if domain is None:
        raise refuse.labels_unknown(at)
    same = way(question.asked.aggregate, question.asked.scan.id, domain, question.admitted.bound.catalog)
    labels = sum(number >= 0 for number in same.numbers) + 1
    epsilon = rules.epsilon / rules.rows
    kept_of = THOUSAND + math.ceil(THOUSAND * labels / (math.exp(float(epsilon)) - 1) * (1 + 1e-12))
    error = _expected_error(made.rows, labels, kept_of)
    percent = _text(Fraction(round(error * 1000), 10))
    if error * 100 > rules.error_percent:
        raise refuse.too_inaccurate(percent, rules.error_percent, made.rows, labels - 1)
    total = _text(rules.epsilon * rules.labels)
    told = EncryptedTold(_text(rules.epsilon), error_percent=percent, total=total)
    institution = question.admitted.bound.request.subject.institution
    tables = tables_of((str(source.table), source.snapshot) for source in sources)
    # What is drawn is named by all that it depends on: other terms are another draw too.
    label = digest(same.text, tables, institution, f"{kept_of} {labels} {rules.rows}")
    planned = replace(
        made, protection=Protection.STRICT, window=STRICT_WINDOW, unit_rows=rules.rows, domain=domain,
        numbers=same.numbers, kept_of=kept_of, label=label, told=told,
    )  # fmt: skip
    return Planned(planned, tuple(_drawn(question, rules, label)), ())


def _drawn(question: EncryptedQuestion, rules: StrictRules, label: str) -> Iterator[Charge]:
    """What one draw costs, once: of what one institution, and all together, are ever told by chance."""
    each = math.ceil(rules.epsilon * THOUSAND)
    for dataset in _protected_names(question.admitted):
        for kind, ways in ((CHANCE, rules.labels), (CHANCE_OF_ALL, rules.labels_of_all)):
            most, everybody = each * ways, kind == CHANCE_OF_ALL
            forever = ((Period.LIFETIME, most),)
            yield Charge(dataset, EVERY_PURPOSE, kind, most, label, forever, amount=each, everybody=everybody)


def _domain(question: EncryptedQuestion) -> tuple[tuple[Value, ...], ...] | None:
    """The groups that there can be, known from the catalogue and the question alone."""
    core, catalog = question.asked.aggregate, question.admitted.bound.catalog
    return Domains(Ranges(core.input, catalog)).of(core)


def _expected_error(rows: int, labels: int, kept_of: int) -> float:
    """The standard error of an average group's sum over the sum, for amounts that are as uneven as exposures are."""
    if rows == 0:
        return math.inf
    kept = THOUSAND / kept_of
    other = (1 - kept) / labels
    true, inside = kept + other, rows / labels
    variance = inside * true * (1 - true) + (rows - inside) * other * (1 - other)
    return math.sqrt(variance * _SPREAD) / (kept * inside)


def _text(number: Fraction) -> str:
    """As decimal text with what digits it needs, at most six that count."""
    exact = Decimal(number.numerator) / Decimal(number.denominator)
    return format(Decimal(f"{exact:.6g}"), "f")
