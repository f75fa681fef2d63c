"""Settings for the sandbox, and applications to wrap."""

from __future__ import annotations

from typing import Any

from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings

PRODUCTS = "/products"
WRONG_SECRET = "wr0ng-s3cret!@#"


def values_for(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Settings of the clients ``default`` and ``berlin``, each with an account of its own."""
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
    """Settings of a client whose token endpoint does not answer."""
    values: dict[str, Any] = {
        "base_url": "https://127.0.0.1:1/v3.8/distributor",
        "client_id": "shop@example.com",
        "client_secret": "s3cret!@#",
        "token_deadline": 0.2,
        "token_timeout": 0.1,
    }
    return Settings.from_values(**{**values, **changes})


def accounts_asked_for(sandbox: Sandbox) -> dict[str, int]:
    """How many tokens each account asked for."""
    return dict(sandbox.admin.counts().token_requests_by_client)
