"""Accounts of a resolver, and clients with a fixed token or none, in readiness and on the status page."""

from __future__ import annotations

from pathlib import Path

import pytest

from prio_middleware import AccountCredentials, PrioError, token_extensions
from prio_middleware.build import pipeline_for
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from prio_middleware.web.clients import Clients
from prio_middleware.web.readiness import readiness
from prio_middleware.web.status import report
from prio_middleware.web.status.report import read_status
from tests.cli.helpers import prio
from tests.cli.watch.conftest import Page, page
from tests.status import helpers
from tests.web.helpers import PRODUCTS, settings_for

__all__ = ["page"]


def load(name: str) -> AccountCredentials | None:
    """Know the accounts whose names are ids of the sandbox, and ``closed``, which has a wrong secret."""
    if name == "closed":
        return AccountCredentials(name, "shop@example.com", "wr0ng")
    return ROWS.get(name)


ROWS: dict[str, AccountCredentials] = {}


@pytest.fixture
def used(sandbox: Sandbox) -> Settings:
    """Settings whose clients have called with ``hamburg``, ``closed`` and an account that does not exist."""
    other = sandbox.options.accounts[1]
    ROWS["hamburg"] = AccountCredentials("hamburg", other.client_id, other.client_secret)
    given = settings_for(sandbox, accounts=f"{__name__}:load")
    clients = Clients(given)
    prio = clients["default"]
    assert prio.get(PRODUCTS, extensions=token_extensions(account="hamburg")).status_code == 200
    for name in ("closed", "atlantis"):
        with pytest.raises(PrioError):
            prio.get(PRODUCTS, extensions=token_extensions(account=name))
    return given


def test_accounts_are_shown_below_their_client_the_worst_first(used: Settings) -> None:
    default, berlin = read_status(used).clients

    assert [(account.name, account.condition.level) for account in default.accounts] == [("closed", "bad"), ("hamburg", "good")]
    assert "invalid_client" in default.accounts[0].condition.summary
    assert berlin.accounts == ()
    assert "wr0ng" not in str(read_status(used))


def test_a_failing_account_leaves_the_process_ready(used: Settings) -> None:
    state = readiness(Clients(used))

    assert state.ready
    assert set(state.clients) == {"default", "berlin"}


def test_their_number_is_bounded(used: Settings) -> None:
    shown = report.account_states(pipeline_for(used.client()).provider, limit=1)
    assert [account.name for account in shown] == ["closed"]


def test_a_client_without_fetches_is_shown_as_that(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("f1xed")
    fixed = {"provider": "static", "token_file": tmp_path / "token"}
    keyed = {"provider": "none", "headers": {"X-Api-Key": "k3y"}}
    given = settings_for(sandbox, clients={"fixed": fixed, "keyed": keyed})

    shown = {client.name: client for client in read_status(given).clients}
    assert [shown[name].condition.level for name in ("fixed", "keyed")] == ["good", "good"]
    assert "static token" in shown["fixed"].condition.summary
    assert "no token" in shown["keyed"].condition.summary
    state = readiness(Clients(given))
    assert state.ready
    assert [state.as_dict()["clients"][name]["provider"] for name in ("fixed", "keyed")] == ["static", "none"]


def test_the_command_shows_the_same(page: Page) -> None:
    page.say(
        helpers.status(
            helpers.client("fixed", token=report.Token(provider="static")),
            helpers.client("keyed", token=report.Token(provider="none")),
            helpers.client(
                "shop",
                accounts=(
                    report.AccountStatus("hamburg", report.Condition("bad", "No token: invalid_client.")),
                    report.AccountStatus("berlin", report.Condition("good", "The token is valid.")),
                ),
            ),
        )
    )
    lines = [line.split() for line in prio("status", page.url).stdout.splitlines()]
    assert ["token", "static", "token"] in lines
    assert ["token", "no", "token"] in lines
    assert ["accounts", "hamburg", "Not", "ready", "No", "token:", "invalid_client."] in lines
    assert ["berlin", "Ready", "The", "token", "is", "valid."] in lines
