"""The settings of a client in force: profile, credentials, what must be proved, and the rim of the world."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from louver import questions
from louver.failures import Misused
from louver.profiles import Profile, resolve
from louver.questions import Parameter
from louver.surroundings import Surroundings
from louver.tls import Credentials, read_credentials
from louver.transparency import VerifierKey
from louver.v1 import sandbox_pb2 as pb


@dataclass(frozen=True, slots=True)
class Settings:
    """A profile with its credentials read, and whether receipts must prove the answers."""

    profile: Profile
    credentials: Credentials
    verify: bool
    around: Surroundings

    @property
    def log_key(self) -> str:
        """The key answers are proved with; empty when they are not to be."""
        return self.profile.log_key if self.verify else ""

    def question(
        self,
        sql: str,
        purpose: str | None,
        parameters: Mapping[str, Parameter] | None,
        request_id: str | None,
        timeout: float,
        dialect: str | None = None,
    ) -> pb.Question:
        """The signed question, good for the call's whole time and a margin for clocks that differ."""
        return questions.ask(
            sql,
            purpose=self.profile.purpose if purpose is None else purpose,
            parameters=parameters,
            request_id=self.around.new_request_id() if request_id is None else request_id,
            expires=questions.expiry(self.around.clock(), timeout),
            key=self.credentials.signing_key,
            dialect=self.profile.dialect if dialect is None else dialect,
        )

    def explain_request(
        self,
        sql: str,
        purpose: str | None,
        parameters: Mapping[str, Parameter] | None,
        dialect: str | None = None,
    ) -> pb.ExplainRequest:
        """The unsigned dry run of a question."""
        return pb.ExplainRequest(
            purpose=self.profile.purpose if purpose is None else purpose,
            sql=questions.checked_sql(sql),
            parameters=questions.encode_parameters(parameters),
            dialect=questions.checked_dialect(self.profile.dialect if dialect is None else dialect),
        )

    def time_allowed(self, timeout: float | None) -> float:
        """Seconds for one call, retries included."""
        return self.profile.timeout if timeout is None else timeout


def settle(
    target: str | None = None,
    *,
    profile: str | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    ca: str | Path | None = None,
    log_key: str | None = None,
    purpose: str | None = None,
    dialect: str | None = None,
    timeout: float | None = None,
    verify: bool | None = None,
    surroundings: Surroundings | None = None,
) -> Settings:
    """Settings in force for these arguments, this environment and the configuration file. Raises ``Misused``."""
    arguments = {
        "target": target,
        "certificate": certificate,
        "key": key,
        "ca": ca,
        "log_key": log_key,
        "purpose": purpose,
        "dialect": dialect,
        "timeout": timeout,
    }
    around = surroundings or Surroundings()
    resolved = resolve(arguments, os.environ, Path.home(), profile)
    if verify and not resolved.log_key:
        raise Misused("receipts cannot be verified without the log's public key", "set log_key")
    if resolved.log_key:
        VerifierKey.parse(resolved.log_key)  # a key that can verify nothing must not look like one that can
    credentials = read_credentials(resolved, around.clock())
    return Settings(resolved, credentials, bool(resolved.log_key) if verify is None else verify, around)
