"""Decision tables: who asks what for which purpose, and what the decision must be.

They stand in case files and in policies (`tests:`). A case file holds documents of three kinds: `subjects` (who),
`queries` (named SQL) and `cases`. A case expects a treatment (`exact`, `threshold`, `dp`) or a refusal code, and may
expect the rule that decided. Cases run through the very functions of the line and read no data. They are about
policies alone: whoever asks has a key to seal to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from louver.errors import Refused
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.positions import Node, read_documents
from louver_sandbox.lookups import DIALECT
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.called import is_call
from louver_sandbox.policy.decide import decide
from louver_sandbox.policy.documents import PolicyProblem, PolicyRefused
from louver_sandbox.policy.features import ScoreAsked
from louver_sandbox.policy.load import Library, Loaded
from louver_sandbox.policy.lookups import admit_call
from louver_sandbox.policy.match_terms import MatchAsked, MatchMode
from louver_sandbox.policy.matching import MatchQuestion, decide_match
from louver_sandbox.policy.model import Asker, Given, OwnCase, Policy, Sql, Verdict
from louver_sandbox.policy.scoring import decide_score
from louver_sandbox.policy.sealing import SOME_KEY
from louver_sandbox.policy.visible import visible
from louver_sandbox.policy.words import Document, Identifier, TemplateName, Text
from louver_sandbox.score_plan import ScoreCase
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Facts, Request, Subject


class Subjects(Document):
    """Institutions by id."""

    kind: Literal["subjects"]
    subjects: Mapping[Identifier, Asker]


class NamedQuery(Document):
    """A query with a name, its purpose, and the text parameters it is asked with."""

    purpose: Identifier
    title: Text
    parameters: Mapping[str, str] = Field(default_factory=dict)
    sql: Sql


class Queries(Document):
    """Queries by name."""

    kind: Literal["queries"]
    queries: Mapping[Identifier, NamedQuery]


class Case(Document):
    """One row of a decision table: a named query, SQL, a match, scores or a template. `purpose` and `parameters`
    default to the named query's."""

    case: Text
    who: Identifier
    query: Identifier | None = None
    sql: Sql | None = None
    match: MatchAsked | None = None
    score: ScoreAsked | None = None
    template: TemplateName | None = None
    purpose: Identifier | None = None
    parameters: Given | None = None
    today: date | None = None
    expect: Verdict
    rule: Text | None = None


class Cases(Document):
    """A decision table; `today` is the day its cases are asked on."""

    kind: Literal["cases"]
    today: date
    cases: tuple[Case, ...] = Field(min_length=1)


CASE_DOCUMENT: TypeAdapter[Subjects | Queries | Cases] = TypeAdapter(
    Annotated[Subjects | Queries | Cases, Field(discriminator="kind")]
)


@dataclass(frozen=True, slots=True)
class PlacedCase:
    """A case with where it stands, and everything it refers to resolved."""

    source: str
    line: int
    case: Case
    subject: Subject
    sql: str
    purpose: str
    parameters: Given
    today: date
    dialect: str = "duckdb"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the decision was: `verdict` a treatment or a code, `rules` what decided, `message` why (refusals)."""

    verdict: str
    rules: tuple[str, ...]
    message: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case and what came of it."""

    placed: PlacedCase
    outcome: Outcome

    @property
    def passed(self) -> bool:
        """Whether verdict, and rule where one is expected, are as the table says."""
        case = self.placed.case
        return self.outcome.verdict == case.expect and (case.rule is None or case.rule in self.outcome.rules)

    def __str__(self) -> str:
        case = self.placed.case
        head = f"{self.placed.source}:{self.placed.line}: {case.case} ({case.who}, {self.placed.purpose})"
        if self.passed:
            return f"ok    {head}"
        lines = [f"FAIL  {head}", f"        expected {case.expect}" + (f" by {case.rule}" if case.rule else "")]
        lines.append(f"        got      {self.outcome.verdict} by {', '.join(self.outcome.rules) or 'no rule'}")
        if self.outcome.message:
            lines.append(f"        {self.outcome.message}")
        return "\n".join(lines)


def load_cases(paths: Sequence[Path]) -> tuple[PlacedCase, ...]:
    """The cases of these files, or of the `*.yaml` in these folders. Raises PolicyRefused with every problem."""
    documents: list[tuple[str, Node, Subjects | Queries | Cases]] = []
    problems: list[PolicyProblem] = []
    for file in (file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])):
        found, wrong = _read_case_file(file)
        documents.extend(found)
        problems.extend(wrong)
    subjects = {
        name: entry for _, _, item in documents if isinstance(item, Subjects) for name, entry in item.subjects.items()
    }
    queries = {
        name: query for _, _, item in documents if isinstance(item, Queries) for name, query in item.queries.items()
    }
    placed: list[PlacedCase] = []
    for source, node, item in documents:
        if not isinstance(item, Cases):
            continue
        for index, row in enumerate(item.cases):
            line = node.locate(("cases", index))[0]
            case = _placed(source, line, row.today or item.today, row, subjects, queries)
            if isinstance(case, PlacedCase):
                placed.append(case)
            else:
                problems.append(case)
    if problems:
        raise PolicyRefused(problems)
    return tuple(placed)


def _read_case_file(file: Path) -> tuple[list[tuple[str, Node, Subjects | Queries | Cases]], list[PolicyProblem]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return [], [PolicyProblem(file.name, 0, 0, "cannot be read as UTF-8 text", "无法按 UTF-8 文本读取")]
    nodes, wrong = read_documents(file.name, text)
    problems = [
        PolicyProblem(item.path, item.line or 0, item.column or 0, item.message, item.message_zh, item.hint)
        for item in wrong
    ]
    documents = []
    for node in nodes:
        try:
            documents.append((file.name, node, CASE_DOCUMENT.validate_python(node.plain())))
        except ValidationError as invalid:
            where = tuple(invalid.errors(include_url=False, include_input=False)[0]["loc"])[1:]
            line, column = node.locate(where)
            says = f"{'.'.join(map(str, where)) or 'the document'} is not as a case file needs it"
            problems.append(PolicyProblem(file.name, line, column, says, "不符合用例文件的格式"))
    return documents, problems


def load_queries(path: Path) -> Mapping[str, NamedQuery]:
    """The named queries of one file. Raises PolicyRefused."""
    documents, problems = _read_case_file(path)
    if problems:
        raise PolicyRefused(problems)
    return {
        name: query for _, _, item in documents if isinstance(item, Queries) for name, query in item.queries.items()
    }


def _placed(
    source: str,
    line: int,
    today: date,
    row: Case,
    subjects: Mapping[str, Asker],
    queries: Mapping[str, NamedQuery],
) -> PlacedCase | PolicyProblem:
    entry = subjects.get(row.who)
    if entry is None:
        return PolicyProblem(source, line, 0, f"{row.who} is not a subject of these files", f"未声明的机构 {row.who}")
    if sum(asked is not None for asked in (row.query, row.sql, row.match, row.score, row.template)) != 1:
        says, says_zh = (
            "a case has one of query, sql, match, score and template",
            "须且仅须给出 query、sql、match、score、template 之一",
        )
        return PolicyProblem(source, line, 0, says, says_zh)
    named = queries.get(row.query) if row.query is not None else None
    if row.query is not None and named is None:
        return PolicyProblem(source, line, 0, f"there is no query {row.query}", f"没有名为 {row.query} 的查询")
    purpose = row.purpose or (named.purpose if named else "")
    if not purpose:
        return PolicyProblem(
            source, line, 0, "a case of its own question needs a purpose", "未引用 query 的用例须写明 purpose"
        )
    return PlacedCase(
        source=source,
        line=line,
        case=row,
        subject=Subject(row.who, entry.type, frozenset(entry.groups), ""),
        sql=named.sql if named else row.sql or row.template or "",
        purpose=purpose,
        parameters=row.parameters if row.parameters is not None else (named.parameters if named else {}),
        today=today,
        dialect=DIALECT if row.template is not None else "duckdb",
    )


def own_cases(library: Library) -> tuple[PlacedCase, ...]:
    """The tests inside the policies of a library, in document order. Raises PolicyRefused with every problem."""
    placed = [case for item in library.loaded for case in _own_cases(item)]
    if problems := [case for case in placed if isinstance(case, PolicyProblem)]:
        raise PolicyRefused(problems)
    return tuple(case for case in placed if isinstance(case, PlacedCase))


def own_cases_of(policy: Policy) -> tuple[PlacedCase, ...]:
    """The tests inside one policy, whatever file it came from. Raises PolicyRefused."""
    placed = tuple(_rows(policy, policy.id, lambda index: index + 1))
    if problems := [case for case in placed if isinstance(case, PolicyProblem)]:
        raise PolicyRefused(problems)
    return tuple(case for case in placed if isinstance(case, PlacedCase))


def _own_cases(item: Loaded) -> Iterator[PlacedCase | PolicyProblem]:
    if isinstance(item.document, Policy):
        yield from _rows(item.document, item.path, lambda index: item.node.locate(("tests", "cases", index))[0])


def _rows(policy: Policy, source: str, line: Callable[[int], int]) -> Iterator[PlacedCase | PolicyProblem]:
    if policy.tests is None:
        return
    for index, row in enumerate(policy.tests.cases):
        case = Case.model_validate(row.model_dump() | {"rule": _full(policy.id, row)})
        yield _placed(source, line(index), row.today or policy.tests.today, case, policy.tests.subjects, {})


def _full(policy: str, row: OwnCase) -> str | None:
    """The rule's full name: one without a slash is the policy's own."""
    return row.rule if row.rule is None or "/" in row.rule else f"{policy}/{row.rule}"


def untested(policies: Sequence[Policy]) -> tuple[str, ...]:
    """The policies without tests of their own; they cannot be activated."""
    return tuple(policy.id for policy in policies if policy.tests is None)


def run_case(placed: PlacedCase, catalog: Catalog, bundle: Bundle) -> CaseResult:
    """The decision on one case, by the functions of the line."""
    if placed.case.match is not None:
        return _run_match(placed, placed.case.match, catalog, bundle)
    if placed.case.score is not None:
        return _run_score(placed, placed.case.score, catalog, bundle)
    request = Request(
        id="case",
        subject=placed.subject,
        purpose=placed.purpose,
        sql=placed.sql,
        parameters=dict(placed.parameters),
        dialect=placed.dialect,
    )
    facts = Facts(placed.today, sealing_key=SOME_KEY)
    try:
        if is_call(request):
            admitted = admit_call(request, catalog, bundle, facts, warnings=_is_warning(placed.sql, bundle))
        else:
            admitted = decide(bind(parse(request), visible(catalog, bundle, placed.subject)), bundle, facts)
    except Refused as refused:
        return CaseResult(placed, Outcome(refused.code, (refused.rule,) if refused.rule else (), refused.message))
    rules = tuple(
        f"{policy}/{grant}"
        for use in admitted.grants
        for policy in use.policy.split("+")
        for grant in use.grant.split("+")
    )
    return CaseResult(placed, Outcome(admitted.treatment.value, rules))


def _is_warning(name: str, bundle: Bundle) -> bool:
    """Whether the template of that name is subscribed to rather than asked."""
    named = (one for policy in bundle.policies for one in policy.templates if one.name == name)
    return any(one.warning is not None for one in named)


def _run_match(placed: PlacedCase, asked: MatchAsked, catalog: Catalog, bundle: Bundle) -> CaseResult:
    largest = 1 if asked.mode is MatchMode.SUM else 0
    question = MatchQuestion(placed.subject, placed.purpose, asked.list, asked.mode, asked.ids, largest)
    try:
        admitted = decide_match(question, catalog, bundle, Facts(placed.today))
    except Refused as refused:
        return CaseResult(placed, Outcome(refused.code, (refused.rule,) if refused.rule else (), refused.message))
    return CaseResult(placed, Outcome("matched", admitted.rules))


def _run_score(placed: PlacedCase, asked: ScoreAsked, catalog: Catalog, bundle: Bundle) -> CaseResult:
    features = bundle.platform.feature_sets.get(asked.feature_set)
    digest = "" if features is None else features.sha256
    who = (placed.subject, placed.purpose, asked.feature_set, digest)
    case = ScoreCase(*who, asked.model, asked.auditor, asked.subjects, placed.today)
    try:
        rules = decide_score(case, catalog, bundle)
    except Refused as refused:
        return CaseResult(placed, Outcome(refused.code, (refused.rule,) if refused.rule else (), refused.message))
    return CaseResult(placed, Outcome("authorised", rules.rules))


def run_cases(placed: Sequence[PlacedCase], catalog: Catalog, bundle: Bundle) -> tuple[CaseResult, ...]:
    """Every case in order."""
    return tuple(run_case(item, catalog, bundle) for item in placed)


def report(results: Sequence[CaseResult]) -> str:
    """A readable account: the failures with expected and got, then the count."""
    failed = [result for result in results if not result.passed]
    lines = [str(result) for result in failed]
    lines.append(f"{len(results) - len(failed)} of {len(results)} cases as expected")
    return "\n".join(lines)


def confined(bundle: Bundle, catalog: Catalog, changed: Collection[str]) -> bool:
    """Whether these policies deny nothing of other departments."""
    owners = {str(name): table.owner for name, table in catalog.tables.items()}
    mine = (policy for policy in bundle.policies if policy.id in changed)
    return all(owners.get(deny.table, policy.owner) == policy.owner for policy in mine for deny in policy.denies)


def stands_against(result: CaseResult, policy: str, changed: Collection[str], confined: bool) -> bool:
    """Whether a test of this policy stands against a bundle in which these policies are new.

    A department may always allow less of its own. So a test of a policy that stays as it is does not stand against
    them where its question is refused now: what is refused tells nothing that was not to be told, and the department
    that changes answers for nobody else's expectations. It does where the question is answered, and where the new
    ones deny what belongs to others (`confined`).
    """
    if result.passed:
        return False
    return policy in changed or not confined or not result.outcome.verdict.startswith("LVR-")
