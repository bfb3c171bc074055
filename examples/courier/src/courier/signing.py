"""Signatures that say when: a recorded request cannot be sent again much later."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta, timezone

HEADER = "Courier-Signature"


class BadSignature(ValueError):
    """The signature is wrong, or too old."""


def _digest(secret: bytes, stamp: str, body: bytes) -> str:
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def sign(secret: bytes, body: bytes) -> str:
    """Return a signature of *body* made now."""
    stamp = datetime.now(timezone.utc).isoformat()
    return f"t={stamp},v1={_digest(secret, stamp, body)}"


def verify(secret: bytes, body: bytes, signature: str, tolerance: timedelta) -> datetime:
    """Return when *body* was signed; raise BadSignature if wrongly, or not lately."""
    fields = dict(part.partition("=")[::2] for part in signature.split(","))
    stamp = fields.get("t", "")
    if not hmac.compare_digest(fields.get("v1", ""), _digest(secret, stamp, body)):
        raise BadSignature(f"wrong signature: {signature}")
    signed = datetime.fromisoformat(stamp)
    age = datetime.now(timezone.utc) - signed
    if not -tolerance <= age <= tolerance:
        raise BadSignature(f"signed {age.total_seconds():.1f} s ago: {signature}")
    return signed
