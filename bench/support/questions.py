"""Small questions of different shape. Each number makes another question, so that no stored answer is met."""

from datetime import date, timedelta

PURPOSE = "RESEARCH"

SHAPES = (
    "SELECT district_code, section, count(*) AS n FROM gov.ent_registry"
    " WHERE status = '存续' AND established_on > DATE '{day}' GROUP BY district_code, section ORDER BY 1, 2",
    "SELECT count(*) AS n, avg(score) AS score FROM gov.tax_credit WHERE rating_year <> {number}",
    "SELECT r.section, r.scale, t.grade, count(*) AS n FROM gov.tax_credit t"
    " JOIN gov.ent_registry r USING (uscc) WHERE t.rating_year <> {number} GROUP BY ALL ORDER BY 1, 2, 3",
    "SELECT quarter, count(*) AS n, sum(revenue) AS revenue, sum(vat_paid) AS vat FROM gov.tax_quarter"
    " WHERE quarter > DATE '{day}' GROUP BY quarter HAVING count(*) > 5 ORDER BY quarter",
    "SELECT r.section, count(DISTINCT u.subject_id) AS firms, sum(u.usage_qty) AS kwh FROM gov.utl_month u"
    " JOIN gov.ent_registry r ON r.uscc = u.subject_id WHERE u.kind = '电' AND u.bill_month > DATE '{day}'"
    " GROUP BY ALL ORDER BY 1",
)


def question(number: int) -> str:
    """The question of this number; the shapes take turns."""
    day = date(1500, 1, 1) + timedelta(days=number % 150_000)
    return SHAPES[number % len(SHAPES)].format(number=10_000 + number, day=day.isoformat())
