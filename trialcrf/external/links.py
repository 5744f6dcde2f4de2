"""Signed links in mails: what a link names travels in its address, and nobody but the holder of the key can make or alter one."""

from __future__ import annotations

import hashlib

from itsdangerous import BadData, URLSafeSerializer


def signed(key: str, *parts: str) -> str:
    """The parts as one word that may stand in an address. They can be read by anyone; the first should say what the link is for."""
    return str(_signer(key).dumps(list(parts)))


def read(key: str, text: str) -> tuple[str, ...] | None:
    """The parts of a signed word, or None where it was not made with this key or was altered."""
    try:
        parts = _signer(key).loads(text)
    except BadData:
        return None
    return tuple(parts) if isinstance(parts, list) and all(isinstance(part, str) for part in parts) else None


def _signer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt="trialcrf.links", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256})
