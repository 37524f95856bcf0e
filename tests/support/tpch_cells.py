"""The answered queries of TPC-H as cells: what each is about, row by row, and what its answer is made of.

Written by hand from the specification, in SQL for plain DuckDB. A sum of a product of sums is written as the sums of
its monomials (`p` price, `d` discount, `t` tax, `q` quantity): each of them has to be safe by itself, and so has what
they make together (`v`, value). Where one of them is asked for apart from the others, so have the rows where one is
nought and its neighbour is not (`d0` no discount, `t0` no tax).
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.naive_cells import Cells

LINES = "lineitem JOIN orders ON l_orderkey = o_orderkey"
UNITS = "o_custkey AS customer, l_suppkey AS supplier"
PRICE = "l_extendedprice AS p, l_extendedprice * l_discount AS pd, p - pd AS v"
PARTIES = f"{LINES} JOIN customer ON c_custkey = o_custkey JOIN supplier ON s_suppkey = l_suppkey"
PROMISED = (
    "((p_brand = 'Brand#12' AND p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG') "
    "AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5) "
    "OR (p_brand = 'Brand#23' AND p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK') "
    "AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10) "
    "OR (p_brand = 'Brand#34' AND p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG') "
    "AND l_quantity BETWEEN 20 AND 30 AND p_size BETWEEN 1 AND 15)) "
    "AND l_shipmode IN ('AIR', 'AIR REG') AND l_shipinstruct = 'DELIVER IN PERSON'"
)
CODES = "substr(c_phone, 1, 2) IN ('13', '31', '23', '29', '30', '18', '17')"
GERMAN = (
    "SELECT ps_partkey, ps_suppkey AS supplier, ps_supplycost * ps_availqty AS v "
    "FROM partsupp JOIN supplier ON ps_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey "
    "WHERE n_name = 'GERMANY'"
)

CELLS: Mapping[int, Cells] = {
    1: Cells(
        rows=f"SELECT l_returnflag, l_linestatus, {UNITS}, {PRICE}, l_quantity AS q, l_discount AS d, "
        "l_extendedprice * l_tax AS pt, l_extendedprice * l_discount * l_tax AS pdt, "
        "v + pt - pdt AS vt, p <> 0 AND l_discount = 0 AS d0, p <> 0 AND l_tax = 0 AS t0, pd <> 0 AND l_tax = 0 AS dt0, pt <> 0 AND l_discount = 0 AS td0 "
        f"FROM {LINES} WHERE l_shipdate <= DATE '1998-09-02'",
        keys=("l_returnflag", "l_linestatus"),
        parts=("q", "p", "pd", "pt", "pdt", "d", "v", "vt"),
        rests=("d0", "t0", "dt0", "td0"),
        answer="SELECT l_returnflag, l_linestatus, q, p, v + 0 * (p - pd) + d0, "
        "vt + 0 * (p - pd + pt - pdt) + d0 + t0 + dt0 + td0, "
        "q / n, p / n, d / n, n FROM cells",
    ),
    4: Cells(
        # One row an order; of the suppliers of its late lines one stands for all, which counts no more than there are.
        rows="SELECT o_orderpriority, o_custkey AS customer, min(l_suppkey) AS supplier "
        f"FROM {LINES} WHERE o_orderdate >= DATE '1993-07-01' AND o_orderdate < DATE '1993-10-01' "
        "AND l_commitdate < l_receiptdate GROUP BY o_orderkey, o_orderpriority, o_custkey",
        keys=("o_orderpriority",),
        answer="SELECT o_orderpriority, n FROM cells",
    ),
    5: Cells(
        rows=f"SELECT n_name, {UNITS}, {PRICE} FROM {PARTIES} "
        "JOIN nation ON n_nationkey = s_nationkey AND n_nationkey = c_nationkey "
        "JOIN region ON r_regionkey = n_regionkey WHERE r_name = 'ASIA' "
        "AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01'",
        keys=("n_name",),
        parts=("p", "pd", "v"),
        answer="SELECT n_name, v + 0 * (p - pd) FROM cells",
    ),
    6: Cells(
        rows=f"SELECT {UNITS}, l_extendedprice * l_discount AS pd FROM {LINES} "
        "WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' "
        "AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
        parts=("pd",),
        answer="SELECT pd FROM cells",
    ),
    7: Cells(
        rows=f"SELECT s.n_name AS seller, c.n_name AS buyer, year(l_shipdate) AS y, {UNITS}, {PRICE} "
        f"FROM {PARTIES} JOIN nation s ON s.n_nationkey = s_nationkey JOIN nation c ON c.n_nationkey = c_nationkey "
        "WHERE (s.n_name, c.n_name) IN (('FRANCE', 'GERMANY'), ('GERMANY', 'FRANCE')) "
        "AND year(l_shipdate) IN (1995, 1996)",
        keys=("seller", "buyer", "y"),
        parts=("p", "pd", "v"),
        answer="SELECT seller, buyer, y, v + 0 * (p - pd) FROM cells",
    ),
    8: Cells(
        # The share of one nation also tells the share of all others.
        rows=f"SELECT year(o_orderdate) AS y, {UNITS}, {PRICE}, "
        "CASE WHEN s.n_name = 'BRAZIL' THEN p ELSE 0 END AS bp, CASE WHEN s.n_name = 'BRAZIL' THEN pd ELSE 0 END AS bpd, "
        "CASE WHEN s.n_name <> 'BRAZIL' THEN p ELSE 0 END AS rp, CASE WHEN s.n_name <> 'BRAZIL' THEN pd ELSE 0 END AS rpd, "
        "CASE WHEN s.n_name = 'BRAZIL' THEN v ELSE 0 END AS bv, CASE WHEN s.n_name <> 'BRAZIL' THEN v ELSE 0 END AS rv "
        f"FROM {PARTIES} JOIN part ON p_partkey = l_partkey JOIN nation s ON s.n_nationkey = s_nationkey "
        "JOIN nation c ON c.n_nationkey = c_nationkey JOIN region ON r_regionkey = c.n_regionkey "
        "WHERE r_name = 'AMERICA' AND year(o_orderdate) IN (1995, 1996) AND p_type = 'ECONOMY ANODIZED STEEL'",
        keys=("y",),
        parts=("p", "pd", "v", "bp", "bpd", "bv", "rp", "rpd", "rv"),
        answer="SELECT y, (bv + 0 * (bp - bpd + rp - rpd + rv)) / (v + 0 * (p - pd)) FROM cells",
    ),
    9: Cells(
        rows=f"SELECT n_name, year(o_orderdate) AS y, {UNITS}, {PRICE}, ps_supplycost * l_quantity AS cq, v - cq AS w "
        f"FROM {LINES} JOIN supplier ON s_suppkey = l_suppkey JOIN nation ON n_nationkey = s_nationkey "
        "JOIN part ON p_partkey = l_partkey "
        "JOIN partsupp ON ps_partkey = l_partkey AND ps_suppkey = l_suppkey WHERE p_name LIKE '%green%'",
        keys=("n_name", "y"),
        parts=("p", "pd", "cq", "w"),
        answer="SELECT n_name, y, w + 0 * (p - pd - cq) FROM cells",
    ),
    11: Cells(
        rows=GERMAN,
        keys=("ps_partkey",),
        units=("supplier",),
        parts=("v",),
        before={"total": Cells(rows=GERMAN, units=("supplier",), parts=("v",), answer="")},
        answer="SELECT ps_partkey, v FROM cells WHERE v > (SELECT v * 0.0001 FROM total)",
    ),
    12: Cells(
        rows=f"SELECT l_shipmode, {UNITS}, o_orderpriority IN ('1-URGENT', '2-HIGH') AS high, NOT high AS low "
        f"FROM {LINES} WHERE l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate "
        "AND l_shipdate < l_commitdate AND l_receiptdate >= DATE '1994-01-01' AND l_receiptdate < DATE '1995-01-01'",
        keys=("l_shipmode",),
        flags=("high", "low"),
        answer="SELECT l_shipmode, high, low FROM cells",
    ),
    13: Cells(
        rows="SELECT c_custkey AS customer, count(o_orderkey) AS orders_made FROM customer LEFT JOIN orders "
        "ON c_custkey = o_custkey AND o_comment NOT LIKE '%special%requests%' GROUP BY c_custkey",
        keys=("orders_made",),
        units=("customer",),
        answer="SELECT orders_made, n FROM cells",
    ),
    14: Cells(
        rows=f"SELECT {UNITS}, {PRICE}, CASE WHEN p_type LIKE 'PROMO%' THEN p ELSE 0 END AS mp, "
        "CASE WHEN p_type LIKE 'PROMO%' THEN pd ELSE 0 END AS mpd, CASE WHEN p_type LIKE 'PROMO%' THEN v ELSE 0 END AS mv, "
        "CASE WHEN p_type NOT LIKE 'PROMO%' THEN p ELSE 0 END AS rp, "
        "CASE WHEN p_type NOT LIKE 'PROMO%' THEN pd ELSE 0 END AS rpd, "
        "CASE WHEN p_type NOT LIKE 'PROMO%' THEN v ELSE 0 END AS rv FROM "
        f"{LINES} JOIN part ON p_partkey = l_partkey "
        "WHERE l_shipdate >= DATE '1995-09-01' AND l_shipdate < DATE '1995-10-01'",
        parts=("p", "pd", "v", "mp", "mpd", "mv", "rp", "rpd", "rv"),
        answer="SELECT 100 * (mv + 0 * (mp - mpd + rp - rpd + rv)) / (v + 0 * (p - pd)) FROM cells",
    ),
    16: Cells(
        rows="SELECT p_brand, p_type, p_size, ps_suppkey AS supplier FROM partsupp "
        "JOIN part ON p_partkey = ps_partkey JOIN supplier ON s_suppkey = ps_suppkey "
        "WHERE p_brand <> 'Brand#45' AND p_type NOT LIKE 'MEDIUM POLISHED%' "
        "AND p_size IN (49, 14, 23, 45, 19, 3, 36, 9) AND s_comment NOT LIKE '%Customer%Complaints%'",
        keys=("p_brand", "p_type", "p_size"),
        units=("supplier",),
        answer="SELECT p_brand, p_type, p_size, n_supplier FROM cells",
    ),
    17: Cells(
        rows=f"SELECT {UNITS}, l_extendedprice AS p FROM {LINES} JOIN part ON p_partkey = l_partkey "
        "JOIN usual ON usual.l_partkey = lineitem.l_partkey WHERE p_brand = 'Brand#23' "
        "AND p_container = 'MED BOX' AND l_quantity < 0.2 * usual.q / usual.n",
        parts=("p",),
        # What other rows are compared with has to be safe as a cell of its own.
        before={
            "usual": Cells(
                rows=f"SELECT l_partkey, {UNITS}, l_quantity AS q FROM {LINES}",
                keys=("l_partkey",),
                parts=("q",),
                compared=True,
                answer="",
            )
        },
        answer="SELECT p / 7.0 FROM cells",
    ),
    19: Cells(
        rows=f"SELECT {UNITS}, {PRICE} FROM {LINES} JOIN part ON p_partkey = l_partkey WHERE {PROMISED}",
        parts=("p", "pd", "v"),
        answer="SELECT v + 0 * (p - pd) FROM cells",
    ),
    22: Cells(
        rows="SELECT substr(c_phone, 1, 2) AS code, c_custkey AS customer, c_acctbal AS b FROM customer, usual "
        f"WHERE {CODES} AND c_acctbal > usual.b / usual.n "
        "AND c_custkey NOT IN (SELECT o_custkey FROM orders)",
        keys=("code",),
        units=("customer",),
        parts=("b",),
        before={
            "usual": Cells(
                rows=f"SELECT c_custkey AS customer, c_acctbal AS b FROM customer WHERE c_acctbal > 0 AND {CODES}",
                units=("customer",),
                parts=("b",),
                compared=True,
                answer="",
            )
        },
        answer="SELECT code, n, b FROM cells",
    ),
}
"""By number of the query. The others are about individuals and refused."""
