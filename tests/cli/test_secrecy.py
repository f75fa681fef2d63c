"""No command writes a secret or a token, but for ``prio token --reveal``."""

from __future__ import annotations

import pytest

from prio_middleware import build
from prio_middleware.sandbox import Sandbox
from prio_middleware.testing import NoSecrets
from tests.cli.helpers import prio

COMMANDS = [
    "check",
    "check --json",
    "check --path /reports/sales",
    "config show --all",
    "config show --json",
    "request GET /products",
    "request GET /reports/sales --json",
    "request GET https://127.0.0.1:1/x",
    "token",
]


ASKING = ["check", "check --json", "request GET /products", "token"]
"""Those that show what a token request led to."""


@pytest.mark.usefixtures("prio_environment")
@pytest.mark.parametrize(
    ("fault", "commands"),
    [(None, COMMANDS), ("secret_echo", ASKING), ("access_token_crlf", ASKING)],
    ids=["no fault", "secret_echo", "access_token_crlf"],
)
def test_nothing_secret_is_written(
    prio_sandbox: Sandbox,
    assert_no_secrets: NoSecrets,
    subtests: pytest.Subtests,
    fault: str | None,
    commands: list[str],
) -> None:
    if fault:
        prio_sandbox.admin.fail_tokens(fault, times=None)

    for command in commands:
        build.forget()
        with subtests.test(command):
            result = prio(*command.split())

            assert result.output
            assert_no_secrets(result.output)


@pytest.mark.usefixtures("prio_environment")
def test_a_token_that_the_api_echoes_is_withheld() -> None:
    # The redirect repeats whatever is asked for: here, the token that was presented.
    presented = prio("token", "--reveal").stdout.strip()
    result = prio("check", "--path", f"/redirect?to=https://other.example/{presented}")

    assert "302 Found" in result.output
    assert presented not in result.output


@pytest.mark.usefixtures("prio_environment")
def test_the_only_exception(assert_no_secrets: NoSecrets) -> None:
    with pytest.raises(AssertionError):
        assert_no_secrets(prio("token", "--reveal").stdout)
