"""Files in, values out: policy YAML with the line and column of every problem, and signed bundle folders.

A bundle folder holds `bundle.json` (canonical content) and `approvals-DIGEST.json`. The trusted officers are a file
of their own, kept by the operator outside the bundle: a bundle cannot name who may sign it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.numbers import NOT_A_NUMBER
from louver_sandbox.catalog.positions import Node, read_documents
from louver_sandbox.perturbation.named import register
from louver_sandbox.perturbation.refused import PerturbationRefused
from louver_sandbox.policy.approvals import Approval, approvals_text, parse_approvals, verify_bundle
from louver_sandbox.policy.bundle import Bundle, BundleRefused
from louver_sandbox.policy.documents import PolicyProblem, PolicyRefused, check_together
from louver_sandbox.policy.floors import Finding
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.officers import Officer, parse_officers

CONTENT_FILE = "bundle.json"
APPROVALS_FILE = "approvals.json"
"""Of a bundle folder of before; now each content has approvals by its digest, so that one rename replaces both."""

_REASONS = {
    "missing": ("is missing", "缺少该项"),
    "extra_forbidden": ("is not a key of this document", "不是本文档的键"),
    "enum": ("is not one of the allowed words", "不在允许的取值之内"),
    "literal_error": ("is not one of the allowed words", "不在允许的取值之内"),
    "too_short": ("must not be empty", "不得为空"),
    "string_pattern_mismatch": ("is not written in the form this key needs", "书写格式不符合要求"),
    NOT_A_NUMBER: ("is not a number written in digits", "不是以数字书写的数值"),
    "value_error": ("contradicts itself or names nobody", "自相矛盾或未指明对象"),
    "greater_than_equal": ("is too small", "数值过小"),
    "less_than_equal": ("is too large", "数值过大"),
}
_FORMS = ("literal[none]", "CellKeyTerms", "constrained-str", "AcceptedRisks")
"""How the validator calls the forms of `noise`; no key of a document."""
_OTHER = ("is not a value of the kind this key needs", "取值类型不符合要求")


@dataclass(frozen=True, slots=True)
class Loaded:
    """One document with the file and YAML nodes it came from, so that later findings have a place."""

    path: str
    node: Node
    document: Platform | Policy

    def problem(self, finding: Finding) -> PolicyProblem:
        """The finding at its line and column."""
        line, column = self.node.locate(finding.where)
        return PolicyProblem(
            self.path,
            line,
            column,
            finding.message,
            finding.message_zh,
            finding.hint,
            finding.hint_zh,
            finding.code,
            finding.severity,
        )


@dataclass(frozen=True, slots=True)
class Library:
    """Every document of a folder, checked together."""

    platform: Platform
    policies: tuple[Policy, ...]
    loaded: tuple[Loaded, ...]


def load_library(paths: Sequence[Path]) -> Library:
    """The documents of these files, or of the `*.yaml` files in these folders.

    Raises PolicyRefused with every problem of form, reference and floor.
    """
    loaded: list[Loaded] = []
    problems: list[PolicyProblem] = list(_tables(paths))
    for path in _files(paths):
        found, wrong = _read_file(path)
        loaded.extend(found)
        problems.extend(wrong)
    platforms = [item.document for item in loaded if isinstance(item.document, Platform)]
    policies = tuple(item.document for item in loaded if isinstance(item.document, Policy))
    if len(platforms) != 1:
        message, message_zh = (
            f"{len(platforms)} documents of kind platform; exactly one is needed",
            "须有且仅有一份 platform",
        )
        problems.append(PolicyProblem(", ".join(path.name for path in paths), 0, 0, message, message_zh))
        raise PolicyRefused(problems)
    by_id = {item.document.id: item for item in loaded}
    problems.extend(by_id[name].problem(finding) for name, finding in check_together(platforms[0], policies))
    if problems:
        raise PolicyRefused(problems)
    return Library(platforms[0], policies, tuple(loaded))


def _tables(paths: Sequence[Path]) -> Iterator[PolicyProblem]:
    """Makes the perturbation tables in `tables/` of each folder known; the problems of those that do not hold."""
    for file in sorted(file for path in paths for file in (path / "tables").glob("*.json")):
        try:
            register(file.stem, file.read_bytes())
        except PerturbationRefused as refused:
            yield PolicyProblem(f"tables/{file.name}", 0, 0, refused.message, refused.message_zh)
        except OSError:
            yield PolicyProblem(f"tables/{file.name}", 0, 0, "cannot be read", "无法读取")


def _read_file(path: Path) -> tuple[tuple[Loaded, ...], tuple[PolicyProblem, ...]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return (), (PolicyProblem(path.name, 0, 0, "cannot be read as UTF-8 text", "无法按 UTF-8 文本读取"),)
    return read_policy_text(path.name, text)


def read_policy_text(name: str, text: str) -> tuple[tuple[Loaded, ...], tuple[PolicyProblem, ...]]:
    """The documents of one YAML text and the problems of form; `name` is quoted in problems."""
    nodes, wrong = read_documents(name, text)
    problems = [
        PolicyProblem(item.path, item.line or 0, item.column or 0, item.message, item.message_zh, item.hint)
        for item in wrong
    ]
    loaded: list[Loaded] = []
    for node in nodes:
        plain = node.plain()
        kind = plain.get("kind") if isinstance(plain, dict) else None
        model: type[Platform] | type[Policy] = Platform if kind == "platform" else Policy
        try:
            loaded.append(Loaded(name, node, model.model_validate(plain)))
        except ValidationError as invalid:
            problems.extend(_problems(name, node, invalid))
    return tuple(loaded), tuple(problems)


def _problems(name: str, node: Node, invalid: ValidationError) -> Iterable[PolicyProblem]:
    """Our words for what the validator found, once per place (a union reports every branch it tried)."""
    seen: set[tuple[int, int]] = set()
    for error in invalid.errors(include_url=False, include_input=False):
        where = tuple(step for step in error["loc"] if step not in _FORMS)
        line, column = node.locate(where)
        if (line, column) in seen:
            continue
        seen.add((line, column))
        says, says_zh = _REASONS.get(error["type"], _OTHER)
        key = ".".join(str(step) for step in where if not _is_branch(step)) or "the document"
        yield PolicyProblem(name, line, column, f"{key} {says}", f"{key} {says_zh}", "see docs/reference/policies.md")


def _is_branch(step: str | int) -> bool:
    return isinstance(step, str) and (step.startswith("tuple[") or step == "ColumnRights")


def _files(paths: Sequence[Path]) -> list[Path]:
    return [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]


def load_officers(path: Path) -> tuple[Officer, ...]:
    """The trusted officers of an operator's file. Raises BundleRefused when it cannot be read as such."""
    return parse_officers(_read(path))


def load_bundle(directory: Path, officers: Sequence[Officer], today: date, catalog: Catalog) -> Bundle:
    """The bundle of a folder, verified: approved document by document, unaltered, not expired, nothing below a floor.

    Raises BundleRefused with every reason.
    """
    content = _read(directory / CONTENT_FILE)
    return verify_bundle(content, load_approvals(directory), officers, today, catalog)


def load_approvals(directory: Path) -> tuple[Approval, ...]:
    """The approvals of a bundle folder, not yet verified. Raises BundleRefused."""
    own = directory / _approvals_of(_read(directory / CONTENT_FILE))
    return parse_approvals(_read(own if own.exists() else directory / APPROVALS_FILE))


def write_bundle(directory: Path, content: bytes, approvals: Sequence[Approval]) -> None:
    """Writes a bundle folder; the content, whose replacing is the one step that counts, comes last.

    Whatever stops it in between leaves the former content with its own approvals.
    """
    directory.mkdir(parents=True, exist_ok=True)
    own = _approvals_of(content)
    for name, data in ((own, approvals_text(approvals)), (CONTENT_FILE, content)):
        unfinished = directory / f".{name}.new"
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, directory / name)
    for former in (*directory.glob("approvals-*.json"), directory / APPROVALS_FILE):
        if former.name != own:
            former.unlink(missing_ok=True)


def _approvals_of(content: bytes) -> str:
    return f"approvals-{hashlib.sha256(content).hexdigest()}.json"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as unreadable:
        raise BundleRefused((f"{path.name} cannot be read",)) from unreadable
