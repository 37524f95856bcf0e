"""A question carries typed parameters and a signature; what cannot be sent exactly is not sent at all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from louver.failures import Misused
from louver.questions import ask, checked_request_id, encode_parameter, encode_parameters, expiry, rfc3339
from louver.signing import is_signed_by, signing_bytes
from louver.v1 import sandbox_pb2 as pb

KEY = ec.generate_private_key(ec.SECP256R1())
REQUEST_ID = "0e6f9b1c-5d0e-4a53-9f7b-6a2f3f1f0c11"


def question(**changes: Any) -> pb.Question:
    arguments: dict[str, Any] = {
        "sql": "SELECT 1",
        "purpose": "credit_approval",
        "parameters": {"day": date(2025, 1, 1)},
        "request_id": REQUEST_ID,
        "expires": datetime(2026, 1, 1, tzinfo=UTC),
        "key": KEY,
    }
    arguments.update(changes)
    return ask(arguments.pop("sql"), **arguments)


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        (True, "boolean", True),
        (1, "integer", 1),
        (-(2**63), "integer", -(2**63)),
        (Decimal("0.10"), "decimal", "0.10"),
        (Decimal("1E+3"), "decimal", "1000"),
        ("市南区'; DROP", "text", "市南区'; DROP"),
        (date(2025, 1, 31), "date", "2025-01-31"),
    ],
)
def test_the_python_type_is_the_type_on_the_wire(value: Any, kind: str, sent: object) -> None:
    encoded = encode_parameter("p", value)
    assert encoded.WhichOneof("kind") == kind
    assert getattr(encoded, kind) == sent


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (0.1, "Decimal"),
        (2**63, "Decimal"),
        (None, "bool, int"),
        (datetime(2025, 1, 1), "datetime.date"),
        (Decimal("NaN"), "bool, int"),
        (b"bytes", "bool, int"),
    ],
)
def test_what_is_not_exact_is_refused_with_a_way_out(value: Any, hint: str) -> None:
    with pytest.raises(Misused) as caught:
        encode_parameter("p", value)
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["", "1a", "a b", "名", "a;", "a" * 64, 3])
def test_parameter_names_are_plain_identifiers(name: Any) -> None:
    with pytest.raises(Misused):
        encode_parameters({name: 1})


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_arrives_as_the_same_number(value: Decimal) -> None:
    assert Decimal(encode_parameter("p", value).decimal) == value


def test_the_signature_covers_everything_that_matters() -> None:
    signed = question()
    assert is_signed_by(signed, KEY.public_key())
    for field, value in (
        ("sql", "SELECT 2"),
        ("purpose", "marketing"),
        ("dialect", "mysql"),
        ("request_id", REQUEST_ID.replace("0", "1")),
        ("expires", "2027-01-01T00:00:00Z"),
    ):
        forged = pb.Question()
        forged.CopyFrom(signed)
        setattr(forged, field, value)
        assert not is_signed_by(forged, KEY.public_key()), field
    forged = pb.Question()
    forged.CopyFrom(signed)
    forged.parameters["day"].date = "2024-01-01"
    assert not is_signed_by(forged, KEY.public_key())


@pytest.mark.parametrize("sql", [None, 3, b"SELECT 1", "SELECT '\ud800'"])
def test_sql_is_unicode_text(sql: Any) -> None:
    with pytest.raises(Misused):
        question(sql=sql)


def test_the_signature_covers_the_dialect_and_an_unset_one_signs_as_before() -> None:
    assert question(dialect="mysql").dialect == "mysql"
    assert b"dialect" not in signing_bytes(question())
    assert signing_bytes(question(dialect="mysql")).endswith(b"dialect: mysql\n")


@pytest.mark.parametrize("dialect", ["MySQL", "a b", "x\ny", "a" * 17, None])
def test_a_dialect_is_one_word(dialect: Any) -> None:
    with pytest.raises(Misused):
        question(dialect=dialect)


def test_a_request_id_has_one_spelling() -> None:
    assert checked_request_id(REQUEST_ID.upper()) == REQUEST_ID
    for wrong in ("", "17", "not-a-uuid"):
        with pytest.raises(Misused):
            checked_request_id(wrong)


def test_moments_are_sent_in_utc() -> None:
    assert rfc3339(datetime(2026, 1, 1, 8, 30, 59, 999_999, tzinfo=UTC)) == "2026-01-01T08:30:59Z"


def test_a_signature_outlives_the_call_but_not_the_hour() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert rfc3339(expiry(now, 60)) == "2026-01-01T00:06:00Z"
    assert rfc3339(expiry(now, 86_400)) == "2026-01-01T00:55:00Z"
