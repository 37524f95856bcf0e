"""A credit report on paper: a PDF in Chinese, made here from the signed document, with document and receipt attached.

The same report gives the same bytes, so that a PDF can be checked: it is made again from what is attached and
compared. What stands in the data is drawn as text and nothing else: no markup is read in it, and what is no printable
character is shown as its number. The font is one of the
Adobe-GB1 set that every reader of PDFs has for Chinese (ISO 32000-1, 9.7.5.2), so none is shipped.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from louver.errors import Unproven
from louver.failures import missing_extra
from louver.reports.document import CreditReport, Section, parse

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

DOCUMENT, RECEIPT = "report.json", "report.json.receipt"
"""The names of the attachments."""

_FONT = "STSong-Light"
_A4 = (595.276, 841.89)
_MARGIN = 56.0
_WIDTH = _A4[0] - 2 * _MARGIN
_TITLE, _HEADING, _BODY, _SMALL = 18.0, 12.0, 9.5, 7.5
_LEADING = 1.5
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
    try:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont
        from reportlab.pdfgen.canvas import Canvas
    except ModuleNotFoundError:
        raise missing_extra("printing of reports", "report") from None
    if _FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(_FONT))
    made = io.BytesIO()
    canvas = Canvas(made, pagesize=_A4, invariant=1, pageCompression=0)
    canvas.setTitle(printable(report.title))
    canvas.setAuthor(printable(report.answers_for))
    canvas.setSubject(f"sha256 {report.sha256}")
    _Writer(canvas, report).write()
    return made.getvalue()


def printable(text: str) -> str:
    """The text with what cannot be drawn or could mislead shown as its number: controls, directions of writing, and
    characters that the font's encoding has not."""
    shown = []
    for character in unicodedata.normalize("NFC", text):
        odd = unicodedata.category(character)[0] in "CMZ" and character not in (" ", "\u3000")
        shown.append(f"〔U+{ord(character):04X}〕" if odd or ord(character) > 0xFFFF else character)
    return "".join(shown)


class _Writer:
    """Lays a report out on pages, from top to bottom."""

    def __init__(self, canvas: Canvas, report: CreditReport) -> None:
        self._canvas = canvas
        self._report = report
        self._y = 0.0
        self._page = 0

    def write(self) -> None:
        report = self._report
        self._turn()
        self._line(report.title, _TITLE, centred=True)
        self._y -= 8
        for label, value in self._head():
            self._line(f"{label}：{value}", _BODY)
        if not report.sections:
            self._y -= 10
            self._line(_NOTHING, _HEADING)
        for number, section in enumerate(report.sections, start=1):
            self._section(number, section)
        self._y -= 10
        self._line(_CAUTION, _SMALL)
        self._foot()
        self._canvas.save()

    def _head(self) -> Iterator[tuple[str, str]]:
        report = self._report
        yield "报告编号", report.request_id
        yield "报告类型", f"{_LIBRARIES.get(report.library, report.library)}（{report.name}）"
        yield "信息主体", report.subject
        yield "查询机构", report.institution
        yield "查询目的", report.purpose
        yield "授权编号", report.authorisation or "无"
        yield "责任单位", report.answers_for
        yield "出具时间", report.made.strftime("%Y-%m-%d %H:%M:%S（北京时间）")
        yield "有效期至", report.valid_until.isoformat()

    def _section(self, number: int, section: Section) -> None:
        self._y -= 8
        self._line(f"{number}. {section.title}", _HEADING)
        if not section.rows:
            self._line(_NO_ROWS, _BODY)
        elif len(section.rows) == 1:
            for title, cell in zip(section.titles, section.rows[0], strict=True):
                self._line(f"{title}：{_shown(cell)}", _BODY)
        else:
            self._table(section)
        if section.cut:
            self._line("另有更多记录，未全部列出。", _SMALL)
        said = "；".join(f"{one.owner}（{one.table}），截至 {one.as_of}" for one in section.sources)
        self._line(f"来源：{said}。模板：{section.template}。", _SMALL)
        for one in section.sources:
            if one.quality is not None:
                self._line(f"数据质量：{one.quality.text('zh')}。", _SMALL)

    def _table(self, section: Section) -> None:
        """Rows under their titles, which stand on every page again; no row is cut by the end of a page."""
        width = _WIDTH / len(section.titles)
        titles = self._cells(section.titles, width)
        page = 0
        for row in section.rows:
            cells = self._cells([_shown(cell) for cell in row], width)
            tall = max(map(len, cells))
            self._room(_BODY * (tall if page else tall + max(map(len, titles))))
            if page != self._page:
                page = self._page
                self._row(titles, width)
                above = self._y + _BODY * 1.1
                self._canvas.line(_MARGIN, above, _MARGIN + _WIDTH, above)
            self._row(cells, width)

    def _cells(self, texts: Sequence[str], width: float) -> list[list[str]]:
        return [list(self._wrapped(text, _BODY, width - 6)) for text in texts]

    def _row(self, cells: Sequence[Sequence[str]], width: float) -> None:
        for place in range(max(map(len, cells))):
            self._room(_BODY)
            for column, lines in enumerate(cells):
                if place < len(lines):
                    self._draw(_MARGIN + column * width, lines[place], _BODY)
            self._y -= _BODY * _LEADING

    def _line(self, text: str, size: float, *, centred: bool = False) -> None:
        for part in self._wrapped(text, size, _WIDTH):
            self._room(size)
            indent = (_WIDTH - self._canvas.stringWidth(part, _FONT, size)) / 2 if centred else 0.0
            self._draw(_MARGIN + indent, part, size)
            self._y -= size * _LEADING

    def _wrapped(self, text: str, size: float, width: float) -> Iterator[str]:
        """Lines that are as wide at most; Chinese breaks anywhere."""
        line = ""
        for character in printable(text):
            if line and self._canvas.stringWidth(line + character, _FONT, size) > width:
                yield line
                line = ""
            line += character
        yield line

    def _draw(self, x: float, text: str, size: float) -> None:
        self._canvas.setFont(_FONT, size)
        self._canvas.drawString(x, self._y, text)

    def _room(self, size: float) -> None:
        if self._y - size * _LEADING < _MARGIN:
            self._foot()
            self._canvas.showPage()
            self._turn()

    def _turn(self) -> None:
        self._page += 1
        self._y = _A4[1] - _MARGIN

    def _foot(self) -> None:
        """The digest that the log has, on every page: a printed page can be told from another report's."""
        self._canvas.setFont(_FONT, _SMALL)
        digest = hashlib.sha256(self._report.document).hexdigest()
        self._canvas.drawString(_MARGIN, _MARGIN - 20, f"SHA-256 {digest}")
        self._canvas.drawRightString(_MARGIN + _WIDTH, _MARGIN - 20, f"第 {self._page} 页")


def _shown(cell: str | int | bool | None) -> str:
    if isinstance(cell, bool):
        return "是" if cell else "否"
    return "—" if cell is None else str(cell)
