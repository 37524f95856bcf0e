"""The exception tree of PEP 249, and where each of our errors stands in it.

Each raised exception has the Louver error it stands for as ``__cause__``, and a refusal's code as ``code``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from louver.errors import Error as LouverError
from louver.errors import Fault, Refused
from louver.failures import MissingExtra, Misused, Unreachable


class Warning(Exception):  # noqa: A001 - PEP 249 asks for this name
    """Something worth knowing that is no error (PEP 249). Never raised here: see ``Cursor.notices``."""


class Error(Exception):
    """The base of every error of this module (PEP 249). ``code`` is the refusal's, empty for other errors."""

    code = ""


class InterfaceError(Error):
    """The module was used wrongly, or its settings cannot be used; nothing was sent."""


class DatabaseError(Error):
    """The sandbox or its answer is the trouble. Raised as such when a proof does not hold."""


class DataError(DatabaseError):
    """A value cannot be processed (PEP 249)."""


class OperationalError(DatabaseError):
    """Not reachable, not admitted, out of budget or overloaded: nothing is wrong with the SQL."""


class IntegrityError(DatabaseError):
    """Relational integrity (PEP 249). Never raised: there is nothing to write."""


class InternalError(DatabaseError):
    """The platform failed; its operator finds the incident number in the message."""


class ProgrammingError(DatabaseError):
    """The question itself was refused, or the cursor was used out of order."""


class NotSupportedError(DatabaseError):
    """What PEP 249 offers and this platform does not, by design."""


_REFUSED: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("LVR-0", OperationalError),  # identity and service
    ("LVR-3", OperationalError),  # budget
)
"""By the code's first digit; every other refusal is about the question."""


def counterpart(error: LouverError) -> Error:
    """The PEP 249 exception for one of ours."""
    raised = _kind(error)(str(error))
    if isinstance(error, Refused | Misused):
        raised.code = error.code
    return raised


def _kind(error: LouverError) -> type[Error]:
    match error:
        case Refused(code=code):
            by_code = (kind for prefix, kind in _REFUSED if code.startswith(prefix))
            return OperationalError if error.retryable else next(by_code, ProgrammingError)
        case Unreachable():
            return OperationalError
        case Fault():
            return InternalError
        case MissingExtra():
            return NotSupportedError
        case Misused():
            return InterfaceError
        case _:
            return DatabaseError


@contextmanager
def translating() -> Iterator[None]:
    """Raise the counterpart of any Louver error that leaves the block."""
    try:
        yield
    except LouverError as error:
        raise counterpart(error) from error
