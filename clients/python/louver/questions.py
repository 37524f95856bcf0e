"""From what a program asks to the signed question that goes over the wire. Pure: clock and ids are arguments."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric import ec

from louver.failures import Misused
from louver.signing import sign
from louver.v1 import sandbox_pb2 as pb
from louver.wishes import Accuracy, Epsilon, checked

Parameter = bool | int | Decimal | str | date
"""What may stand for ``:name`` in SQL; its Python type is its SQL type."""

EXPIRY_MARGIN = timedelta(minutes=5)
"""How much longer than the call itself a signature stays good, for clocks that differ."""

LONGEST_LIFE = timedelta(minutes=55)
"""The service takes no signature that is good for more than an hour; clocks may differ by the margin."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SINT64 = range(-(2**63), 2**63)


def encode_parameters(parameters: Mapping[str, Parameter] | None) -> dict[str, pb.Value]:
    """Typed constants for the wire. Raises ``Misused`` for a name or type that cannot be sent."""
    return {_checked_name(name): encode_parameter(name, value) for name, value in (parameters or {}).items()}


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Misused("a parameter's name has ASCII letters, digits and underscores", "such as :from_date")
    return name


def encode_parameter(name: str, value: Parameter) -> pb.Value:
    """One typed constant. bool comes before int and datetime before date: each is a subclass of the other."""
    match value:
        case bool():
            return pb.Value(boolean=value)
        case int() if value in _SINT64:
            return pb.Value(integer=value)
        case int():
            raise Misused(f"parameter {name} is beyond 64 bits", "pass it as decimal.Decimal")
        case Decimal() if value.is_finite():
            return pb.Value(decimal=format(value, "f"))
        case str():
            return pb.Value(text=_utf8(value, f"parameter {name}"))
        case date() if not isinstance(value, datetime):
            return pb.Value(date=value.isoformat())
        case float():
            raise Misused(f"parameter {name} is a float, which is not exact", "pass decimal.Decimal('0.1')")
        case _:
            raise Misused(
                f"parameter {name} cannot be sent as a {type(value).__name__}",
                "parameters are bool, int, decimal.Decimal, str or datetime.date",
            )


def _utf8(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Misused(f"{what} is not valid Unicode text") from None
    return text


def checked_sql(sql: object) -> str:
    """The SQL as text that can be sent. Raises ``Misused``."""
    if not isinstance(sql, str):
        raise Misused("the SQL must be a str")
    return _utf8(sql, "the SQL")


def checked_dialect(dialect: object) -> str:
    """The dialect as the service writes it. Raises ``Misused``; which ones there are, the service knows."""
    if not isinstance(dialect, str) or not re.fullmatch(r"[a-z]{0,16}", dialect):
        raise Misused("a dialect is a word in small letters", "duckdb, postgres, mysql, spark or oracle")
    return dialect


def checked_request_id(request_id: str) -> str:
    """The id in its one spelling (RFC 9562, 4): lower-case hexadecimal with hyphens. Raises ``Misused``."""
    try:
        return str(uuid.UUID(request_id))
    except (ValueError, AttributeError, TypeError):
        raise Misused("a request id is a UUID", "leave it out to have one made") from None


def expiry(now: datetime, timeout: float) -> datetime:
    """Until when the signature of a question is good that is asked now and may take ``timeout`` seconds."""
    return now + min(timedelta(seconds=timeout) + EXPIRY_MARGIN, LONGEST_LIFE)


def rfc3339(moment: datetime) -> str:
    """A moment in UTC to the second (RFC 3339, 5.6)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ask(
    sql: str,
    *,
    purpose: str,
    parameters: Mapping[str, Parameter] | None,
    request_id: str,
    expires: datetime,
    key: ec.EllipticCurvePrivateKey,
    dialect: str = "",
    seal: str = "",
    epsilon: Epsilon | None = None,
    accuracy: Accuracy | None = None,
) -> pb.Question:
    """The signed question. Raises ``Misused`` when something in it cannot be sent."""
    said_epsilon, wanted = checked(epsilon, accuracy)
    question = pb.Question(
        request_id=checked_request_id(request_id),
        purpose=_utf8(purpose, "the purpose"),
        sql=checked_sql(sql),
        parameters=encode_parameters(parameters),
        expires=rfc3339(expires),
        dialect=checked_dialect(dialect),
        seal=seal,
        epsilon=said_epsilon,
        accuracy=wanted,
    )
    question.signature = sign(question, key)
    return question
