"""What a version waits for is said in the reader's language, whatever the sandbox says of it."""

from __future__ import annotations

from datetime import date

from louver_sandbox.policy.approvals import APPROVAL_CONTEXT, Approval, Statement, missing
from louver_sandbox.policy.officers import make_officer, sign
from louver_server.rendering import Wording
from louver_server.waits import told

STATEMENT = Statement(
    document="d" * 64, id="taxation", owner="市税务局", serial=3, effective=date(2026, 1, 1), expires=date(2027, 1, 1),
    submitter="wang", four_eyes=True,
)  # fmt: skip


def test_everything_that_the_sandbox_says_a_version_waits_for_has_its_chinese() -> None:
    stranger, key = make_officer("qian", lambda size: bytes(size), "市公安局")
    signed = (sign(APPROVAL_CONTEXT, STATEMENT.to_bytes(), "qian", key),)
    said = missing(Approval(STATEMENT, signed), (stranger,))
    assert len(said) == 4
    for one in said:
        assert told(one, Wording("zh")) != one, one
        assert told(one, Wording("zh")) != told(one, Wording("en"))
    assert told("something else", Wording("zh")) == "something else"
