"""Chinese sentences have full-width punctuation (GB/T 15834-2011), in what the platform says and in its documents.

Code keeps its own: what stands between backticks, in a fenced block, or in the brackets of a call (`count(非空列)`).
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HAN = "\u4e00-\u9fff"
FAULT = re.compile(rf"[{HAN}][,;:?!](?! [A-Za-z])|[,;:?!] ?[{HAN}]|[{HAN}]\(|\)[{HAN}]")
CALL = re.compile(r"(?<=[A-Za-z0-9_])\((?:[^()]|\([^()]*\))*\)")
CODE = re.compile(r"`[^`]*`|\]\([^)]*\)")
SPEAKING = ("refusals", "release", "policy", "catalog", "service", "uploads", "sql", "publishing", "operator")
"""Packages of the sandbox that have words for people."""


def faults(sentence: str) -> list[str]:
    """Half-width punctuation of a Chinese sentence, each with what stands around it."""
    plain = CALL.sub("()", sentence)
    return [plain[max(0, found.start() - 6) : found.end() + 6] for found in FAULT.finditer(plain)]


def sentences_of_python(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING and not token.string.startswith(('"""', 'r"""')):
            yield token.string


def sentences_of_markdown(path: Path) -> Iterator[str]:
    fenced = False
    for line in path.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        if not fenced:
            yield CODE.sub("x", line)


def speaking() -> list[Path]:
    packages = [ROOT / "sandbox" / "louver_sandbox" / name for name in SPEAKING]
    client = ROOT / "clients" / "python" / "louver"
    return sorted(path for folder in (*packages, client) for path in folder.rglob("*.py"))


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("path", speaking(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_platform_says_in_chinese_is_punctuated_as_chinese(path: Path) -> None:
    assert [fault for sentence in sentences_of_python(path) for fault in faults(sentence)] == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_chinese_in_the_documents_is_punctuated_as_chinese(path: Path) -> None:
    assert [fault for sentence in sentences_of_markdown(path) for fault in faults(sentence)] == []


def test_reasons_that_policies_give_in_chinese_are_punctuated_as_chinese() -> None:
    lines = [
        line.partition(":")[2]
        for path in sorted((ROOT / "policies" / "library").glob("*.yaml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith("reason_zh:")
    ]
    assert lines
    assert [fault for line in lines for fault in faults(line)] == []


@pytest.mark.parametrize("wrong", ["已拒绝,请重试", "结果(空)", "原因:过少", "多少?", "值;列", "请写 x)或 y"])
def test_half_width_punctuation_would_be_found(wrong: str) -> None:
    assert faults(wrong)


@pytest.mark.parametrize(
    "right", ["已拒绝，请重试", "count(非空列, 列) 可用", "政务: an English sentence", "x (see 表)"]
)
def test_code_and_english_keep_theirs(right: str) -> None:
    assert faults(right) == []
