"""Ordinary statements of analysts, in five dialects, each with the verdict it must get; every line is a real question."""

from __future__ import annotations

import pytest
from tests.unit.sandbox.test_sql_dialects import ask_in

from louver.errors import Refused
from louver_sandbox.sql.dialects import DIALECTS

REGISTRY, CREDIT, LOANS = "gov.ent_registry", "gov.tax_credit", "bank_a.loan_book"

EVERYWHERE = """
select count(*) from gov.ent_registry
select section, count(*) as n from gov.ent_registry group by section order by n desc
select section, count(distinct uscc) from gov.ent_registry where status = '存续' group by section
select district_code, section, count(*) from gov.ent_registry group by district_code, section having count(*) > 10
select avg(n_employees), min(n_employees), max(n_employees) from gov.ent_registry
select section, sum(case when status = '注销' then 1 else 0 end) as closed from gov.ent_registry group by section
select section, avg(case when status = '注销' then 1.0 else 0.0 end) from gov.ent_registry group by section
select upper(section) as s, count(*) from gov.ent_registry group by upper(section)
select substr(district_code, 1, 4) as city, count(*) from gov.ent_registry group by substr(district_code, 1, 4)
select substring(uscc, 1, 2) as kind, count(*) from gov.ent_registry group by 1
select extract(year from established_on) as y, count(*) from gov.ent_registry group by 1 order by 1
select extract(month from established_on) as m, count(*) from gov.ent_registry group by 1 order by 1
select extract(quarter from established_on) as q, count(*) from gov.ent_registry group by 1 order by 1
select count(*) from gov.ent_registry where established_on >= date '2020-01-01' and established_on < date '2021-01-01'
select count(*) from gov.ent_registry where established_on between date '2020-01-01' and date '2020-12-31'
select count(*) from gov.ent_registry where section in ('A', 'B', 'C') and district_code not in ('370202')
select count(*) from gov.ent_registry where ent_name like '%银行%' and ent_name not like '%支行%'
select count(*) from gov.ent_registry where ent_name like '10!%%' escape '!'
select count(*) from gov.ent_registry where n_employees is null or n_employees > 100
select count(*) from gov.ent_registry where not (section = 'A' or section = 'B')
select coalesce(section, '未知') as s, count(*) from gov.ent_registry group by 1
select nullif(section, 'A') as s, count(*) from gov.ent_registry group by 1
select round(avg(reg_capital_wan), 2) from gov.ent_registry
select round(sum(reg_capital_wan), -4) from gov.ent_registry
select floor(n_employees / 50) * 50 as band, count(*) from gov.ent_registry group by 1
select ceil(avg(n_employees)) from gov.ent_registry
select mod(n_employees, 10) as digit, count(*) from gov.ent_registry group by 1
select abs(sum(amount) - sum(balance)) from bank_a.loan_book
select sqrt(avg(amount)), ln(avg(amount)), exp(avg(ratio)), power(avg(ratio), 2) from bank_a.loan_book
select var_pop(amount), var_samp(amount), stddev_pop(amount), stddev_samp(amount) from bank_a.loan_book
select stddev(amount), variance(amount) from bank_a.loan_book
select five_class, covar_pop(amount, balance), covar_samp(amount, balance) from bank_a.loan_book group by five_class
select corr(amount, balance), regr_slope(balance, amount) from bank_a.loan_book
select regr_intercept(balance, amount), regr_r2(balance, amount) from bank_a.loan_book
select trim(section) as s, count(*) from gov.ent_registry group by trim(section)
select lower(trim(grade)) as g, count(*) from gov.tax_credit group by lower(trim(grade))
select replace(section, 'A', 'a') as s, count(*) from gov.ent_registry group by 1
select lpad(grade, 3, '0') as g, count(*) from gov.tax_credit group by 1
select rpad(grade, 3, '0') as g, count(*) from gov.tax_credit group by 1
select cast(rating_year as varchar(10)) as y, count(*) from gov.tax_credit group by 1
select cast(score as decimal(10, 1)) as s, count(*) from gov.tax_credit group by 1
select cast(avg(score) as decimal(10, 2)) from gov.tax_credit
select count(*) from gov.tax_credit where cast(grade as varchar(1)) = 'A'
select t.grade, count(*) from gov.tax_credit t join gov.ent_registry r on t.uscc = r.uscc group by t.grade
select r.section, count(t.uscc) from gov.ent_registry r left join gov.tax_credit t on t.uscc = r.uscc group by r.section
select r.section, avg(t.score) from gov.ent_registry r inner join gov.tax_credit t using (uscc) group by r.section
select n, count(*) from (select uscc, count(*) as n from gov.tax_credit group by uscc) q group by n
with a as (select uscc, max(rating_year) as y from gov.tax_credit group by uscc) select y, count(*) from a group by y
select distinct grade from gov.tax_credit
select grade, count(*) from gov.tax_credit group by grade order by 2 desc limit 5
select grade, count(*) from gov.tax_credit group by grade order by grade limit 5 offset 5
select last_day(established_on) as d, count(*) from gov.ent_registry group by last_day(established_on)
select case when n_employees < 10 then '微' when n_employees < 100 then '小' else '大' end as s, count(*) from gov.ent_registry group by 1
select case section when 'A' then 1 when 'B' then 2 end as s, count(*) from gov.ent_registry group by 1
select sum(balance) / nullif(count(*), 0) from bank_a.loan_book
select sum(case when overdue_days > 90 then balance else 0 end) / sum(balance) as npl from bank_a.loan_book
select count(*) from bank_a.loan_book where updated_at >= timestamp '2026-01-01 00:00:00'
select count(*) from bank_a.loan_book where extract(hour from updated_at) < 8
select sum(金额) from bank_a.客户
select count(*) from gov.tax_credit -- 只看总数
select count(*) /* 总数 */ from gov.tax_credit;
SELECT COUNT(*) FROM GOV.TAX_CREDIT WHERE GRADE <> 'A' AND SCORE != 60
select count(*) from gov.tax_credit where score > 1e1 and score < .5 + 99.
select nvl(section, '未知') as s, count(*) from gov.ent_registry group by 1
""".strip().split("\n")

OWN = {
    "duckdb": """
select date_trunc('month', established_on) as m, count(*) from gov.ent_registry group by all order by all
select year(established_on) // 10 * 10 as decade, count(*) from gov.ent_registry group by decade
select strftime(established_on, '%Y-%m') as m, count(*) from gov.ent_registry group by m
select count(*) from gov.ent_registry where date_diff('month', established_on, date '2026-06-30') < 36
select count(*) from gov.ent_registry where date_sub('year', established_on, date '2026-06-30') >= 3
select count(*) filter (where grade = 'A') / count(*) as share from gov.tax_credit
select section, bool_and(status = '存续'), bool_or(n_employees > 1000) from gov.ent_registry group by section
select width_bucket(score, 0, 100, 10) as bin, count(*) from gov.tax_credit group by bin
select trunc(amount, -3) as band, count(*) from loan_book group by band
select log10(amount)::int as digits, count(*) from loan_book where amount > 0 group by digits
select count(*) from gov.ent_registry where regexp_matches(uscc, '^91[0-9]{4}')
select count(*) from gov.ent_registry where uscc ~ '^91' and uscc !~ '0$'
select count(*) from gov.ent_registry where section similar to '[A-C]'
select count(*) from gov.ent_registry where regexp_full_match(uscc, '[0-9A-Z]{18}')
select concat_ws('/', section, status) as k, count(*) from gov.ent_registry group by k
select split_part(ent_name, '市', 1) as city, count(*) from gov.ent_registry group by city
select strpos(ent_name, '银行') > 0 as bank, count(*) from gov.ent_registry group by bank
select count(*) from gov.ent_registry where suffix(ent_name, '有限公司') or prefix(ent_name, '青岛')
select count(*) from gov.ent_registry where established_on < make_date(2000, 1, 1)
select isoyear(listed_on) as y, week(listed_on) as w, count(*) from gov.credit_list group by all
select dayofweek(listed_on) as d, count(*) from gov.credit_list group by d
select hour(updated_at) as h, count(*) from loan_book group by h
select section == 'A' as a, count(*) from gov.ent_registry group by a
select "section", count(*) from gov."ent_registry" group by "section"
select count(*) from gov.ent_registry where extract(year from age(date '2026-06-30', established_on)) >= 3
select section, stddev(n_employees) filter (where status = '存续') from gov.ent_registry group by section
""",
    "postgres": """
select date_trunc('month', established_on)::date as m, count(*) from gov.ent_registry group by 1 order by 1
select to_char(established_on, 'YYYY-MM') as m, count(*) from gov.ent_registry group by 1
select date_part('year', established_on)::int as y, count(*) from gov.ent_registry group by 1
select count(*) from gov.ent_registry where established_on > date '2026-06-30' - interval '3 years'
select count(*) from gov.ent_registry where established_on >= to_date('20200101', 'YYYYMMDD')
select count(*) from gov.ent_registry where date_part('year', age(date '2026-06-30', established_on)) >= 3
select count(*) filter (where grade = 'A') * 100 / count(*) as percent from gov.tax_credit
select n_employees / 100 as hundreds, count(*) from gov.ent_registry group by 1
select section, bool_and(status = '存续'), every(n_employees > 0) from gov.ent_registry group by section
select count(*) from gov.ent_registry where uscc ~ '^91' and section similar to '(A|B)%'
select count(*) from gov.ent_registry where ent_name ilike '%bank%'
select position('银行' in ent_name) > 0 as bank, count(*) from gov.ent_registry group by 1
select split_part(ent_name, '市', 1) as city, count(*) from gov.ent_registry group by 1
select btrim(section, ' ') as s, count(*) from gov.ent_registry group by 1
select section || '-' || coalesce(status, '') as k, count(*) from gov.ent_registry group by 1
select concat(section, '-', status) as k, count(*) from gov.ent_registry group by 1
select "section", count(*) from "gov"."ent_registry" group by "section"
select count(*) from gov.ent_registry where section is not distinct from 'A'
select round(avg(score)::numeric(10, 2), 1) from gov.tax_credit
select trunc(amount, -3) as band, count(*) from loan_book group by 1
select width_bucket(score, 0, 100, 10) as bin, count(*) from gov.tax_credit group by 1
select log(amount) > 4 as large, count(*) from loan_book where amount > 0 group by 1
select make_date(rating_year, 12, 31) as d, count(*) from gov.tax_credit group by 1
select extract(isodow from listed_on) as d, count(*) from gov.credit_list group by 1
select extract(dow from listed_on) as d, extract(week from listed_on) as w, count(*) from gov.credit_list group by 1, 2
select substring(uscc from 1 for 2) as k, left(district_code, 4) as c, count(*) from gov.ent_registry group by 1, 2
""",
    "mysql": """
select date_format(established_on, '%Y-%m') as m, count(*) from gov.ent_registry group by m
select year(established_on) as y, month(established_on) as m, count(*) from gov.ent_registry group by 1, 2
select count(*) from gov.ent_registry where established_on >= date_sub('2026-06-30', interval 3 year)
select count(*) from gov.ent_registry where established_on >= date_sub(date '2026-06-30', interval 3 year)
select count(*) from gov.ent_registry where datediff(date '2026-06-30', established_on) < 365
select count(*) from gov.ent_registry where timestampdiff(YEAR, established_on, date '2026-06-30') >= 3
select count(*) from gov.ent_registry where established_on >= str_to_date('2020/01/01', '%Y/%m/%d')
select count(*) from gov.ent_registry where date(established_on) = date '2020-01-01'
select if(n_employees > 100, '大', '小') as s, count(*) from gov.ent_registry group by 1
select ifnull(section, '未知') as s, sum(if(status = '注销', 1, 0)) from gov.ent_registry group by 1
select section, sum(status = '注销') / count(*) as share from gov.ent_registry group by section
select `section`, count(*) as `数量` from `gov`.`ent_registry` group by `section`
select count(*) from gov.ent_registry where section = "A"
select count(*) from gov.ent_registry where section <=> null
select n_employees div 100 as hundreds, count(*) from gov.ent_registry group by 1
select count(*) from gov.ent_registry where uscc regexp '^91' and ent_name not rlike '银行$'
select concat(section, '-', status) as k, count(*) from gov.ent_registry group by 1
select concat_ws('-', section, status) as k, count(*) from gov.ent_registry group by 1
select char_length(ent_name) as n, count(*) from gov.ent_registry group by 1
select substring_index(ent_name, '市', 1) as city, count(*) from gov.ent_registry group by 1
select instr(ent_name, '银行') > 0 as bank, locate('公司', ent_name) > 0 as firm, count(*) from gov.ent_registry group by 1, 2
select truncate(amount, -3) as band, count(*) from loan_book group by 1
select cast(score as signed) as s, count(*) from gov.tax_credit group by 1
select dayofweek(listed_on) as d, weekofyear(listed_on) as w, count(*) from gov.credit_list group by 1, 2
select std(amount), stddev(amount), variance(amount) from loan_book
select last_day(listed_on) as d, count(*) from gov.credit_list group by d
select quarter(listed_on) as q, dayofyear(listed_on) > 180 as h, count(*) from gov.credit_list group by 1, 2
select left(district_code, 4) as city, mid(uscc, 3, 6) as region, count(*) from gov.ent_registry group by 1, 2
""",
    "spark": """
select date_format(established_on, 'yyyy-MM') as m, count(*) from gov.ent_registry group by 1
select trunc(established_on, 'MM') as m, count(*) from gov.ent_registry group by 1
select date_trunc('month', updated_at) as m, count(*) from loan_book group by 1
select count(*) from gov.ent_registry where established_on >= add_months(date '2026-06-30', -36)
select count(*) from gov.ent_registry where datediff(date '2026-06-30', established_on) < 365
select count(*) from gov.ent_registry where established_on > date_sub(date '2026-06-30', 30)
select count(*) from gov.ent_registry where established_on < date_add(date '2020-01-01', 30)
select count(*) from gov.ent_registry where timestampdiff(MONTH, established_on, date '2026-06-30') >= 36
select count(*) from gov.ent_registry where established_on >= to_date('2020-01-01', 'yyyy-MM-dd')
select count(*) from gov.ent_registry where to_date(district_code) is null
select nvl(section, '未知') as s, nvl2(status, 1, 0) as k, count(*) from gov.ent_registry group by 1, 2
select decode(section, 'A', '农业', 'C', '制造业', '其他') as s, count(*) from gov.ent_registry group by 1
select if(n_employees > 100, '大', '小') as s, count(*) from gov.ent_registry group by 1
select count_if(grade = 'A') / count(*) from gov.tax_credit
select section, every(status = '存续'), some(n_employees > 1000) from gov.ent_registry group by section
select count(*) from gov.ent_registry where uscc rlike '^91' and regexp_like(ent_name, '银行|信用社')
select `section`, count(*) from `gov`.`ent_registry` group by `section`
select count(*) from gov.ent_registry where section <=> 'A' and section == "A"
select n_employees div 100 as hundreds, count(*) from gov.ent_registry group by 1
select cast(score as int) as s, count(*) from gov.tax_credit group by 1
select btrim(section, 'x') as s, count(*) from gov.ent_registry group by 1
select section || status as k, count(*) from gov.ent_registry group by 1
select concat_ws('-', section, status) as k, count(*) from gov.ent_registry group by 1
select substring_index(ent_name, '市', 1) as city, split_part(ent_name, '市', 1) as c, count(*) from gov.ent_registry group by 1, 2
select dayofweek(listed_on) as d, weekday(listed_on) as w, count(*) from gov.credit_list group by 1, 2
select count(*) from gov.ent_registry where isnull(section) or isnotnull(status)
select startswith(uscc, '91') as e, endswith(ent_name, '公司') as f, count(*) from gov.ent_registry group by 1, 2
select stddev(amount), std(amount), variance(amount), log(avg(amount)) from loan_book
""",
    "oracle": """
select to_char(established_on, 'YYYY-MM') as m, count(*) from gov.ent_registry group by to_char(established_on, 'YYYY-MM')
select trunc(established_on, 'MM') as m, count(*) from gov.ent_registry group by trunc(established_on, 'MM')
select trunc(established_on, 'Q') as q, count(*) from gov.ent_registry group by trunc(established_on, 'Q')
select trunc(established_on, 'IW') as w, count(*) from gov.ent_registry group by trunc(established_on, 'IW')
select count(*) from gov.ent_registry where established_on >= to_date('2020-01-01', 'YYYY-MM-DD')
select count(*) from gov.ent_registry where established_on >= to_date('20200101', 'yyyymmdd')
select count(*) from gov.ent_registry where established_on >= add_months(date '2026-06-30', -36)
select count(*) from gov.ent_registry where date '2026-06-30' - established_on < 365
select count(*) from gov.ent_registry where established_on + 30 > date '2026-06-30'
select nvl(section, '未知') as s, count(*) from gov.ent_registry group by nvl(section, '未知')
select nvl2(section, 1, 0) as s, count(*) from gov.ent_registry group by nvl2(section, 1, 0)
select decode(section, 'A', '农业', 'C', '制造业', '其他') as s, count(*) from gov.ent_registry group by decode(section, 'A', '农业', 'C', '制造业', '其他')
select sum(decode(status, '注销', 1, 0)) / count(*) from gov.ent_registry
select section || '-' || status as k, count(*) from gov.ent_registry group by section || '-' || status
select instr(ent_name, '银行') as p, count(*) from gov.ent_registry group by instr(ent_name, '银行')
select count(*) from gov.ent_registry where regexp_like(uscc, '^91')
select trunc(amount, -3) as band, count(*) from loan_book group by trunc(amount, -3)
select cast(score as number(10, 0)) as s, count(*) from gov.tax_credit group by cast(score as number(10, 0))
select cast(rating_year as varchar2(4)) as y, count(*) from gov.tax_credit group by cast(rating_year as varchar2(4))
select "section" from (select section, count(*) as n from gov.ent_registry group by section) where n > 10
select greatest(avg(amount), avg(balance)) from loan_book
select trim('0' from district_code) as d, ltrim(district_code, '37') as l, count(*) from gov.ent_registry group by trim('0' from district_code), ltrim(district_code, '37')
select extract(year from established_on) as y, count(*) from gov.ent_registry group by extract(year from established_on)
select count(*) from gov.ent_registry where section is null or section <> 'A'
""",
}

ADMITTED = [(dialect, sql) for dialect in DIALECTS for sql in EVERYWHERE] + [
    (dialect, sql) for dialect, text in OWN.items() for sql in text.strip().split("\n")
]

NOWHERE = {
    "select mad(amount) from bank_a.loan_book": "LVR-1302",
    "select any_value(ent_name) from gov.ent_registry": "LVR-1202",
    "select array_agg(uscc) from gov.ent_registry": "LVR-1202",
    "select string_agg(ent_name, ',') from gov.ent_registry": "LVR-1202",
    "select mode(section) from gov.ent_registry": "LVR-1202",
    "select max_by(grade, rating_year) from gov.tax_credit": "LVR-1302",
    "select count(*) from gov.ent_registry where established_on > current_date": "LVR-1203",
    "select count(*) from gov.ent_registry where established_on > now()": "LVR-1203",
    "select md5(uscc), count(*) from gov.ent_registry group by 1": "LVR-1203",
    "select count(*) from gov.ent_registry where random() < 0.1": "LVR-1203",
    "select amount ^ 2 from bank_a.loan_book": "LVR-1003",
    "select count(*) from gov.ent_registry where section = '\u200bA'": "LVR-1003",
    "select count(*) from gov.ent_registry where established_on > '2020-02-30'": "LVR-1012",
    "select avg(section) from gov.ent_registry": "LVR-1304",
    "select stddev_pop(section) from gov.ent_registry": "LVR-1304",
    "select count(*) from gov.ent_registry where lower(n_employees) = '1'": "LVR-1304",
    "select soundex(ent_name), count(*) from gov.ent_registry group by 1": "LVR-1201",
    "select round(amount, 13) from bank_a.loan_book": "LVR-1204",
    "select substr(uscc, 0, 2), count(*) from gov.ent_registry group by 1": "LVR-1204",
    "insert into gov.ent_registry values (1)": "LVR-1008",
    "select 1; select 2": "LVR-1005",
    "select count(*) from gov.nothing": "LVR-1101",
    "select nothing from gov.ent_registry": "LVR-1102",
}


@pytest.mark.parametrize(("dialect", "sql"), ADMITTED)
def test_an_ordinary_statement_is_understood(dialect: str, sql: str) -> None:
    assert ask_in(dialect, sql).columns


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("sql", NOWHERE)
def test_what_is_never_answered_is_refused_alike_in_every_dialect(dialect: str, sql: str) -> None:
    with pytest.raises(Refused) as caught:
        ask_in(dialect, sql)
    assert caught.value.code == NOWHERE[sql]


def test_the_corpus_is_large() -> None:
    assert len(ADMITTED) + len(NOWHERE) * len(DIALECTS) >= 500
    assert len(EVERYWHERE) + sum(len(text.strip().splitlines()) for text in OWN.values()) >= 180
