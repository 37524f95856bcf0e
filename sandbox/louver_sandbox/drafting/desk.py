"""The desk: a process in which one draft is read and tried, and which then ends.

Officers' YAML, the tests in it and the SQL of their questions are texts of strangers, so they are looked at where a
checker would be: without data, keys or network, within limits of memory and time, one job for each process. It
decides by the very functions of the line; there is no second decision point.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from duckdb import DuckDBPyConnection

from louver_sandbox import checker
from louver_sandbox.checker import Judgement
from louver_sandbox.drafting.granting import as_yaml, grants_for
from louver_sandbox.drafting.outcomes import outcome_of
from louver_sandbox.drafting.texts import Draft, placed, told
from louver_sandbox.identity import parse_registry
from louver_sandbox.policy.approvals import owner_of
from louver_sandbox.policy.bundle import Bundle, bundle_content, document_content
from louver_sandbox.policy.difference.compare import compare
from louver_sandbox.policy.difference.offers import Documents
from louver_sandbox.policy.difference.told import as_json, as_lines
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.severity import Severity
from louver_sandbox.policy.testing import CaseResult, confined, own_cases_of, run_cases, stands_against, untested
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve_one
from louver_sandbox.processes.isolation.confinement import seal
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.stages import Case, Subject

ENTRY: Final = "louver_sandbox.drafting.desk:main"
PRELOAD: Final = ("ruamel.yaml", "louver_sandbox.drafting.desk")
MEMORY_MIB: Final = 1024
REPLY_CAP: Final = 16 << 20

Job = Mapping[str, Any]
Reply = dict[str, Any]


def main(channel: Channel, prepared: tuple[Path, DuckDBPyConnection]) -> None:
    """One job: its JSON in the first line, a case in the others where it is about a question."""
    folder, connection = prepared

    def answer(request: bytes) -> bytes:
        said, _, case = request.partition(b"\n")
        job = json.loads(said)
        judgement = checker.read_kept(folder, job["catalog"], job["bundle"])
        seal()
        desk = Desk(judgement, date.fromisoformat(job["today"]), checker.reader(connection))
        try:
            reply = desk.acts[job["act"]](job, case)
        except PolicyRefused as refused:
            reply = {"findings": [dict(told(item)) for item in refused.problems]}
        return json.dumps(reply, ensure_ascii=False).encode()

    serve_one(channel, answer)


class Desk:
    """What is in force, and the drafts that are held against it."""

    def __init__(self, judgement: Judgement, today: date, engine: checker.FormReader) -> None:
        self._judgement = judgement
        self._today = today
        self._engine = engine
        self.acts: Mapping[str, Callable[[Job, bytes], Reply]] = {
            "lint": self._lint,
            "test": self._test,
            "diff": self._diff,
            "explain": self._explain,
            "grants": self._grants,
            "submit": self._submit,
            "together": self._together,
            "content": self._content,
        }

    def _placed(self, job: Job) -> Draft:
        return placed(job["text"], self._judgement.bundle)

    def _lint(self, job: Job, case: bytes) -> Reply:
        draft = self._placed(job)
        found = lint(draft.library, self._judgement.catalog, self._today, parse_registry(job["institutions"]))
        mine = {item.path for item in draft.library.loaded if item.document.id == draft.document.id}
        return {"findings": [dict(told(item)) for item in found if item.source in mine]}

    def _test(self, job: Job, case: bytes) -> Reply:
        draft = self._placed(job)
        cases = own_cases_of(draft.document) if isinstance(draft.document, Policy) else ()
        return {"tests": list(map(_result, run_cases(cases, self._judgement.catalog, draft.bundle)))}

    def _diff(self, job: Job, case: bytes) -> Reply:
        draft, now = self._placed(job), self._judgement.bundle
        known = parse_registry(job["institutions"]).values()
        people = {item.id: Subject(item.id, item.type, item.groups, "") for item in known}
        after = Documents(draft.bundle.platform, draft.bundle.policies)
        found = compare(Documents(now.platform, now.policies), after, people)
        return {"difference": as_json(found), "lines": list(as_lines(found))}

    def _explain(self, job: Job, case: bytes) -> Reply:
        judgement = self._judgement
        if job["text"]:
            judgement = Judgement(judgement.catalog, self._placed(job).bundle)
        verdict = checker.check(checker.case_from_bytes(case), judgement, self._engine)
        refusal = verdict.refusal
        reply: Reply = {"outcome": outcome_of(verdict).plain()}
        if refusal is not None:
            names = ("message", "message_zh", "hint", "hint_zh")
            reply |= {name: getattr(refusal, name) for name in names}
            reply |= {"line": refusal.line or 0, "column": refusal.column or 0}
        return reply

    def _grants(self, job: Job, case: bytes) -> Reply:
        asked: Case = checker.case_from_bytes(case)
        catalog, bundle = self._judgement.with_own(asked.own), self._judgement.bundle
        found = grants_for(asked.request, bundle.platform, bundle.policies, catalog, self._today)
        if found.refused is not None:
            said = found.refused
            return {"code": said.code, "message": said.message, "message_zh": said.message_zh}
        return {"text": as_yaml(found, asked.request)} if found.wanted else {"legal": True}

    def _submit(self, job: Job, case: bytes) -> Reply:
        """Everything that stands between a draft and the drawer in which it waits for signatures."""
        draft = self._placed(job)
        found = self._lint(job, case)["findings"]
        if any(item["severity"] == Severity.ERROR.value for item in found):
            return {"findings": found}
        tried = self._tried(draft.bundle, {draft.document.id})
        if "tests" in tried:
            return tried
        return {
            "document": document_content(draft.document).decode(),
            "expires": draft.bundle.platform.expires.isoformat(),
            "report": {
                "tests": tried["counts"],
                "refused_now": tried["refused_now"],
                "difference": self._diff(job, case)["difference"],
            },
        }

    def _together(self, job: Job, case: bytes) -> Reply:
        """The tests of every policy in a bundle that is to be in force."""
        return self._tried(self._judgement.bundle, set(job["changed"].split()))

    def _content(self, job: Job, case: bytes) -> Reply:
        """The bundle with a draft in it, and whose document that is; what is wrong with it otherwise."""
        draft = self._placed(job)
        found = self._lint(job, case)["findings"]
        if any(item["severity"] == Severity.ERROR.value for item in found):
            return {"findings": found}
        content = bundle_content(draft.library.platform, draft.library.policies)
        named = {"id": draft.document.id, "owner": owner_of(draft.document)}
        return {"content": content.decode(), "digest": hashlib.sha256(content).hexdigest(), **named}

    def _tried(self, bundle: Bundle, changed: Collection[str]) -> Reply:
        """How many tests passed by policy, and those of other departments whose questions are refused now; else those
        that stand against it, and policies without any, as failed tests."""
        catalog, policies = self._judgement.catalog, bundle.policies
        failed = [
            {"name": name, "passed": False, "expected": "tests of its own", "got": "none"}
            for name in untested(policies)
        ]
        counts: dict[str, int] = {}
        refused_now: list[str] = []
        alone = confined(bundle, catalog, changed)
        for policy in policies:
            results = run_cases(own_cases_of(policy), catalog, bundle)
            counts[policy.id] = len(results)
            for item in results:
                name = f"{policy.id}: {item.placed.case.case}"
                if stands_against(item, policy.id, changed, alone):
                    failed.append({**_result(item), "name": name})
                elif not item.passed:
                    refused_now.append(name)
        return {"tests": failed} if failed else {"counts": counts, "refused_now": refused_now}


def _result(result: CaseResult) -> dict[str, Any]:
    case, outcome = result.placed.case, result.outcome
    got = outcome.verdict + (f" by {', '.join(outcome.rules)}" if outcome.rules else "")
    return {
        "name": case.case,
        "passed": result.passed,
        "expected": case.expect + (f" by {case.rule}" if case.rule else ""),
        "got": f"{got}: {outcome.message}" if outcome.message else got,
    }


def asked(pool: CheckerPool, seconds: float, judgement: Judgement, today: date, job: Job, case: bytes = b"") -> Reply:
    """A desk's reply. Raises `CheckerFailed`."""
    named = {"catalog": judgement.catalog.digest, "bundle": judgement.bundle.digest, "today": today.isoformat()}
    reply: Reply = json.loads(pool.ask(json.dumps({**named, **job}).encode() + b"\n" + case, seconds))
    return reply
