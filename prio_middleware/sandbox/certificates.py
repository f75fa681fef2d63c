"""TLS made on the spot: a certificate authority that nobody else trusts, and a server certificate, right or wrong."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass

import trustme

from .listen import Certificate

_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """What a server needs, and what its clients need to trust it."""

    context: ssl.SSLContext
    ca_pem: bytes


def make_tls(certificate: Certificate) -> ServerTLS:
    """A new authority and a server certificate for the loopback names."""
    authority = trustme.CA()
    signer = trustme.CA() if certificate == "foreign" else authority
    names = ("elsewhere.example",) if certificate == "wrong_host" else _NAMES
    ended = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC) if certificate == "expired" else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(*names, not_after=ended).configure_cert(context)
    return ServerTLS(context, authority.cert_pem.bytes())
