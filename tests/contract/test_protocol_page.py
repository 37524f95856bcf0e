"""docs/reference/protocol.md tells authors of other clients the truth: methods, fields, forms, statuses, signing bytes."""

import re
from pathlib import Path

import grpc

from louver import signing
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.identity import LONGEST_LIFE
from louver_sandbox.service import convert, edge, server

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")


def first_cells() -> list[str]:
    """The first cell of every row of every table."""
    return re.findall(r"^\| (.+?) \|", PAGE, re.MULTILINE)


def test_every_method_is_listed_and_none_that_is_not_there() -> None:
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["SandboxService"].methods}
    assert {cell.strip("`") for cell in first_cells() if re.fullmatch(r"`[A-Z]\w+`", cell)} - {
        "FaultDetail"
    } == methods


def test_every_field_of_a_question_is_described() -> None:
    listed = {cell.strip("`") for cell in first_cells() if re.fullmatch(r"`[a-z_]+`", cell)}
    assert listed == set(pb.Question.DESCRIPTOR.fields_by_name)


def test_the_signing_bytes_are_as_shown() -> None:
    question = pb.Question(
        request_id="123e4567-e89b-42d3-a456-426614174000",
        purpose="RESEARCH",
        sql="SELECT 1",
        expires="2026-07-01T00:05:00+00:00",
    )
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    made = signing.signing_bytes(question).decode()
    assert re.sub(r"(_sha256: ).*", r"\1", made) == re.sub(r"(_sha256: ).*", r"\1", shown)


def test_limits_are_as_told() -> None:
    assert f"{server.MESSAGE_BYTES // 2**20} MiB at most" in PAGE
    assert f"at most {convert.LONGEST_TEXT}\ncharacters" in PAGE
    assert (
        f"at most {convert.MOST_PARAMETERS}, named `{convert.PARAMETER.pattern.removesuffix(chr(92) + 'Z')}`" in PAGE
    )
    assert f"`{convert.PURPOSE.pattern.removesuffix(chr(92) + 'Z')}`" in PAGE
    assert LONGEST_LIFE.total_seconds() == 3600
    assert "at most one hour ahead" in PAGE


def test_statuses_are_as_told() -> None:
    told: dict[str, str] = {}
    for codes, status in re.findall(r"^\| `RefusalDetail` (LVR.+?) \| ([A-Z_]+) \|", PAGE, re.MULTILINE):
        numbers = [int(number) for number in re.findall(r"\d{4}", codes)]
        whole = range(numbers[0], numbers[1] + 1) if " to " in codes else numbers
        told |= {f"LVR-{number:04d}": status for number in whole}
    assert told == {code: status.name for code, status in edge._STATUS_BY_CODE.items()}
    assert f"| any other `RefusalDetail` | {grpc.StatusCode.FAILED_PRECONDITION.name} |" in PAGE
