"""Settings for the sandbox, and applications to wrap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings

PRODUCTS = "/products"
WRONG_SECRET = "wr0ng-s3cret!@#"
BERLIN = {"berlin": {"client_id": "berlin", "client_secret": "s3cret"}}
"""A second client, for tests that need no sandbox."""

NOWHERE: dict[str, Any] = {
    "base_url": "https://127.0.0.1:1/v3.8/distributor",
    "ca_file": Path(__file__).with_name("ca.pem"),  # One certificate loads ten times as fast as the many of certifi.
    "client_id": "shop@example.com",
    "client_secret": "s3cret!@#",
    "token_deadline": 0.2,
    "token_timeout": 0.1,
}
"""Settings of a client whose token endpoint does not answer."""


def values_for(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return the settings of the clients ``default`` and ``berlin``, each with an account of its own."""
    default, berlin = sandbox.options.accounts[:2]
    return {
        "base_url": sandbox.base_url,
        "ca_file": sandbox.ca_file,
        "client_id": default.client_id,
        "client_secret": default.client_secret,
        "clients": {"berlin": {"client_id": berlin.client_id, "client_secret": berlin.client_secret}},
        **changes,
    }


def settings_for(sandbox: Sandbox, **changes: Any) -> Settings:
    return Settings.from_values(**values_for(sandbox, **changes))


def nowhere(**changes: Any) -> Settings:
    """Return ``NOWHERE`` with ``changes``."""
    return Settings.from_values(**{**NOWHERE, **changes})


def accounts_asked_for(sandbox: Sandbox) -> dict[str, int]:
    """Return the number of token requests of each account."""
    return dict(sandbox.admin.counts().token_requests_by_client)
