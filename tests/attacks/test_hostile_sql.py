"""A bank that writes hostile SQL gets a coded refusal, fast, and ordinary SQL is not mistaken for it.

The classes are those of SECURITY 2.1 to 2.4: characters that two parsers read differently, statements that are no
SELECT, ways to read files, catalogues and rows, functions that give stored values away, and sizes that hang parsers.
"""

from __future__ import annotations

import time

import pytest
from tests.unit.sandbox.test_sql_world import ask

from louver.errors import Refused

T = "gov.tax_credit"

CHARACTERS = [
    "select a\u200bfrom\u200bsecret",
    "select count(*), (select a\u200bfrom\u200bsecret) from gov.tax_credit",
    "select count(*) from gov.tax_credit\ufeff",
    "\ufeffselect count(*) from gov.tax_credit",
    "select count(*) from\u2060gov.tax_credit",
    "select count(*) from\u00a0gov.tax_credit",
    "select count(*) from\u3000gov.tax_credit",
    "select count(*)\x0bfrom gov.tax_credit",
    "select count(*)\x0cfrom gov.tax_credit",
    "select count(*) \u2028from gov.tax_credit",
    "select count(*) \u0085from gov.tax_credit",
    "select count(*) from gov.tax_credit\0 where 1=1",
    "select grade from gov.tax_credit group by grade\0 having count(*) > 1",
    "select count(*) as `--`,(select max(a) from secret) as `\n from gov.tax_credit as `",
    "select 1 ` from gov.tax_credit `",
    "select `grade` from gov.tax_credit",
    "select \u202egrade from gov.tax_credit",
    "select grade\u00ad from gov.tax_credit",
    "select gr\u200cade from gov.tax_credit",
    "select gr\u200dade from gov.tax_credit",
    "select ｇrade from gov.tax_credit",
    "select ＇grade＇ from gov.tax_credit",
    "select grade from gov.tax_credit where grade ＝ 'A'",
    "select gradе from gov.tax_credit",  # a Cyrillic e
    "select count(*) from gov.tax_credit where grade = '\u202eA'",
    "select count(*) from gov.tax_credit where grade = 'A\u2066'",
    "select count(*) from gov.tax_credit where grade = 'a\u200b'",
    "select count(*) from gov.tax_credit where grade = 'a\x00b'",
    "select count(*) from gov.tax_credit where grade = 'a\nb'",
    'select "gra\u200bde" from gov.tax_credit',
    'select "" from gov.tax_credit',
    "select count(*) from gov.tax_credit where grade = 'e\u0301'",
    "select cafe\u0301 from gov.tax_credit",
    "select $1 from gov.tax_credit",
    "select $$x$$ from gov.tax_credit",
    "select ? from gov.tax_credit",
    "select #1 from gov.tax_credit",
    "select @grade from gov.tax_credit",
    "select @true::double from gov.tax_credit",
    "select a$b from gov.tax_credit",
    "select grade\\ from gov.tax_credit",
    "select {'a': grade} from gov.tax_credit",
    "select {{x}} from gov.tax_credit",
    "select (rating_year)! from gov.tax_credit",
    "select (grade is null)! is true from gov.tax_credit",
    "select [grade] from gov.tax_credit",
    "select grade[1] from gov.tax_credit",
    "select grade ~ '(?=1)' from gov.tax_credit",
    "select rating_year & 1 from gov.tax_credit",
    "select rating_year | 1 from gov.tax_credit",
    "select rating_year ^ 2 from gov.tax_credit",
    "select rating_year << 2 from gov.tax_credit",
    "select count(*) from gov.tax_credit -- \u202e",
    "select x'41' from gov.tax_credit",
    "select E'a' from gov.tax_credit",
    "select grade'a' from gov.tax_credit",
    "select 'a' 'b' from gov.tax_credit",
    "select 'a'\n'b' from gov.tax_credit",
    "select 1x from gov.tax_credit",
    "select 0x1F from gov.tax_credit",
    "select 1_000 from gov.tax_credit",
    "select 'a from gov.tax_credit",
    'select "a from gov.tax_credit',
    "select /* a from gov.tax_credit",
    "select /* /* */ */ grade from gov.tax_credit",
    "select grade from gov.tax_credit /*! into x */ for update",
    "select x: 1 from gov.tax_credit",
    "select grade:b from gov.tax_credit",
    "\ud800select",
]

STATEMENTS = [
    "",
    "   \n",
    ";",
    "-- nothing",
    "select count(*) from gov.tax_credit; select 1",
    "select count(*) from gov.tax_credit;;",
    "select count(*) from gov.tax_credit; drop table gov.tax_credit",
    "insert into gov.tax_credit values (1)",
    "update gov.tax_credit set grade = 'A'",
    "delete from gov.tax_credit",
    "truncate gov.tax_credit",
    "merge into gov.tax_credit using x on true when matched then delete",
    "create table x as select * from gov.tax_credit",
    "create or replace temp view tax_credit as select 1",
    "create temp macro count(x) as 7",
    "create secret s (type s3)",
    "create persistent secret s (type s3)",
    "drop table gov.tax_credit",
    "alter table gov.tax_credit add column x int",
    "attach ':memory:' as m",
    "detach m",
    "use gov",
    "set memory_limit = '1TB'",
    "set variable x = 1",
    "reset all",
    "pragma database_list",
    "pragma enable_verification",
    "call pragma_version()",
    "copy gov.tax_credit to 'x.csv'",
    "copy (select * from gov.tax_credit) to 'x.parquet'",
    "export database 'x'",
    "import database 'x'",
    "install httpfs",
    "load httpfs",
    "checkpoint",
    "vacuum",
    "analyze",
    "explain select * from gov.tax_credit",
    "explain analyze select * from gov.tax_credit",
    "describe gov.tax_credit",
    "describe select * from gov.tax_credit",
    "summarize gov.tax_credit",
    "show tables",
    "show all tables",
    "prepare p as select 1",
    "execute p",
    "begin",
    "commit",
    "from gov.tax_credit",
    "from gov.tax_credit select grade",
    "table gov.tax_credit",
    "values (1)",
    "pivot gov.tax_credit on grade using count(*)",
    "unpivot gov.tax_credit on score into name n value v",
    "with z as (delete from gov.tax_credit returning grade) select * from z",
    "with z as (insert into gov.tax_credit values (1) returning grade) select * from z",
    "with z as (update gov.tax_credit set grade = 'A' returning grade) select * from z",
    "with recursive r as (select 1 as n union all select n + 1 from r) select * from r",
    "with recursive r as (select grade from gov.tax_credit) select * from r",
    "select 1 into x from gov.tax_credit",
    "select grade into temp x from gov.tax_credit",
    "select grade from gov.tax_credit for update",
    "select grade from gov.tax_credit for share",
    "select grade from (from gov.tax_credit)",
    "select * from (show tables)",
    "select * from (describe gov.tax_credit)",
    "select * from (summarize gov.tax_credit)",
    "select grade from gov.tax_credit union all by name select grade from gov.tax_credit",
    "select grade from gov.tax_credit intersect select 'A'",
    "select grade from gov.tax_credit except select 'A'",
    "hello",
    "select",
    "select from",
    "select from gov.tax_credit",
    "select grade from",
    "select grade gov.tax_credit where",
    "select grade from gov.tax_credit where",
    "select grade from gov.tax_credit group by",
    "select (grade from gov.tax_credit",
    "select grade) from gov.tax_credit",
    "select 1",
]

SOURCES = [
    "select * from 'x.csv'",
    "select * from 'tax_credit'",
    'select * from "x.csv"',
    "select * from read_csv('x.csv')",
    "select * from read_csv_auto('x.csv')",
    "select * from read_parquet('x')",
    "select * from read_json('x')",
    "select * from read_text('x')",
    "select * from read_blob('x')",
    "select * from glob('*')",
    "select * from parquet_metadata('x')",
    "select * from sniff_csv('x')",
    "select * from duckdb_tables()",
    "select * from duckdb_settings()",
    "select * from pragma_storage_info('gov.tax_credit')",
    "select * from pragma_table_info('gov.tax_credit')",
    "select * from query('select 1')",
    "select * from query_table('gov.tax_credit')",
    "select * from enable_logging(storage='file')",
    "select * from range(10)",
    "select * from generate_series(1, 10)",
    "select * from unnest(grade)",
    "select * from repeat('x', 10)",
    "select * from information_schema.tables",
    "select * from duckdb_tables",
    "select * from sqlite_master",
    "select * from pg_catalog.pg_class",
    "select * from main.gov.tax_credit",
    "select * from memory.main.tax_credit",
    "select * from secret",
    "select * from gov.secret",
    "select * from bank_b.loan_book",
    "select * from only gov.tax_credit",
    "select * from gov.tax_credit tablesample 10%",
    "select * from gov.tax_credit tablesample reservoir(10)",
    "select * from gov.tax_credit using sample 1 rows",
    "select * from gov.tax_credit t(a, b, c, d)",
    "select * from (values (1)) v(a)",
    "select * from gov.tax_credit, lateral (select 1) x",
    "select * from gov.tax_credit, gov.ent_registry",
    "select * from gov.tax_credit cross join gov.ent_registry",
    "select * from gov.tax_credit natural join gov.ent_registry",
    "select * from gov.tax_credit positional join gov.ent_registry",
    "select * from gov.tax_credit t asof join gov.ent_registry r on t.uscc >= r.uscc",
    "select * from gov.tax_credit t join gov.ent_registry r on true",
    "select * from gov.tax_credit t join gov.ent_registry r on t.uscc <> r.uscc",
    "select * from gov.tax_credit t join gov.ent_registry r on 1 = 1",
    "select * from gov.tax_credit t semi join gov.ent_registry r using (uscc)",
    "select * from gov.tax_credit pivot (count(*) for grade in ('A'))",
    "select * from gov.tax_credit unpivot (v for n in (score))",
    "with tax_credit as (select * from tax_credit) select * from tax_credit",
    "select * from gov.tax_credit at (version => 1)",
]

VALUES = [
    f"select {call} from {T}"
    for call in (
        "any_value(grade)", "first(grade)", "last(grade)", "first(grade order by score)", "arbitrary(grade)",
        "arg_max(grade, score)", "arg_min(grade, score)", "max_by(grade, score)", "min_by(grade, score)",
        "string_agg(grade, ',')", "group_concat(grade)", "listagg(grade, ',')", "list(grade)", "array_agg(grade)",
        "mode(grade)", "histogram(grade)", "bit_xor(rating_year)", "bit_and(rating_year)", "bit_or(rating_year)",
        "approx_top_k(grade, 3)", "max(score, 3)", "min(score, 3)", "product(score)", "bitstring_agg(rating_year)",
        "json_group_array(grade)", "quantile_disc(score, 0)", "quantile_cont(score, 1)", "quantile_cont(score, score)", "median(grade)",
        "approx_quantile(score, 0.5)", "percentile_cont(0.5) within group (order by score desc)", "median(distinct score)", "sum(1) within group (order by score)", "entropy(score)",
        "count(distinct (grade, score))", "count(distinct grade, score)", "sum(distinct score)",
        "sum(score order by grade)", "count(distinct t)", "max(t)", "max(t.*)", "count(t.*)", "columns('gr.*')",
        "columns('g' || 'rade')", "columns(*)", "sum(columns(*))", "* exclude (nosuch)", "* rename (grade as g)",
        "row_number() over ()", "lag(score) over (order by score)", "sum(score) over ()",
        "(select score, grade from gov.tax_credit)", "rank()", "grade = any (['A'])", "struct_pack(a := grade)",
        "row(grade, score)", "(grade, score)", "struct_extract(t, 'grade')", "hash(grade)", "md5(grade)",
        "encode(grade)", "to_json(t)", "random()", "uuid()", "gen_random_uuid()", "now()", "today()", "current_date",
        "current_timestamp", "current_user", "getenv('HOME')", "version()", "current_setting('memory_limit')",
        "error('x')", "sleep_ms(1000)", "write_log('x')", "nextval('s')", "setseed(0.5)", "repeat(grade, 1000)",
        "levenshtein(grade, grade)", "list_sort(list(grade))", "regexp_matches(grade, '(A)(?=B)')", "gamma(rating_year)",
        "regexp_extract(grade, 'A')", "try(1/0)", "cast(grade as json)", "grade::struct(a int)", "grade::blob",
        "grade::varchar collate nocase", "grade at time zone 'UTC'", "stats(grade)", "finalize(grade)",
        "list_transform(grade, x -> x)", "rowid", "t.rowid", "t", "t.grade.x", "sum(sum(score))",
    )
]  # fmt: skip

CLAUSES = [
    f"select count(*) from {T} where not (grade = 'A' or grade countnull)",
    f"select count(*) from {T} where score < . 1.",
    f"select grade from {T} where columns(*)::varchar like '%x%'",
    f"select grade from {T} where (select 1) = 1",
    f"select grade from {T} where count(*) > 1",
    f"select grade from {T} where grade like grade",
    f"select grade from {T} where grade like 'a!%' escape '!!'",
    f"select grade from {T} where grade similar to grade",
    f"select grade from {T} where grade",
    f"select grade from {T} where (grade, score) in (('A', 1))",
    f"select distinct on (grade) grade from {T}",
    f"select grade, count(*) from {T} group by count(*)",
    f"select grade from {T} group by 'x'",
    f"select grade from {T} group by 7",
    f"select grade, score, count(*) from {T} group by grade",
    f"select grade from {T} order by 9",
    f"select grade from {T} order by (select 1)",
    f"select grade from {T} limit 10 percent",
    f"select grade from {T} limit 1 + 1",
    f"select grade from {T} limit (select 1)",
    f"select grade from {T} limit -1",
    f"select grade from {T} fetch first 3 rows with ties",
    f"select * from (select grade from {T} order by score limit 1) x",
    f"select grade from {T} qualify row_number() over () = 1",
    f"select grade, count(*) over w from {T} window w as ()",
    f"select grade from {T} where score = 'nan'",
    f"select grade from {T} where score = 1e999",
    f"select grade from {T} where rating_year = 99999999999999999999",
    f"select date '2026-02-30' from {T}",
    f"select interval (rating_year) day from {T}",
    f"select interval 99999999 year from {T}",
    f"select interval 1 hour from {T}",
    f"select :missing from {T}",
]

SIZES = {
    "a megabyte": "select " + "a" * 1_000_000 + " from gov.tax_credit",
    "a megabyte of Chinese": "select '" + "中" * 400_000 + "' from gov.tax_credit",
    "a long comment": "select grade /*" + "x" * 100_000 + "*/ from gov.tax_credit",
    "10,000 brackets": "select " + "(" * 10_000 + "1" + ")" * 10_000 + " from gov.tax_credit",
    "unclosed brackets": "select " + "(" * 5_000,
    "nested subqueries": "select * from " + "(select * from " * 1_000 + T + ")" * 1_000,
    "64 nested subqueries": "select * from " + "(select * from " * 64 + T + ")" * 64,
    "64 nested conditions": f"select count(*) from {T}" + f" where score in (select score from {T}" * 64 + ")" * 64,
    "an expression of 5,000 nodes": f"select sum({'+'.join(['score'] * 2_500)}) from gov.tax_credit",
    "a condition of 5,000 nodes": f"select count(*) from {T} where "
    + " and ".join(f"score <> {n}" for n in range(1_250)),
    "33 brackets": "select " + "(" * 33 + "1" + ")" * 33 + " from gov.tax_credit",
    "20,000 OR terms": f"select grade from {T} where " + " or ".join(["(grade='A' and score=1)"] * 20_000),
    "2,000 IN values": f"select grade from {T} where rating_year in (" + ",".join(map(str, range(2_000))) + ")",
    "2,000 minus signs": "select " + "- " * 2_000 + "1 from gov.tax_credit",
    "1,500 NOTs": f"select grade from {T} where " + "not " * 1_500 + "true",
    "1,000 nested CASEs": "select " + "case when true then " * 1_000 + "1" + " end" * 1_000 + " from gov.tax_credit",
    "a long sum": "select " + "+".join(["score"] * 2_000) + " from gov.tax_credit",
    "a long dotted name": "select " + ".".join(["a"] * 2_000) + " from gov.tax_credit",
    "2,000 subscripts": "select a" + "[1]" * 2_000 + " from gov.tax_credit",
    "2,000 unions": " union all ".join([f"select grade from {T}"] * 1_000),
    "200 joins": f"select 1 from {T} t0" + "".join(f" join {T} t{n} using (uscc)" for n in range(1, 201)),
    "40 WITH queries": "with "
    + ",".join(f"c{n} as (select grade from {T})" for n in range(40))
    + " select 1 from c0",
    "200 columns": "select " + ",".join(f"score as s{n}" for n in range(200)) + " from gov.tax_credit",
    "nested NULLIF": "select " + "nullif(" * 20 + "score" + ",1)" * 20 + " from gov.tax_credit",
    "nested denominators": "select " + "1/(" * 20 + "score" + ")" * 20 + " from gov.tax_credit",
    "aliases that double": "select score as s0, "
    + ",".join(f"s{n} + s{n} as s{n + 1}" for n in range(60))
    + " from gov.tax_credit",
    "CTEs that double": "with c0 as (select uscc from gov.tax_credit), "
    + ",".join(f"c{n} as (select a.uscc from c{n - 1} a join c{n - 1} b using (uscc))" for n in range(1, 8))
    + " select count(*) from c7",
    "derived columns that multiply": "with c0 as (select score as x from gov.tax_credit), "
    + ",".join(
        f"c{n} as (select {'+'.join(['abs(x)', 'round(x)', 'floor(x)', 'ceil(x)', 'x'])} as x from c{n - 1})"
        for n in range(1, 8)
    )
    + " select sum(x) from c7",
    "between that doubles": "select count(*) from gov.tax_credit where "
    + "(" * 20
    + "score"
    + " between 1 and 2)::int" * 20
    + " = 1",
    "a long name": "select " + "a" * 200 + " from gov.tax_credit",
    "a long number": "select " + "9" * 5_000 + " from gov.tax_credit",
    "many short statements": "select 1;" * 1_000,
    "decomposed letters": "select '" + "a" * 10_000 + "e\u0301" * 10_000 + "' from gov.tax_credit",
}

HOSTILE = [*CHARACTERS, *STATEMENTS, *SOURCES, *VALUES, *CLAUSES]


def refused(sql: str) -> Refused:
    started = time.process_time()
    with pytest.raises(Refused) as caught:
        ask(sql)
    assert time.process_time() - started < 2
    return caught.value


@pytest.mark.parametrize("sql", HOSTILE)
def test_a_hostile_statement_is_refused_with_a_code(sql: str) -> None:
    refusal = refused(sql)
    assert refusal.code.startswith("LVR-1")
    assert refusal.message
    assert refusal.message_zh
    assert refusal.hint


@pytest.mark.parametrize("name", SIZES)
def test_a_huge_or_deep_statement_is_refused_in_bounded_time(name: str) -> None:
    assert refused(SIZES[name]).code.startswith("LVR-1")


def test_the_corpus_is_large() -> None:
    assert len(set(HOSTILE)) + len(SIZES) >= 330


def test_an_error_never_quotes_the_parser() -> None:
    for sql in HOSTILE:
        text = str(refused(sql)).lower()
        assert "sqlglot" not in text
        assert "expecting" not in text
        assert "traceback" not in text


def test_a_forbidden_table_and_one_that_does_not_exist_look_alike() -> None:
    """The catalogue that is bound against holds only visible tables, so both are simply absent."""
    one = refused("select count(*) from bank_b.loan_book")
    other = refused("select count(*) from bank_x.loan_book")
    assert (one.code, one.line, one.column, one.hint) == (other.code, other.line, other.column, other.hint)
    assert one.message.replace("bank_b", "bank_x") == other.message
