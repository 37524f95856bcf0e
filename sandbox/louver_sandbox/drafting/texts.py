"""A draft as a text beside what is in force, and what is found wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from louver_sandbox.policy.bundle import Bundle, bundle_content, document_content, parse_bundle
from louver_sandbox.policy.documents import PolicyProblem, PolicyRefused, check_together
from louver_sandbox.policy.load import Library, Loaded, read_policy_text
from louver_sandbox.policy.model import Platform, Policy

DRAFT = "draft.yaml"
"""What a draft is called in its findings."""
UNSAID: Sequence[Sequence[object]] = ((None, False, [], {}), (None, False), (None,))
"""What a document need not say, as much of it as leaves the document the same."""
LONGEST = 256 * 1024
"""Characters of a draft; the longest policy of ours has a tenth."""


@dataclass(frozen=True)
class Draft:
    """One document that is read, in the bundle that it would make."""

    document: Platform | Policy
    library: Library
    bundle: Bundle


def documents(bundle: Bundle) -> tuple[Platform | Policy, ...]:
    """Every document of a bundle."""
    return bundle.platform, *bundle.policies


def placed(text: str, bundle: Bundle) -> Draft:
    """The draft in place of its namesake, or beside all others. Raises PolicyRefused with every problem."""
    loaded, problems = read_policy_text(DRAFT, text)
    if problems:
        raise PolicyRefused(problems)
    if len(loaded) != 1:
        said = f"{len(loaded)} documents; a draft is one", f"共 {len(loaded)} 份文档；草案须为一份"
        raise PolicyRefused([PolicyProblem(DRAFT, 1, 1, *said)])
    (mine,) = loaded
    others = [_loaded(item) for item in documents(bundle) if item.id != mine.document.id]
    together = [*others, mine]
    platforms = [item.document for item in together if isinstance(item.document, Platform)]
    policies = tuple(item.document for item in together if isinstance(item.document, Policy))
    if len(platforms) != 1:
        said = "the installation has one platform document, of another id", "平台文档仅有一份，且编号不同"
        raise PolicyRefused([PolicyProblem(DRAFT, 1, 1, *said)])
    by_id = {item.document.id: item for item in together}
    if found := [by_id[name].problem(finding) for name, finding in check_together(platforms[0], policies)]:
        raise PolicyRefused(found)
    library = Library(platforms[0], policies, tuple(together))
    return Draft(mine.document, library, parse_bundle(bundle_content(platforms[0], policies)))


def written(document: Platform | Policy) -> str:
    """A document as YAML that a person can go on writing: the same document, without what it leaves unsaid."""
    text = StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    yaml.dump(_plain(document), text)
    return text.getvalue()


def _loaded(document: Platform | Policy) -> Loaded:
    """A document in force with places in a text of its own; JSON is YAML."""
    (item,), _ = read_policy_text(f"{document.id}.yaml", json.dumps(_plain(document), ensure_ascii=False))
    return item


def _plain(document: Platform | Policy) -> Any:
    """What a text must say for it to be this document. Raises ValueError where nothing shorter than it says so."""
    content = document_content(document)
    for left_out in UNSAID:
        plain = _without(json.loads(content), left_out)
        found, problems = read_policy_text("", json.dumps(plain, ensure_ascii=False))
        if not problems and document_content(found[0].document) == content:
            return plain
    raise ValueError("a document that cannot be written")


def _without(value: Any, left_out: Sequence[object]) -> Any:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not any(_is(item, one) for one in left_out)}
        return {key: _without(item, left_out) for key, item in kept.items()}
    return [_without(item, left_out) for item in value] if isinstance(value, list) else value


def _is(item: object, other: object) -> bool:
    return type(item) is type(other) and item == other


def told(problem: PolicyProblem) -> Mapping[str, Any]:
    """A finding as plain data. What lies in another document is told at the draft's beginning, with its name."""
    here = problem.source == DRAFT
    beside = "" if here else f"{problem.source}: "
    return {
        "line": problem.line if here else 1,
        "column": problem.column if here else 1,
        "severity": problem.severity.value,
        "code": problem.code,
        "message": beside + problem.message,
        "message_zh": beside + problem.message_zh,
        "hint": problem.hint,
        "hint_zh": problem.hint_zh,
    }
