"""What the binder understood is what was asked: DuckDB gives the same rows for the caller's text and for our tree.

The text runs as it stands; the tree is emitted as the plan would emit it, without protection. The tables are small and
full of NULLs, duplicates, keys without a partner and ties.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

import duckdb
import pytest
from tests.support.relations import BANK, column, engine_type, enterprise, table

from louver_sandbox.algebra.types import DATE, INTEGER, decimal
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.plan.emit import emit
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Request

TABLES = [
    table(
        "gov.firm",
        [
            column("id", INTEGER, nullable=False),
            column("section"),
            column("status"),
            column("capital", decimal(2)),
            column("staff", INTEGER),
            column("founded", DATE),
        ],
        [enterprise("id")],
    ),
    table(
        "gov.tax",
        [
            column("firm_id", INTEGER),
            column("year", INTEGER, nullable=False),
            column("grade"),
            column("score", decimal(2)),
        ],
        [enterprise("firm_id")],
    ),
    table(
        "gov.fine",
        [
            column("firm_id", INTEGER, nullable=False),
            column("amount", decimal(2)),
            column("day", DATE),
            column("kind"),
        ],
        [enterprise("firm_id")],
    ),
    table("gov.band", [column("low", INTEGER), column("high", INTEGER), column("name")], [enterprise("name")]),
    table(
        "bank_a.loan",
        [
            column("loan_id", INTEGER, nullable=False),
            column("firm_id", INTEGER),
            column("balance", decimal(2)),
            column("opened", DATE),
            column("class"),
        ],
        space=SpaceKind.INSTITUTION,
    ),
]
CATALOG = Catalog({each.name: each for each in TABLES}, "catalogue")

ROWS = {
    "gov.firm": """SELECT i, ['A', 'B', 'C', NULL, 'A', 'A', 'E'][1 + i % 7], ['open', 'shut', NULL][1 + i % 3],
        CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 37 % 100) / 4.0 END, CASE WHEN i % 5 = 0 THEN NULL ELSE i * 3 % 11 END,
        DATE '2015-01-01' + (i * 97)::INTEGER FROM range(1, 25) r(i)""",
    "gov.tax": """SELECT CASE WHEN i % 11 = 0 THEN NULL ELSE 3 + (i * 8) % 21 END, 2020 + i % 4,
        ['A', 'B', 'C', 'D', NULL][1 + (i // 3) % 5], CASE WHEN i % 6 = 0 THEN NULL ELSE (i * 13 % 50) / 2.0 END
        FROM range(0, 60) r(i)""",
    "gov.fine": """SELECT 1 + (i * 5) % 19, (i % 4) * 100.5, DATE '2024-01-01' + (i % 9)::INTEGER,
        ['late', 'false', NULL][1 + i % 3] FROM range(0, 22) r(i)""",
    "gov.band": "SELECT * FROM (VALUES (0, 3, 'small'), (3, 7, 'middle'), (7, 100, 'large'), (NULL, 5, 'odd')) v",
    "bank_a.loan": """SELECT i, CASE WHEN i % 6 = 0 THEN NULL ELSE 1 + (i * 7) % 30 END, (i % 5) * 10.25,
        DATE '2023-01-01' + ((i * 31) % 400)::INTEGER, ['ok', 'bad', NULL][1 + i % 3] FROM range(0, 40) r(i)""",
}

JOINS = """
SELECT f.id, t.year FROM gov.firm f JOIN gov.tax t ON f.id = t.firm_id
SELECT f.id, t.year FROM gov.firm f LEFT JOIN gov.tax t ON f.id = t.firm_id
SELECT f.id, t.year FROM gov.firm f RIGHT JOIN gov.tax t ON f.id = t.firm_id
SELECT f.id, t.year FROM gov.firm f RIGHT OUTER JOIN gov.tax t ON f.id = t.firm_id AND t.grade = 'A'
SELECT f.id, t.year FROM gov.firm f FULL JOIN gov.tax t ON f.id = t.firm_id
SELECT f.id, t.year, f.section FROM gov.firm f FULL OUTER JOIN gov.tax t ON f.id = t.firm_id AND t.year = 2021
SELECT firm_id, t.year, n.amount FROM gov.tax t JOIN gov.fine n USING (firm_id)
SELECT firm_id, t.year, n.amount FROM gov.tax t LEFT JOIN gov.fine n USING (firm_id)
SELECT firm_id, t.year, n.amount FROM gov.tax t RIGHT JOIN gov.fine n USING (firm_id)
SELECT firm_id, t.year, n.amount FROM gov.tax t FULL JOIN gov.fine n USING (firm_id)
SELECT firm_id, t.firm_id AS a, n.firm_id AS b FROM gov.tax t FULL JOIN gov.fine n USING (firm_id)
SELECT firm_id, count(*) FROM gov.tax t FULL JOIN gov.fine n USING (firm_id) GROUP BY firm_id
SELECT * FROM gov.tax t RIGHT JOIN gov.fine n USING (firm_id)
SELECT * FROM gov.tax t FULL JOIN gov.fine n USING (firm_id)
SELECT firm_id, l.balance FROM gov.tax t FULL JOIN gov.fine n USING (firm_id) FULL JOIN bank_a.loan l USING (firm_id)
SELECT firm_id, l.balance FROM gov.tax t JOIN gov.fine n USING (firm_id) LEFT JOIN bank_a.loan l USING (firm_id)
SELECT f.id, b.name FROM gov.firm f JOIN gov.band b ON f.staff >= b.low AND f.staff < b.high
SELECT f.id, b.name FROM gov.firm f JOIN gov.band b ON f.staff BETWEEN b.low AND b.high
SELECT f.id, t.year FROM gov.firm f, gov.tax t WHERE f.id = t.firm_id
SELECT f.id, t.year FROM gov.firm f, gov.tax t WHERE t.firm_id = f.id AND t.grade = 'A' AND f.section <> 'B'
SELECT f.id, b.name FROM gov.firm f, gov.band b WHERE f.staff > b.low AND f.staff <= b.high
SELECT f.id, t.year, n.amount FROM gov.firm f, gov.fine n, gov.tax t WHERE t.firm_id = f.id AND n.firm_id = t.firm_id
SELECT f.id, t.year FROM gov.firm f CROSS JOIN gov.tax t WHERE f.id = t.firm_id
SELECT f.id, t.year, n.amount FROM gov.firm f CROSS JOIN gov.tax t LEFT JOIN gov.fine n ON n.firm_id = f.id WHERE f.id = t.firm_id
SELECT f.id, t.year, n.amount FROM gov.firm f, gov.tax t LEFT JOIN gov.fine n ON n.firm_id = t.firm_id WHERE f.id = t.firm_id
SELECT f.id, t.year, n.amount FROM gov.firm f, gov.tax t RIGHT JOIN gov.fine n ON n.firm_id = t.firm_id WHERE f.id = n.firm_id
SELECT f.id, t.year FROM gov.firm f, gov.tax t WHERE (f.id = t.firm_id AND t.grade = 'A') OR (f.id = t.firm_id AND f.staff > 5)
SELECT a.id, b.id AS other FROM gov.firm a JOIN gov.firm b ON a.section = b.section AND a.id < b.id
SELECT a.firm_id FROM gov.tax a, gov.tax b WHERE a.firm_id = b.firm_id AND a.year < b.year
SELECT f.id, t.year, n.amount FROM (gov.firm f JOIN gov.tax t ON f.id = t.firm_id) JOIN gov.fine n ON n.firm_id = f.id
SELECT f.id, t.year, n.amount FROM gov.firm f LEFT JOIN (gov.tax t JOIN gov.fine n ON n.firm_id = t.firm_id) ON t.firm_id = f.id
SELECT f.id, t.year, n.amount FROM gov.firm f JOIN (gov.tax t LEFT JOIN gov.fine n ON n.firm_id = t.firm_id) ON t.firm_id = f.id
SELECT f.id, t.year FROM gov.firm f JOIN gov.tax t ON f.id IS NOT DISTINCT FROM t.firm_id
SELECT f.id, t.year, t.grade FROM gov.firm f LEFT JOIN gov.tax t ON f.id = t.firm_id AND f.staff > t.score WHERE f.section = 'A'
SELECT count(*) FROM gov.firm f JOIN gov.tax t ON f.id = t.firm_id JOIN gov.fine n ON n.firm_id = t.firm_id AND f.staff > 2
SELECT l.loan_id, f.section FROM bank_a.loan l FULL JOIN gov.firm f ON l.firm_id = f.id WHERE l.class = 'bad' OR f.section = 'C'
SELECT f.id FROM gov.firm f INNER JOIN gov.tax t ON true WHERE f.id = t.firm_id
"""

DERIVED = """
SELECT n, count(*) FROM (SELECT firm_id, count(*) AS n FROM gov.tax GROUP BY firm_id) t GROUP BY n
SELECT a, b FROM (SELECT id, section FROM gov.firm) t(a, b)
SELECT a, section FROM (SELECT id, section FROM gov.firm) t(a)
SELECT * FROM (SELECT id, section FROM gov.firm) AS t(x, y)
WITH q(a, b) AS (SELECT firm_id, year FROM gov.tax) SELECT a, count(b) FROM q GROUP BY a
WITH q(a, b) AS (SELECT firm_id, year FROM gov.tax) SELECT c, b FROM q AS z(c)
WITH q AS (SELECT firm_id FROM gov.tax WHERE grade = 'A') SELECT x.firm_id FROM q x JOIN q y USING (firm_id)
WITH a AS (SELECT id FROM gov.firm), b AS (SELECT id FROM a WHERE id > 5) SELECT a.id, b.id AS c FROM a LEFT JOIN b USING (id)
WITH q AS (SELECT id FROM gov.firm) SELECT * FROM (WITH q AS (SELECT firm_id FROM gov.fine) SELECT firm_id FROM q) z
WITH q AS (SELECT id FROM gov.firm UNION SELECT firm_id FROM gov.tax) SELECT count(*) FROM q
WITH q AS (SELECT section AS s, count(*) AS n FROM gov.firm GROUP BY 1) SELECT a.s, a.n, b.n AS m FROM q a JOIN q b ON a.n = b.n
SELECT s.x FROM ((SELECT max(score) AS x FROM gov.tax)) s
(SELECT id FROM gov.firm)
SELECT * EXCLUDE (capital, founded) FROM gov.firm
SELECT f.* EXCLUDE id FROM gov.firm f
SELECT * REPLACE (upper(status) AS status) FROM gov.firm
SELECT * EXCLUDE (year) REPLACE (score + 1 AS score) FROM gov.tax
SELECT f.* EXCLUDE (founded), t.grade FROM gov.firm f JOIN gov.tax t ON f.id = t.firm_id
"""

MEMBERSHIP = """
SELECT id FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.tax WHERE grade = 'A')
SELECT id FROM gov.firm WHERE id NOT IN (SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE id NOT IN (SELECT firm_id FROM gov.tax)
SELECT id FROM gov.firm WHERE id NOT IN (SELECT firm_id FROM gov.tax WHERE firm_id IS NOT NULL)
SELECT id FROM gov.firm WHERE staff NOT IN (SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE staff IN (SELECT firm_id FROM gov.tax)
SELECT id FROM gov.firm WHERE staff NOT IN (SELECT firm_id FROM gov.fine WHERE amount > 1e6)
SELECT id FROM gov.firm WHERE NOT (id IN (SELECT firm_id FROM gov.fine))
SELECT id FROM gov.firm WHERE NOT (section = 'A' OR id IN (SELECT firm_id FROM gov.fine))
SELECT id FROM gov.firm WHERE id = ANY (SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE id = SOME (SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE id <> ALL (SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE NOT id = ANY (SELECT firm_id FROM gov.tax)
SELECT id FROM gov.firm WHERE (id, section) IN (SELECT firm_id, grade FROM gov.tax)
SELECT id FROM gov.firm WHERE (id, section) NOT IN (SELECT firm_id, grade FROM gov.tax WHERE firm_id IS NOT NULL AND grade IS NOT NULL)
SELECT id FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.tax GROUP BY firm_id HAVING count(*) > 2)
SELECT id FROM gov.firm WHERE id IN (SELECT max(firm_id) FROM gov.tax)
SELECT id FROM gov.firm WHERE id NOT IN (SELECT max(firm_id) FROM gov.tax GROUP BY grade)
SELECT id FROM gov.firm WHERE id IN (SELECT DISTINCT firm_id FROM gov.tax)
SELECT id FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.tax UNION SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.tax INTERSECT SELECT firm_id FROM gov.fine) AND staff > 3
SELECT id FROM gov.firm WHERE id IN (WITH q AS (SELECT firm_id FROM gov.fine) SELECT firm_id FROM q)
SELECT id FROM gov.firm WHERE id + 1 IN (SELECT firm_id FROM gov.tax)
SELECT id FROM gov.firm WHERE 3 IN (SELECT firm_id FROM gov.tax)
SELECT id FROM gov.firm WHERE 300 NOT IN (SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE 300 NOT IN (SELECT firm_id FROM gov.tax)
SELECT id FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.tax WHERE year IN (SELECT year FROM gov.tax WHERE grade = 'D'))
SELECT id FROM gov.firm f WHERE id IN (SELECT firm_id FROM gov.tax t WHERE t.score > f.staff)
SELECT id FROM gov.firm f WHERE section IN (SELECT grade FROM gov.tax t WHERE t.firm_id = f.id)
SELECT id FROM gov.firm f WHERE section NOT IN (SELECT grade FROM gov.tax t WHERE t.firm_id = f.id)
SELECT id FROM gov.firm f WHERE section NOT IN (SELECT grade FROM gov.tax t WHERE t.firm_id = f.id AND t.score > f.staff)
SELECT id FROM gov.firm f WHERE id IN (SELECT firm_id FROM gov.tax t WHERE t.grade = f.section GROUP BY firm_id HAVING count(*) > 0)
SELECT section, count(*) FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.fine) GROUP BY section
SELECT section, count(*) AS n FROM gov.firm GROUP BY section HAVING count(*) IN (SELECT year - 2015 FROM gov.tax)
SELECT section, count(*) AS n FROM gov.firm GROUP BY section HAVING section NOT IN (SELECT grade FROM gov.tax WHERE grade IS NOT NULL)
SELECT f.id, t.year FROM gov.firm f LEFT JOIN gov.tax t ON f.id = t.firm_id WHERE t.firm_id NOT IN (SELECT firm_id FROM gov.fine)
SELECT f.id FROM gov.firm f, gov.tax t WHERE f.id = t.firm_id AND f.id IN (SELECT firm_id FROM gov.fine)
SELECT count(*) FROM (SELECT id FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.fine)) x
"""

EXISTENCE = """
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = f.id)
SELECT id FROM gov.firm f WHERE NOT EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = f.id)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT * FROM gov.tax t WHERE t.firm_id = f.id AND t.grade = 'A')
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax WHERE firm_id = f.id AND score > staff)
SELECT id FROM gov.firm f WHERE NOT EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = f.id AND t.grade <> f.section)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id < f.id)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.fine WHERE kind = 'late')
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.fine WHERE kind = 'none')
SELECT id FROM gov.firm f WHERE NOT EXISTS (SELECT 1 FROM gov.fine WHERE kind = 'none')
SELECT id FROM gov.firm f WHERE NOT EXISTS (SELECT 1 FROM gov.fine)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT max(amount) FROM gov.fine WHERE kind = 'none')
SELECT id FROM gov.firm f WHERE EXISTS (SELECT kind FROM gov.fine GROUP BY kind HAVING count(*) > 7)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT t.year FROM gov.tax t WHERE t.firm_id = f.id GROUP BY t.year HAVING count(*) > 1)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax t JOIN gov.fine n ON t.firm_id = n.firm_id WHERE t.firm_id = f.id)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax t, gov.fine n WHERE t.firm_id = n.firm_id AND t.firm_id = f.id AND n.amount > 100)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = f.id AND EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = t.firm_id))
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = f.id) AND NOT EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = f.id)
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = f.id) AND f.staff > 3
SELECT id FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = f.id OR t.score = f.capital)
SELECT a.firm_id, a.year FROM gov.tax a WHERE EXISTS (SELECT 1 FROM gov.tax b WHERE b.firm_id = a.firm_id AND b.year <> a.year)
SELECT a.firm_id, a.year FROM gov.tax a WHERE NOT EXISTS (SELECT 1 FROM gov.tax b WHERE b.firm_id = a.firm_id AND b.score > a.score)
SELECT section, sum(capital) FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = f.id) GROUP BY section
SELECT section FROM gov.firm f GROUP BY section HAVING EXISTS (SELECT 1 FROM gov.tax t WHERE t.grade = f.section AND t.year = 2021)
SELECT section FROM gov.firm f GROUP BY section HAVING NOT EXISTS (SELECT 1 FROM gov.tax t WHERE t.grade = f.section)
SELECT section FROM gov.firm GROUP BY section HAVING EXISTS (SELECT 1 FROM gov.fine)
"""

SCALARS = """
SELECT id FROM gov.firm WHERE capital > (SELECT avg(capital) FROM gov.firm)
SELECT id, capital - (SELECT avg(capital) FROM gov.firm) AS gap FROM gov.firm
SELECT id FROM gov.firm WHERE capital > 0.5 * (SELECT max(capital) FROM gov.firm WHERE section = 'A')
SELECT id FROM gov.firm WHERE id = (SELECT max(firm_id) FROM gov.tax)
SELECT id FROM gov.firm WHERE staff BETWEEN (SELECT min(low) FROM gov.band) AND (SELECT min(high) FROM gov.band)
SELECT id FROM gov.firm f WHERE capital > (SELECT avg(t.score) FROM gov.tax t WHERE t.firm_id = f.id)
SELECT id FROM gov.firm f WHERE staff > (SELECT count(*) FROM gov.tax t WHERE t.firm_id = f.id)
SELECT id, (SELECT count(*) FROM gov.fine n WHERE n.firm_id = f.id) AS fines FROM gov.firm f
SELECT id, (SELECT sum(amount) FROM gov.fine n WHERE n.firm_id = f.id) AS fines FROM gov.firm f
SELECT id, (SELECT coalesce(sum(amount), 0) FROM gov.fine n WHERE n.firm_id = f.id) AS fines FROM gov.firm f
SELECT id, (SELECT sum(amount) / count(*) FROM gov.fine n WHERE n.firm_id = f.id) AS fines FROM gov.firm f
SELECT id, (SELECT count(DISTINCT kind) + 1 FROM gov.fine n WHERE n.firm_id = f.id AND n.amount > 0) AS kinds FROM gov.firm f
SELECT id, (SELECT max(day) FROM gov.fine n WHERE n.firm_id = f.id GROUP BY n.firm_id) AS last FROM gov.firm f
SELECT id, (SELECT count(*) FROM gov.fine n WHERE n.firm_id = f.id GROUP BY n.firm_id) AS n FROM gov.firm f
SELECT id, (SELECT count(*) FROM gov.fine n WHERE n.firm_id = f.id GROUP BY n.firm_id HAVING count(*) > 1) AS n FROM gov.firm f
SELECT section, count(*) FROM gov.firm GROUP BY section HAVING count(*) > (SELECT avg(n) FROM (SELECT count(*) AS n FROM gov.firm GROUP BY section) x)
SELECT section, sum(capital) / (SELECT sum(capital) FROM gov.firm) AS share FROM gov.firm GROUP BY section
SELECT section, count(*), (SELECT count(*) FROM gov.tax t WHERE t.grade = f.section) AS n FROM gov.firm f GROUP BY section
SELECT (SELECT max(score) FROM gov.tax) AS m, count(*) FROM gov.firm GROUP BY m
SELECT (SELECT max(score) FROM gov.tax) AS m, count(*) FROM gov.firm GROUP BY 1
SELECT sum(capital - (SELECT min(capital) FROM gov.firm)) AS above FROM gov.firm
SELECT count(*) FROM gov.firm WHERE capital > (SELECT avg(capital) FROM gov.firm) AND staff < (SELECT max(staff) FROM gov.firm)
SELECT id FROM gov.firm ORDER BY (SELECT max(score) FROM gov.tax), id
SELECT id FROM gov.firm WHERE capital > (SELECT max(a) FROM (SELECT avg(capital) AS a FROM gov.firm GROUP BY section) s)
SELECT a.firm_id, a.year FROM gov.tax a WHERE a.score = (SELECT max(b.score) FROM gov.tax b WHERE b.firm_id = a.firm_id)
SELECT a.firm_id FROM gov.tax a WHERE a.score > (SELECT avg(b.score) FROM gov.tax b WHERE b.year = a.year AND b.grade = a.grade)
SELECT id FROM gov.firm WHERE id IN (SELECT firm_id FROM gov.tax WHERE score > (SELECT avg(score) FROM gov.tax))
SELECT count(*) FROM gov.firm f, gov.tax t WHERE f.id = t.firm_id AND t.score < (SELECT 1.2 * avg(u.score) FROM gov.tax u WHERE u.firm_id = f.id)
SELECT id, CASE WHEN capital > (SELECT avg(capital) FROM gov.firm) THEN 'rich' ELSE 'poor' END AS c FROM gov.firm
SELECT (SELECT count(*) FROM gov.tax) AS a, (SELECT count(*) FROM gov.fine) AS b, count(*) FROM gov.firm
WITH r AS (SELECT firm_id, sum(amount) AS total FROM gov.fine GROUP BY firm_id) SELECT f.section, count(*) FROM gov.firm f JOIN r ON f.id = r.firm_id WHERE r.total = (SELECT max(total) FROM r) GROUP BY f.section
SELECT DISTINCT (SELECT max(score) FROM gov.tax) AS m FROM gov.firm
SELECT id FROM gov.firm f WHERE (SELECT count(*) FROM gov.fine n WHERE n.firm_id = f.id) = 0
SELECT loan_id, (SELECT section FROM gov.firm f WHERE f.id = l.firm_id) AS section FROM bank_a.loan l
SELECT loan_id FROM bank_a.loan l WHERE (SELECT section FROM gov.firm f WHERE f.id = l.firm_id) = 'A'
SELECT loan_id FROM bank_a.loan WHERE opened > (SELECT founded FROM gov.firm WHERE id = 7)
SELECT loan_id FROM bank_a.loan WHERE balance >= (SELECT DISTINCT low FROM gov.band WHERE low = 7)
SELECT loan_id FROM bank_a.loan WHERE balance >= (SELECT low FROM gov.band WHERE name = 'nothing') OR class = 'bad'
SELECT id FROM gov.firm f WHERE (SELECT count(*) FROM gov.tax t WHERE (t.firm_id = f.id AND t.grade = 'A') OR (t.firm_id = f.id AND t.year = 2021)) > 0
SELECT a.n, b.m FROM (SELECT count(*) AS n FROM gov.firm) a, (SELECT count(*) AS m FROM gov.tax) b
SELECT f.id, s.n FROM (SELECT count(*) AS n FROM gov.tax) s, gov.firm f
SELECT f.id, s.n FROM gov.firm f CROSS JOIN (SELECT count(*) AS n FROM gov.tax HAVING count(*) > 10000) s
SELECT f.id, s.n, t.year FROM (SELECT count(*) AS n FROM gov.tax) s, gov.firm f, gov.tax t WHERE f.id = t.firm_id AND t.score > s.n / 10
"""

MARKS = """
SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = l.firm_id)) AS taxed, count(*) FROM bank_a.loan l
SELECT sum(CASE WHEN EXISTS (SELECT 1 FROM gov.tax t WHERE t.firm_id = l.firm_id AND t.grade = 'A') THEN balance END) FROM bank_a.loan l
SELECT loan_id FROM bank_a.loan l WHERE class = 'bad' OR EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = l.firm_id)
SELECT loan_id FROM bank_a.loan l WHERE class = 'bad' OR NOT EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = l.firm_id)
SELECT loan_id FROM bank_a.loan WHERE class = 'bad' OR firm_id IN (SELECT firm_id FROM gov.tax WHERE grade = 'A')
SELECT loan_id FROM bank_a.loan l WHERE class = 'bad' OR class IN (SELECT kind FROM gov.fine n WHERE n.firm_id = l.firm_id)
SELECT loan_id, EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = l.firm_id) AS fined FROM bank_a.loan l
SELECT loan_id, EXISTS (SELECT 1 FROM gov.fine WHERE kind = 'none') AS any_none FROM bank_a.loan l
SELECT id, id IN (SELECT firm_id FROM gov.fine) AS fined FROM gov.firm
SELECT id FROM gov.firm WHERE section = 'A' OR id NOT IN (SELECT firm_id FROM gov.fine)
SELECT id FROM gov.firm WHERE section = 'A' OR id IN (SELECT firm_id FROM gov.tax UNION SELECT firm_id FROM gov.fine WHERE amount > 100)
SELECT CASE WHEN EXISTS (SELECT 1 FROM gov.fine n WHERE n.firm_id = f.id) THEN 1 ELSE 0 END AS fined, count(*) FROM gov.firm f GROUP BY 1
SELECT section, EXISTS (SELECT 1 FROM gov.tax t WHERE t.grade = f.section AND t.year = 2021) AS known, count(*) FROM gov.firm f GROUP BY section
"""

SETS = """
SELECT section FROM gov.firm UNION SELECT grade FROM gov.tax
SELECT section FROM gov.firm UNION ALL SELECT grade FROM gov.tax
SELECT section FROM gov.firm INTERSECT SELECT grade FROM gov.tax
SELECT grade FROM gov.tax EXCEPT SELECT section FROM gov.firm
SELECT section FROM gov.firm EXCEPT SELECT grade FROM gov.tax
SELECT section, id FROM gov.firm INTERSECT SELECT grade, firm_id FROM gov.tax
SELECT section, staff FROM gov.firm EXCEPT SELECT grade, firm_id FROM gov.tax
SELECT id FROM gov.firm UNION SELECT capital FROM gov.firm
SELECT id, NULL AS x FROM gov.firm UNION ALL SELECT firm_id, grade FROM gov.tax
SELECT NULL AS x FROM gov.firm UNION SELECT grade FROM gov.tax
SELECT section FROM gov.firm UNION ALL SELECT grade FROM gov.tax UNION SELECT kind FROM gov.fine
SELECT section FROM gov.firm UNION SELECT grade FROM gov.tax UNION ALL SELECT kind FROM gov.fine
(SELECT section FROM gov.firm) UNION (SELECT grade FROM gov.tax EXCEPT SELECT section FROM gov.firm)
SELECT section, count(*) AS n FROM gov.firm GROUP BY section UNION ALL SELECT grade, count(*) FROM gov.tax GROUP BY grade
SELECT s, count(*) FROM (SELECT section AS s FROM gov.firm UNION ALL SELECT grade FROM gov.tax) u GROUP BY s
SELECT count(*) FROM (SELECT section AS s FROM gov.firm UNION ALL SELECT grade FROM gov.tax) u
SELECT b FROM (SELECT id AS a, section AS b FROM gov.firm UNION ALL SELECT firm_id, grade FROM gov.tax) u WHERE a > 5
SELECT count(*) FROM (SELECT id FROM gov.firm EXCEPT SELECT firm_id FROM gov.fine) u
WITH u AS (SELECT id FROM gov.firm UNION SELECT firm_id FROM gov.tax) SELECT a.id FROM u a LEFT JOIN u b ON a.id = b.id
SELECT DISTINCT section FROM gov.firm
SELECT DISTINCT section, status FROM gov.firm
SELECT DISTINCT count(*) FROM gov.tax GROUP BY firm_id
SELECT DISTINCT grade, count(*) AS n FROM gov.tax GROUP BY grade, year
SELECT DISTINCT section FROM gov.firm GROUP BY section, status HAVING count(*) > 1
SELECT count(*) FROM (SELECT DISTINCT firm_id FROM gov.tax) t
"""

GROUPS = """
SELECT section, status, count(*) FROM gov.firm GROUP BY ROLLUP (section, status)
SELECT section, status, count(*) FROM gov.firm GROUP BY CUBE (section, status)
SELECT section, status, count(*) FROM gov.firm GROUP BY GROUPING SETS ((section, status), (section), ())
SELECT section, status, sum(capital) FROM gov.firm GROUP BY GROUPING SETS ((section), (status))
SELECT section, status, staff, count(*) FROM gov.firm GROUP BY section, ROLLUP (status, staff)
SELECT section, status, staff, count(*) FROM gov.firm GROUP BY ROLLUP ((section, status), staff)
SELECT section, status, grouping(section) AS g, grouping(section, status) AS h, count(*) FROM gov.firm GROUP BY ROLLUP (section, status)
SELECT section, status, grouping_id(section, status) AS h, count(*) FROM gov.firm GROUP BY CUBE (section, status)
SELECT section, count(*) FROM gov.firm GROUP BY ROLLUP (section) HAVING grouping(section) = 0
SELECT CASE WHEN grouping(section) = 1 THEN 'all' ELSE section END AS s, count(*) FROM gov.firm GROUP BY ROLLUP (section)
SELECT upper(section) AS s, count(*) FROM gov.firm GROUP BY ROLLUP (s)
SELECT section AS s, status, count(*) FROM gov.firm GROUP BY GROUPING SETS ((status), ROLLUP (s, status))
SELECT count(*) FROM gov.firm GROUP BY ()
SELECT section, count(*) FROM gov.firm GROUP BY GROUPING SETS ((section), ())
SELECT section, grouping(section) AS g, count(*) FROM gov.firm GROUP BY section
SELECT f.section, t.year, avg(t.score) FROM gov.firm f JOIN gov.tax t ON f.id = t.firm_id GROUP BY CUBE (f.section, t.year)
SELECT DISTINCT count(*) FROM gov.firm GROUP BY CUBE (section, status)
SELECT x, count(*) FROM (SELECT section AS x, status, count(*) AS n FROM gov.firm GROUP BY CUBE (section, status)) c GROUP BY x
"""

WINDOWED = """
SELECT section, count(*) AS n, rank() OVER (ORDER BY count(*) DESC) AS r FROM gov.firm GROUP BY section
SELECT grade, year, count(*) AS n, row_number() OVER (PARTITION BY year ORDER BY grade) AS r FROM gov.tax GROUP BY grade, year
SELECT grade, year, count(*) AS n, dense_rank() OVER (PARTITION BY year ORDER BY count(*) DESC) AS r FROM gov.tax GROUP BY grade, year
SELECT section, count(*) * 1.0 / sum(count(*)) OVER () AS share FROM gov.firm GROUP BY section
SELECT year, sum(score) AS s, sum(sum(score)) OVER (ORDER BY year) AS running FROM gov.tax GROUP BY year
SELECT year, sum(score) AS s, sum(sum(score)) OVER (ORDER BY year ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running FROM gov.tax GROUP BY year
SELECT year, sum(score) AS s, sum(sum(score)) OVER (ORDER BY year ROWS UNBOUNDED PRECEDING) AS running FROM gov.tax GROUP BY year
SELECT year, sum(sum(score)) OVER (ORDER BY year RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS whole FROM gov.tax GROUP BY year
SELECT year, count(*) AS n, lag(count(*)) OVER (ORDER BY year) AS before FROM gov.tax GROUP BY year
SELECT year, count(*) AS n, lead(count(*), 1, 0) OVER (ORDER BY year DESC) AS after FROM gov.tax GROUP BY year
SELECT year, first_value(count(*)) OVER (ORDER BY year) AS f, last_value(count(*)) OVER (ORDER BY year) AS l FROM gov.tax GROUP BY year
SELECT section, percent_rank() OVER (ORDER BY count(*)) AS p, ntile(2) OVER (ORDER BY section) AS b FROM gov.firm GROUP BY section
SELECT grade, year, avg(avg(score)) OVER (PARTITION BY grade) AS a, min(count(*)) OVER w AS lo, max(count(*)) OVER w AS hi FROM gov.tax GROUP BY grade, year WINDOW w AS (PARTITION BY year)
SELECT grade, year, sum(count(*)) OVER (w ORDER BY grade) AS c FROM gov.tax GROUP BY grade, year WINDOW w AS (PARTITION BY year)
SELECT grade, year, count(*) AS n FROM gov.tax GROUP BY grade, year QUALIFY rank() OVER (PARTITION BY year ORDER BY count(*) DESC) = 1
SELECT grade, year, count(*) AS n, rank() OVER (PARTITION BY year ORDER BY count(*) DESC) AS r FROM gov.tax GROUP BY grade, year QUALIFY r <= 2 AND n > 1
SELECT section, n, rank() OVER (ORDER BY n DESC) AS r FROM (SELECT section, count(*) AS n FROM gov.firm GROUP BY section) g
SELECT s, r FROM (SELECT section AS s, rank() OVER (ORDER BY count(*)) AS r FROM gov.firm GROUP BY section) g WHERE r > 1
SELECT section, count(*) AS n FROM gov.firm GROUP BY section ORDER BY rank() OVER (ORDER BY count(*) DESC, section), section
SELECT section, count(*) FILTER (WHERE staff > 3) AS n, sum(count(*)) FILTER (WHERE section <> 'A') OVER () AS rest FROM gov.firm GROUP BY section
SELECT section, count(count(*)) OVER () AS k, count(*) OVER () AS m FROM gov.firm GROUP BY section
SELECT loan_id, row_number() OVER (PARTITION BY firm_id ORDER BY opened DESC, loan_id) AS r FROM bank_a.loan
SELECT firm_id, balance FROM bank_a.loan QUALIFY row_number() OVER (PARTITION BY firm_id ORDER BY opened DESC, loan_id) = 1
SELECT f.section, count(*) FROM (SELECT firm_id, row_number() OVER (PARTITION BY firm_id ORDER BY opened, loan_id) AS r FROM bank_a.loan) l JOIN gov.firm f ON f.id = l.firm_id WHERE l.r = 1 GROUP BY f.section
SELECT DISTINCT sum(count(*)) OVER () AS n FROM gov.firm GROUP BY section
SELECT section, status, count(*) AS n, sum(count(*)) OVER (PARTITION BY section) AS whole FROM gov.firm GROUP BY section, status
SELECT section, status, count(*) AS n, rank() OVER (PARTITION BY grouping(section) ORDER BY count(*)) AS r FROM gov.firm GROUP BY ROLLUP (section, status)
SELECT a.section, a.n, b.n AS taxed FROM (SELECT section, count(*) AS n FROM gov.firm GROUP BY section) a FULL JOIN (SELECT grade, count(*) AS n FROM gov.tax GROUP BY grade) b ON a.section = b.grade
"""

QUERIES = [
    line
    for group in (JOINS, DERIVED, MEMBERSHIP, EXISTENCE, SCALARS, MARKS, SETS, GROUPS, WINDOWED)
    for line in group.strip().splitlines()
]


@pytest.fixture(scope="module")
def world() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables, once under their names and once as snapshots."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE SCHEMA gov; CREATE SCHEMA bank_a")
        for described in TABLES:
            name = described.name
            columns = ", ".join(f'"{item.name}" {engine_type(item.type)}' for item in described.columns)
            connection.execute(f"ATTACH ':memory:' AS \"{name}\"")
            for place in (f'memory."{name.schema}"."{name.name}"', f'"{name}".main.data'):
                connection.execute(f"CREATE TABLE {place} ({columns})")
                connection.execute(f"INSERT INTO {place} {ROWS[str(name)]}")
        yield connection


def comparable(rows: Sequence[tuple[object, ...]]) -> Counter[tuple[object, ...]]:
    """Rows without order and without the engine's choice of number type."""

    def cell(value: object) -> object:
        number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        return round(float(value), 4) if number else str(value)  # type: ignore[arg-type] # a number, as said

    return Counter(tuple(cell(value) for value in row) for row in rows)


def understood(sql: str) -> str:
    """The statement of the tree that the text is bound to."""
    bound = bind(parse(Request("r", BANK, "RESEARCH", sql)), CATALOG)
    return emit(bound.relation, lambda scan: str(scan.table), tuple(column.type for column in bound.columns))


@pytest.mark.parametrize("sql", QUERIES)
def test_the_tree_means_what_the_text_means(sql: str, world: duckdb.DuckDBPyConnection) -> None:
    assert comparable(world.execute(understood(sql)).fetchall()) == comparable(world.execute(sql).fetchall())


def test_the_list_is_long_enough_to_prove_something() -> None:
    assert len(set(QUERIES)) == len(QUERIES) >= 150


def test_no_query_of_the_list_is_empty_by_accident(world: duckdb.DuckDBPyConnection) -> None:
    empty = [sql for sql in QUERIES if not world.execute(sql).fetchall()]
    assert len(empty) <= 8
