from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.sandbox import Account, SandboxOptions
from prio_middleware.sandbox.sandbox_options import new_secret

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"body_formats": ("xml",)}, "'xml' in body_formats"),
    ({"basic_encodings": ("raw", "rot13")}, "'rot13' in basic_encodings"),
    ({"client_auth_methods": ("tls_client_auth",)}, "'tls_client_auth' in client_auth_methods"),
    ({"accounts": ()}, "account"),
    ({"lifetime": "5"}, "lifetime .* float"),
    ({"lifetime": True}, "lifetime .* float"),
    ({"missing_status": 400.5}, "missing_status .* int"),
    ({"limits": 0}, "limits .* bool"),
    ({"revoked_code": None}, "revoked_code .* str"),
    ({"expires_in": 3600}, "expires_in .* str"),
    ({"expires_in": "'3600'"}, "JSON"),
]


def test_options_that_do_not_exist(subtests: pytest.Subtests) -> None:
    for options, named in WRONG:
        with subtests.test(options=options), pytest.raises(ConfigurationError, match=named):
            SandboxOptions(**options)


def test_the_default_accounts_have_ids_and_secrets_that_careless_encoding_spoils() -> None:
    accounts = SandboxOptions().accounts

    assert len(accounts) == 3
    assert all("@" in account.client_id for account in accounts)
    assert all(set("@!#$%+:") <= set(account.client_secret) for account in accounts)
    assert len({account.client_secret for account in accounts}) == len(accounts)
    assert new_secret() != new_secret()


def test_an_account_does_not_print_its_secret() -> None:
    account = Account("shop")

    assert account.client_secret not in repr(SandboxOptions(accounts=(account,)))
