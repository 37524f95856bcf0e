"""The synthetic city behaves like one: shares, correlations, links and dates, read back through DuckDB."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from louver_sandbox.demo.world import World, codes, generate
from louver_sandbox.demo.world.schema import VIEWS


def _opened(world: World) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute("SET threads = 1")
    for schema in ("gov", "bank_a", "plat"):
        database.execute(f"CREATE SCHEMA {schema}")
    for table in world.tables:
        database.execute(f"CREATE VIEW {table} AS FROM read_parquet('{world.folder(table)}/*.parquet')")
    database.execute(world.views.read_text(encoding="utf-8"))
    return database


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return generate(persons=20_000, seed=2, out=tmp_path_factory.mktemp("city") / "world")


@pytest.fixture(scope="module")
def city(world: World) -> Iterator[duckdb.DuckDBPyConnection]:
    with _opened(world) as database:
        yield database


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with _opened(generate(out=tmp_path_factory.mktemp("demo") / "world")) as database:
        yield database


def rows(database: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return database.execute(sql).fetchall()


def one(database: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return rows(database, sql)[0][0]


def test_districts_follow_the_census(city: duckdb.DuckDBPyConnection) -> None:
    found = dict(rows(city, "SELECT live_district, count(*) / 20000 FROM gov.pop_person GROUP BY 1"))
    for district in codes.DISTRICTS:
        assert found[district.code] == pytest.approx(district.population / codes.CITY_POPULATION, abs=0.015)


def test_people_are_as_many_as_old_and_as_mobile_as_designed(city: duckdb.DuckDBPyConnection) -> None:
    ((young, old, men, away, household),) = rows(
        city,
        """
        SELECT avg((birth_date > DATE '2011-06-30')::INT), avg((birth_date <= DATE '1966-06-30')::INT),
               avg((sex = 1)::INT), avg((resident_type <> 1)::INT), count(*) / count(DISTINCT household_id)
        FROM gov.pop_person""",
    )
    assert (young, old, men, away) == pytest.approx((0.154, 0.203, 0.51, 0.22), abs=0.02)
    assert household == pytest.approx(2.55, abs=0.1)


def test_older_registers_carry_retired_codes(city: duckdb.DuckDBPyConnection) -> None:
    retired = rows(
        city,
        """
        SELECT DISTINCT hukou_district FROM gov.pop_person
        WHERE hukou_district NOT IN (SELECT live_district FROM gov.pop_person) ORDER BY 1""",
    )
    assert [code for (code,) in retired] == ["370205", "370282", "370284"]


def test_subject_classes_and_sections(city: duckdb.DuckDBPyConnection) -> None:
    classes = dict(rows(city, "SELECT subject_class, count(*) / 4000 FROM gov.ent_registry GROUP BY 1"))
    assert classes == pytest.approx({"E": 0.33, "I": 0.60, "C": 0.03, "N": 0.04}, abs=0.03)
    sections = dict(
        rows(
            city,
            """
        SELECT section, count(*) / sum(count(*)) OVER () FROM gov.ent_registry
        WHERE subject_class <> 'N' GROUP BY 1""",
        )
    )
    assert sections["F"] == pytest.approx(0.37, abs=0.03)
    assert sections["C"] == pytest.approx(0.12, abs=0.02)


def test_no_identifier_occurs_twice(city: duckdb.DuckDBPyConnection) -> None:
    for table, key in [
        ("gov.pop_person", "person_id"),
        ("gov.ent_registry", "uscc"),
        ("gov.ent_registry", "ent_name"),
        ("gov.tax_credit", "(uscc, rating_year)"),
        ("gov.tax_quarter", "(uscc, quarter)"),
        ("gov.ss_person_month", "(person_id, pay_month)"),
        ("gov.ss_ent_month", "(uscc, pay_month)"),
        ("gov.hf_account", "account_no"),
        ("gov.re_property", "(unit_no, owner_id)"),
        ("gov.pen_penalty", "decision_no"),
        ("gov.court_dishonest", "case_no"),
        ("gov.credit_list", "list_id"),
        ("gov.utl_month", "(account_no, bill_month)"),
        ("bank_a.loan_book", "loan_id"),
        ("bank_a.applicant", "app_id"),
        ("plat.authorization", "auth_id"),
    ]:
        assert one(city, f"SELECT count(*) - count(DISTINCT {key}) FROM {table}") == 0, (table, key)


def test_every_reference_leads_somewhere(city: duckdb.DuckDBPyConnection) -> None:
    person, firm = "gov.pop_person p ON p.person_id", "gov.ent_registry p ON p.uscc"
    for table, column, target, where in [
        ("gov.ent_registry", "legal_rep_id", person, "true"),
        ("gov.ent_person_role", "person_id", person, "true"),
        ("gov.ent_person_role", "uscc", firm, "true"),
        ("gov.tax_credit", "uscc", firm, "true"),
        ("gov.tax_quarter", "uscc", firm, "true"),
        ("gov.ss_person_month", "person_id", person, "true"),
        ("gov.ss_person_month", "uscc", firm, "true"),
        ("gov.ss_ent_month", "uscc", firm, "true"),
        ("gov.hf_account", "person_id", person, "true"),
        ("gov.hf_account", "uscc", firm, "true"),
        ("gov.re_property", "owner_id", person, "owner_class = 'P'"),
        ("gov.re_property", "owner_id", firm, "owner_class = 'E'"),
        ("gov.pen_penalty", "subject_id", person, "t.subject_class = 'P'"),
        ("gov.pen_penalty", "subject_id", firm, "t.subject_class <> 'P'"),
        ("gov.court_dishonest", "subject_id", person, "t.subject_class = 'P'"),
        ("gov.court_dishonest", "subject_id", firm, "t.subject_class <> 'P'"),
        ("gov.credit_list", "subject_id", person, "t.subject_class = 'P'"),
        ("gov.credit_list", "subject_id", firm, "t.subject_class <> 'P'"),
        ("gov.utl_month", "subject_id", person, "t.subject_class = 'P'"),
        ("gov.utl_month", "subject_id", firm, "t.subject_class <> 'P'"),
        ("bank_a.loan_book", "id_no", person, "cust_class = 'P'"),
        ("bank_a.loan_book", "id_no", firm, "cust_class = 'E'"),
        ("plat.authorization", "subject_id", person, "t.subject_class = 'P'"),
        ("plat.authorization", "subject_id", firm, "t.subject_class = 'E'"),
    ]:
        total, lost = rows(
            city,
            f"""
            SELECT count(*), count(*) FILTER (WHERE {target.split()[-1]} IS NULL)
            FROM {table} t LEFT JOIN {target} = t.{column} WHERE {where}""",
        )[0]
        assert total > 0, (table, where)
        assert lost == 0, (table, column)
    assert (
        one(
            city,
            """
        SELECT count(*) FROM bank_a.applicant a LEFT JOIN plat.authorization z USING (auth_id)
        WHERE a.auth_id IS NOT NULL AND (z.auth_id IS NULL OR z.subject_id <> a.id_no)""",
        )
        == 0
    )


def test_departments_tell_the_same_story(city: duckdb.DuckDBPyConnection) -> None:
    assert (
        one(
            city,
            """
        SELECT count(*) FROM gov.ent_registry r JOIN gov.pop_person p ON p.person_id = r.legal_rep_id
        WHERE p.name <> r.legal_rep_name""",
        )
        == 0
    )
    assert one(city, "SELECT count(*) FROM gov.pop_person WHERE street_code[:6] <> live_district") == 0
    assert (
        one(
            city,
            """
        SELECT count(*) FROM gov.pop_person
        WHERE strftime(birth_date, '%Y%m%d') <> person_id[7:14] OR person_id[17]::INT % 2 <> sex % 2""",
        )
        == 0
    )
    assert (
        one(
            city,
            """
        SELECT count(*) FROM (SELECT uscc, sum(share_ratio) s FROM gov.ent_person_role GROUP BY 1)
        WHERE s IS NOT NULL AND s <> 1""",
        )
        == 0
    )
    agreement = one(
        city,
        """
        SELECT corr(h.headcount, p.n) FROM gov.ss_ent_month h
        JOIN (SELECT uscc, count(*) n FROM gov.ss_person_month WHERE pay_month = DATE '2026-06-01' GROUP BY 1) p
        USING (uscc) WHERE h.pay_month = DATE '2026-06-01'""",
    )
    assert agreement > 0.9


def test_nothing_happens_after_the_day_nor_before_its_cause(city: duckdb.DuckDBPyConnection) -> None:
    today = "DATE '2026-06-30'"
    for table, wrong in [
        ("gov.pop_person", f"birth_date > {today} OR updated_at > {today}"),
        ("gov.ent_registry", f"status_on < established_on OR status_on > {today} OR updated_at < established_on"),
        ("gov.hf_account", f"opened_on > {today} OR last_month + 31 < opened_on"),
        ("gov.re_property", f"registered_on > {today}"),
        ("gov.pen_penalty", f"decided_on > {today} OR published_on < decided_on OR published_on > {today}"),
        ("gov.pen_penalty", f"repaired_on < published_on OR repaired_on > {today}"),
        ("gov.court_dishonest", f"published_on < filed_on OR published_on > {today} OR removed_on < published_on"),
        ("gov.credit_list", f"listed_on > {today} OR valid_to < listed_on OR repaired_on < listed_on"),
        ("gov.tax_quarter", f"quarter > {today}"),
        ("gov.ss_person_month", f"pay_month > {today}"),
        ("bank_a.loan_book", f"disbursed_on > {today} OR overdue_days > {today} - disbursed_on"),
        ("bank_a.loan_book", "balance > amount OR defaulted <> (overdue_days > 90)"),
        ("plat.authorization", f"granted_on > {today} OR expires_on < granted_on OR revoked_on < granted_on"),
    ]:
        assert one(city, f"SELECT count(*) FROM {table} WHERE {wrong}") == 0, (table, wrong)
    for table in ("tax_quarter WHERE quarter + 92", "ss_ent_month WHERE pay_month + 31"):
        assert (
            one(
                city,
                f"""
            SELECT count(*) FROM (SELECT uscc, {table.split()[2]} AS day FROM gov.{table.split()[0]})
            JOIN gov.ent_registry USING (uscc)
            WHERE day < established_on - 92 OR status <> '存续' AND day > status_on""",
            )
            == 0
        )
    assert one(city, "SELECT count(DISTINCT quarter) FROM gov.tax_quarter") == 8
    assert one(city, "SELECT count(DISTINCT pay_month) FROM gov.ss_person_month") == 24
    assert one(city, "SELECT count(DISTINCT bill_month) FROM gov.utl_month") == 12


def test_tax_grades_have_the_designed_mix(city: duckdb.DuckDBPyConnection) -> None:
    found = dict(rows(city, "SELECT grade, 100 * count(*) / sum(count(*)) OVER () FROM gov.tax_credit GROUP BY 1"))
    assert found == pytest.approx({"A": 14, "B": 62, "M": 8, "C": 15, "D": 1.5}, abs=4)


def test_three_loans_in_a_hundred_are_bad_and_the_departments_know_why(city: duckdb.DuckDBPyConnection) -> None:
    assert one(city, "SELECT avg(defaulted::INT) FROM bank_a.loan_book") == pytest.approx(0.033, abs=0.015)
    known, unknown = (
        bad
        for _, bad in rows(
            city,
            """
        SELECT t.score < 78 AS weak, avg(l.defaulted::INT) FROM bank_a.loan_book l
        JOIN gov.tax_credit t ON t.uscc = l.id_no GROUP BY 1 ORDER BY weak DESC""",
        )
    )
    assert known > 2 * unknown


def test_public_lists_hold_live_expired_and_repaired_entries(city: duckdb.DuckDBPyConnection) -> None:
    live, expired, repaired = rows(
        city,
        """
        SELECT count(*) FILTER (WHERE valid_to >= DATE '2026-06-30' AND repaired_on IS NULL),
               avg((valid_to < DATE '2026-06-30')::INT), avg((repaired_on IS NOT NULL)::INT)
        FROM gov.credit_list WHERE polarity = 'B'""",
    )[0]
    assert live > 50
    assert expired == pytest.approx(0.10, abs=0.05)
    assert repaired == pytest.approx(0.05, abs=0.04)
    assert one(city, "SELECT count(*) FROM gov.credit_list WHERE polarity = 'R'") > 300
    assert (
        one(
            city,
            """
        SELECT count(*) FROM gov.credit_list l ANTI JOIN gov.court_dishonest c
        ON c.subject_id = l.subject_id AND c.published_on = l.listed_on
        WHERE l.list_code = 'COURT_DISHONEST'""",
        )
        == 0
    )


def test_authorisations_include_the_worthless_ones(city: duckdb.DuckDBPyConnection) -> None:
    named, other, expired = rows(
        city,
        """
        SELECT count(a.auth_id) / count(*), avg((z.purpose <> 'LOAN_ORIGINATION')::INT),
               avg((z.expires_on < a.applied_on)::INT)
        FROM bank_a.applicant a LEFT JOIN plat.authorization z USING (auth_id)""",
    )[0]
    assert (named, other, expired) == pytest.approx((0.8, 0.2, 0.1), abs=0.12)
    assert one(city, "SELECT count(*) FROM plat.authorization WHERE revoked_on IS NOT NULL") > 0
    assert one(city, "SELECT count(*) FROM plat.authorization WHERE NOT single_consent") > 0
    assert one(city, "SELECT count(DISTINCT grantee_org) FROM plat.authorization") == 3


def test_giants_dominate_money_and_electricity_of_their_cells(city: duckdb.DuckDBPyConnection, world: World) -> None:
    named = json.loads(world.targets.read_text(encoding="utf-8"))
    cells = one(city, "SELECT count(DISTINCT (district_code, section)) FROM gov.ent_registry WHERE status = '存续'")
    assert len(named["cell_giants"]) == pytest.approx(0.15 * cells, rel=0.2)
    for kind, part in [("cell_giants", "district_code, section"), ("section_giants", "section")]:
        city.execute(
            "CREATE OR REPLACE TEMP TABLE giant AS SELECT unnest(?) AS uscc", [[g["uscc"] for g in named[kind]]]
        )
        for table, subject, value, period in [
            ("gov.tax_quarter", "uscc", "revenue", "quarter"),
            ("gov.utl_month", "subject_id", "usage_qty", "bill_month"),
        ]:
            where = "kind = '电'" if table == "gov.utl_month" else "true"
            least, units = rows(
                city,
                f"""
                WITH cell AS (
                  SELECT r.uscc, {value} AS v, {period} AS t,
                         sum({value}) OVER (PARTITION BY {part}, {period}) AS total,
                         count(*) OVER (PARTITION BY {part}, {period}) AS units
                  FROM {table} x JOIN gov.ent_registry r ON r.uscc = x.{subject} WHERE {where})
                SELECT min(v / total), min(units) FROM cell SEMI JOIN giant USING (uscc)""",
            )[0]
            assert least > 0.6, (kind, table)
            assert units >= 2


def test_one_firm_is_alone_in_its_section(city: duckdb.DuckDBPyConnection, world: World) -> None:
    lonely = rows(city, "SELECT uscc FROM gov.ent_registry WHERE section = 'T'")
    named = json.loads(world.targets.read_text(encoding="utf-8"))["alone_in_cell"]
    assert len(lonely) == 1
    assert lonely[0][0] in {target["uscc"] for target in named}


def test_unique_persons_are_unique_and_have_a_pay_history(city: duckdb.DuckDBPyConnection, world: World) -> None:
    named = json.loads(world.targets.read_text(encoding="utf-8"))["unique_persons"]
    assert len(named) == 50
    for person in named[:10]:
        found = rows(
            city,
            f"""
            SELECT person_id FROM gov.pop_person
            WHERE birth_date = DATE '{person["birth_date"]}' AND sex = {person["sex"]}
              AND starts_with(person_id, '{person["id_prefix"]}')""",
        )
        assert found == [(person["person_id"],)]
        assert one(city, f"SELECT count(*) FROM gov.ss_person_month WHERE person_id = '{person['person_id']}'") > 0


def test_electricity_falls_months_before_taxes_do(city: duckdb.DuckDBPyConnection, world: World) -> None:
    named = json.loads(world.targets.read_text(encoding="utf-8"))["early_warnings"]
    assert len(named) > 20
    city.execute("CREATE OR REPLACE TEMP TABLE warned (uscc VARCHAR, dark DATE, poor DATE)")
    city.executemany(
        "INSERT INTO warned VALUES (?, ?, ?)",
        [(firm["uscc"], firm["utility_falls_on"], firm["tax_falls_on"]) for firm in named],
    )
    assert rows(
        city, "SELECT min(date_diff('month', dark, poor)), max(date_diff('month', dark, poor)) FROM warned"
    ) == [(2, 3)]
    power = one(
        city,
        """
        SELECT median(after / before) FROM (
          SELECT uscc, avg(usage_qty) FILTER (WHERE bill_month >= dark) AS after,
                 avg(usage_qty) FILTER (WHERE bill_month < dark) AS before
          FROM warned JOIN gov.utl_month ON subject_id = uscc WHERE kind = '电' GROUP BY 1)""",
    )
    still, later = rows(
        city,
        """
        SELECT median(during / before), median(after / before) FROM (
          SELECT uscc, avg(revenue) FILTER (WHERE quarter < dark) AS before,
                 avg(revenue) FILTER (WHERE quarter >= dark AND quarter + 90 < poor) AS during,
                 avg(revenue) FILTER (WHERE quarter >= poor) AS after
          FROM warned JOIN gov.tax_quarter USING (uscc) WHERE NOT zero_declared GROUP BY 1)""",
    )[0]
    assert power < 0.65
    assert later < 0.65
    assert still is None or still > 0.75


def test_families_hold_two_to_eight_firms_at_one_address(city: duckdb.DuckDBPyConnection) -> None:
    share, most = rows(
        city,
        """
        SELECT avg((n > 1)::INT), max(n) FROM (SELECT legal_rep_id, count(*) n FROM gov.ent_registry GROUP BY 1)""",
    )[0]
    assert share == pytest.approx(0.12, abs=0.03)
    assert most <= 8
    assert (
        one(
            city,
            """
        SELECT max(n) FROM (
          SELECT legal_rep_id, count(DISTINCT district_code) n FROM gov.ent_registry GROUP BY 1)""",
        )
        == 1
    )
    assert (
        one(
            city,
            """
        SELECT max(n) FROM (
          SELECT legal_rep_id, count(DISTINCT account_no[:9]) n FROM gov.ent_registry
          JOIN gov.utl_month ON subject_id = uscc GROUP BY 1)""",
        )
        == 1
    )


def test_the_three_credit_libraries_divide_the_subjects(city: duckdb.DuckDBPyConnection) -> None:
    counts = [one(city, f"SELECT count(*) FROM {view}") for view in VIEWS]
    assert counts[0] + counts[1] == 4_000
    assert all(count > 0 for count in counts)


def test_names_and_numbers_belong_to_nobody(city: duckdb.DuckDBPyConnection) -> None:
    assert one(city, "SELECT count(*) FROM gov.ent_registry WHERE NOT contains(ent_name, '测试')") == 0
    assert one(city, "SELECT count(*) FROM gov.pop_person WHERE NOT regexp_matches(person_id, '^37029[0-9]')") == 0
    assert one(city, "SELECT count(*) FROM gov.ent_registry WHERE uscc[3:7] <> '37029'") == 0
    assert (
        one(city, "SELECT count(*) FROM gov.re_property WHERE unit_no[:5] <> '37029' OR length(unit_no) <> 28") == 0
    )


def test_the_small_demo_shows_answers_with_withheld_cells(demo: duckdb.DuckDBPyConnection) -> None:
    grades = rows(
        demo,
        """
        SELECT count(*) n FROM gov.tax_credit JOIN gov.ent_registry r USING (uscc)
        WHERE rating_year = 2025 GROUP BY r.section, r.scale, grade""",
    )
    small = sum(n < 5 for (n,) in grades)
    assert 0 < small < len(grades)
    power = rows(
        demo,
        """
        SELECT section, count(*) AS n, max(v) / sum(v) AS top FROM (
          SELECT r.section, u.bill_month, u.subject_id, sum(u.usage_qty) AS v
          FROM gov.utl_month u JOIN gov.ent_registry r ON r.uscc = u.subject_id WHERE u.kind = '电' GROUP BY ALL)
        GROUP BY section, bill_month""",
    )
    thin = {section for section, n, _ in power if n < 5}
    dominated = {section for section, n, top in power if n >= 5 and top > 0.6}
    open_to_all = {section for section, n, top in power if n >= 5 and top <= 0.6}
    assert thin
    assert "I" in dominated
    assert len(open_to_all) >= 6
    assert one(demo, "SELECT count(*) FROM gov.court_dishonest WHERE subject_class = 'E' AND removed_on IS NULL") > 0
    assert one(demo, "SELECT count(*) FROM gov.pen_penalty WHERE repaired_on IS NULL") > 50
    assert one(demo, "SELECT count(*) FROM bank_a.loan_book WHERE defaulted") > 0
