from __future__ import annotations

import json
from typing import Any

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.sandbox import Account, SandboxOptions
from prio_middleware.sandbox.accounts import new_secret


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"body_formats": ("xml",)}, "no 'xml' in body_formats"),
        ({"basic_encodings": ("raw", "rot13")}, "no 'rot13' in basic_encodings"),
        ({"client_auth_methods": ("tls_client_auth",)}, "no 'tls_client_auth'"),
        ({"accounts": ()}, "no account"),
        ({"lifetime": "5"}, "lifetime is not of type float"),
        ({"lifetime": True}, "lifetime is not of type float"),
        ({"missing_status": 400.5}, "missing_status is not of type int"),
        ({"limits": 0}, "limits is not of type bool"),
        ({"revoked_code": None}, "revoked_code is not of type str"),
        ({"expires_in": 3600}, "expires_in is not of type str"),
        ({"expires_in": "'3600'"}, "is not JSON text"),
    ],
)
def test_options_that_do_not_exist(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SandboxOptions(**options)


def test_options_survive_the_way_through_json() -> None:
    options = SandboxOptions.rfc6749((Account("shop", public_key="PEM"),))

    assert SandboxOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_the_default_accounts_have_ids_and_secrets_that_careless_encoding_spoils() -> None:
    accounts = SandboxOptions().accounts

    assert all("@" in account.client_id for account in accounts)
    assert all(set("@!#$%+:") <= set(account.client_secret) for account in accounts)
    assert len({account.client_secret for account in accounts}) == len(accounts)
    assert new_secret() != new_secret()


def test_an_account_does_not_print_its_secret() -> None:
    account = Account("shop")

    assert account.client_secret not in repr(SandboxOptions(accounts=(account,)))
