"""Whole queries at random, as text: joins of all kinds, subqueries, set operations, grouping sets, windows, CTEs.

Most are well-typed and many are refused all the same, since nothing here knows what a right or a unit is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.support.generated_world import DOMAINS, SCHEMA

NUMBERS = ("int", "money")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Column:
    """A column in sight: how it is written and what it may be compared with."""

    text: str
    domain: str


@dataclass(frozen=True)
class Select:
    """A query's text and what it offers, by output name."""

    text: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Source:
    """The FROM of one block: its text, the columns in sight, and conditions that belong into its WHERE."""

    text: str
    columns: tuple[Column, ...]
    linked: tuple[str, ...] = ()


def query(random: Random) -> str:
    """One query."""
    return Writer(random).query()


class Writer:
    """Writes one query; aliases are counted through all of it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.aliases = 0
        self.ctes: list[tuple[str, tuple[Column, ...]]] = []

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def alias(self, letter: str = "t") -> str:
        self.aliases += 1
        return f"{letter}{self.aliases}"

    def query(self) -> str:
        heads = []
        for _ in range(self.random.choice((0, 0, 0, 1, 2))):
            made = self.grouped(2) if self.chance(0.6) else self.plain(2)
            name = self.alias("cte")
            heads.append(f"{name} AS ({made.text})")
            self.ctes.append((name, made.columns))
        found = self.body()
        order = self.ordered(found)
        return (f"WITH {', '.join(heads)} " if heads else "") + found.text + order

    def body(self) -> Select:
        kind = self.random.choices(("grouped", "set", "above", "rows"), (66, 14, 16, 4))[0]
        match kind:
            case "set":
                return self.set_operation()
            case "above":
                return self.above_groups()
            case "rows":
                return self.plain(1)
            case _:
                return self.grouped(0)

    def ordered(self, found: Select) -> str:
        if not found.columns or not self.chance(0.3):
            return ""
        place = self.random.randint(1, len(found.columns))
        end = self.random.choice(("", " DESC", " NULLS FIRST"))
        limit = self.random.choice(("", "", " LIMIT 3", " LIMIT 2 OFFSET 1"))
        return f" ORDER BY {place}{end}{limit}"

    # What a FROM may hold.

    def source(self, depth: int) -> Source:
        found = self.item(depth)
        for _ in range(self.random.choices((0, 1, 2), (55, 35, 10))[0]):
            found = self.joined(found, self.item(depth + 1))
        return found

    def item(self, depth: int) -> Source:
        if self.ctes and self.chance(0.4):
            name, columns = self.random.choice(self.ctes)
            return self.named(name, columns)
        if depth < 2 and self.chance(0.2):
            make = self.random.choices((self.grouped, self.plain, self.united), (50, 30, 20))[0]
            made = make(depth + 1)
            return self.named(f"({made.text})", made.columns)
        name = self.random.choices(list(SCHEMA), (40, 16, 12, 12, 8, 12))[0]
        return self.named(name, tuple(Column(one.name, one.domain) for one in SCHEMA[name]))

    def named(self, text: str, columns: Sequence[Column]) -> Source:
        alias = self.alias()
        return Source(f"{text} AS {alias}", tuple(replace(one, text=f"{alias}.{one.text}") for one in columns))

    def joined(self, left: Source, right: Source) -> Source:
        pairs = [(one, other) for one in left.columns for other in right.columns if one.domain == other.domain]
        keys = [pair for pair in pairs if pair[0].domain in DOMAINS]
        columns = left.columns + right.columns
        if not keys:
            return left
        one, other = self.random.choice([pair for pair in keys if pair[0].domain in ("firm", "man")] or keys)
        equality = f"{one.text} = {other.text}"
        kind = self.random.choices(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", ","), (45, 25, 8, 10, 12))[0]
        if kind == "," or left.linked:
            # An ON behind a comma sees only what comes after it.
            return Source(f"{left.text}, {right.text}", columns, (*left.linked, *right.linked, equality))
        more = [equality]
        if self.chance(0.2):
            more.append(self.comparison(columns))
        same_name = one.text.split(".")[1] == other.text.split(".")[1]
        alone = sum(column.text.endswith("." + one.text.split(".")[1]) for column in left.columns) == 1
        using = same_name and alone and len(more) == 1 and self.chance(0.4)
        on = f"USING ({one.text.split('.')[1]})" if using else f"ON {' AND '.join(more)}"
        return Source(f"{left.text} {kind} {right.text} {on}", columns, left.linked + right.linked)

    # Conditions.

    def constant(self, domain: str) -> str:
        if domain == "int":
            return self.random.choice(("0", "1", "2", "7"))
        if domain in ("money", "mean"):
            return self.random.choice(("0", "1.5", "2.25", "4"))
        if domain == "bool":
            return self.random.choice(("TRUE", "FALSE"))
        return "'" + self.random.choice([value for value in DOMAINS.get(domain, "ab") if value]) + "'"

    def value(self, columns: Sequence[Column], domains: Sequence[str] = ()) -> Column:
        fitting = [column for column in columns if not domains or column.domain in domains]
        return self.random.choice(fitting) if fitting else Column(self.constant("int"), "int")

    def comparison(self, columns: Sequence[Column]) -> str:
        found = self.value(
            [column for column in columns if self.chance(0.08) or column.domain not in ("firm", "man")]
        )
        kind = self.random.randrange(7)
        text, constant = found.text, self.constant(found.domain)
        match kind:
            case 0:
                return f"{text} IS {self.random.choice(('', 'NOT '))}NULL"
            case 1:
                return f"{text} {self.random.choice(('', 'NOT '))}IN ({constant}, {self.constant(found.domain)})"
            case 2 if found.domain in NUMBERS:
                return f"{text} BETWEEN {self.constant(found.domain)} AND {constant}"
            case 3:
                others = [other for other in columns if other.domain == found.domain]
                return f"{text} {self.random.choice(COMPARISONS)} {self.random.choice(others or [found]).text}"
            case 4 if found.domain in NUMBERS:
                return f"{text} {self.random.choice('+-*')} {constant} {self.random.choice(COMPARISONS)} {constant}"
            case _:
                return f"{text} {self.random.choice(COMPARISONS if found.domain != 'bool' else ('=',))} {constant}"

    def condition(self, columns: Sequence[Column], depth: int) -> str:
        kind = self.random.choices(("plain", "not", "or", "in", "exists", "scalar"), (52, 6, 10, 14, 10, 8))[0]
        if depth >= 3 and kind in ("in", "exists", "scalar"):
            kind = "plain"
        match kind:
            case "not":
                return f"NOT ({self.comparison(columns)})"
            case "or":
                return f"({self.comparison(columns)} OR {self.comparison(columns)})"
            case "in":
                return self.membership(columns, depth) or self.comparison(columns)
            case "exists":
                return self.existence(columns, depth) or self.comparison(columns)
            case "scalar":
                return self.scalar(columns, depth)
            case _:
                return self.comparison(columns)

    def where(self, source: Source, depth: int) -> str:
        parts = [*source.linked]
        for _ in range(self.random.choices((0, 1, 2), (40, 45, 15))[0]):
            parts.append(self.condition(source.columns, depth))
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def subquery(self, depth: int, outer: Sequence[Column]) -> tuple[Source, str, str]:
        """A FROM, its WHERE with perhaps a condition on the outer query, and that condition by itself."""
        source = self.source(2)
        where = self.where(source, depth + 2)
        pairs = [(one, other) for one in source.columns for other in outer if one.domain == other.domain]
        keyed = [pair for pair in pairs if pair[0].domain in ("firm", "man", "area")]
        if not keyed:
            return source, where, ""
        one, other = self.random.choice(keyed)
        sign = "=" if self.chance(0.9) else self.random.choice(COMPARISONS)
        return source, where, f"{one.text} {sign} {other.text}"

    def membership(self, columns: Sequence[Column], depth: int) -> str:
        source, where, link = self.subquery(depth, columns)
        pairs = [(one, other) for one in columns for other in source.columns if one.domain == other.domain]
        if not pairs:
            return ""
        one, other = self.random.choice(pairs)
        if link and self.chance(0.2):
            where = f"{where} AND {link}" if where else f" WHERE {link}"
        word = self.random.choice(("IN", "IN", "NOT IN"))
        return f"{one.text} {word} (SELECT {other.text} FROM {source.text}{where})"

    def existence(self, columns: Sequence[Column], depth: int) -> str:
        source, where, link = self.subquery(depth, columns)
        if not link:
            return ""
        where = f"{where} AND {link}" if where else f" WHERE {link}"
        return f"{self.random.choice(('', 'NOT '))}EXISTS (SELECT 1 FROM {source.text}{where})"

    def scalar(self, columns: Sequence[Column], depth: int) -> str:
        source, where, link = self.subquery(depth, columns)
        inner = self.value(source.columns, NUMBERS)
        outer = self.value(columns, NUMBERS)
        if link and self.chance(0.4):
            where = f"{where} AND {link}" if where else f" WHERE {link}"
        made = self.random.choice(
            (f"avg({inner.text})", f"sum({inner.text})", "count(*)", f"0.5 * avg({inner.text})")
        )
        return f"{outer.text} {self.random.choice(('<', '>', '<>'))} (SELECT {made} FROM {source.text}{where})"

    # Blocks.

    def plain(self, depth: int) -> Select:
        """Rows as they are; inside another query the common case, on its own mostly refused."""
        source = self.source(depth)
        some = self.random.sample(source.columns, min(len(source.columns), self.random.choice((1, 2, 4))))
        texts = [(self.computed(column) if self.chance(0.15) else column) for column in some]
        return self.select(texts, f" FROM {source.text}{self.where(source, depth)}", distinct=self.chance(0.1))

    def united(self, depth: int) -> Select:
        """The rows of two FROMs, one below the other; now and then a constant says which."""
        first, second = self.source(2), self.source(2)
        alike = {other.domain for other in second.columns}
        pairs = [(one, self.value(second.columns, (one.domain,))) for one in first.columns if one.domain in alike]
        if not pairs:
            return self.plain(depth)
        chosen = self.random.sample(pairs, min(len(pairs), self.random.choice((2, 3, 5))))
        if self.chance(0.3):
            chosen.append((Column("'a'", "word"), Column("'b'", "word")))
        upper, lower = (
            self.select([pair[side] for pair in chosen], f" FROM {source.text}{self.where(source, 2)}")
            for side, source in enumerate((first, second))
        )
        return Select(f"{upper.text} UNION ALL {lower.text}", upper.columns)

    def computed(self, column: Column) -> Column:
        if column.domain in NUMBERS:
            return Column(f"{column.text} {self.random.choice('+-*')} 2", column.domain)
        if column.domain == "bool":
            return Column(f"NOT {column.text}", "bool")
        return Column(f"coalesce({column.text}, 'zz')", column.domain)

    def select(self, columns: Sequence[Column], rest: str, distinct: bool = False) -> Select:
        named = [(self.alias("c"), column) for column in columns]
        listed = ", ".join(f"{column.text} AS {name}" for name, column in named)
        head = "SELECT DISTINCT" if distinct else "SELECT"
        return Select(f"{head} {listed}{rest}", tuple(Column(name, column.domain) for name, column in named))

    def conditional(self, columns: Sequence[Column], number: Column) -> Column:
        """A sum or an average of what counts in some rows, and is zero in the others."""
        function = self.random.choice(("sum", "sum", "avg"))
        counted = self.random.choice((number.text, number.text, "1"))
        if self.chance(0.2):
            text = f"coalesce({number.text}, 0)"
        else:
            text = f"CASE WHEN {self.comparison(columns)} THEN {counted} ELSE 0 END"
        whole = "int" if counted == "1" and not text.startswith("coalesce") else number.domain
        return Column(f"{function}({text})", whole if function == "sum" else "mean")

    def measure(self, columns: Sequence[Column]) -> Column:
        number = self.value(columns, NUMBERS)
        kind = self.random.randrange(12)
        match kind:
            case 0 | 1 | 2:
                return Column("count(*)", "int")
            case 3:
                return Column(f"count({self.value(columns).text})", "int")
            case 4:
                return Column(f"count(DISTINCT {self.value(columns, ('firm', 'man')).text})", "int")
            case 5 | 6 | 7:
                return Column(f"sum({number.text})", number.domain)
            case 8:
                return Column(f"avg({number.text})", "mean")
            case 9:
                return Column(f"count(*) FILTER (WHERE {self.comparison(columns)})", "int")
            case 10:
                return self.conditional(columns, number)
            case _:
                function = self.random.choice(("sum", "avg", "min", "var_samp", "stddev_pop"))
                return Column(f"{function}({number.text})", number.domain if function in ("sum", "min") else "mean")

    def keys(self, columns: Sequence[Column]) -> list[Column]:
        wanted = self.random.choices((0, 1, 2), (20, 55, 25))[0]
        choices = [
            column for column in columns if column.domain in ("area", "word", "bool", "int") or self.chance(0.15)
        ]
        found = self.random.sample(choices, min(wanted, len(choices)))
        return [self.computed(column) if self.chance(0.08) else column for column in found]

    def group_by(self, keys: Sequence[Column]) -> str:
        texts = [key.text for key in keys]
        if not texts:
            return ""
        listed = ", ".join(texts)
        kind = self.random.choices(("plain", "rollup", "cube", "sets"), (80, 8, 5, 7))[0]
        match kind:
            case "rollup":
                return f" GROUP BY ROLLUP ({listed})"
            case "cube":
                return f" GROUP BY CUBE ({listed})"
            case "sets":
                return f" GROUP BY GROUPING SETS (({listed}), ())"
            case _:
                return f" GROUP BY {listed}"

    def grouped(self, depth: int) -> Select:
        """One aggregating block, with HAVING and windows now and then."""
        source = self.source(depth)
        keys = self.keys(source.columns)
        units = [column for column in source.columns if column.domain in ("firm", "man")]
        if depth > 0 and units and self.chance(0.5):
            keys.append(self.random.choice(units))
        measures = [self.measure(source.columns) for _ in range(self.random.choice((1, 1, 2, 3)))]
        group = self.group_by(keys)
        rest = f" FROM {source.text}{self.where(source, depth)}{group}"
        if keys and self.chance(0.15):
            having = self.random.choice((f"count(*) > {self.constant('int')}", self.comparison(measures)))
            rest += f" HAVING {having}"
        shown = [*keys, *measures]
        if keys and "(" in group and "ROLLUP (" in group and self.chance(0.5):
            shown.append(Column(f"grouping({keys[0].text})", "int"))
        if keys and depth == 0 and self.chance(0.12):
            shown.append(self.window(keys, measures))
        return self.select(shown, rest)

    def window(self, keys: Sequence[Column], measures: Sequence[Column]) -> Column:
        measure, key = self.random.choice(list(measures)), self.random.choice(list(keys))
        over = self.random.choice(
            (f"ORDER BY {measure.text} DESC", f"PARTITION BY {key.text} ORDER BY {measure.text}")
        )
        number = "count(*)"
        makers: list[Callable[[], str]] = [
            lambda: f"rank() OVER ({over})",
            lambda: f"row_number() OVER ({over})",
            lambda: f"sum({number}) OVER ()",
            lambda: f"sum({number}) OVER ({over})",
            lambda: f"lag({measure.text}) OVER ({over})",
            lambda: f"1.0 * {number} / sum({number}) OVER (PARTITION BY {key.text})",
        ]
        return Column(self.random.choice(makers)(), "mean")

    def set_operation(self) -> Select:
        """Two aggregating blocks with the same columns."""
        first = self.grouped(1)
        second = self.alike(first)
        word = self.random.choice(("UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT"))
        return Select(f"{first.text} {word} {second.text}", first.columns)

    def alike(self, first: Select) -> Select:
        """Another block with columns of the same kinds; the same one where no FROM has them."""
        wanted = [column.domain for column in first.columns]
        for _ in range(6):
            source = self.source(1)
            if {domain for domain in wanted if domain in DOMAINS or domain == "bool"} <= {
                column.domain for column in source.columns
            }:
                break
        else:
            return first
        columns: list[Column] = []
        for domain in wanted:
            if domain in DOMAINS or domain == "bool":
                columns.append(self.value(source.columns, (domain,)))
            elif domain == "int":
                columns.append(Column("count(*)", "int"))
            else:
                function = "avg" if domain == "mean" else "sum"
                columns.append(Column(f"{function}({self.value(source.columns, NUMBERS).text})", domain))
        keys = ", ".join(dict.fromkeys(column.text for column in columns if "(" not in column.text))
        group = f" GROUP BY {keys}" if keys else ""
        return self.select(columns, f" FROM {source.text}{self.where(source, 1)}{group}")

    def above_groups(self) -> Select:
        """Arithmetic, joins and conditions over answers, without another aggregate."""
        first = self.grouped(1)
        source = self.named(f"({first.text})", first.columns)
        if self.chance(0.6):
            second = self.alike(first) if self.chance(0.7) else self.grouped(1)
            source = self.joined(source, self.named(f"({second.text})", second.columns))
        columns = list(source.columns)
        numbers = [column for column in columns if column.domain in (*NUMBERS, "mean")]
        if len(numbers) > 1:
            one, other = self.random.sample(numbers, 2)
            columns.append(Column(f"{one.text} / nullif({other.text}, 0)", "mean"))
        linked = f" WHERE {' AND '.join(source.linked)}" if source.linked else ""
        if not linked and self.chance(0.3):
            linked = f" WHERE {self.comparison(source.columns)}"
        return self.select(columns, f" FROM {source.text}{linked}", distinct=self.chance(0.1))
