"""Passkeys (W3C Web Authentication): what a browser is asked, and whether its answer holds. The only room that imports webauthn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

TIMEOUT_MS = 5 * 60 * 1000
LARGEST = 16 * 1024
"""Characters of an answer that is looked at: a browser's is far smaller."""

PREFERRED, REQUIRED = UserVerificationRequirement.PREFERRED, UserVerificationRequirement.REQUIRED


class NotProven(Exception):
    """The answer does not prove that the key is there; the text says why, for the log alone."""


@dataclass(frozen=True, slots=True)
class Here:
    """Who asks: the address of this program as a browser knows it, and its host, to which a passkey is bound.

    A passkey is bound to a name and never to a number: on this machine alone the name is localhost.
    """

    origin: str
    host: str

    @classmethod
    def of(cls, base_url: str) -> Here:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "localhost", f":{parts.port}" if parts.port else ""
        name = "localhost" if host in ("127.0.0.1", "::1") else host
        return cls(f"{parts.scheme}://{name}{port}", name)


@dataclass(frozen=True, slots=True)
class Key:
    """A new passkey: its id and public key in base64url, and how often it says that it was used."""

    credential: str
    public_key: str
    counter: int


def to_make(here: Here, challenge: str, handle: bytes, username: str, name: str, known: Sequence[str]) -> str:
    """What a browser is asked to make a passkey, as JSON; it refuses to make a second one on a device that has one of `known`."""
    options = generate_registration_options(
        rp_id=here.host,
        rp_name="trialcrf",
        user_id=handle,
        user_name=username,
        user_display_name=name,
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_described(known),
    )
    return options_to_json(options)


def made(here: Here, challenge: str, answer: str) -> Key:
    """The passkey that the browser made. Raises NotProven."""
    try:
        found = verify_registration_response(
            credential=_small(answer),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=here.host,
            expected_origin=here.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotProven(f"{type(error).__name__}: {error}") from error
    return Key(bytes_to_base64url(found.credential_id), bytes_to_base64url(found.credential_public_key), found.sign_count)


def to_prove(here: Here, challenge: str, known: Sequence[str], verified: bool) -> str:
    """What a browser is asked to prove that a passkey is there, as JSON: one of `known`, or any that it has for this address.

    `verified`: the device must ask its owner for a fingerprint, a face or a code.
    """
    options = generate_authentication_options(
        rp_id=here.host,
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MS,
        allow_credentials=_described(known),
        user_verification=REQUIRED if verified else PREFERRED,
    )
    return options_to_json(options)


def named(answer: str) -> str:
    """The id of the passkey that an answer is from, in base64url. Proves nothing yet. Raises NotProven."""
    try:
        return bytes_to_base64url(parse_authentication_credential_json(_small(answer)).raw_id)
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotProven(f"{type(error).__name__}: {error}") from error


def proven(here: Here, challenge: str, answer: str, public_key: str, counter: int, verified: bool) -> int:
    """How often the key says that it was used. Raises NotProven, for a copied key too: one whose count did not rise."""
    try:
        found = verify_authentication_response(
            credential=_small(answer),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=here.host,
            expected_origin=here.origin,
            credential_public_key=base64url_to_bytes(public_key),
            credential_current_sign_count=counter,
            require_user_verification=verified,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotProven(f"{type(error).__name__}: {error}") from error
    return int(found.new_sign_count)


def _described(credentials: Sequence[str]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in credentials]


def _small(answer: str) -> str:
    if len(answer) > LARGEST or not isinstance(json.loads(answer), dict):
        raise ValueError("no answer of a browser")
    return answer
