"""PEP 249 cursors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from louver.dbapi.exceptions import NotSupportedError, ProgrammingError, translating
from louver.decoding import AnswerColumn, Row
from louver.privacy import PrivacyLoss
from louver.questions import Parameter
from louver.results import Answer, Notice
from louver.wishes import Accuracy, Epsilon

if TYPE_CHECKING:
    from typing import Self

    import pandas
    import polars
    import pyarrow

    from louver.client import Client

Description = tuple[str, str, None, None, int | None, int | None, bool]
"""Name, type code, display size, internal size, precision, scale, null_ok (PEP 249)."""

_DECIMAL = re.compile(r"decimal\((\d+)\)")
_DECIMAL_PRECISION = 38


class Cursor:
    """A PEP 249 cursor, with more attributes for what the standard has no words for: ``answer``, ``notices`` and
    ``privacy`` after a question; ``epsilon`` and ``accuracy`` to set before one (see ``louver.Client.analyse``)."""

    def __init__(self, connection: object, client: Callable[[], Client]) -> None:
        self.connection = connection
        self.arraysize = 1
        self.epsilon: Epsilon | None = None
        self.accuracy: Accuracy | None = None
        self._client: Callable[[], Client] | None = client
        self._answer: Answer | None = None
        self._rows: list[Row] = []
        self._next = 0
        self._open()

    def _open(self) -> Client:
        if self._client is None:
            raise ProgrammingError("the cursor is closed")
        return self._client()

    @property
    def answer(self) -> Answer:
        """The whole answer: treatment, cost, receipt. Raises ``ProgrammingError`` before a question."""
        self._open()
        if self._answer is None:
            raise ProgrammingError("nothing has been asked with this cursor")
        return self._answer

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was withheld from the answer, and by which rule."""
        return self.answer.notices

    @property
    def privacy(self) -> tuple[PrivacyLoss, ...]:
        """What the answer has cost of privacy, what is left and when it refreshes; empty without noise."""
        return self.answer.privacy

    @property
    def description(self) -> list[Description] | None:
        """The answer's columns; None before a question."""
        return [_described(column) for column in self._answer.columns] if self._answer is not None else None

    @property
    def rowcount(self) -> int:
        """Rows of the answer; -1 before a question."""
        return len(self._rows) if self._answer is not None else -1

    @property
    def rownumber(self) -> int | None:
        """The index of the next row, None before a question."""
        return self._next if self._answer is not None else None

    @property
    def lastrowid(self) -> None:
        """Always None: nothing is inserted."""
        return None

    def execute(self, operation: str, parameters: Mapping[str, Parameter] | None = None) -> Self:
        """Ask. ``parameters`` is a mapping for ``:name`` in the SQL."""
        client = self._open()
        self._answer, self._rows, self._next = None, [], 0
        if parameters is not None and not isinstance(parameters, Mapping):
            raise ProgrammingError("the parameter style is `named`: pass a mapping for :name in the SQL")
        with translating():
            self._answer = client.analyse(
                operation, parameters=parameters, epsilon=self.epsilon, accuracy=self.accuracy
            )
            self._rows = self._answer.rows
        return self

    def executemany(self, operation: str, seq_of_parameters: object) -> NoReturn:
        """Not supported: each question is its own, with its own cost. Raises ``NotSupportedError``."""
        raise NotSupportedError("ask one question at a time: each is paid for and logged on its own")

    def callproc(self, procname: str, parameters: object = None) -> NoReturn:
        """Not supported: there are no procedures. Raises ``NotSupportedError``."""
        raise NotSupportedError("the sandbox has no stored procedures")

    def nextset(self) -> NoReturn:
        """Not supported: a question has one answer. Raises ``NotSupportedError``."""
        raise NotSupportedError("a question has one answer")

    def setinputsizes(self, sizes: object) -> None:
        """Does nothing, as PEP 249 allows."""
        self._open()

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing, as PEP 249 allows."""
        self._open()

    def fetchone(self) -> Row | None:
        """The next row, None after the last."""
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next ``size`` rows (``arraysize`` when left out), fewer at the end."""
        self.answer  # noqa: B018 - fetching before asking must be refused
        count = self.arraysize if size is None else size
        rows = self._rows[self._next : self._next + max(count, 0)]
        self._next += len(rows)
        return rows

    def fetchall(self) -> list[Row]:
        """All rows not fetched yet."""
        self.answer  # noqa: B018 - fetching before asking must be refused
        return self.fetchmany(len(self._rows) - self._next)

    def fetch_arrow_table(self) -> pyarrow.Table:
        """The whole answer as a pyarrow table. Needs ``louver[arrow]``."""
        return self._whole(Answer.to_arrow)

    def fetch_df(self) -> pandas.DataFrame:
        """The whole answer as a pandas frame. Needs ``louver[pandas]``."""
        frame: pandas.DataFrame = self._whole(Answer.to_pandas)
        return frame

    def fetch_polars(self) -> polars.DataFrame:
        """The whole answer as a polars frame. Needs ``louver[polars]``."""
        frame: polars.DataFrame = self._whole(Answer.to_polars)
        return frame

    def _whole(self, convert: Callable[[Answer], Any]) -> Any:
        with translating():
            converted = convert(self.answer)
        self._next = len(self._rows)
        return converted

    def close(self) -> None:
        """Close for good; further use raises ``ProgrammingError``."""
        self._client = None

    def __iter__(self) -> Iterator[Row]:
        while (row := self.fetchone()) is not None:
            yield row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _described(column: AnswerColumn) -> Description:
    decimal = _DECIMAL.fullmatch(column.type)
    precision, scale = (_DECIMAL_PRECISION, int(decimal[1])) if decimal else (None, None)
    return (column.name, column.type, None, None, precision, scale, True)
