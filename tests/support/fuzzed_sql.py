"""Hostile SQL by the hundred thousand: statements written by a small grammar, broken token by token, and soup.

Each is made from a seed and a number alone, so that a failure is found again by them. Most are cheap to turn down,
which is what lets there be so many; those that `tests/support/generated_queries.py` writes are dearer and deeper.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "gov.firm": {
        "uscc": "key",
        "section": "text",
        "district": "text",
        "staff": "number",
        "revenue": "number",
        "founded": "date",
        "late": "truth",
    },
    "gov.pay": {"person_id": "key", "uscc": "key", "district": "text", "wage": "number"},
    "gov.region": {"district": "text", "zone": "text", "weight": "number"},
    "bank_a.loan": {"id_no": "key", "branch": "text", "balance": "number", "bad": "truth"},
}
"""What the bank may use, and for what it is good."""
FORBIDDEN: Mapping[str, str] = {
    "gov.firm": "canary_firm",
    "gov.pay": "canary_pay",
    "gov.secret": "canary_secret",
    "bank_b.loan": "canary_loan",
}
"""A column of each table that nobody was granted; of the last two tables nothing was."""
TEXT_MARK, NUMBER_MARK = "zqx", "7360"
"""What text literals begin with and numbers contain, by which they are known again."""

AGGREGATES = ("count", "sum", "avg", "min", "max", "var_pop", "stddev_samp", "median", "count(DISTINCT")
SCALARS = ("abs", "upper", "lower", "length", "round", "floor", "year", "coalesce", "nullif", "trim", "substr")
HOSTILE = (
    *("\u200b", "\ufeff", "\u2060", "\x00", "`", "``", "--", "/*", "*/", "/*!", ";", "$$", "$1", "#1", "@", "?", "!"),
    *(
        "\u202e",
        "\u3000",
        "\xa0",
        "\r",
        "\\",
        "{",
        "}",
        "{{x}}",
        "[",
        "]",
        "::",
        ":=",
        "->",
        "||",
        "<<",
        "~",
        "^",
        "&",
    ),
    *("columns(*)", "columns('c.*')", "columns(lambda c: true)", "*", "f.*", "(f).canary_firm", "rowid", "f['late']"),
    *("canary_firm", "f.canary_firm", "canary_pay", "gov.secret", "gov.secret.canary_secret", "bank_b.loan"),
    *("information_schema.tables", "duckdb_settings()", "pragma_storage_info('gov.firm')", "sqlite_master"),
    *("read_csv('/etc/passwd')", "read_text('/etc/passwd')", "'/etc/passwd'", "glob('*')", "getenv('HOME')"),
    *("query('SELECT 1')", "query_table('gov.secret')", "sleep_ms(9000)", "range(1000000000)", "error('x')"),
    *("any_value(staff)", "first(uscc)", "arg_max(uscc, staff)", "list(uscc)", "string_agg(uscc, ',')", "mode(uscc)"),
    *("quantile_disc(staff, 0)", "approx_top_k(uscc, 3)", "bit_xor(staff)", "histogram(uscc)", "random()", "now()"),
    *(
        "UNION ALL SELECT canary_secret FROM gov.secret",
        "INTERSECT SELECT 1",
        "EXCEPT SELECT canary_firm FROM gov.firm",
    ),
    *("WITH f AS (DELETE FROM gov.firm RETURNING uscc)", "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r)"),
    *("INTO x", "FOR UPDATE", "USING SAMPLE 1 ROWS", "TABLESAMPLE 1%", "QUALIFY 1 = 1", "LATERAL", "NATURAL JOIN"),
    *(
        "PIVOT",
        "UNPIVOT",
        "ASOF JOIN",
        "POSITIONAL JOIN",
        "DESCRIBE",
        "SUMMARIZE",
        "PRAGMA",
        "ATTACH ':memory:'",
        "COPY",
    ),
    *("INSERT INTO gov.firm", "DROP TABLE gov.firm", "SET memory_limit = '1TB'", "CALL", "INSTALL httpfs", "EXPORT"),
    *("CAST(uscc AS INTEGER)", "1/(staff-3)", "TRY(1)", "x'41'", "E'a'", "0x1F", "1e400", "-0", "1_000", "'a' 'b'"),
    *(
        "NULL",
        "TRUE",
        "''",
        '""',
        "(",
        ")",
        "((",
        "))",
        ",",
        ",,",
        ".",
        "..",
        "=",
        "<>",
        "IN ()",
        "BETWEEN",
        "CASE",
        "END",
    ),
    *(
        "OVER ()",
        "OVER (PARTITION BY uscc)",
        "FILTER (WHERE uscc = 'a')",
        "WITHIN GROUP (ORDER BY staff)",
        "GROUPING SETS",
    ),
)
"""What the catalogue of attacks is made of (design, SECURITY 2.1 to 2.4)."""
_BLOCKS = (0, 0, 0x80, 0x300, 0x400, 0x2000, 0x3000, 0x4E00, 0xD800, 0xFE00, 0xFF00, 0x1F600, 0xE0000)
"""Where the characters of soup come from: controls, marks, look-alikes, format characters, halves of pairs."""
_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\w+|\s+|.", re.DOTALL)


def statement(seed: int, number: int) -> str:
    """One statement: of a hundred two are whole, 38 broken, 15 pasted together, and the rest soup."""
    chance = Random(f"{seed}:{number}")
    kind = chance.random()
    if kind < 0.02:
        return written(chance)
    if kind < 0.4:
        return broken(chance, written(chance))
    return pasted(chance) if kind < 0.55 else soup(chance)


def written(chance: Random) -> str:
    """A small question in the grammar: most of these are admitted."""
    name = chance.choice(list(COLUMNS))
    columns = COLUMNS[name]
    groups = [one for one, kind in columns.items() if kind in ("text", "truth")]
    keys = chance.sample(groups, chance.randint(0, min(2, len(groups))))
    shown = [*keys, *(_measure(chance, columns) for _ in range(chance.randint(1, 2)))]
    text = f"SELECT {', '.join(shown)} FROM {name} AS f"
    if chance.random() < 0.2:
        text += " JOIN gov.region AS r ON f.district = r.district" if "district" in columns else ""
        text = text.replace("SELECT district", "SELECT f.district").replace(", district", ", f.district")
    if chance.random() < 0.5:
        text += f" WHERE {_condition(chance, columns)}"
    if keys:
        text += f" GROUP BY {', '.join(str(place + 1) for place in range(len(keys)))}"
    if chance.random() < 0.15:
        text += f" HAVING count(*) > {_number(chance)}"
    if chance.random() < 0.2:
        text += " ORDER BY 1"
    if chance.random() < 0.1:
        text = f"WITH q AS ({text.replace('AS f', 'AS f', 1)}) SELECT count(*) AS n FROM q"
    return text


def _measure(chance: Random, columns: Mapping[str, str]) -> str:
    function = chance.choice(AGGREGATES)
    numbers = [one for one, kind in columns.items() if kind == "number"]
    if function == "count":
        return "count(*) AS n"
    if function == "count(DISTINCT":
        return f"count(DISTINCT {next(iter(columns))}) AS d"
    return f"{function}({chance.choice(numbers)}) AS m"


def _condition(chance: Random, columns: Mapping[str, str]) -> str:
    name, kind = chance.choice(list(columns.items()))
    match kind:
        case "number":
            return f"f.{name} {chance.choice(('<', '>=', '=', '<>'))} {_number(chance)}"
        case "date":
            return f"f.{name} < DATE '20{chance.randint(10, 26)}-0{chance.randint(1, 9)}-01'"
        case "truth":
            return f"f.{name}"
        case _ if chance.random() < 0.3:
            return f"{chance.choice(SCALARS)}(f.{name}) = {_text(chance)}"
        case _:
            return f"f.{name} IN ({_text(chance)}, {_text(chance)})"


def _number(chance: Random) -> str:
    return f"{chance.randint(1, 9)}{NUMBER_MARK}{chance.randint(0, 9)}"


def _text(chance: Random) -> str:
    return f"'{TEXT_MARK}{chance.randrange(1000)}'"


def broken(chance: Random, text: str) -> str:
    """The statement with one to three of its tokens taken out, doubled, exchanged, glued or made hostile."""
    tokens = _TOKEN.findall(text)
    for _ in range(chance.randint(1, 3)):
        if not tokens:
            break
        place = chance.randrange(len(tokens))
        match chance.randrange(7):
            case 0:
                del tokens[place]
            case 1:
                tokens.insert(place, tokens[place])
            case 2:
                other = chance.randrange(len(tokens))
                tokens[place], tokens[other] = tokens[other], tokens[place]
            case 3:
                tokens[place] = chance.choice(HOSTILE)
            case 4:
                tokens.insert(place, f" {chance.choice(HOSTILE)} ")
            case 5:
                tokens[place] = tokens[place].swapcase() if chance.random() < 0.5 else f'"{tokens[place]}"'
            case _:
                tokens[place] = tokens[place][: chance.randrange(len(tokens[place]) + 1)]
    return "".join(tokens)


def pasted(chance: Random) -> str:
    """The head of one statement and the tail of another, or one inside another."""
    one, other = _TOKEN.findall(written(chance)), _TOKEN.findall(written(chance))
    at, to = chance.randrange(len(one)), chance.randrange(len(other))
    if chance.random() < 0.5:
        return "".join([*one[:at], " ", *other[to:]])
    return "".join([*one[:at], " (", *other, ") ", *one[at:]])


def soup(chance: Random) -> str:
    """Tokens of every kind in no order, or a statement with characters of no order in it."""
    tokens = _TOKEN.findall(written(chance))
    if chance.random() < 0.5:
        words: Sequence[str] = [*HOSTILE, *tokens]
        return chance.choice(("", " ", " ")).join(chance.choice(words) for _ in range(chance.randint(1, 12)))
    letters = list("".join(tokens))
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(letters))
        letters[place : place + chance.randint(0, 3)] = [chr(chance.choice(_BLOCKS) + chance.randrange(128))]
    return "".join(letters)
