"""The secrets and tokens to be found nowhere, with the characters that careless encoding spoils."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from prio_middleware._util.secret_matcher import SecretMatcher

SECRET = '@!#$%25+:kanarieSecret7Zx9Qw"\\&<>/?'
NEW_SECRET = "%41;+canarinoSegreto8Ky3Vb'&<x>=\\/@"
TOKEN = "to.{serial}kanarieToken4Hy2Lp~+/=_-"
PASSWORD = "serinPasswort5Rt1Mn"
"""For what a URL may hold: proxies, and stores."""

PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

RUN = 12
"""Number of consecutive characters that count as a leak."""

_ARMOUR = re.compile(r"-----[A-Z ]+-----")


def traces_of(secrets: Iterable[str]) -> SecretMatcher:
    """Return a matcher for ``secrets``: for a key without its armour, for a URL its password."""
    return SecretMatcher((part for secret in secrets for part in _parts(secret)), RUN)


def _parts(secret: str) -> Iterator[str]:
    if "://" in secret:
        parts = [unquote(urlsplit(secret).password or "")]
    else:
        parts = _ARMOUR.sub("", secret).split("\n") if _ARMOUR.search(secret) else [secret]
    return (part for part in parts if len(part) >= RUN)
