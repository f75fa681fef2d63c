"""Clients that each of the authorization servers knows: the same everywhere."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple


class Account(NamedTuple):
    """A client as it is registered."""

    client_id: str
    secret: str
    method: str


# Form-encoded or not makes a difference to "+", "%41" and "&". No space: see test_differences.py.
SECRET = "s3cret+%41@!#$&=/?:~"

BASIC = Account("basic@example.com", SECRET, "client_secret_basic")
POST = Account("post@example.com", SECRET, "client_secret_post")
SPACED = Account("spaced", "two words", "client_secret_basic")
SPACED_POST = Account("spaced-post", "two words", "client_secret_post")
RESOURCE = Account("resource-server", "resource-server-secret", "client_secret_basic")
SECRET_ACCOUNTS = (BASIC, POST, SPACED, SPACED_POST, RESOURCE)

SIGNER = "signer@example.com"
"""It has a key in place of a secret."""

READ, WRITE = "orders.read", "orders.write"
LIFETIME = 3600


def public_jwk() -> dict[str, Any]:
    """The signer's public key, in the process of a server."""
    return dict(json.loads(os.environ["INTEROP_JWK"]))


def issuer() -> str:
    """The server's issuer identifier, in the process of a server."""
    return os.environ["INTEROP_ISSUER"]
