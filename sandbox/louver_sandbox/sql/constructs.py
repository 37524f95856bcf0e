"""What is refused by name, so that the refusal can say why: stored values, later versions, never."""

from __future__ import annotations

from sqlglot import exp


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


KEYWORDS: frozenset[str] = words(
    "all and as asc between by case cast date day days desc distinct else end exists false filter first from group "
    "having if ilike in inner interval is isnull join last left like limit materialized month months not notnull "
    "null nulls offset on or order outer quarter quarters row rows select then timestamp true using week weeks when "
    "where with year years "
    "union intersect except over partition window range groups unbounded preceding following current rollup cube "
    "grouping sets qualify any some exists exclude replace natural right full cross "
    "bigint bool boolean char dec decimal double float float4 float8 hugeint int int1 int2 int4 int8 integer long "
    "numeric precision real short signed smallint string text tinyint ubigint uinteger usmallint utinyint varchar "
    "bpchar datetime doy dayofyear dayofmonth isodow both leading trailing for "
    "blob bytea bit json map struct time timestamptz uuid variant enum "
    "fetch next only within"
)
"""Words without a bracket after them that are part of the grammar, of a type or of a unit."""

Never = tuple[str, str, str]
"""The feature, and what to write instead in English and Chinese."""

STORED_VALUE_NODES: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.AnyValue,
        exp.ApproxTopK,
        exp.ApproxTopSum,
        exp.ArrayAgg,
        exp.ArrayConcatAgg,
        exp.ArrayUniqueAgg,
        exp.BitwiseAndAgg,
        exp.BitwiseOrAgg,
        exp.BitwiseXorAgg,
        exp.First,
        exp.GroupConcat,
        exp.HashAgg,
        exp.IgnoreNulls,
        exp.JSONArrayAgg,
        exp.JSONObjectAgg,
        exp.Last,
        exp.Mode,
        exp.NthValue,
        exp.ObjectAgg,
        exp.RespectNulls,
    }
)

STORED_VALUE_FUNCTIONS: frozenset[str] = words(
    "any_value approx_top_k arbitrary array_agg bit_and "
    "bit_or bit_xor bitstring_agg first group_concat histogram histogram_exact json_group_array json_group_object "
    "last list listagg map_from_entries mode product string_agg struct_pack row to_aggregate_state "
    "finalize combine any_value_ignore_nulls first_value last_value nth_value"
)

LATEST_VALUE = "the value at an extreme (arg_max), which only a template of the verb query may return,"

LATER_NODES: dict[type[exp.Expr], str] = {
    exp.ArgMax: LATEST_VALUE,
    exp.ArgMin: LATEST_VALUE,
    exp.RegexpILike: "a regular expression without regard to case",
    exp.RegexpExtract: "a part of a text by regular expression",
    exp.RegexpReplace: "replacement by regular expression",
    **dict.fromkeys(
        (
            exp.ApproxDistinct,
            exp.ApproxQuantile,
            exp.Dayname,
            exp.Initcap,
            exp.Monthname,
            exp.MonthsBetween,
            exp.Reverse,
            exp.ToNumber,
        ),
        "function {}",
    ),
}

LATER_FUNCTIONS: frozenset[str] = words(
    "arg_max arg_max_null arg_min arg_min_null argmax argmin max_by min_by approx_count_distinct "
    "approx_quantile cume_dist dense_rank grouping kurtosis lag lead mad median ntile percent_rank "
    "percentile_cont percentile_disc quantile quantile_cont quantile_disc rank reservoir_quantile row_number "
    "skewness sumkahan fsum"
)

_SAMPLE: Never = ("a sample", "ask about all rows; small groups are protected by themselves", "请针对全部行提问")
_TABLE_FUNCTION: Never = ("a function in FROM", "read the tables of the catalogue", "请读取目录中的表")
_NOW = (
    "write the date as a constant or parameter, so that the question can be repeated",
    "请将日期写为常量或参数，使查询可重现",
)
_PLAIN = ("", "")

NEVER_NODES: dict[type[exp.Expr], Never] = {
    exp.TableSample: _SAMPLE,
    exp.Values: ("VALUES", "upload the list as a table of your own", "请将清单上传为本机构的表"),
    exp.Pow: ("the operator **", "write power(x, y)", "请写 power(x, y)"),
    exp.Columns: ("COLUMNS", "name the columns", "请写出列名"),
    exp.ReadCSV: _TABLE_FUNCTION,
    exp.ReadParquet: _TABLE_FUNCTION,
    exp.Unnest: _TABLE_FUNCTION,
    exp.Lateral: ("LATERAL", "use a join", "请使用连接"),
    exp.Pivot: ("PIVOT", "use count or sum with FILTER", "请使用带 FILTER 的 count 或 sum"),
    exp.Collate: ("COLLATE", *_PLAIN),
    exp.AtTimeZone: ("AT TIME ZONE", *_PLAIN),
    exp.Lambda: ("a lambda", *_PLAIN),
    exp.Insert: ("INSERT", *_PLAIN),
    exp.Update: ("UPDATE", *_PLAIN),
    exp.Delete: ("DELETE", *_PLAIN),
    exp.Merge: ("MERGE", *_PLAIN),
    **dict.fromkeys(
        (
            exp.CurrentDate,
            exp.CurrentDatetime,
            exp.CurrentTime,
            exp.CurrentTimestamp,
            exp.Localtime,
            exp.Localtimestamp,
        ),
        ("the current time", *_NOW),
    ),
    **dict.fromkeys((exp.Rand, exp.Randn, exp.Uuid), ("a random value", *_PLAIN)),
    exp.CurrentUser: ("CURRENT_USER", *_PLAIN),
}

NEVER_FUNCTIONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("now", "today", "get_current_time", "get_current_timestamp", "transaction_timestamp", "age"), _NOW
    ),
    **dict.fromkeys(
        words(
            "random uuid gen_random_uuid uuidv7 setseed nextval currval getenv current_setting current_schema "
            "current_database txid_current version error sleep_ms write_log read_text read_blob read_csv_auto "
            "read_json read_json_auto read_ndjson glob query query_table parquet_scan parquet_metadata sniff_csv "
            "stats hash md5 sha1 "
            "sha256 encode decode pragma_storage_info duckdb_tables duckdb_columns duckdb_settings checkpoint "
            "enable_logging repeat levenshtein"
        ),
        _PLAIN,
    ),
}

LATER_ARGUMENTS: dict[tuple[type[exp.Expr], str], str] = {
    (exp.Star, "rename"): "* RENAME",
    (exp.Count, "expressions"): "COUNT of several columns",
    (exp.StrPosition, "position"): "a search from a position on",
    (exp.StrPosition, "occurrence"): "a search for a later occurrence",
    (exp.LastDay, "unit"): "the last day of another span",
    (exp.Between, "symmetric"): "BETWEEN SYMMETRIC",
}

NEVER_ARGUMENTS: dict[tuple[type[exp.Expr], str], Never] = {
    (exp.Select, "into"): ("SELECT INTO", *_PLAIN),
    (exp.Select, "sample"): _SAMPLE,
    (exp.Table, "sample"): _SAMPLE,
    (exp.Select, "locks"): ("FOR UPDATE", *_PLAIN),
    (exp.Select, "laterals"): ("LATERAL", "use a join", "请使用连接"),
    (exp.Select, "pivots"): ("PIVOT", "use count or sum with FILTER", "请使用带 FILTER 的 count 或 sum"),
    (exp.Table, "pivots"): ("PIVOT", "use count or sum with FILTER", "请使用带 FILTER 的 count 或 sum"),
    (exp.Subquery, "pivots"): ("PIVOT", "use count or sum with FILTER", "请使用带 FILTER 的 count 或 sum"),
    (exp.With, "recursive"): ("WITH RECURSIVE", *_PLAIN),
    **dict.fromkeys(
        [(kind, "by_name") for kind in (exp.Union, exp.Intersect, exp.Except)],
        ("BY NAME", "list the columns in the same order", "请按相同顺序列出各列"),
    ),
    (exp.Distinct, "on"): ("DISTINCT ON", "use GROUP BY", "请使用 GROUP BY"),
    (exp.Order, "this"): ("ORDER BY inside an aggregate", *_PLAIN),
    (exp.Min, "count"): ("a list of smallest values", *_PLAIN),
    (exp.Max, "count"): ("a list of largest values", *_PLAIN),
    (exp.Limit, "limit_options"): ("LIMIT in percent", "give a number of rows", "请写行数"),
    (exp.LimitOptions, "percent"): ("FETCH FIRST in percent", "give a number of rows", "请写行数"),
    (exp.LimitOptions, "with_ties"): ("WITH TIES", "rank the groups with QUALIFY", "请用 QUALIFY 按名次筛选"),
    (exp.Join, "match_condition"): ("this kind of join", "write JOIN ... ON a.x = b.x", "请写 JOIN … ON a.x = b.x"),
}
