"""The questions of the demo story: some of the design's twenty-five (A: answered, C: refused or withheld)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Question:
    """One question with the purpose it is asked for."""

    name: str
    title: str
    purpose: str
    sql: str
    parameters: Mapping[str, str] = field(default_factory=dict)


PORTFOLIO = "A07"
SEALED = "A08"

ANSWERED = (
    Question(
        "A01",
        "active enterprises by district and section: public, exact",
        "RESEARCH",
        """SELECT district_code, section, count(*) AS n
FROM gov.ent_registry WHERE status = '存续' AND subject_class = 'E'
GROUP BY district_code, section ORDER BY 1, 2""",
    ),
    Question(
        "A03",
        "tax grades by section and size: protected, small cells withheld",
        "RESEARCH",
        """SELECT r.section, r.scale, t.grade, count(*) AS n
FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc)
WHERE t.rating_year = 2025 GROUP BY ALL ORDER BY 1, 2, 3""",
    ),
    Question(
        "A06",
        "the bank's own portfolio by public industry: exact",
        "POST_LOAN",
        """SELECT r.section, l.five_class, count(*) AS loans, sum(l.balance) AS balance
FROM bank_a.loan_book l JOIN gov.ent_registry r ON r.uscc = l.id_no
WHERE l.cust_class = 'E' GROUP BY ALL ORDER BY 1, 2""",
    ),
    Question(
        PORTFOLIO,
        "bad rate by tax grade: the bank's labels meet a protected column",
        "MODEL_BUILD",
        """SELECT t.grade, count(*) AS loans, sum(l.defaulted::INT) AS bad, avg(l.defaulted::INT) AS bad_rate
FROM bank_a.loan_book l JOIN gov.tax_credit t ON t.uscc = l.id_no AND t.rating_year = 2025
GROUP BY t.grade ORDER BY 1""",
    ),
    Question(
        "A08",
        "electricity by section and month: giants dominate some cells",
        "RESEARCH",
        """SELECT r.section, u.bill_month, count(DISTINCT u.subject_id) AS firms, sum(u.usage_qty) AS kwh
FROM gov.utl_month u JOIN gov.ent_registry r ON r.uscc = u.subject_id
WHERE u.kind = '电' GROUP BY ALL ORDER BY 1, 2""",
    ),
    Question(
        "C03",
        "an aggregate narrowed to one firm by a public date: nothing is told",
        "RESEARCH",
        """SELECT count(*) AS n, sum(q.revenue) AS revenue
FROM gov.tax_quarter q JOIN gov.ent_registry r USING (uscc)
WHERE r.district_code = '370202'
  AND r.established_on = (SELECT min(established_on) FROM gov.ent_registry WHERE district_code = '370202')""",
    ),
)

REFUSED = (
    Question("C01", "everybody, row by row", "MODEL_BUILD", "SELECT * FROM gov.pop_person LIMIT 100000"),
    Question(
        "C02",
        "one person's pay history without authorisation",
        "LOAN_ORIGINATION",
        "SELECT pay_month, uscc, base_amt, status FROM gov.ss_person_month\n"
        "WHERE person_id = :person_id ORDER BY pay_month",
        {"person_id": "370291199001011235"},
    ),
    Question(
        "C05",
        "a prospect list for marketing",
        "MARKETING",
        """SELECT h.person_id, h.balance FROM gov.hf_account h
LEFT JOIN bank_a.loan_book l ON l.id_no = h.person_id
WHERE h.balance > 100000 AND h.loan_balance = 0 AND l.loan_id IS NULL""",
    ),
    Question(
        "C06",
        "default rate by special-group flag",
        "MODEL_BUILD",
        """SELECT p.special_status, avg(l.defaulted::INT) AS bad_rate, count(*) AS n
FROM bank_a.loan_book l JOIN gov.pop_person p ON p.person_id = l.id_no GROUP BY p.special_status""",
    ),
    Question(
        "C07",
        "rows hidden in an aggregate",
        "RESEARCH",
        "SELECT live_district, string_agg(person_id, ',') AS ids, max(name) AS some_name\n"
        "FROM gov.pop_person GROUP BY live_district",
    ),
)

STRANGERS = (
    ("bank_b", "SELECT count(*) AS n FROM bank_a.loan_book", "RESEARCH"),
    (
        "agency_c",
        "SELECT grade, count(*) AS n FROM gov.tax_credit WHERE rating_year = 2025 GROUP BY grade",
        "MARKETING",
    ),
)
