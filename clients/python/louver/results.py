"""What a caller holds after a call: answers with everything that was said about them, and the smaller replies."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING

from louver import display
from louver.decoding import AnswerColumn, Row, Undecodable, decode, open_stream
from louver.errors import Refused, Unproven
from louver.failures import Misused, missing_extra
from louver.privacy import PrivacyLoss
from louver.quality import TableQuality, of_receipt
from louver.receipt import Receipt, VerifiedReceipt
from louver.sealing.columns import METADATA

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from louver.sealing.keys import PrivateKey
    from louver.sealing.opening import Sealed

_SHOWN_ROWS = 20


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the caller must know about an answer: what was withheld, how many cells, by which rule."""

    code: str
    count: int
    rule: str
    message: str
    message_zh: str = ""

    def text(self, language: str = "en") -> str:
        """The message in ``zh`` or ``en``."""
        return self.message_zh if language == "zh" and self.message_zh else self.message


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far the released numbers of one column may be from the true ones, where they have noise.

    ``kind`` is count, rows, sum, average, quantile or computed. In 95 of 100 draws the true number is from ``below``
    less to ``above`` more than the released one; ``standard_error`` is at least the root of its mean squared error.
    For rows, sums and averages ``relative_error`` is the standard error of the sum in proportion to its absolute
    amounts. They are None where there is no such statement. Under ``dp``, ``low`` and ``high`` hold the ends of the
    95 % interval of each row's number, in the order of rows; they are empty where the column has none. ``share`` is
    the part of the question's cost that goes to the column, in percent. ``sealed`` are the ends as ciphertexts, where
    the answer is sealed; an answer's ``accuracy`` has them opened.
    """

    column: str
    kind: str
    standard_error: Decimal | None
    below: Decimal | None
    above: Decimal | None
    message: str
    message_zh: str = ""
    relative_error: Decimal | None = None
    low: tuple[Decimal | None, ...] = ()
    high: tuple[Decimal | None, ...] = ()
    share: Decimal | None = None
    sealed: bytes = field(default=b"", repr=False)

    def text(self, language: str = "en") -> str:
        """In words, in ``en`` or ``zh``."""
        return self.message_zh if language == "zh" and self.message_zh else self.message


@dataclass(frozen=True, repr=False)
class Answer:
    """A protected answer. Iterating gives rows; None is a cell that is NULL or was withheld (see ``notices``).

    ``cost`` is what was charged by kind, ``remaining`` what is left of each budget, ``stored`` whether this is the
    stored answer to the same question, which costs nothing. ``proof`` is the verified receipt, None when no log key
    was given. ``accuracy`` says how exact each column with noise is, ``privacy`` what was lost of privacy, what is
    left and when it refreshes. ``exactness`` is ``accuracy`` as it came. ``development`` warns that the service
    runs without the isolation of production.

    An answer may be sealed to your key: ``stream`` is then what was released, and opened when rows are first asked
    for, by the private key that ``private`` finds. ``sealed`` are the ciphertexts.
    """

    request_id: str
    treatment: str
    stream: bytes = field(repr=False)
    notices: tuple[Notice, ...] = ()
    cost: Mapping[str, int] = field(default_factory=dict)
    remaining: Mapping[str, int] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    stored: bool = False
    development: bool = False
    receipt: Receipt | None = field(default=None, repr=False)
    proof: VerifiedReceipt | None = field(default=None, repr=False)
    remainder_stream: bytes = field(default=b"", repr=False)
    exactness: tuple[Accuracy, ...] = ()
    private: Callable[[str], PrivateKey] | None = field(default=None, repr=False, compare=False)
    privacy: tuple[PrivacyLoss, ...] = ()

    @cached_property
    def _decoded(self) -> tuple[tuple[AnswerColumn, ...], tuple[Row, ...]]:
        return _decoded(self.opened)

    @cached_property
    def opened(self) -> bytes:
        """The Arrow stream with numbers in it: ``stream`` itself, unless that is sealed.

        Raises ``Misused`` when the private key is not at hand, ``Unproven`` when a cell does not open.
        """
        return self._opened(self.stream)

    @cached_property
    def sealed(self) -> Sealed | None:
        """The ciphertexts; None for an answer that is not sealed."""
        if METADATA not in self.stream:
            return None
        from louver.sealing.opening import sealed

        return sealed(self.stream)

    def _opened(self, stream: bytes) -> bytes:
        if METADATA not in stream:
            return stream
        from louver.sealing.opening import opened

        return opened(stream, self.private or _no_key)

    @cached_property
    def accuracy(self) -> tuple[Accuracy, ...]:
        """How exact each column with noise is. Ends of intervals that are sealed are opened as the rows are, with the
        same errors."""
        if not any(item.sealed for item in self.exactness):
            return self.exactness
        from louver.sealing.opening import broken, opened_ends

        if self.sealed is None:
            raise broken(self.stream)
        key, rows = (self.private or _no_key)(self.sealed.kid), len(self)

        def whole(item: Accuracy) -> Accuracy:
            if not item.sealed:
                return item
            lows, highs = opened_ends(item.sealed, rows, key, self.stream)
            return replace(item, low=tuple(map(figure, lows)), high=tuple(map(figure, highs)), sealed=b"")

        return tuple(map(whole, self.exactness))

    @property
    def quality(self) -> tuple[TableQuality, ...]:
        """The quality of the data it was made from, table by table, as the receipt's entry says it: proved where the
        receipt is. Tables that nobody has measured, such as your own, are left out. Raises ``Unproven``."""
        return of_receipt(self.receipt)

    @property
    def columns(self) -> tuple[AnswerColumn, ...]:
        """Names and types, in order."""
        return self._decoded[0]

    @property
    def rows(self) -> list[Row]:
        """All rows as tuples; a new list each time. Raises ``Unproven`` when the bytes are no Arrow stream."""
        return list(self._decoded[1])

    @property
    def remainder(self) -> Row | None:
        """The withheld cells taken together as one row, where that is safe to release."""
        if not self.remainder_stream:
            return None
        _, rows = _decoded(self._opened(self.remainder_stream))
        return rows[0] if rows else None

    @property
    def readable(self) -> list[Row]:
        """The rows for people: a number that has an interval is text with it, as in ``137 [67, 207]``."""
        names = [column.name for column in self.columns]
        spans = {names.index(item.column): item for item in self.accuracy if item.low and item.column in names}
        return [
            tuple(
                value if place not in spans else _with_interval(value, spans[place], number)
                for place, value in enumerate(row)
            )
            for number, row in enumerate(self._decoded[1])
        ]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._decoded[1])

    def __len__(self) -> int:
        return len(self._decoded[1])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule interface: any dataframe library can read an answer."""
        return open_stream(self.opened).__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow table. Raises ``MissingExtra`` without ``louver[arrow]``."""
        try:
            import pyarrow
        except ImportError:
            raise missing_extra("pyarrow", "arrow") from None
        return pyarrow.ipc.open_stream(self.opened).read_all()

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas frame with nullable integers and booleans, so that a withheld cell costs no exactness.

        Raises ``MissingExtra`` without ``louver[pandas]``.
        """
        try:
            import pandas
        except ImportError:
            raise missing_extra("pandas", "pandas") from None
        table = self.to_arrow()
        nullable = {"int64": pandas.Int64Dtype(), "uint64": pandas.UInt64Dtype(), "bool": pandas.BooleanDtype()}
        frame: pandas.DataFrame = table.to_pandas(types_mapper=lambda kind: nullable.get(str(kind)))
        return frame

    def to_polars(self) -> polars.DataFrame:
        """A polars frame. Raises ``MissingExtra`` without ``louver[polars]``."""
        try:
            import polars
        except ImportError:
            raise missing_extra("polars", "polars") from None
        return polars.DataFrame(self)

    @property
    def summary(self) -> str:
        """One line: how many rows, how they were treated, what they cost."""
        cost = ", ".join(f"{count} {kind}" for kind, count in sorted(self.cost.items())) or "nothing"
        proof = "receipt verified" if self.proof else "receipt not verified" if self.receipt else "no receipt"
        parts = [f"{len(self)} rows", self.treatment, "stored answer" if self.stored else f"cost {cost}", proof]
        parts += ["sealed"] if self.sealed else []
        parts += [f"epsilon {one.cost.epsilon:f} of {one.dataset}" for one in self.privacy if not one.free]
        return " | ".join([*parts, *(["DEVELOPMENT MODE"] if self.development else [])])

    def __repr__(self) -> str:
        names = [column.name for column in self.columns]
        lines = [display.table(names, self.readable[:_SHOWN_ROWS])]
        if len(self) > _SHOWN_ROWS:
            lines.append(f"... {len(self) - _SHOWN_ROWS} more rows")
        lines.append(f"({display.visible(self.summary)})")
        lines += [f"note {display.visible(f'{item.code}: {item.message}')}" for item in self.notices]
        lines += [f"exact {display.visible(f'{item.column}: {item.message}')}" for item in self.accuracy]
        lines += [f"data {display.visible(item.text())}" for item in self.quality]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        names = [column.name for column in self.columns]
        said = (
            *((item.code, item.message) for item in self.notices),
            *((a.column, a.message) for a in self.accuracy),
            *(("data", item.text()) for item in self.quality),
        )
        notes = "".join(f"<li>{html.escape(f'{what}: {message}')}</li>" for what, message in said)
        more = f"<p>... {len(self) - _SHOWN_ROWS} more rows</p>" if len(self) > _SHOWN_ROWS else ""
        table = display.html_table(names, self.readable[:_SHOWN_ROWS])
        return f"{table}{more}<p>{html.escape(self.summary)}</p>" + (f"<ul>{notes}</ul>" if notes else "")


def figure(text: str) -> Decimal | None:
    """A number the service gives as text; what is no finite number says nothing."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _no_key(kid: str) -> PrivateKey:
    raise Misused(f"this answer is sealed to key {kid[:16]}", "open it with the client whose key ring has that key")


def _with_interval(value: object, exactness: Accuracy, row: int) -> object:
    """The value as it is where its row has no interval."""
    ends = (*exactness.low[row : row + 1], *exactness.high[row : row + 1])
    if len(ends) < 2 or None in ends:
        return value
    low, high = (_rounded(end) for end in ends if end is not None)
    return f"{display.cell(value)} [{low}, {high}]"


def _rounded(end: Decimal) -> str:
    """To four digits after the point, as many as there are."""
    return format(round(end, 4).normalize() + 0, "f")


def _decoded(stream: bytes) -> tuple[tuple[AnswerColumn, ...], tuple[Row, ...]]:
    try:
        return decode(stream)
    except Undecodable as undecodable:
        raise Unproven(str(undecodable), stream) from None


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One place where a question uses a column: the clause, and the function it goes through if any."""

    table: str
    column: str
    clause: str
    function: str = ""


@dataclass(frozen=True, slots=True)
class Permission:
    """What a column may be used for in answers of one treatment, ``exact`` or ``threshold``.

    ``rows`` is the condition that a question must write for it, as SQL; empty for all rows.
    """

    treatment: str
    rights: tuple[str, ...]
    purposes: tuple[str, ...]
    rows: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A catalogue column as the caller may see it. ``level`` is 1 to 5, 0 for a computed column.

    ``rights`` are what can be done with it at all, ``permissions`` under which treatment and for which purposes.
    ``element`` is its data element (``uscc``, ...), ``domain`` the values that it may have where they are public.
    """

    name: str
    type: str
    nullable: bool = True
    level: int = 0
    role: str = ""
    description: str = ""
    rights: tuple[str, ...] = ()
    bounds: str = ""
    permissions: tuple[Permission, ...] = ()
    element: str = ""
    domain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a column of the answer will leave.

    ``kind`` is exact, key, count, units, sum, average, statistic, grouping or computed.
    """

    name: str
    type: str
    kind: str
    message: str
    message_zh: str

    def text(self, language: str = "en") -> str:
        """In words, in ``en`` or ``zh``."""
        return self.message_zh if language == "zh" and self.message_zh else self.message


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a question would do if it were asked: the verdict, and the shape of the SQL that would run.

    ``outcomes`` say how each column will leave, ``rules`` what every cell and value is held to (``count`` is the
    number in the rule), ``notices`` what will be said whatever the data, ``shape`` what runs over released rows,
    ``accuracy`` how exact the columns with noise will be, ``privacy`` what it would cost of privacy and leave.
    """

    admitted: bool
    refusal: Refused | None
    treatment: str
    statement: str
    cost: Mapping[str, int]
    remaining: Mapping[str, int]
    policies: tuple[str, ...]
    uses: tuple[ColumnUse, ...]
    columns: tuple[Column, ...]
    obligations: tuple[str, ...]
    outcomes: tuple[Outcome, ...] = ()
    rules: tuple[Notice, ...] = ()
    notices: tuple[Notice, ...] = ()
    shape: str = ""
    accuracy: tuple[Accuracy, ...] = ()
    privacy: tuple[PrivacyLoss, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldIdentifier:
    """Numbers that say who somebody is in an uploaded column: the data element, and in how many different texts. Zero
    ``texts`` stand for a column that is of the element, such as the ids that you join by."""

    column: str
    element: str
    texts: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the catalogue or one of the caller's own. ``space`` is ``government`` or ``institution``; ``themes``
    are the catalogues of themes that it belongs to, ``held`` what the leak scanner found, told by ``upload``.
    """

    schema: str
    name: str
    title: str = ""
    owner: str = ""
    space: str = ""
    refresh: str = ""
    as_of: str = ""
    columns: tuple[Column, ...] = ()
    units: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    version: str = ""
    rows: int = 0
    created: str = ""
    themes: tuple[str, ...] = ()
    held: tuple[HeldIdentifier, ...] = ()

    @property
    def full_name(self) -> str:
        """The name to write in SQL."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """One line of the caller's own trail. ``state`` is answered, refused, aborted or admitted."""

    request_id: str
    time: str
    purpose: str
    sql: str
    state: str
    code: str
    treatment: str
    cost: Mapping[str, int]
    log_index: int
    rows: int


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One of the caller's registered Paillier keys. Answers are sealed to the ``current`` one; times are RFC 3339."""

    kid: str
    bits: int
    registered: str
    expires: str
    current: bool
    log_index: int
