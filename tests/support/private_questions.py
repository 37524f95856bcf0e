"""Random questions under differential privacy over the tables of `private_worlds`, many of which the plan refuses.

Nothing here knows what is admitted: a question is put together from pieces of SQL that fit the columns of its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Source:
    """A FROM, and what stands in its rows: numbers and keys as SQL, and whose rows they are."""

    text: str
    numbers: tuple[str, ...]
    keys: tuple[str, ...]
    units: tuple[str, ...] = ()


_PAY = ("p.amount", "p.month", "p.amount * p.month", "abs(p.amount - 50)", "CASE WHEN p.month = 1 THEN p.amount END")
_PAY_KEYS = (
    "p.district",
    "p.month",
    "p.uscc",
    "p.amount > 50",
    "least(floor(p.amount / 25), 4)::INT",
    "CASE WHEN p.amount > 90 THEN 'high' WHEN p.month = 2 THEN 'second' END",
    "p.month % 2",
    "p.amount",
)
_ACCOUNT = ("a.amount", "a.age", "a.amount - a.age", "a.amount * a.amount", "a.amount / nullif(a.age, 0)")
_ACCOUNT_KEYS = ("a.district", "a.age", "a.age % 3", "a.amount < 10", "coalesce(a.district, 'none')")
_ESTATE = ("e.area", "-e.area", "round(e.area)::INT")
_ESTATE_KEYS = ("e.district", "e.kind", "e.area > 0", "e.owner")
_LOAN_KEYS = ("l.bad", "l.id_no", "l.bad IS NULL")
_MONTHS = "(SELECT {0}, max(amount) AS most, sum(amount) AS paid, count(*) AS n, min(district) AS d FROM gov.pay{1} GROUP BY {2})"
_ESTATES = "(SELECT {0}, sum(area) AS area, count(*) AS n FROM gov.estate{1} GROUP BY {2})"
_OF_ESTATES = ("b.n", "b.area", "b.n * b.area")
_OF_MONTHS = ("b.most", "b.paid", "b.n", "b.most - 10")

SOURCES: tuple[Source, ...] = (
    Source("gov.account a", _ACCOUNT, _ACCOUNT_KEYS, ("a.person_id",)),
    Source("gov.pay p", _PAY, _PAY_KEYS, ("p.person_id", "p.uscc")),
    Source("gov.estate e", _ESTATE, _ESTATE_KEYS, ("e.owner",)),
    Source(
        "gov.pay p JOIN gov.person q USING (person_id)", _PAY, (*_PAY_KEYS, "q.sex", "q.street"), ("p.person_id",)
    ),
    Source(
        "gov.pay p JOIN gov.person q ON q.person_id = p.person_id AND q.sex",
        _PAY,
        (*_PAY_KEYS, "q.street"),
        ("p.uscc",),
    ),
    Source(
        "gov.pay p JOIN gov.account a USING (person_id)", _PAY + _ACCOUNT, _PAY_KEYS + _ACCOUNT_KEYS, ("p.person_id",)
    ),
    Source("gov.pay p JOIN gov.pay r ON r.person_id = p.person_id", (*_PAY, "r.amount"), _PAY_KEYS, ("r.person_id",)),
    Source("gov.pay p JOIN gov.pay r ON r.uscc = p.uscc", (*_PAY, "r.amount"), _PAY_KEYS, ("r.person_id",)),
    Source(
        "gov.pay p JOIN gov.pay r ON r.person_id = p.person_id AND r.uscc = p.uscc AND r.month = p.month",
        (*_PAY, "r.amount"),
        (*_PAY_KEYS, "r.district"),
        ("r.person_id",),
    ),
    Source("bank_a.loan l JOIN gov.pay p ON p.person_id = l.id_no", _PAY, _PAY_KEYS + _LOAN_KEYS, ("p.person_id",)),
    Source("bank_a.loan l JOIN gov.pay p ON p.uscc = l.id_no", _PAY, _PAY_KEYS + _LOAN_KEYS, ("p.uscc",)),
    Source("bank_a.loan l JOIN gov.pay p ON p.month = l.mark", _PAY, _PAY_KEYS + _LOAN_KEYS, ("p.person_id",)),
    Source("bank_a.loan l JOIN gov.account a ON a.person_id = l.id_no", _ACCOUNT, _ACCOUNT_KEYS + _LOAN_KEYS),
    Source("bank_a.loan l JOIN gov.account a ON a.age = l.mark", _ACCOUNT, _ACCOUNT_KEYS + _LOAN_KEYS),
    Source("bank_a.loan l JOIN gov.estate e ON e.owner = l.id_no", _ESTATE, _ESTATE_KEYS + _LOAN_KEYS, ("e.owner",)),
    Source(
        "gov.pay p LEFT JOIN bank_a.loan l ON p.person_id = l.id_no", _PAY, _PAY_KEYS + _LOAN_KEYS, ("p.person_id",)
    ),
    Source(
        "gov.estate e LEFT JOIN bank_a.loan l ON e.owner = l.id_no", _ESTATE, _ESTATE_KEYS + _LOAN_KEYS, ("e.owner",)
    ),
    Source("gov.pay p CROSS JOIN (SELECT count(*) AS n FROM bank_a.loan) c", (*_PAY, "p.amount * c.n"), _PAY_KEYS),
    Source(
        "gov.pay p JOIN (SELECT id_no, count(*) AS n FROM bank_a.loan GROUP BY id_no) c ON c.id_no = p.person_id",
        _PAY,
        (*_PAY_KEYS, "c.n"),
        ("p.person_id",),
    ),
    Source(
        _MONTHS.format("person_id", "", "person_id") + " b",
        _OF_MONTHS,
        ("b.d", "b.n", "b.most > 50"),
        ("b.person_id",),
    ),
    Source(
        _MONTHS.format("person_id, month", "", "person_id, month") + " b",
        _OF_MONTHS,
        ("b.d", "b.month"),
        ("b.person_id",),
    ),
    Source(
        _MONTHS.format("person_id, month", "", "person_id, ROLLUP (month)") + " b",
        _OF_MONTHS,
        ("b.d", "b.month"),
        ("b.person_id",),
    ),
    Source(
        _MONTHS.format("person_id, uscc, month", "", "person_id, uscc, month") + " b",
        _OF_MONTHS,
        ("b.n > 1", "b.month"),
        ("b.person_id",),
    ),
    Source(
        _MONTHS.format("person_id, uscc, month", "", "person_id, uscc, ROLLUP (month)") + " b",
        _OF_MONTHS,
        ("b.n > 1", "b.month"),
        ("b.person_id",),
    ),
    Source(
        _MONTHS.format(
            "person_id, uscc", " WHERE month > 1", "GROUPING SETS ((person_id, uscc), (person_id, uscc, month))"
        )
        + " b",
        _OF_MONTHS,
        ("b.n > 1", "b.d"),
        ("b.person_id",),
    ),
    Source(
        _ESTATES.format("owner, district", "", "owner, district") + " b",
        _OF_ESTATES,
        ("b.district", "b.n > 1"),
        ("b.owner",),
    ),
    Source(_ESTATES.format("owner", "", "owner") + " b", _OF_ESTATES, ("b.n > 1",), ("b.owner",)),
    Source(
        _ESTATES.format("owner, district", "", "owner, ROLLUP (district)") + " b",
        _OF_ESTATES,
        ("b.district", "b.n > 1"),
    ),
    Source("gov.estate e FULL JOIN bank_a.loan l ON e.owner = l.id_no", _ESTATE, _ESTATE_KEYS + _LOAN_KEYS),
    Source(
        "(SELECT DISTINCT person_id, district, uscc FROM gov.pay) p",
        ("length(p.district)",),
        ("p.district",),
        ("p.uscc",),
    ),
    Source(
        "gov.account a JOIN " + _MONTHS.format("person_id", "", "person_id") + " b USING (person_id)",
        _ACCOUNT + _OF_MONTHS,
        (*_ACCOUNT_KEYS, "b.d"),
        ("a.person_id",),
    ),
)

_WHERE = (
    "p.month IN (1, 2)",
    "p.amount BETWEEN 10 AND 60",
    "p.district <> 'd2'",
    "p.person_id IN (SELECT id_no FROM bank_a.loan)",
    "p.person_id NOT IN (SELECT id_no FROM bank_a.loan WHERE bad)",
    "p.uscc IS NOT NULL",
    "p.amount / nullif(p.month - 1, 0) > 3",
    "a.age > 20",
    "a.amount > 0.5 OR a.age IS NULL",
    "a.district IN ('d1', 'd3')",
    "e.area > -2",
    "e.kind = 'P'",
    "e.kind = 'E'",
    "e.district IS NOT NULL",
    "l.bad",
    "l.id_no IS NOT NULL",
    "q.sex IS NOT NULL",
    "b.n > 1",
    "b.most < 70",
)
_GROUPED = ("{}", "{}", "{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())")


def _measure(number: str) -> tuple[str, ...]:
    return (
        "count(*)",
        f"count({number})",
        f"sum({number})",
        f"avg({number})",
        f"var_samp({number})",
        f"stddev_pop({number})",
        f"sum({number}) FILTER (WHERE {number} > 5)",
        f"count(*) FILTER (WHERE {number} < 40)",
        f"avg(CASE WHEN {number} > 20 THEN 1 ELSE 0 END)",
    )


def questions(sources: Sequence[Source] = SOURCES) -> st.SearchStrategy[str]:
    """One question: a source, up to two conditions, up to three keys, up to three aggregates."""
    return st.sampled_from(list(sources)).flatmap(_of)


@st.composite
def _of(draw: st.DrawFn, source: Source) -> str:
    keys = draw(st.lists(st.sampled_from(source.keys), max_size=3, unique=True))
    offered = [text for number in source.numbers for text in _measure(number)]
    offered += [f"count(DISTINCT {unit})" for unit in source.units for _ in range(3)]
    measures = draw(st.lists(st.sampled_from(offered), min_size=1, max_size=3, unique=True))
    fitting = [one for one in _WHERE if f" {one[:1]} " in f"{source.text} " or f" {one[:1]} JOIN" in source.text]
    where = draw(st.lists(st.sampled_from(fitting), max_size=2, unique=True)) if fitting else []
    columns = [
        *(f"{key} AS k{i}" for i, key in enumerate(keys)),
        *(f"{one} AS v{i}" for i, one in enumerate(measures)),
    ]
    text = f"SELECT {', '.join(columns)} FROM {source.text}"
    text += f" WHERE {' AND '.join(f'({one})' for one in where)}" if where else ""
    if keys:
        text += " GROUP BY " + draw(st.sampled_from(_GROUPED)).format(", ".join(keys))
    return text
