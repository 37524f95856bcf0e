"""No aggregate returns a stored value of a protected table, wherever in the question it stands."""

from __future__ import annotations

import pytest
from tests.support.policy_questions import BANK_A, TODAY, city_bundle, city_catalog

from louver.errors import Refused
from louver_sandbox.pipeline import judge
from louver_sandbox.stages import Facts, Plan, Request, Treatment

RETURNS = "SELECT count(*) AS n, sum(q.vat_paid) AS s FROM gov.tax_quarter q"
MOST = "SELECT max(vat_paid) FROM gov.tax_quarter"


def judged(sql: str) -> Plan:
    return judge(Request("stored", BANK_A, "RESEARCH", sql), city_catalog(), city_bundle(), Facts(TODAY))


@pytest.mark.parametrize(
    "sql",
    [
        MOST,
        f"{RETURNS} WHERE 5 = ({MOST})",
        f"{RETURNS} WHERE 5 < (SELECT min(x.vat_paid) FROM gov.tax_quarter x WHERE x.quarter = q.quarter)",
        f"{RETURNS} WHERE q.vat_paid IN ({MOST} GROUP BY quarter)",
        f"{RETURNS} WHERE EXISTS (SELECT 1 FROM (SELECT uscc AS u, max(vat_paid) AS m FROM gov.tax_quarter GROUP BY uscc) x "
        "WHERE x.u = q.uscc AND x.m > 5)",
        f"{RETURNS} JOIN (SELECT quarter AS k, max(vat_paid) AS m FROM gov.tax_quarter GROUP BY quarter) x ON x.k = q.quarter AND x.m > 5",
        f"WITH m (v) AS ({MOST} GROUP BY quarter) SELECT sum(v) FROM m",
        "SELECT quarter, avg(vat_paid) FROM gov.tax_quarter GROUP BY quarter HAVING max(vat_paid) > 5",
        f"SELECT quarter, sum(vat_paid), ({MOST}) AS most FROM gov.tax_quarter GROUP BY quarter",
        "SELECT quarter, count(*) FROM gov.tax_quarter GROUP BY quarter ORDER BY min(vat_paid)",
        "SELECT quarter, max(sum(vat_paid)) OVER (ORDER BY max(vat_paid)) FROM gov.tax_quarter GROUP BY quarter",
        f"SELECT sum(vat_paid) FROM gov.tax_quarter UNION ALL {MOST}",
        "SELECT quarter, max(vat_paid) FROM gov.tax_quarter GROUP BY ROLLUP (quarter)",
        "SELECT max(s) FROM (SELECT uscc, sum(vat_paid) AS s FROM gov.tax_quarter GROUP BY uscc) x",
        "SELECT max(r.established_on) FROM gov.ent_registry r JOIN gov.tax_quarter q USING (uscc)",
    ],
)
def test_a_least_or_greatest_value_of_protected_rows_is_refused_in_every_position(sql: str) -> None:
    with pytest.raises(Refused) as caught:
        judged(sql)
    assert caught.value.code == "LVR-2107"


@pytest.mark.parametrize(
    "sql",
    [
        f"{RETURNS} JOIN gov.ent_registry r USING (uscc) "
        "WHERE r.established_on = (SELECT min(established_on) FROM gov.ent_registry)",
        "SELECT max(s) FROM (SELECT quarter, sum(vat_paid) AS s FROM gov.tax_quarter GROUP BY quarter) x",
    ],
)
def test_a_public_date_and_a_released_sum_are_nobodys_value(sql: str) -> None:
    assert judged(sql).treatment is Treatment.THRESHOLD
