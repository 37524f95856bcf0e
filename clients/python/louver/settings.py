"""The settings of a client in force: profile, credentials, what must be proved, and the rim of the world."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from louver import questions
from louver.failures import Misused
from louver.profiles import Profile, resolve
from louver.questions import Parameter
from louver.sealing.columns import SCHEME
from louver.signing import sign_registration
from louver.surroundings import Surroundings
from louver.tls import Credentials, institution_of, read_credentials
from louver.transparency import LogKey
from louver.v1 import sandbox_pb2 as pb
from louver.wishes import Accuracy, Epsilon, checked

if TYPE_CHECKING:
    from louver.sealing.key_files import KeyRing
    from louver.sealing.keys import PrivateKey
    from louver.sending import Outgoing
    from louver.tokens.columns import Evaluate


def passphrase_of_environment() -> str:
    """``LOUVER_KEY_PASSPHRASE``. Raises ``Misused``."""
    found = os.environ.get("LOUVER_KEY_PASSPHRASE", "")
    if not found:
        raise Misused("a private key is needed and its passphrase is not given", "set LOUVER_KEY_PASSPHRASE")
    return found


@dataclass(frozen=True)
class Settings:
    """A profile with its credentials read, and whether receipts must prove the answers."""

    profile: Profile
    credentials: Credentials
    verify: bool
    around: Surroundings
    passphrase: Callable[[], str] = passphrase_of_environment

    @cached_property
    def key_ring(self) -> KeyRing:
        """The Paillier keys that sealed answers are opened with."""
        from louver.sealing.key_files import KeyRing

        return KeyRing(self.profile.keys, self.passphrase)

    def private(self, kid: str) -> PrivateKey:
        """The private key of that id, unlocked when it is first needed. Raises ``Misused``."""
        return self.key_ring.private(kid)

    def seal(self, wanted: bool) -> str:
        """What a question says of sealing. Raises ``Misused`` when there is no key to open the answer with."""
        if wanted:
            self.key_ring.find()
        return SCHEME if wanted else ""

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
        seal: bool = False,
        epsilon: Epsilon | None = None,
        accuracy: Accuracy | None = None,
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
            seal=self.seal(seal),
            epsilon=epsilon,
            accuracy=accuracy,
        )

    def explain_request(
        self,
        sql: str,
        purpose: str | None,
        parameters: Mapping[str, Parameter] | None,
        dialect: str | None = None,
        seal: bool = False,
        epsilon: Epsilon | None = None,
        accuracy: Accuracy | None = None,
    ) -> pb.ExplainRequest:
        """The unsigned dry run of a question."""
        said_epsilon, wanted = checked(epsilon, accuracy)
        return pb.ExplainRequest(
            purpose=self.profile.purpose if purpose is None else purpose,
            sql=questions.checked_sql(sql),
            parameters=questions.encode_parameters(parameters),
            dialect=questions.checked_dialect(self.profile.dialect if dialect is None else dialect),
            seal=SCHEME if seal else "",
            epsilon=said_epsilon,
            accuracy=wanted,
        )

    def key_registration(self, key: PrivateKey, valid_for: timedelta) -> pb.RegisterKeyRequest:
        """The signed registration of a key's public part, with the proof of its modulus. Raises ``Misused``."""
        from louver.sealing.proofs import prove

        institution = institution_of(self.credentials.certificate)
        request = pb.RegisterKeyRequest(
            modulus=key.public.to_bytes(),
            proof=prove(key, institution),
            expires=questions.rfc3339(self.around.clock() + valid_for),
        )
        request.signature = sign_registration(request, self.credentials.signing_key)
        return request

    def upload(
        self,
        data: object,
        encrypted: Mapping[str, int],
        encrypting: Callable[[int, int], None] | None,
        tokens: Mapping[str, str] | None = None,
        evaluate: Evaluate | None = None,
    ) -> Outgoing:
        """The table as it is sent, these columns encrypted to the newest key, and of those with ids the tokens that
        ``evaluate`` gets. Raises ``Misused``."""
        from louver.encoding import encode
        from louver.sending import Outgoing

        if both := set(encrypted) & set(tokens or ()):
            raise Misused(f"column {min(both)} is encrypted or has tokens, not both", "ids have tokens")
        clear = encode(data)
        if tokens and evaluate is not None:
            clear = self._with_tokens(clear, tokens, evaluate)
        if not encrypted:
            return Outgoing(clear)
        from louver.sealing import uploading

        try:
            key = self.key_ring.private(self.key_ring.find().kid)
        except BaseException:
            clear.close()
            raise
        return uploading.encrypting(clear, encrypted, key, encrypting)

    def _with_tokens(self, clear: IO[bytes], tokens: Mapping[str, str], evaluate: Evaluate) -> IO[bytes]:
        from louver.tokens.columns import with_tokens

        with clear:
            made = with_tokens(clear, tokens, evaluate)
        for column, count in made.skipped.items():
            told = f"column {column}: {count} values are no ids and are uploaded as NULL"
            warnings.warn(told, UserWarning, stacklevel=2)
        return made.content

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
    keys: str | Path | None = None,
    key_passphrase: str | Callable[[], str] | None = None,
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
        "keys": keys,
    }
    around = surroundings or Surroundings()
    resolved = resolve(arguments, os.environ, Path.home(), profile)
    if verify and not resolved.log_key:
        raise Misused("receipts cannot be verified without the log's public key", "set log_key")
    if resolved.log_key:
        LogKey.parse(resolved.log_key)  # a key that can verify nothing must not look like one that can
    credentials = read_credentials(resolved, around.clock())
    passphrase = partial(str, key_passphrase) if isinstance(key_passphrase, str) else key_passphrase
    return Settings(
        resolved,
        credentials,
        bool(resolved.log_key) if verify is None else verify,
        around,
        passphrase or passphrase_of_environment,
    )
