"""The other second factor: a passkey (WebAuthn), which signs a challenge for this very address and for no other.

So a code cannot be talked out of anybody by a page that looks like ours. The key is used beside a password; who holds
the device is what it proves, and no attestation of its make is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from louver_server.accounts.model import Passkey

CHALLENGE_BYTES: Final = 32
LONGEST: Final = 16_384
"""Characters of what a browser sends."""


class NotSigned(Exception):
    """What was sent proves no passkey."""


@dataclass(frozen=True, slots=True)
class Site:
    """The console as passkeys know it: by its origin."""

    origin: str

    @property
    def host(self) -> str:
        """What a passkey is bound to (the relying party's id)."""
        return urlsplit(self.origin).hostname or ""

    def wanted(self, name: str, challenge: bytes) -> str:
        """What a browser is asked for to make one, as JSON."""
        options = webauthn.generate_registration_options(
            rp_id=self.host,
            rp_name="Louver",
            user_name=name,
            user_id=name.encode(),
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.DISCOURAGED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
        )
        return webauthn.options_to_json(options)

    def made(self, said: str, challenge: bytes) -> Passkey:
        """The passkey that was made. Raises `NotSigned`."""
        try:
            found = webauthn.verify_registration_response(
                credential=_short(said), expected_challenge=challenge, expected_rp_id=self.host,
                expected_origin=self.origin, require_user_verification=False,
            )  # fmt: skip
        except (WebAuthnException, ValueError, TypeError, KeyError) as wrong:
            raise NotSigned from wrong
        return Passkey(found.credential_id, found.credential_public_key, found.sign_count)

    def asked(self, passkey: Passkey, challenge: bytes) -> str:
        """What a browser is asked for to use one, as JSON."""
        options = webauthn.generate_authentication_options(
            rp_id=self.host,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential)],
            user_verification=UserVerificationRequirement.PREFERRED,
        )
        return webauthn.options_to_json(options)

    def used(self, said: str, passkey: Passkey, challenge: bytes) -> int:
        """What its counter says now. Raises `NotSigned`; also where the counter went back, as a copy's does."""
        try:
            found = webauthn.verify_authentication_response(
                credential=_short(said), expected_challenge=challenge, expected_rp_id=self.host,
                expected_origin=self.origin, credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.uses, require_user_verification=False,
            )  # fmt: skip
        except (WebAuthnException, ValueError, TypeError, KeyError) as wrong:
            raise NotSigned from wrong
        if found.credential_id != passkey.credential:
            raise NotSigned
        return found.new_sign_count


def _short(said: str) -> str:
    if len(said) > LONGEST:
        raise NotSigned
    return said
