"""Banks that ask several questions of the forty firms, under policies that look back at what was asked before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.support.line import Line, ask, call, line
from tests.support.policy_questions import BANK_A, bundle_of, grant_document, policy

from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.selections import Pattern, Response
from louver_sandbox.stages import Subject

PLENTY = {"queries_per_day": 1000, "predicates_per_day": 1000}


def everything(response: Response) -> dict[str, str]:
    """The same response to every pattern."""
    return {pattern.value: response.value for pattern in Pattern}


def looking_back(history: Mapping[str, str], budget: Mapping[str, int] | None = None) -> Bundle:
    """What the banks may do with the firms: conditions on section and amount, looked back at like this."""
    grant: dict[str, Any] = grant_document(
        table="gov.firm",
        columns={"section": ["group_key", "filter", "order"], "amount": ["aggregate", "filter", "group_key"]},
        threshold={},
        budget={**PLENTY, **(budget or {})},
        history=dict(history),
        purposes=["RESEARCH", "MODEL_BUILD"],
    )
    return bundle_of(policy(grant, owner="测试部门"))


@contextmanager
def bank(folder: Path, history: Mapping[str, str], budget: Mapping[str, int] | None = None) -> Iterator[Line]:
    """A line under such a policy."""
    with line(folder) as made:
        made.bundle = looking_back(history, budget)
        yield made


def counted(bank: Line, sql: str, request_id: str, who: Subject = BANK_A, purpose: str = "RESEARCH") -> int:
    """The sum of what the answer's column `n` shows. Raises `Refused`."""
    receipted = bank.pipeline.answer(ask(sql, request_id, who, purpose=purpose), call())
    shown = pa.ipc.open_stream(receipted.answer.arrow).read_all()
    return sum(number for number in shown.column("n").to_pylist() if number is not None)


def findings(bank: Line) -> list[tuple[str, ...]]:
    """What the log tells the auditor: pattern and earlier question, of every admission in order."""
    said: list[tuple[str, ...]] = []
    for entry in bank.books.log.entries(limit=1000, kind="admission"):
        fields: Mapping[str, Any] = entry.fields
        said += [(found["pattern"], found.get("earlier", "")) for found in fields.get("history", ())]
    return said
