"""The sixteen tables and three credit-library views of the demonstration city.

Column names, order and types are those of the domain's DDL. `record` is the one maker of a table: it refuses a
missing, extra or wrongly typed column, so a generator cannot drift from the DDL.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

import pyarrow as pa

_S, _D, _B = pa.string(), pa.date32(), pa.bool_()
_I8, _I16, _I32, _I64 = pa.int8(), pa.int16(), pa.int32(), pa.int64()
_MONEY, _BASE, _RATIO = pa.decimal128(18, 2), pa.decimal128(10, 2), pa.decimal128(9, 6)
_LIST, _TIME = pa.list_(pa.string()), pa.timestamp("us")

SCHEMAS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        name: pa.schema(list(columns.items()))
        for name, columns in {
            "gov.pop_person": {
                "person_id": _S, "name": _S, "sex": _I8, "birth_date": _D, "hukou_district": _S,
                "live_district": _S, "street_code": _S, "resident_type": _I8, "marital_status": _I8,
                "education": _I8, "household_id": _I64, "special_status": _I8, "updated_at": _TIME,
            },
            "gov.ent_registry": {
                "uscc": _S, "ent_name": _S, "subject_class": _S, "ent_type_code": _S, "industry_code": _S,
                "section": _S, "district_code": _S, "reg_capital_wan": pa.decimal128(18, 4),
                "established_on": _D, "status": _S, "status_on": _D, "scale": _S, "n_employees": _I32,
                "legal_rep_id": _S, "legal_rep_name": _S, "updated_at": _TIME,
            },
            "gov.ent_person_role": {
                "uscc": _S, "person_id": _S, "role": _S, "share_ratio": _RATIO, "since": _D,
            },
            "gov.tax_credit": {
                "uscc": _S, "rating_year": _I16, "grade": _S, "score": pa.decimal128(5, 2),
            },
            "gov.tax_quarter": {
                "uscc": _S, "quarter": _D, "revenue": _MONEY, "vat_paid": _MONEY, "cit_paid": _MONEY,
                "arrears_amt": _MONEY, "invoice_cnt": _I32, "zero_declared": _B,
            },
            "gov.ss_person_month": {
                "person_id": _S, "uscc": _S, "pay_month": _D, "base_amt": _BASE, "status": _I8,
            },
            "gov.ss_ent_month": {
                "uscc": _S, "pay_month": _D, "headcount": _I32, "payable": _MONEY, "paid": _MONEY,
                "arrears": _MONEY,
            },
            "gov.hf_account": {
                "account_no": _S, "person_id": _S, "uscc": _S, "opened_on": _D, "status": _I8,
                "base_amt": _BASE, "monthly_deposit": _BASE, "balance": _MONEY, "months_continuous": _I32,
                "last_month": _D, "loan_balance": _MONEY,
            },
            "gov.re_property": {
                "unit_no": _S, "owner_class": _S, "owner_id": _S, "share_ratio": _RATIO,
                "district_code": _S, "use_code": _S, "area_m2": _BASE, "registered_on": _D,
                "assessed_value": _MONEY, "mortgaged": _B, "sealed": _B,
            },
            "gov.pen_penalty": {
                "decision_no": _S, "subject_class": _S, "subject_id": _S, "dept": _S, "cause_code": _S,
                "kind": _S, "fine_amt": _MONEY, "decided_on": _D, "published_on": _D, "severity": _I8,
                "repaired_on": _D,
            },
            "gov.court_dishonest": {
                "case_no": _S, "subject_class": _S, "subject_id": _S, "court_name": _S, "filed_on": _D,
                "published_on": _D, "amount": _MONEY, "performance": _S, "removed_on": _D,
            },
            "gov.credit_list": {
                "list_id": _S, "list_code": _S, "polarity": _S, "subject_class": _S, "subject_id": _S,
                "source_dept": _S, "listed_on": _D, "valid_to": _D, "repaired_on": _D, "measures": _LIST,
            },
            "gov.utl_month": {
                "account_no": _S, "subject_class": _S, "subject_id": _S, "kind": _S, "bill_month": _D,
                "usage_qty": _MONEY, "amount": _MONEY, "overdue_days": _I32,
            },
            "bank_a.loan_book": {
                "loan_id": _S, "cust_class": _S, "id_no": _S, "product": _S, "disbursed_on": _D,
                "amount": _MONEY, "balance": _MONEY, "rate_pct": pa.decimal128(6, 3), "term_months": _I16,
                "overdue_days": _I32, "five_class": _S, "guarantee": _S, "defaulted": _B,
            },
            "bank_a.applicant": {
                "app_id": _S, "cust_class": _S, "id_no": _S, "applied_on": _D, "amount_req": _MONEY,
                "auth_id": _S,
            },
            "plat.authorization": {
                "auth_id": _S, "subject_class": _S, "subject_id": _S, "grantee_org": _S, "purpose": _S,
                "scope": _LIST, "single_consent": _B, "granted_on": _D, "expires_on": _D, "revoked_on": _D,
                "evidence_sha256": _S,
            },
        }.items()
    }
)  # fmt: skip
TABLES = tuple(SCHEMAS)
VIEWS = ("gov.credit_enterprise", "gov.credit_non_enterprise", "gov.credit_natural_person")


def record(name: str, columns: Mapping[str, pa.Array]) -> pa.Table:
    """A table of the DDL from its columns; dictionary columns count as their value type.

    Raises ValueError when a column is missing, unknown or of another type.
    """
    schema = SCHEMAS[name]
    if set(columns) != set(schema.names):
        raise ValueError(f"{name}: columns differ from the DDL: {sorted(set(columns) ^ set(schema.names))}")
    for field in schema:
        found = columns[field.name].type
        if pa.types.is_dictionary(found):
            found = found.value_type
        if found != field.type:
            raise ValueError(f"{name}.{field.name} is {found}, the DDL says {field.type}")
    return pa.Table.from_arrays([columns[name] for name in schema.names], names=schema.names)


def years_before(day: date, years: int) -> date:
    """The same day `years` earlier; 29 February falls back to the 28th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def views_sql(as_of: date) -> str:
    """DDL of the three public-credit libraries: natural persons (adults on `as_of` only), enterprises, others."""
    registry = "SELECT uscc, ent_name, section, district_code, status, established_on FROM gov.ent_registry"
    return f"""\
CREATE VIEW gov.credit_enterprise AS
  {registry} WHERE subject_class IN ('E', 'I', 'C');
CREATE VIEW gov.credit_non_enterprise AS
  {registry} WHERE subject_class = 'N';
CREATE VIEW gov.credit_natural_person AS
  SELECT p.person_id, p.live_district, l.list_code, l.polarity, l.listed_on, l.valid_to
  FROM gov.pop_person p JOIN gov.credit_list l ON l.subject_class = 'P' AND l.subject_id = p.person_id
  WHERE p.birth_date <= DATE '{years_before(as_of, 18).isoformat()}';
"""  # noqa: S608 - constants and a date, nothing from outside
