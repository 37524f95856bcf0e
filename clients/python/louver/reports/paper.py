"""Paper: pages of A4 with text and tables in a font that has Chinese, drawn from top to bottom.

What is written is drawn as text and nothing else: no markup is read in it, and what is no printable character is
shown as its number. The font is one of the Adobe-GB1 set that every reader of PDFs has for Chinese (ISO 32000-1,
9.7.5.2), so none is shipped. The same calls give the same bytes.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from louver.failures import missing_extra

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

FONT = "STSong-Light"
A4 = (595.276, 841.89)
MARGIN = 56.0
WIDTH = A4[0] - 2 * MARGIN
TITLE, HEADING, BODY, SMALL = 18.0, 12.0, 9.5, 7.5
LEADING = 1.5


def pages(title: str, author: str, subject: str, foot: str, write: Callable[[Paper], None]) -> bytes:
    """A PDF that `write` has drawn; `foot` stands on every page beside its number. Raises ``MissingExtra``."""
    try:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont
        from reportlab.pdfgen.canvas import Canvas
    except ModuleNotFoundError:
        raise missing_extra("printing of reports", "report") from None
    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    made = io.BytesIO()
    canvas = Canvas(made, pagesize=A4, invariant=1, pageCompression=0)
    canvas.setTitle(printable(title))
    canvas.setAuthor(printable(author))
    canvas.setSubject(printable(subject))
    paper = Paper(canvas, foot)
    write(paper)
    paper.end()
    return made.getvalue()


def printable(text: str) -> str:
    """The text with what cannot be drawn or could mislead shown as its number: controls, directions of writing, and
    characters that the font's encoding has not."""
    shown = []
    for character in unicodedata.normalize("NFC", text):
        odd = unicodedata.category(character)[0] in "CMZ" and character not in (" ", "\u3000")
        shown.append(f"〔U+{ord(character):04X}〕" if odd or ord(character) > 0xFFFF else character)
    return "".join(shown)


class Paper:
    """Pages that are filled from top to bottom."""

    def __init__(self, canvas: Canvas, foot: str) -> None:
        self._canvas = canvas
        self._foot_text = foot
        self._y = 0.0
        self._page = 0
        self._turn()

    def gap(self, height: float) -> None:
        """Leaves so much free."""
        self._y -= height

    def line(self, text: str, size: float, *, centred: bool = False) -> None:
        """A paragraph of one size."""
        for part in self._wrapped(text, size, WIDTH):
            self._room(size)
            indent = (WIDTH - self._canvas.stringWidth(part, FONT, size)) / 2 if centred else 0.0
            self._draw(MARGIN + indent, part, size)
            self._y -= size * LEADING

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under their titles, which stand on every page again; no row is cut by the end of a page."""
        width = WIDTH / len(titles)
        above = self._cells(titles, width)
        page = 0
        for row in rows:
            cells = self._cells(row, width)
            tall = max(map(len, cells))
            self._room(BODY * (tall if page else tall + max(map(len, above))))
            if page != self._page:
                page = self._page
                self._row(above, width)
                ruled = self._y + BODY * 1.1
                self._canvas.line(MARGIN, ruled, MARGIN + WIDTH, ruled)
            self._row(cells, width)

    def end(self) -> None:
        """The last page."""
        self._foot()
        self._canvas.save()

    def _cells(self, texts: Sequence[str], width: float) -> list[list[str]]:
        return [list(self._wrapped(text, BODY, width - 6)) for text in texts]

    def _row(self, cells: Sequence[Sequence[str]], width: float) -> None:
        for place in range(max(map(len, cells))):
            self._room(BODY)
            for column, lines in enumerate(cells):
                if place < len(lines):
                    self._draw(MARGIN + column * width, lines[place], BODY)
            self._y -= BODY * LEADING

    def _wrapped(self, text: str, size: float, width: float) -> Iterator[str]:
        """Lines that are as wide at most; Chinese breaks anywhere."""
        line = ""
        for character in printable(text):
            if line and self._canvas.stringWidth(line + character, FONT, size) > width:
                yield line
                line = ""
            line += character
        yield line

    def _draw(self, x: float, text: str, size: float) -> None:
        self._canvas.setFont(FONT, size)
        self._canvas.drawString(x, self._y, text)

    def _room(self, size: float) -> None:
        if self._y - size * LEADING < MARGIN:
            self._foot()
            self._canvas.showPage()
            self._turn()

    def _turn(self) -> None:
        self._page += 1
        self._y = A4[1] - MARGIN

    def _foot(self) -> None:
        self._canvas.setFont(FONT, SMALL)
        self._canvas.drawString(MARGIN, MARGIN - 20, self._foot_text)
        self._canvas.drawRightString(MARGIN + WIDTH, MARGIN - 20, f"第 {self._page} 页")
