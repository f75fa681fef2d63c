"""The context that the examples take for granted, on this machine.

``tickets@example.com`` and ``berlin@example.com`` are accounts of a Prio API. The first one is configured, as lowly as can be,
so that whatever an example configures goes before it. ``api.partner.example`` is an API behind an RFC 6749 server, where the
account ``shop`` has a secret and a key. Secrets stand in files below ``/run/secrets``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from prio_middleware.sandbox import Account, Sandbox, SandboxOptions

SECRETS = "/run/secrets/"


class Context:
    """Two sandboxes, and a directory with the secrets for them.

    Args:
        directory: an empty one.

    Attributes:
        environment: variables for the process of an example.
        variables: the settings of both accounts, as high up as can be: for commands that write settings themselves.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.environment: Mapping[str, str] = {}
        self.variables: Mapping[str, str] = {}
        self._servers = ExitStack()
        tickets, berlin = Account("tickets@example.com"), Account("berlin@example.com")
        key = ec.generate_private_key(ec.SECP256R1())
        shop = Account("shop", "plain-enough-for-any-encoding", public_key=_public_pem(key))
        for name, secret in {
            "prio": tickets.client_secret,
            "prio-berlin": berlin.client_secret,
            "partner": shop.client_secret,
            "partner.pem": _private_pem(key),
            "tours": shop.client_secret,
            "hotels": shop.client_secret,
            "supplier-headers": "X-Api-Key: a-key-of-the-supplier",
            "octo-token": "a-token-of-the-supplier",
            "prio-store.key": Fernet.generate_key().decode(),
        }.items():
            path = directory / name
            path.write_text(secret)
            path.chmod(0o600)
        self._prio = Sandbox(SandboxOptions(accounts=(tickets, berlin)))
        self._partner = Sandbox(SandboxOptions.rfc6749((shop,)))

    def __enter__(self) -> Self:
        for server in (self._prio, self._partner):
            self._servers.enter_context(server)
        authorities = self._write_authorities()
        tickets = {**self._prio.environment(), "PRIO_CA_FILE": str(authorities)}
        berlin = self._prio.options.accounts[1]
        self.variables = {
            **tickets,
            "PRIO_CLIENTS__BERLIN__CLIENT_ID": berlin.client_id,
            "PRIO_CLIENTS__BERLIN__CLIENT_SECRET": berlin.client_secret,
        }
        settings = self._write_settings(tickets)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PRIO_")},
            "PRIO_SECRETS_DIR": str(settings),
            "SSL_CERT_FILE": str(authorities),
            "REQUESTS_CA_BUNDLE": str(authorities),
            "PYTHONWARNINGS": "error",
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()

    def reset(self) -> None:
        """Let no example see what another one did."""
        for server in (self._prio, self._partner):
            server.admin.reset()

    def place(self, code: str) -> str:
        """``code``, with the addresses and files of the examples replaced by those of this context."""
        for theirs, ours in {
            "https://sandbox-distributor-api.prioticket.com/v3.8/distributor": self._prio.base_url,
            "https://login.partner.example/oauth2/token": self._partner.token_url,
            "https://login.partner.example": self._partner.issuer,
            "https://api.partner.example": self._partner.base_url,
            SECRETS: f"{self._directory}/",
            '"secrets/': f'"{self._directory}/',
            "file:///var/lib/shop/": f"file://{self._directory}/",
        }.items():
            code = code.replace(theirs, ours)
        return code

    def _write_authorities(self) -> Path:
        path = self._directory / "authorities.pem"
        files = [server.ca_file for server in (self._prio, self._partner)]
        path.write_text("".join(file.read_text() for file in files if file))
        return path

    def _write_settings(self, values: Mapping[str, str]) -> Path:
        folder = self._directory / "settings"
        folder.mkdir()
        for name, value in values.items():
            path = folder / name
            path.write_text(value)
            path.chmod(0o600)
        return folder


def _public_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
