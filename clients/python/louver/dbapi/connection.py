"""PEP 249 connections."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from louver.client import Client
from louver.client import connect as connect_client
from louver.dbapi import exceptions
from louver.dbapi.cursor import Cursor

if TYPE_CHECKING:
    from typing import Self


def connect(target: str | None = None, **settings: Any) -> Connection:
    """A connection; the arguments are those of ``louver.connect``. Raises ``InterfaceError``."""
    with exceptions.translating():
        return Connection(connect_client(target, **settings))


class Connection:
    """A PEP 249 connection. The exceptions are attributes too, as the standard's extensions ask."""

    Warning = exceptions.Warning
    Error = exceptions.Error
    InterfaceError = exceptions.InterfaceError
    DatabaseError = exceptions.DatabaseError
    DataError = exceptions.DataError
    OperationalError = exceptions.OperationalError
    IntegrityError = exceptions.IntegrityError
    InternalError = exceptions.InternalError
    ProgrammingError = exceptions.ProgrammingError
    NotSupportedError = exceptions.NotSupportedError

    def __init__(self, client: Client) -> None:
        self._client: Client | None = client

    @property
    def client(self) -> Client:
        """The Louver client underneath. Raises ``ProgrammingError`` when closed."""
        if self._client is None:
            raise exceptions.ProgrammingError("the connection is closed")
        return self._client

    def cursor(self) -> Cursor:
        """A new cursor. Raises ``ProgrammingError`` when closed."""
        return Cursor(self, lambda: self.client)

    def close(self) -> None:
        """Close for good; further use raises ``ProgrammingError``."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def commit(self) -> None:
        """Nothing: what was asked is already paid for and logged."""
        self.client  # noqa: B018 - a closed connection must still be refused

    def rollback(self) -> None:
        """Not possible: budget once spent is never given back. Raises ``NotSupportedError``."""
        raise exceptions.NotSupportedError("a question that was answered cannot be taken back")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
