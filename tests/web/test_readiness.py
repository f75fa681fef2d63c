from __future__ import annotations

import base64
import json
import threading

import anyio
import pytest

from prio_middleware import StaticTokenProvider, build
from prio_middleware.build import pipeline_for
from prio_middleware.errors import ConfigurationError, CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from prio_middleware.telemetry.providers import StoreReport, TokenReport
from prio_middleware.web.clients import Clients
from prio_middleware.web.event_loops import AsyncClients
from prio_middleware.web.readiness import ClientReadiness, Readiness, answer, aprobe, is_ready, probe, readiness
from tests.web.helpers import PRODUCTS, WRONG_SECRET, accounts_asked_for, nowhere, settings_for

FAILURE = TokenEndpointUnavailableError("Down.")
LONG_AGO = 3600.0
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


REPORTS = [
    ("not reported", TokenReport(), True),
    ("never tried", TokenReport(never_tried=True), None),
    ("a token", TokenReport(expires_in=60.0), True),
    ("idle since its token expired", TokenReport(expires_in=-60.0), True),
    ("failing while the token is still good", TokenReport(60.0, FAILURE, failed_ago=1.0), True),
    ("failing, and the token has just expired", TokenReport(0.0, FAILURE, failed_ago=1.0), False),
    ("failing without a token", TokenReport(None, FAILURE, failed_ago=1.0), False),
    ("failed, and trying again", TokenReport(None, FAILURE, failed_ago=1.0, fetching=True), False),
    ("still held back", TokenReport(None, FAILURE, LONG_AGO, cooldown_seconds=1.0), False),
    ("failed long ago, and nothing since", TokenReport(None, FAILURE, LONG_AGO), False),
]


def test_a_client_that_can_expect_a_token_is_ready(subtests: pytest.Subtests) -> None:
    for name, report, expected in REPORTS:
        with subtests.test(name):
            for untried in (True, False):
                assert is_ready(report, ready_before_first_token=untried) is (untried if expected is None else expected)


def test_a_process_is_ready_when_every_client_is() -> None:
    yes, no = ClientReadiness(ready=True), ClientReadiness(ready=False)
    assert Readiness({"default": yes, "berlin": yes}).ready
    assert not Readiness({"default": yes, "berlin": no}).ready


def test_the_answer_is_json_that_is_not_cached() -> None:
    state = Readiness({"default": ClientReadiness(ready=False, expires_in=-1.23, failure="invalid_client", failed_ago=2.0)})
    body, status, headers = answer(state)
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
                "never_tried": False,
                "cooldown_seconds": None,
                "source": None,
                "store": None,
                "provider": "client_credentials",
            }
        },
    }
    assert answer(Readiness({})).status == 200


class TestOfThisProcess:
    def test_nothing_is_fetched_to_find_out(self, sandbox: Sandbox, settings: Settings) -> None:
        state = readiness(Clients(settings))
        assert state.ready
        assert {name for name, client in state.clients.items() if client.never_tried} == {"default", "berlin"}
        assert accounts_asked_for(sandbox) == {}

    def test_readiness_shows_the_expiry_and_the_source_of_the_token(self, sandbox: Sandbox, settings: Settings) -> None:
        clients = Clients(settings)
        clients["default"].get(PRODUCTS)
        seen = readiness(clients).clients
        assert 3500 < (seen["default"].expires_in or 0) <= 3600
        assert seen["default"].source == sandbox.token_url
        assert seen["berlin"].expires_in is None
        assert seen["default"].store == StoreReport("memory")

    def test_a_key_in_the_token_url_is_not_shown(self, sandbox: Sandbox) -> None:
        settings = settings_for(sandbox, token_url=f"{sandbox.token_url}?key=canary")
        assert readiness(Clients(settings)).clients["default"].source == sandbox.token_url
        assert "canary" not in repr(pipeline_for(settings.client()).provider)

    def test_a_shared_store_that_is_down_is_said_and_costs_no_readiness(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, token_store={"url": "redis://localhost:1", "encryption_key": KEY}))
        clients["default"].get(PRODUCTS)
        state = readiness(clients)
        shown = state.as_dict()["clients"]["default"]["store"]
        assert state.ready
        assert (shown["kind"], shown["reachable"], shown["circuit"], shown["fallbacks"]) == ("redis", False, "open", 1)

    def test_a_failure_is_told_by_its_code(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, client_secret=WRONG_SECRET))
        with pytest.raises(CredentialsRefusedError):
            clients["default"].get(PRODUCTS)
        seen = readiness(clients)
        assert not seen.ready
        assert (seen.clients["default"].ready, seen.clients["default"].failure) == (False, "invalid_client")
        assert (seen.clients["default"].cooldown_seconds or 0) > 0
        assert readiness(clients, "berlin").ready

    def test_a_failure_without_a_code_is_told_by_its_class(self) -> None:
        clients = Clients(nowhere())
        with pytest.raises(TokenError):
            clients["default"].get(PRODUCTS)
        assert readiness(clients).clients["default"].failure == "TokenEndpointUnavailableError"

    def test_a_success_ends_it(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, failure_cooldown=0.001, token_deadline=0.5, token_timeout=0.5))
        sandbox.admin.fail_tokens("unavailable", times=None)
        with pytest.raises(TokenError):
            clients["default"].get(PRODUCTS)
        assert not readiness(clients).ready
        sandbox.admin.clear_faults()
        provider = build.pipeline_for(clients.settings.client("default")).provider
        provider.replace_credentials(provider.endpoint)  # New credentials end the pause after a failure.
        clients["default"].get(PRODUCTS)
        assert readiness(clients).ready

    def test_a_provider_that_does_not_tell_is_taken_for_ready(self, settings: Settings) -> None:
        build.pipeline_for(settings.client()).provider = StaticTokenProvider("t0ken")
        assert readiness(Clients(settings)).clients["default"] == ClientReadiness(ready=True)

    def test_a_client_that_is_not_configured_is_an_error(self, settings: Settings) -> None:
        with pytest.raises(ConfigurationError, match="did you mean 'berlin'"):
            readiness(Clients(settings), "berlim")


def report_of(clients: Clients, name: str = "default") -> TokenReport:
    report: TokenReport = pipeline_for(clients.settings.client(name)).provider.report()
    return report


def completed(clients: Clients) -> None:
    """Wait until no fetch of the default client is in progress: its thread has ended."""
    for thread in threading.enumerate():
        if thread.name == "prio_middleware.fetch":
            thread.join(10)
    assert not report_of(clients).fetching


class TestProbe:
    def test_an_untried_client_is_not_ready_until_the_fetch_that_the_probe_starts(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, ready_before_first_token=False, clients={}))
        first = probe(clients)
        assert (first.ready, first.clients["default"].never_tried, first.clients["default"].failure) == (False, True, None)
        completed(clients)
        second = probe(clients)
        assert (second.ready, second.clients["default"].never_tried) == (True, False)
        assert sandbox.admin.counts().token_requests == 1

    def test_a_wrong_secret_shows_at_the_second_probe_without_a_call(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, client_secret=WRONG_SECRET, clients={}))
        assert probe(clients).ready
        completed(clients)
        state = probe(clients)
        assert (state.ready, state.clients["default"].failure) == (False, "invalid_client")

    def test_probes_start_one_fetch_in_a_cool_down(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, client_secret=WRONG_SECRET, clients={}))
        for _ in range(20):
            probe(clients)
            completed(clients)
        assert sandbox.admin.counts().token_requests == 1

    @pytest.mark.pitfall(id="readiness-without-calls")
    def test_a_client_that_fails_gets_ready_again_without_a_call(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, failure_cooldown=0, clients={}))
        sandbox.admin.fail_tokens("invalid_client", times=2)
        with pytest.raises(TokenError):
            clients["default"].get(PRODUCTS)
        assert not probe(clients).ready
        completed(clients)
        assert not probe(clients).ready
        completed(clients)
        assert probe(clients).ready

    def test_new_credentials_alone_do_not_make_a_failing_client_ready(self, sandbox: Sandbox) -> None:
        clients = Clients(settings_for(sandbox, client_secret=WRONG_SECRET, ready_before_first_token=False, clients={}))
        with pytest.raises(TokenError):
            clients["default"].get(PRODUCTS)
        provider = pipeline_for(clients.settings.client()).provider
        provider.replace_credentials(provider.endpoint)
        state = readiness(clients)
        assert (state.ready, state.clients["default"].never_tried) == (False, True)

    def test_a_probe_renews_no_token_of_a_ready_client(self, sandbox: Sandbox, settings: Settings) -> None:
        clients = Clients(settings)
        for name in clients:
            clients[name].get(PRODUCTS)
        assert probe(clients).ready
        completed(clients)
        assert sandbox.admin.counts().token_requests == len(clients)

    def silent(self) -> StaticTokenProvider:
        """Return a provider that reports its state, but starts no fetches."""
        provider = StaticTokenProvider("t0ken")
        provider.report = lambda: TokenReport(never_tried=True)  # type: ignore[attr-defined]
        return provider

    def test_a_provider_that_starts_no_fetches_is_only_asked(self, settings: Settings) -> None:
        build.pipeline_for(settings.client()).provider = self.silent()
        assert probe(Clients(settings), "default").clients["default"].never_tried

    @pytest.mark.anyio
    async def test_an_event_loop_does_the_same(self, sandbox: Sandbox) -> None:
        settings = settings_for(sandbox, ready_before_first_token=False, clients={})
        here = AsyncClients(settings).here()
        assert not (await aprobe(here)).ready
        with anyio.fail_after(10):
            await here["default"].get(PRODUCTS)  # Joins the fetch of the probe.
        assert (await aprobe(here)).ready
        assert sandbox.admin.counts().token_requests == 1
        pipeline_for(settings.client()).provider = self.silent()
        assert (await aprobe(AsyncClients(settings).here())).clients["default"].never_tried
        await here.aclose()
