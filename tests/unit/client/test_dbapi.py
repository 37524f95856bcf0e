"""PEP 249, as tools that know only PEP 249 will use it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.sandbox_simulator import Recorded, Simulation, Trouble
from tests.unit.client.conftest import DISTRICTS, EVERYTHING, FORBIDDEN, IMPATIENT, districts

from louver import dbapi
from louver.errors import Fault, Refused, Unproven
from louver.failures import MissingExtra, Misused, Unreachable


@pytest.fixture
def connection(sandbox: Simulation) -> Iterator[dbapi.Connection]:
    with dbapi.connect(**sandbox.arguments(surroundings=IMPATIENT)) as opened:
        yield opened


def test_the_module_says_what_it_is() -> None:
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 1, "named")


def test_the_exception_tree_is_the_standard_one() -> None:
    parents = {
        "Warning": "Exception",
        "Error": "Exception",
        "InterfaceError": "Error",
        "DatabaseError": "Error",
        "DataError": "DatabaseError",
        "OperationalError": "DatabaseError",
        "IntegrityError": "DatabaseError",
        "InternalError": "DatabaseError",
        "ProgrammingError": "DatabaseError",
        "NotSupportedError": "DatabaseError",
    }
    for name, parent in parents.items():
        assert getattr(dbapi, name).__base__.__name__ == parent
        assert getattr(dbapi.Connection, name) is getattr(dbapi, name)


def test_a_question_fills_description_and_rows(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    assert (cursor.description, cursor.rowcount, cursor.rownumber) == (None, -1, None)
    assert cursor.execute(DISTRICTS) is cursor
    assert cursor.rowcount == 3
    assert cursor.description is not None
    assert [item[0] for item in cursor.description] == ["district", "n", "total", "since"]
    assert all(len(item) == 7 for item in cursor.description)
    text, integer, decimal, day = (item[1] for item in cursor.description)
    assert text == dbapi.STRING
    assert integer == dbapi.NUMBER
    assert decimal == dbapi.NUMBER
    assert day == dbapi.DATETIME
    assert text != dbapi.NUMBER
    assert cursor.description[2][4:6] == (38, 2)


def test_rows_are_fetched_once_and_in_order(connection: dbapi.Connection) -> None:
    rows = [tuple(row.values()) for row in districts().to_pylist()]
    cursor = connection.cursor().execute(DISTRICTS)
    assert cursor.fetchone() == rows[0]
    assert cursor.rownumber == 1
    assert cursor.fetchmany() == [rows[1]]
    assert cursor.fetchmany(5) == [rows[2]]
    assert (cursor.fetchone(), cursor.fetchmany(2), cursor.fetchall()) == (None, [], [])
    assert list(cursor.execute(DISTRICTS)) == rows
    cursor.arraysize = 2
    assert cursor.execute(DISTRICTS).fetchmany() == rows[:2]
    assert cursor.fetchall() == rows[2:]


def test_an_answer_without_rows_is_still_an_answer(sandbox: Simulation, connection: dbapi.Connection) -> None:
    sandbox.service.answers[EVERYTHING] = Recorded(districts().slice(0, 0))
    cursor = connection.cursor().execute(EVERYTHING)
    assert (cursor.rowcount, cursor.fetchone(), cursor.fetchall()) == (0, None, [])
    assert cursor.description is not None


def test_whole_answers_and_what_was_said_about_them(connection: dbapi.Connection) -> None:
    cursor = connection.cursor().execute(DISTRICTS)
    assert cursor.fetch_arrow_table() == districts()
    assert cursor.fetchall() == []
    assert len(cursor.fetch_df()) == len(cursor.fetch_polars()) == 3
    assert cursor.notices[0].count == 2
    assert cursor.answer.receipt is not None


def test_parameters_are_named(sandbox: Simulation, connection: dbapi.Connection) -> None:
    connection.cursor().execute(DISTRICTS, {"day": date(2025, 1, 1), "least": Decimal("1.50")})
    (question,) = sandbox.service.asked
    assert question.parameters["day"].date == "2025-01-01"
    assert question.parameters["least"].decimal == "1.50"
    wrong: Any = (1, 2)
    with pytest.raises(dbapi.ProgrammingError, match="named"):
        connection.cursor().execute(DISTRICTS, wrong)
    with pytest.raises(dbapi.InterfaceError, match="Decimal"):
        connection.cursor().execute(DISTRICTS, {"least": 0.1})  # type: ignore[dict-item]  # the point of the test


def test_a_refusal_keeps_its_code_and_its_cause(connection: dbapi.Connection) -> None:
    with pytest.raises(dbapi.ProgrammingError) as caught:
        connection.cursor().execute(FORBIDDEN)
    assert caught.value.code == "LVR-2104"
    assert isinstance(caught.value.__cause__, Refused)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Refused("LVR-0101", "m"), dbapi.OperationalError),
        (Refused("LVR-1301", "m"), dbapi.ProgrammingError),
        (Refused("LVR-2104", "m"), dbapi.ProgrammingError),
        (Refused("LVR-3001", "m"), dbapi.OperationalError),
        (Refused("LVR-2999", "m", retry_after=3.0), dbapi.OperationalError),
        (Unreachable("", "m"), dbapi.OperationalError),
        (Fault("inc-1"), dbapi.InternalError),
        (Unproven("m"), dbapi.DatabaseError),
        (Misused("m"), dbapi.InterfaceError),
        (MissingExtra("m"), dbapi.NotSupportedError),
    ],
)
def test_each_error_has_its_place_in_the_tree(error: Exception, kind: type[Exception]) -> None:
    from louver.dbapi.exceptions import translating

    with pytest.raises(dbapi.Error) as caught, translating():
        raise error
    assert type(caught.value) is kind


def test_faults_of_the_platform_are_internal_errors(sandbox: Simulation, connection: dbapi.Connection) -> None:
    sandbox.service.troubles.append(Trouble.FAULT)
    with pytest.raises(dbapi.InternalError, match="inc-17"):
        connection.cursor().execute(DISTRICTS)


def test_settings_that_cannot_be_used_are_interface_errors(sandbox: Simulation, tmp_path: Path) -> None:
    with pytest.raises(dbapi.InterfaceError):
        dbapi.connect(**sandbox.arguments(key=tmp_path / "absent.key"))


def test_what_cannot_be_is_not_supported(connection: dbapi.Connection) -> None:
    connection.commit()
    cursor = connection.cursor()
    cursor.setinputsizes([1])
    cursor.setoutputsize(1)
    assert cursor.lastrowid is None
    refusals = (
        connection.rollback,
        lambda: cursor.executemany(DISTRICTS, [{}]),
        lambda: cursor.callproc("p"),
        cursor.nextset,
    )
    for refused in refusals:
        with pytest.raises(dbapi.NotSupportedError):
            refused()


def test_use_out_of_order_is_refused(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    for fetch in (cursor.fetchone, cursor.fetchall, cursor.fetch_arrow_table):
        with pytest.raises(dbapi.ProgrammingError, match="nothing has been asked"):
            fetch()
    cursor.execute(DISTRICTS)
    cursor.close()
    for use in (cursor.fetchone, lambda: cursor.execute(DISTRICTS)):
        with pytest.raises(dbapi.ProgrammingError, match="the cursor is closed"):
            use()
    second = connection.cursor()
    connection.close()
    connection.close()
    for use in (connection.cursor, connection.commit, lambda: second.execute(DISTRICTS)):
        with pytest.raises(dbapi.ProgrammingError, match="the connection is closed"):
            use()


def test_a_failed_question_leaves_no_old_rows_behind(connection: dbapi.Connection) -> None:
    cursor = connection.cursor().execute(DISTRICTS)
    with pytest.raises(dbapi.ProgrammingError):
        cursor.execute(FORBIDDEN)
    assert cursor.description is None
    with pytest.raises(dbapi.ProgrammingError):
        cursor.fetchall()


def test_constructors_make_the_standard_types() -> None:
    assert dbapi.Date(2025, 1, 2) == date(2025, 1, 2)
    assert dbapi.DateFromTicks(0) == date(1970, 1, 1)
    assert dbapi.TimeFromTicks(3661).hour == 1
    assert dbapi.TimestampFromTicks(0).replace(tzinfo=None) == datetime(1970, 1, 1)
    assert dbapi.Binary(b"x") == b"x"
    assert len({dbapi.STRING, dbapi.NUMBER, dbapi.DATETIME, dbapi.BINARY, dbapi.ROWID}) == 5
