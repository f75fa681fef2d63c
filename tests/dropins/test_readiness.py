from __future__ import annotations

import base64
import json

import pytest

from prio_middleware import build
from prio_middleware.clients import Clients
from prio_middleware.errors import ConfigurationError, CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from prio_middleware.readiness import FAILURE_COUNTS, ClientReadiness, Readiness, answer, is_ready, readiness
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from prio_middleware.tokens.report import TokenReport
from prio_middleware.tokens.shared.report import StoreReport
from tests.dropins.kit import PRODUCTS, WRONG_SECRET, accounts_asked_for, nowhere, settings_for

FAILURE = TokenEndpointUnavailableError("Down.")
LONG_AGO = FAILURE_COUNTS
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        pytest.param(TokenReport(), True, id="never used"),
        pytest.param(TokenReport(expires_in=60.0), True, id="a token"),
        pytest.param(TokenReport(expires_in=-60.0), True, id="idle since its token expired"),
        pytest.param(TokenReport(60.0, FAILURE, failed_ago=1.0), True, id="failing while the token is still good"),
        pytest.param(TokenReport(0.0, FAILURE, failed_ago=1.0), False, id="failing, and the token has just expired"),
        pytest.param(TokenReport(None, FAILURE, failed_ago=1.0), False, id="failing without a token"),
        pytest.param(TokenReport(None, FAILURE, failed_ago=1.0, fetching=True), False, id="failed, and trying again"),
        pytest.param(TokenReport(None, FAILURE, LONG_AGO, held_back=1.0), False, id="still held back"),
        pytest.param(TokenReport(None, FAILURE, LONG_AGO), True, id="failed so long ago that it deserves a call"),
    ],
)
def test_ready_is_who_can_expect_to_have_a_token(report: TokenReport, expected: bool) -> None:
    assert is_ready(report) is expected


def test_a_process_is_ready_when_every_client_is() -> None:
    yes, no = ClientReadiness(ready=True), ClientReadiness(ready=False)
    assert Readiness({"default": yes, "berlin": yes}).ready
    assert not Readiness({"default": yes, "berlin": no}).ready


def test_the_answer_is_json_that_nobody_keeps() -> None:
    state = Readiness({"default": ClientReadiness(ready=False, expires_in=-1.23, failure="invalid_client", failed_ago=2.0)})
    status, headers, body = answer(state)
    assert status == 503
    assert headers == {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    assert json.loads(body) == {
        "ready": False,
        "clients": {
            "default": {
                "ready": False,
                "expires_in": -1.2,
                "failure": "invalid_client",
                "failed_ago": 2.0,
                "held_back": None,
                "source": None,
                "store": None,
            }
        },
    }
    assert answer(Readiness({})).status == 200


class TestOfThisProcess:
    def test_nothing_is_fetched_to_find_out(self, sandbox: Sandbox, settings: Settings) -> None:
        assert readiness(Clients(settings)).ready
        assert accounts_asked_for(sandbox) == {}

    def test_it_says_when_the_token_expires_and_where_it_is_from(self, sandbox: Sandbox, settings: Settings) -> None:
        clients = Clients(settings)
        clients["default"].get(PRODUCTS)
        seen = readiness(clients).clients
        assert 3500 < (seen["default"].expires_in or 0) <= 3600
        assert seen["default"].source == sandbox.token_url
        assert seen["berlin"].expires_in is None
        assert seen["default"].store == StoreReport("memory")

    def test_a_shared_store_that_is_down_is_said_and_costs_no_readiness(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, token_store={"url": "redis://localhost:1", "encryption_key": KEY}))
        clients["default"].get(PRODUCTS)
        state = readiness(clients)
        shown = state.as_dict()["clients"]["default"]["store"]
        assert state.ready
        assert (shown["kind"], shown["reachable"], shown["circuit"], shown["alone"]) == ("redis", False, "open", 1)

    def test_a_failure_is_told_by_its_code(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, client_secret=WRONG_SECRET))
        with pytest.raises(CredentialsRefusedError):
            clients["default"].get(PRODUCTS)
        seen = readiness(clients)
        assert not seen.ready
        assert (seen.clients["default"].ready, seen.clients["default"].failure) == (False, "invalid_client")
        assert (seen.clients["default"].held_back or 0) > 0
        assert readiness(clients, "berlin").ready

    def test_a_failure_without_a_code_is_told_by_its_class(self) -> None:
        clients = Clients(nowhere())
        with pytest.raises(TokenError):
            clients["default"].get(PRODUCTS)
        assert readiness(clients).clients["default"].failure == "TokenEndpointUnavailableError"

    def test_a_success_ends_it(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, hold_back=0.001, token_deadline=0.5, token_timeout=0.5))
        sandbox.admin.fail_tokens("unavailable", times=None)
        with pytest.raises(TokenError):
            clients["default"].get(PRODUCTS)
        assert not readiness(clients).ready
        sandbox.admin.clear_faults()
        clients["default"].get(PRODUCTS)
        assert readiness(clients).ready

    def test_a_provider_that_does_not_tell_is_taken_for_ready(self, settings: Settings) -> None:
        class Taciturn:
            def current(self) -> None: ...
            def get_token(self) -> None: ...

        class Pipeline:
            provider = Taciturn()

        build._pipelines[settings.client()] = Pipeline()  # type: ignore[assignment]  # all that is looked at
        assert readiness(Clients(settings)).clients["default"] == ClientReadiness(ready=True)

    def test_a_client_that_is_not_configured_is_an_error(self, settings: Settings) -> None:
        with pytest.raises(ConfigurationError, match="did you mean 'berlin'"):
            readiness(Clients(settings), "berlim")
