"""A credit report on paper: a PDF in Chinese, made here from the signed document, with document and receipt attached.

The same report gives the same bytes, so that a PDF can be checked: it is made again from what is attached and
compared. How it is drawn is `louver.reports.paper`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

from louver.errors import Unproven
from louver.failures import missing_extra
from louver.reports.document import CreditReport, Section, parse
from louver.reports.paper import BODY, HEADING, SMALL, TITLE, Paper, pages

DOCUMENT, RECEIPT = "report.json", "report.json.receipt"
"""The names of the attachments."""

_LIBRARIES = {
    "credit_enterprise": "企业公共信用",
    "credit_non_enterprise": "非企业法人公共信用",
    "credit_natural_person": "自然人公共信用",
}
_NOTHING = "无可提供的内容：没有该主体，或没有涵盖本报告全部内容的有效授权。"
_NO_ROWS = "无记录"
_CAUTION = (
    "本报告依据上述数据来源截至所列日期的记录由平台自动生成，不构成授信结论；如有异议，信息主体可通过出具机构或运营机构提出，"
    "十个工作日内答复。请勿超出授权目的使用或向第三方提供。"
)


def printed(report: CreditReport) -> bytes:
    """The PDF. Raises ``MissingExtra`` without the libraries."""
    try:
        from pypdf import PdfReader, PdfWriter
    except ModuleNotFoundError:
        raise missing_extra("printing of reports", "report") from None
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_pages(report))))
    writer.add_attachment(DOCUMENT, report.document)
    if report.receipt is not None:
        writer.add_attachment(RECEIPT, report.receipt.to_bytes())
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def attached(content: bytes) -> CreditReport:
    """The report in a PDF, if the PDF is what that report gives. Raises ``Unproven`` and ``MissingExtra``."""
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ModuleNotFoundError:
        raise missing_extra("printing of reports", "report") from None
    try:
        files = {name: list(kept) for name, kept in PdfReader(io.BytesIO(content)).attachments.items()}
        (document,), (receipt,) = files[DOCUMENT], files.get(RECEIPT, [b""])
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven("this PDF has no report attached, or several", content) from None
    report = parse(document, receipt)
    if printed(report) != content:
        raise Unproven("this PDF is not what its document gives when it is printed", content)
    return report


def _pages(report: CreditReport) -> bytes:
    # The digest that the log has, on every page: a printed page can be told from another report's.
    digest = hashlib.sha256(report.document).hexdigest()
    return pages(
        report.title,
        report.answers_for,
        f"sha256 {report.sha256}",
        f"SHA-256 {digest}",
        lambda paper: _write(paper, report),
    )


def _write(paper: Paper, report: CreditReport) -> None:
    paper.line(report.title, TITLE, centred=True)
    paper.gap(8)
    for label, value in _head(report):
        paper.line(f"{label}：{value}", BODY)
    if not report.sections:
        paper.gap(10)
        paper.line(_NOTHING, HEADING)
    for number, section in enumerate(report.sections, start=1):
        _section(paper, number, section)
    paper.gap(10)
    paper.line(_CAUTION, SMALL)


def _head(report: CreditReport) -> Iterator[tuple[str, str]]:
    yield "报告编号", report.request_id
    yield "报告类型", f"{_LIBRARIES.get(report.library, report.library)}（{report.name}）"
    yield "信息主体", report.subject
    yield "查询机构", report.institution
    yield "查询目的", report.purpose
    yield "授权编号", report.authorisation or "无"
    yield "责任单位", report.answers_for
    yield "出具时间", report.made.strftime("%Y-%m-%d %H:%M:%S（北京时间）")
    yield "有效期至", report.valid_until.isoformat()


def _section(paper: Paper, number: int, section: Section) -> None:
    paper.gap(8)
    paper.line(f"{number}. {section.title}", HEADING)
    if not section.rows:
        paper.line(_NO_ROWS, BODY)
    elif len(section.rows) == 1:
        for title, cell in zip(section.titles, section.rows[0], strict=True):
            paper.line(f"{title}：{_shown(cell)}", BODY)
    else:
        paper.table(section.titles, [[_shown(cell) for cell in row] for row in section.rows])
    if section.cut:
        paper.line("另有更多记录，未全部列出。", SMALL)
    said = "；".join(f"{one.owner}（{one.table}），截至 {one.as_of}" for one in section.sources)
    paper.line(f"来源：{said}。模板：{section.template}。", SMALL)
    for one in section.sources:
        if one.quality is not None:
            paper.line(f"数据质量：{one.quality.text('zh')}。", SMALL)


def _shown(cell: str | int | bool | None) -> str:
    if isinstance(cell, bool):
        return "是" if cell else "否"
    return "—" if cell is None else str(cell)
