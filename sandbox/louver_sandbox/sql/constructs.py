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
    "bigint bool boolean char dec decimal double float float4 float8 hugeint int int1 int2 int4 int8 integer long "
    "numeric precision real short signed smallint string text tinyint ubigint uinteger usmallint utinyint varchar "
    "bpchar datetime doy dayofyear dayofmonth isodow both leading trailing for "
    "blob bytea bit json map struct time timestamptz uuid variant enum"
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
        exp.FirstValue,
        exp.GroupConcat,
        exp.HashAgg,
        exp.IgnoreNulls,
        exp.JSONArrayAgg,
        exp.JSONObjectAgg,
        exp.Last,
        exp.LastValue,
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
    exp.Union: "UNION",
    exp.Intersect: "INTERSECT",
    exp.Except: "EXCEPT",
    exp.Exists: "EXISTS",
    exp.Any: "ANY",
    exp.All: "ALL",
    exp.Window: "a window (OVER)",
    exp.WithinGroup: "WITHIN GROUP",
    exp.Tuple: "a row of several values",
    exp.Values: "VALUES",
    exp.Fetch: "FETCH FIRST",
    exp.Escape: "LIKE with ESCAPE",
    exp.SimilarTo: "SIMILAR TO",
    exp.RegexpLike: "a regular expression",
    exp.RegexpILike: "a regular expression",
    exp.RegexpFullMatch: "a regular expression",
    exp.RegexpExtract: "a regular expression",
    exp.RegexpReplace: "a regular expression",
    exp.Rollup: "ROLLUP",
    exp.Cube: "CUBE",
    exp.GroupingSets: "GROUPING SETS",
    **dict.fromkeys(
        (
            exp.ApproxDistinct,
            exp.ApproxQuantile,
            exp.Corr,
            exp.CovarPop,
            exp.CovarSamp,
            exp.Dayname,
            exp.DayOfWeek,
            exp.DenseRank,
            exp.Exp,
            exp.Grouping,
            exp.GroupingId,
            exp.Lag,
            exp.LastDay,
            exp.Lead,
            exp.Log,
            exp.LogicalAnd,
            exp.LogicalOr,
            exp.Median,
            exp.Monthname,
            exp.PercentileCont,
            exp.PercentileDisc,
            exp.Pow,
            exp.Quantile,
            exp.Rank,
            exp.Replace,
            exp.RowNumber,
            exp.Stddev,
            exp.StddevPop,
            exp.StddevSamp,
            exp.Trunc,
            exp.Variance,
            exp.VariancePop,
            exp.Week,
            exp.WidthBucket,
        ),
        "function {}",
    ),
}

LATER_FUNCTIONS: frozenset[str] = words(
    "arg_max arg_max_null arg_min arg_min_null argmax argmin max_by min_by approx_count_distinct approx_quantile "
    "bool_and bool_or corr covar_pop covar_samp cume_dist dense_rank grouping "
    "kurtosis lag last_day lead mad median ntile percent_rank percentile_cont percentile_disc quantile quantile_cont "
    "quantile_disc rank regexp_full_match regexp_matches regr_slope regr_intercept regr_r2 reservoir_quantile "
    "row_number skewness stddev stddev_pop stddev_samp sumkahan fsum var_pop var_samp variance weekday week"
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
    (exp.In, "query"): "a subquery in IN",
    (exp.Select, "windows"): "WINDOW",
    (exp.Select, "qualify"): "QUALIFY",
    (exp.Star, "except_"): "* EXCLUDE",
    (exp.Star, "replace"): "* REPLACE",
    (exp.Star, "rename"): "* RENAME",
    (exp.Group, "rollup"): "ROLLUP",
    (exp.Group, "cube"): "CUBE",
    (exp.Group, "grouping_sets"): "GROUPING SETS",
    (exp.Count, "expressions"): "COUNT of several columns",
    (exp.Trim, "expression"): "TRIM of other characters",
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
    (exp.TableAlias, "columns"): (
        "a list of column aliases",
        "rename with AS in the SELECT list",
        "请在 SELECT 中用 AS 改名",
    ),
    (exp.With, "recursive"): ("WITH RECURSIVE", *_PLAIN),
    (exp.Distinct, "on"): ("DISTINCT ON", "use GROUP BY", "请使用 GROUP BY"),
    (exp.Order, "this"): ("ORDER BY inside an aggregate", *_PLAIN),
    (exp.Min, "count"): ("a list of smallest values", *_PLAIN),
    (exp.Max, "count"): ("a list of largest values", *_PLAIN),
    (exp.Limit, "limit_options"): ("LIMIT in percent", "give a number of rows", "请写行数"),
    (exp.Join, "method"): (
        "this kind of join",
        "write JOIN ... USING (column) or ON a.x = b.x",
        "请写 JOIN … USING (列) 或 ON a.x = b.x",
    ),
    (exp.Join, "match_condition"): ("this kind of join", "write JOIN ... ON a.x = b.x", "请写 JOIN … ON a.x = b.x"),
}
