"""What is wrong with a grant's terms of matching: below the floors, and beside the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from louver_sandbox.catalog.model import Table, UnitType, Verb
from louver_sandbox.policy.floors import Finding
from louver_sandbox.policy.match_numbers import bound_of, number_rules
from louver_sandbox.policy.match_terms import MatchMode, MatchTerms
from louver_sandbox.policy.model import Grant
from louver_sandbox.policy.severity import Severity
from louver_sandbox.privacy.refused import PrivacyRefused

AT = ("matching",)


def below_floor(grant: Grant) -> Iterator[Finding]:
    """Terms under which a match would tell more than it may, whatever the table; `where` is below the grant."""
    terms = grant.matching
    if terms is None:
        return
    if terms.counts and terms.numbers is None:
        yield Finding(
            (*AT, "modes"),
            "numbers of a match leave with noise that is paid for only, and the terms have no budget for it",
            "比对数量须加噪后给出并计入隐私预算，而条款未设置 numbers",
            "add numbers: {each, allowance, lifetime}, or grant mode hits only",
            "请设置 numbers（each、allowance、lifetime），或仅授予 hits 方式",
        )
    for mode in (MatchMode.COUNT, MatchMode.SUM):
        if mode in terms.modes and terms.numbers is not None:
            try:
                number_rules(terms.numbers, bound_of(mode, terms.largest_amount))
            except PrivacyRefused as refused:
                yield Finding((*AT, "numbers"), refused.message, refused.message_zh)


def findings(grant: Grant, table: Table) -> Iterator[Finding]:
    """What of the terms cannot work on the table as it is declared; `where` is below the grant."""
    keys = [name for name, rights in grant.rights.items() if rights.match]
    terms = grant.matching
    if terms is None:
        for name in keys:
            says, says_zh = f"{name} has the right match and the grant no terms of matching", f"{name} 缺少比对条款"
            yield Finding(("columns", name), says, says_zh, "add matching: {lists: ...}", "请补充 matching 条款")
        return
    if Verb.MATCH not in grant.verbs:
        yield Finding(AT, "the grant has terms of matching and not the verb", "授权未含 match 功能", "add the verb")
    if len(keys) != 1:
        says = "exactly one column has the right match: the ids that are compared"
        yield Finding(("columns",), says, "须且仅须一个字段具有 match 权利", "give it to the subject's id")
    for name, column in (("until", terms.until), ("ended", terms.ended)):
        declared = None if column is None else table.column(column)
        if column is not None and (declared is None or str(declared.type) != "date"):
            says = f"{column} is no date column of {table.name}"
            yield Finding((*AT, name), says, f"{column} 不是 {table.name} 的日期字段", "see the catalogue")
    yield from _of_persons(terms, table)


def idle_tokens(grant: Grant, table: Table) -> Iterator[Finding]:
    """Terms of tokens that give nobody any: no column that is joined by has a data element."""
    joined = [table.column(name) for name, rights in grant.rights.items() if rights.join_key]
    if grant.tokens is not None and not any(column is not None and column.element for column in joined):
        yield Finding(
            ("tokens",),
            f"no column of {table.name} that is joined by has a data element, so nobody gets tokens",
            f"{table.name} 可用于连接的字段均未声明数据元，不会生成任何令牌",
            "declare the column's element in the catalogue, or remove the terms",
            "请在目录中声明字段的数据元，或删除该条款",
            "idle-terms",
            Severity.WARNING,
        )


def _of_persons(terms: MatchTerms, table: Table) -> Iterator[Finding]:
    persons = [unit for unit in table.units if unit.type is UnitType.PERSON]
    if terms.persons is None and not terms.authorised and persons and all(unit.when is None for unit in persons):
        says = "every entry is a person's, and no statute is named under persons: nothing can ever hit"
        yield Finding(
            AT,
            says,
            "名单均为自然人，而 persons 未写明法律依据，比对不会有任何命中",
            "name the statute that makes the list public, or say `authorised: true`, or remove the terms",
            "请写明公开名单的法律依据，或设置 authorised: true，或删除该条款",
            "idle-terms",
            Severity.WARNING,
        )
    for name, said in (("persons", terms.persons is not None), ("authorised", terms.authorised)):
        if said and not persons:
            yield Finding((*AT, name), "the table has no persons", "该表没有自然人", f"leave {name} out")
