"""A credit report in the bank's hands: read, proved, printed, and not taken for another when it was changed."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter
from typer.testing import CliRunner

from louver import MissingExtra, Unproven
from louver.cli.app import app
from louver.redress import proven
from louver.reports import CreditReport
from louver.reports.document import load, parse
from louver.reports.paper import printable
from louver.reports.printing import DOCUMENT, attached, printed
from louver.v1.sandbox_pb2 import Question
from louver.v1.subjects_pb2 import MakeReportResponse

REQUEST = "5f0c6a52-6a0e-4f6c-9a55-5b1f0c8f2d11"
HOSTILE = "甲<b>公司</b>)Tj ET /JS (app.alert(1))\u202e\n\u200b\U0002cb4a"


def section(rows: list[list[Any]], **more: Any) -> dict[str, Any]:
    return {
        "title": "登记信息",
        "template": "registration@1",
        "columns": [
            {"name": "ent_name", "title": "名称", "show": "whole"},
            {"name": "n", "title": "人数", "show": "whole"},
        ],
        "rows": rows,
        "sources": [{"table": "gov.ent_registry", "owner": "市市场监管局", "as_of": "2026-06-30"}],
        "cut": False,
        "admission": 3,
        **more,
    }


def document(*sections: dict[str, Any], **more: Any) -> bytes:
    said = {
        "format": "louver credit report 1",
        "report": "credit-enterprise@1",
        "title": "企业公共信用报告",
        "library": "credit_enterprise",
        "answers_for": "市发改委",
        "institution": "bank_a",
        "purpose": "LOAN_ORIGINATION",
        "request_id": REQUEST,
        "authorisation": "a1",
        "subject": {"unit": "enterprise", "number": "91370299MA3TEST012"},
        "made": "2026-07-01T12:00:00+08:00",
        "valid_until": "2026-07-31",
        "sections": list(sections),
        **more,
    }
    return json.dumps(said, ensure_ascii=False, sort_keys=True).encode()


def report(*sections: dict[str, Any], **more: Any) -> CreditReport:
    return parse(document(*sections, **more), b"")


def text(content: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def test_a_report_is_what_its_document_says() -> None:
    found = report(section([["青岛测试", 12]]))
    assert (found.name, found.subject, found.unit) == ("credit-enterprise@1", "91370299MA3TEST012", "enterprise")
    assert found.sections[0].rows == (("青岛测试", 12),)
    assert found.sections[0].titles == ("名称", "人数")
    assert str(found.sections[0].sources[0].as_of) == "2026-06-30"


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        document(format="louver credit report 2"),
        document(subject="91370299MA3TEST012"),
        document(section([["one cell"]])),
        document(section([[["a list"], 1]])),
        document(section([], title=None)),
        document(valid_until="soon"),
    ],
)
def test_what_is_no_report_is_unproven(damaged: bytes) -> None:
    with pytest.raises(Unproven):
        parse(damaged, b"")


def test_a_report_without_its_receipt_proves_nothing() -> None:
    with pytest.raises(Unproven):
        report().verify("louver.example/log+00000000+AAAA")


def test_a_printed_report_says_all_of_it_in_chinese() -> None:
    many = [[f"第{number}家", number] for number in range(60)]
    made = printed(
        report(section([["青岛测试", True]]), section(many, title="名单", cut=True), section([], title="处罚"))
    )
    said = text(made)
    for wanted in (
        "企业公共信用报告",
        "91370299MA3TEST012",
        "青岛测试",
        "是",
        "第59家",
        "另有更多",
        "无记录",
        "有效期至",
        "第 2 页",
    ):
        assert wanted in said, wanted
    assert report().sha256 in text(printed(report()))
    assert "无可提供的内容" in text(printed(report()))


def test_the_same_report_is_printed_alike_and_opened_again() -> None:
    one = report(section([["青岛测试", 12]]))
    assert printed(one) == printed(one)
    assert attached(printed(one)) == one


def test_text_of_the_data_is_text_and_no_instruction() -> None:
    made = printed(report(section([[HOSTILE, 1]]), title=HOSTILE, answers_for=HOSTILE))
    said = text(made)
    assert "甲<b>公司</b>)Tj ET" in said
    assert "〔U+202E〕〔U+000A〕〔U+200B〕〔U+2CB4A〕" in said
    found = PdfReader(io.BytesIO(made))
    assert "/OpenAction" not in str(found.trailer["/Root"])
    assert all("/Annots" not in page for page in found.pages)
    assert printable("王\u3000小 明") == "王\u3000小 明"


def test_a_pdf_that_was_changed_is_not_taken_for_the_report(tmp_path: Path) -> None:
    honest = printed(report(section([["青岛测试", 12]])))
    better = printed(report(section([["青岛测试", 99]])))
    swapped = PdfWriter()
    for page in PdfReader(io.BytesIO(better)).pages:
        swapped.add_page(page)
    swapped.add_attachment(DOCUMENT, document(section([["青岛测试", 12]])))
    forged = io.BytesIO()
    swapped.write(forged)
    bare = io.BytesIO()
    empty = PdfWriter()
    empty.add_blank_page(100, 100)
    empty.write(bare)
    for content in (
        forged.getvalue(),
        bare.getvalue(),
        honest + b"\n",
        honest.replace(b"/Rotate 0", b"/Rotate 9"),
        b"%PDF-",
    ):
        if content != honest:
            path = tmp_path / "report.pdf"
            path.write_bytes(content)
            with pytest.raises(Unproven):
                load(path)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reportlab.pdfbase", None)
    with pytest.raises(MissingExtra, match="printing of reports"):
        printed(report())


def test_a_saved_report_has_its_receipt_beside_it(tmp_path: Path) -> None:
    found = report(section([["青岛测试", 12]]))
    found.save(tmp_path / "firm.json")
    assert load(tmp_path / "firm.json") == found
    assert replace(found, document=b"") != found


@pytest.mark.parametrize("arguments", [["-o", "firm.txt"], ["-o", "firm"]])
def test_a_report_is_written_as_json_or_pdf(arguments: list[str]) -> None:
    ran = CliRunner().invoke(app, ["report", "credit-enterprise@1", "91370299MA3TEST012", *arguments])
    assert ran.exit_code == 2


def test_checking_what_is_not_there_is_used_wrongly(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["report-check", str(tmp_path / "none.pdf"), "--log-key", "key"])
    assert ran.exit_code == 2


@pytest.mark.parametrize(
    "other",
    [
        {"request_id": "00000000-0000-4000-8000-000000000000"},
        {"report": "credit-person@1"},
        {"purpose": "POST_LOAN"},
        {"subject": {"unit": "enterprise", "number": "91370299MA3OTHER01"}},
    ],
)
def test_another_report_than_the_one_that_was_asked_for_is_unproven(other: dict[str, Any]) -> None:
    question = Question(request_id=REQUEST, purpose="LOAN_ORIGINATION", sql="credit-enterprise@1")
    question.parameters["subject"].text = "91370299MA3TEST012"
    assert proven(MakeReportResponse(document=document()), question, "").request_id == REQUEST
    with pytest.raises(Unproven):
        proven(MakeReportResponse(document=document(**other)), question, "")
