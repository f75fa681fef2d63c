from __future__ import annotations

import getpass
import sys
import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest

from prio_middleware import AccessToken, Secret
from prio_middleware.oauth.access_token import TokenOptions
from prio_middleware.oauth.static_token import StaticTokenProvider
from prio_middleware.sandbox import Sandbox
from tests.cli.helpers import ESCAPE, exit_status, in_terminal, prio

pytestmark = pytest.mark.usefixtures("prio_environment")


def presented(sandbox: Sandbox, revealed: str) -> bool:
    """Return True if the sandbox accepts the token."""
    response = httpx.get(
        f"{sandbox.base_url}/products", headers={"Authorization": f"Bearer {revealed}"}, verify=sandbox.ssl_context()
    )
    return response.status_code == 200


def test_the_token_is_masked(prio_sandbox: Sandbox) -> None:
    result = prio("token")

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["token", "type", "expires", "scope"]
    assert "**" in result.stdout
    assert "in 59 min" in result.stdout or "in 1 h" in result.stdout
    assert prio_sandbox.admin.counts().tokens_issued == 1


def test_reveal_prints_only_the_token_on_standard_output(prio_sandbox: Sandbox) -> None:
    result = prio("token", "--reveal")

    assert presented(prio_sandbox, result.stdout.removesuffix("\n"))
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["type", "expires", "scope"]
    assert result.stdout.strip() not in result.stderr


def test_the_secret_may_be_typed(prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRIO_CLIENT_SECRET")

    assert prio("token", "--ask-secret", keyboard=f"{prio_sandbox.client_secret}\n").exit_code == 0


def test_an_unanswered_prompt_is_an_error() -> None:
    assert prio("token", "--ask-secret", keyboard="").exit_code == 130


def test_without_a_terminal_nothing_is_asked_that_would_be_shown(
    prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(prompt: str) -> str:  # as without a terminal
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=1)
        return prio_sandbox.client_secret

    monkeypatch.setattr(getpass, "getpass", shown)
    status = exit_status("token", "--ask-secret")
    written = capsys.readouterr()

    assert (status, written.out) == (2, "")
    assert "Warning" not in written.err
    assert "\nremedy   Name the file that contains it" in written.err
    assert prio_sandbox.admin.requests() == []


def test_scopes_are_broken_between_words() -> None:
    status, written = in_terminal("token")
    _, first, *more = ESCAPE.sub("", written).partition("scope")[2].split(" https://")

    assert status == 0
    assert len(more) > 3
    assert all(scope.strip().startswith("www.prioticketapis.com/auth/distributor") for scope in (first, *more))


def test_a_failure_is_explained(prio_sandbox: Sandbox) -> None:
    prio_sandbox.admin.configure(refuse_credentials=True)
    result = prio("token")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error    The token endpoint answered with an error: 401 invalid_client")
    assert "\nremedy   Check client id, secret and client authentication method" in result.stderr


class Given(StaticTokenProvider):
    """Has one token, which never expires."""

    def __init__(self, **options: Any) -> None:
        super().__init__("t0ken")
        self.given = AccessToken(Secret("t0ken"), **options)

    def current(self, options: TokenOptions, rejected: AccessToken | None, /) -> AccessToken:
        return self.given


@pytest.mark.parametrize(
    ("options", "scope"), [("", "(not named by the server)"), (', scope = "a b", expires_at = -inf', "a b")]
)
def test_a_token_of_any_kind_can_be_shown(folder: Path, options: str, scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_CONFIG", "prio.toml")
    provider = f'{{use = "{__name__}:Given"{options}}}'
    (folder / "prio.toml").write_text(f'pipeline = ["https_enforcer", "origin_guard", {provider}, "header_injector"]\n')
    result = prio("token")

    assert "expires  never\n" in result.stdout
    assert f"scope    {scope}\n" in result.stdout


@pytest.mark.parametrize(
    ("variable", "value", "missing"),
    [("PRIO_PROXY", "socks5://127.0.0.1:1080", "socksio"), ("PRIO_LIBRARY", "httpx2", "httpx2")],
)
def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "prio_middleware.httpx2", raising=False)
    monkeypatch.setenv(variable, value)
    result = prio("token")

    assert result.exit_code == 2
    assert missing in result.stderr
    assert "\nremedy   Install" in result.stderr
