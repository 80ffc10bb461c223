"""Access tokens: who asks, until when, signed so that nobody can make one up. Passwords are kept as salted hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

_ROUNDS = 600_000


class TokenInvalid(Exception):
    """The token was not made here, or was changed on its way."""


class TokenExpired(TokenInvalid):
    """The token was good once."""


@dataclass(frozen=True)
class Claims:
    """What a token says."""

    subject: str
    scopes: tuple[str, ...]
    expires: float

    def permits(self, scope: str) -> bool:
        """Tell whether an action may be done; a scope ending in a star covers all below it."""
        return any(
            scope == held or (held.endswith("*") and scope.startswith(held.removesuffix("*"))) for held in self.scopes
        )


def issue_token(keys: Sequence[bytes], subject: str, scopes: Sequence[str], lifetime: float) -> str:
    """Return a signed token; the newest key, the first, signs."""
    payload = _pack(json.dumps({"sub": subject, "scp": list(scopes), "exp": time.time() + lifetime}).encode())
    return f"{payload}.{_signature(keys[0], payload)}"


def verify_token(keys: Sequence[bytes], token: str, now: float | None = None) -> Claims:
    """Return what a token says, if one of the keys signed it and its time is not over."""
    payload, dot, signature = token.partition(".")
    if not dot or not any(hmac.compare_digest(_signature(key, payload), signature) for key in keys):
        raise TokenInvalid("the signature of the token does not match")
    claims = json.loads(_unpack(payload))
    if claims["exp"] < (time.time() if now is None else now):
        raise TokenExpired("the token has expired; log in again")
    return Claims(claims["sub"], tuple(claims["scp"]), claims["exp"])


def _signature(key: bytes, payload: str) -> str:
    return _pack(hmac.new(key, payload.encode(), hashlib.sha256).digest())


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return what is stored instead of a password."""
    salt = salt or os.urandom(16)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    return f"{_pack(salt)}${_pack(digest)}"


def check_password(password: str, stored: str) -> bool:
    """Tell whether a password is the one that was stored, in constant time."""
    salt, _, _ = stored.partition("$")
    return hmac.compare_digest(hash_password(password, _unpack(salt)), stored)
