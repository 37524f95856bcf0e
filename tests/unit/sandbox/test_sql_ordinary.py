"""What an analyst ordinarily writes is understood; each line here was chosen because some gate could mistake it."""

from __future__ import annotations

import pytest
from tests.unit.sandbox.test_sql_world import ask

from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.sql.lineage import answer_aggregate

GROUPED = [
    "SELECT district_code, section, count(*) AS n FROM gov.ent_registry WHERE status = '存续' "
    "GROUP BY district_code, section ORDER BY 1, 2;",
    "SELECT section, year(established_on) AS y, count(*) AS opened, count(*) FILTER (WHERE status IN ('注销','吊销')) "
    "AS closed_since FROM gov.ent_registry WHERE established_on >= DATE '2018-01-01' GROUP BY section, y ORDER BY 1, 2",
    "SELECT r.section, t.grade, count(*) AS n FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc) "
    "WHERE t.rating_year = 2025 GROUP BY ALL ORDER BY 1, 2",
    "SELECT r.section, l.five_class, count(*) AS loans, sum(l.balance) AS balance FROM bank_a.loan_book l "
    "JOIN gov.ent_registry r ON r.uscc = l.id_no GROUP BY ALL ORDER BY 1, 2",
    "SELECT t.grade, count(*) AS loans, sum(l.defaulted::INT) AS bad, avg(l.defaulted::INT) AS bad_rate "
    "FROM loan_book l JOIN gov.tax_credit t ON t.uscc = l.id_no AND t.rating_year = 2025 GROUP BY t.grade",
    "SELECT r.section, date_trunc('month', c.listed_on) AS m, count(*) FROM gov.credit_list c "
    "JOIN gov.ent_registry r ON r.uscc = c.subject_id WHERE c.repaired_on IS NULL GROUP BY ALL ORDER BY 1, 2",
    "SELECT r.section, (a.worst > 0) AS late, l.defaulted, count(*) FROM loan_book l JOIN gov.ent_registry r "
    "ON r.uscc = l.id_no JOIN (SELECT id_no, max(overdue_days) AS worst FROM loan_book GROUP BY id_no) a "
    "ON a.id_no = l.id_no GROUP BY ALL ORDER BY 1, 2, 3",
    "select (2026 - year(established_on)) // 10 * 10 as band, count(*) from gov.ent_registry group by band",
    "select least(floor(amount / 500), 16)::INT AS bin, count(*) AS n from loan_book where overdue_days = 1 group by bin",
    "select count(*) from gov.tax_credit",
    "select count(1), count(grade), count(distinct grade) from gov.tax_credit",
    "select sum(score), avg(score), min(score), max(score) from gov.tax_credit",
    "select sum(ratio), avg(ratio) from loan_book",
    "select sum(defaulted) from loan_book",
    "select count_if(score > 60), countif(grade = 'A') from gov.tax_credit",
    "select sum(case when grade = 'A' then 1 else 0 end) * 1.0 / count(*) as share from gov.tax_credit",
    "select sum(score) filter (where grade = 'A') from gov.tax_credit",
    "select grade from gov.tax_credit group by grade having count(*) > 10 and avg(score) between 10 and 90",
    "select grade, count(*) as n from gov.tax_credit group by 1 having n > 10 order by n desc nulls first limit 5",
    "select grade, count(*) from gov.tax_credit group by grade order by count(*) desc, grade asc limit 3 offset 2",
    "select upper(grade) as g, count(*) from gov.tax_credit group by upper(grade) order by upper(grade)",
    "select grade || '-' || rating_year::text as label, count(*) from gov.tax_credit group by 1",
    "select case grade when 'A' then 'good' when 'B' then 'fair' else 'other' end as c, count(*) from gov.tax_credit "
    "group by c",
    "select distinct grade from gov.tax_credit",
    "select distinct grade, rating_year from gov.tax_credit order by rating_year desc, grade limit 10",
    "select distinct grade, count(*) from gov.tax_credit group by grade",
    "select count(*) from (select distinct uscc from gov.tax_credit) t",
    "select count(*) from (select uscc from gov.tax_credit group by uscc having count(*) > 1)",
    "with good as (select uscc from gov.tax_credit where grade = 'A') select r.section, count(*) from good "
    "join gov.ent_registry r using (uscc) group by r.section",
    "with a as (select * from gov.tax_credit), b as (select grade, count(*) n from a group by grade) "
    "select max(n) from b",
    "with a as (select grade from gov.tax_credit) select count(*) from a x join a y on x.grade = y.grade",
    "with a as materialized (select grade from gov.tax_credit) select grade, count(*) from a group by grade",
    "with a as (select grade from gov.tax_credit) select count(*) from (with a as (select section from "
    "gov.ent_registry) select section from a) b",
    "select list_code, count(*) from gov.blacklist group by list_code",
    "select b.list_code, count(*) from gov.blacklist b join gov.ent_registry r on r.uscc = b.subject_id group by 1",
    "select sum(金额), count(*) from 客户",
    'select "客户号", sum("金额") as "合计" from bank_a."客户" group by "客户号"',
    "select sum(k.金额) as 合计 from bank_a.客户 k where k.客户号 <> '甲'",
    "SELECT COUNT(*) FROM GOV.TAX_CREDIT T WHERE T.GRADE = 'A'",
    "select count(*) from gov.tax_credit where grade != 'A'",
    "select count(*)\r\nfrom gov.tax_credit\r\nwhere grade = 'A' -- 只看 A 级\r\n",
    "select /* how many? */ count(*) from gov.tax_credit",
    "select count(*) from gov.tax_credit where not (grade = 'A' or grade is null) and score is not null",
    "select count(*) from gov.tax_credit where grade in ('A', 'B') and rating_year not in (2020, 2021)",
    "select count(*) from gov.tax_credit where grade like 'A%' or grade not ilike '%b_'",
    "select count(*) from gov.tax_credit where score not between 1 and 2",
    "select count(*) from gov.tax_credit where (grade = 'A') is true and (grade = 'B') is not true",
    "select count(*) from gov.tax_credit where grade is distinct from 'A' and grade is not distinct from 'B'",
    "select count(*) from gov.tax_credit where grade = 'it''s; drop table x -- not a comment'",
    "select count(*) from gov.tax_credit where coalesce(grade, 'none') = 'none' and nullif(grade, 'A') is null",
    "select count(*) from gov.tax_credit where ifnull(score, 0) > 1e1 and score < .5 and score < 1.",
    "select count(*) from gov.tax_credit where if(grade = 'A', score, -score) > +3",
    "select count(*) from gov.tax_credit where greatest(score, 1, 2.5) > least(score, 4)",
    "select count(*) from gov.tax_credit where score > '60' and rating_year = '2025'",
    "select count(*) from gov.ent_registry where established_on between '2020-01-01' and date '2020-12-31'",
    "select count(*) from gov.ent_registry where established_on >= date '2026-06-30' - interval 3 month",
    "select count(*) from gov.ent_registry where established_on + interval '1 year' > date '2026-01-01'",
    "select count(*) from gov.ent_registry where extract(year from established_on) = 2020",
    "select count(*) from gov.ent_registry where date_part('month', established_on) = 6",
    "select count(*) from gov.ent_registry where date_diff('month', established_on, date '2026-01-01') > 12",
    "select avg(date '2026-01-01' - established_on) from gov.ent_registry",
    "select count(*) from loan_book where updated_at > date '2026-01-01' and updated_at < timestamp '2026-02-01 10:00:00'",
    "select count(*) from loan_book where updated_at::date = date '2026-01-01'",
    "select round(avg(balance), 2), floor(sum(amount)), ceil(avg(amount)), abs(sum(balance) - sum(amount)) from loan_book",
    "select sum(balance) / count(*) as mean, sum(balance) / 0 as nothing from loan_book",
    "select sum(amount * 2 + 1 - balance) from loan_book",
    "select count(*) from loan_book where overdue_days % 7 = 0 and overdue_days // 30 = 2",
    "select count(*) from loan_book where defaulted and not defaulted or defaulted = false",
    "select count(*) from loan_book where amount::int > 5 and cast(id_no as bigint) > 5 and try_cast(id_no as date) is null",
    "select count(*) from loan_book where ln(1 + coalesce(amount, 0)) > 3 and sqrt(amount) < 100",
    "select substr(uscc, 1, 2) as province, count(*) from gov.ent_registry group by province",
    "select left(district_code, 4), right(district_code, 2), count(*) from gov.ent_registry group by all",
    "select length(trim(lower(ent_name))) as n, count(*) from gov.ent_registry group by 1",
    "select starts_with(uscc, '91') as e, contains(ent_name, '银行') as b, count(*) from gov.ent_registry group by all",
    "select concat(section, '/', status) as s, count(*) from gov.ent_registry group by 1",
    "select r.section, count(t.uscc) from gov.ent_registry r left join gov.tax_credit t on t.uscc = r.uscc "
    "and t.grade = 'A' group by r.section",
    "select r.section, count(*) from gov.ent_registry r left outer join gov.tax_credit t using (uscc) "
    "where t.uscc is null group by r.section",
    "select count(*) from gov.tax_credit a join gov.tax_credit b on a.uscc = b.uscc and a.rating_year = b.rating_year - 1",
    "select count(*) from gov.tax_credit t join gov.ent_registry r on t.uscc = r.uscc and t.score > r.n_employees",
    "select count(*) from gov.tax_credit t inner join gov.ent_registry r on upper(t.uscc) = r.uscc",
    "select gov.tax_credit.grade, count(*) from gov.tax_credit group by gov.tax_credit.grade",
    "select tax_credit.grade, count(*) from gov.tax_credit group by tax_credit.grade",
    "select grade g, count(*) n from gov.tax_credit group by grade order by all",
    "select grade as x, upper(x) as y, count(*) from gov.tax_credit where x = 'A' group by all",
    "select 'all' as what, count(*) from gov.tax_credit group by what",
]

ROWS = [
    "select * from loan_book",
    "select l.* from loan_book l order by l.amount desc limit 10",
    "select * from gov.tax_credit t join gov.ent_registry r using (uscc)",
    "SELECT * FROM gov.ent_registry LIMIT 100000",
    "SELECT l.id_no, c.list_code, c.listed_on, c.measures FROM loan_book l JOIN gov.credit_list c "
    "ON c.subject_id = l.id_no WHERE c.polarity = 'B' AND c.repaired_on IS NULL ORDER BY 1",
    "select l.id_no, q.n from loan_book l left join (select uscc, count(*) n from gov.tax_credit group by uscc) q "
    "on q.uscc = l.id_no",
    "select amount as a, a * 2 as b from loan_book order by b",
]


@pytest.mark.parametrize("sql", GROUPED)
def test_an_ordinary_aggregate_is_understood(sql: str) -> None:
    bound = ask(sql)
    assert isinstance(answer_aggregate(bound.relation), Aggregate)
    assert bound.columns


@pytest.mark.parametrize("sql", ROWS)
def test_a_question_for_rows_is_understood_too_and_left_to_the_policy(sql: str) -> None:
    bound = ask(sql)
    assert answer_aggregate(bound.relation) is None
    assert any(use.clause == "output" for use in bound.uses)


def test_the_corpus_is_large() -> None:
    assert len(GROUPED) + len(ROWS) >= 90
