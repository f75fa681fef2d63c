from __future__ import annotations

import json
import time
from typing import Any

import pytest

from prio_middleware import StaticTokenProvider, build
from prio_middleware.errors import CredentialsRefusedError
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from prio_middleware.telemetry.counters import FetchRecord
from prio_middleware.telemetry.providers import StoreReport
from prio_middleware.telemetry.snapshot import ClientSnapshot
from prio_middleware.web.clients import Clients
from prio_middleware.web.readiness import ClientReadiness
from prio_middleware.web.status.report import (
    Client,
    ClientErrors,
    client_status,
    read_status,
    shared_store,
)
from tests.web.helpers import PRODUCTS, WRONG_SECRET, accounts_asked_for, settings_for


def snapshot(**changes: Any) -> ClientSnapshot:
    values: dict[str, Any] = {
        "client": "berlin",
        "acquisitions": {"cached": 7, "fetched": 1},
        "responses": {403: 2, 200: 5, 404: 0},
        "blocked": {"budget": 1},
        "reauthentications": {"succeeded": 1},
        "waiting": 3,
        "fetches": (FetchRecord(1000.00049, 0.123456, "initial", "ok", 2, "shared"),),
        "client_errors": 2,
        "client_error_limit": 60,
        "lifetime": 3600.0,
        "expires_in": 59.96,
        "cooldown_seconds": None,
    }
    return ClientSnapshot(**{**values, **changes})


def seen(settings: Settings) -> dict[str, Client]:
    return {client.name: client for client in read_status(settings).clients}


def test_a_snapshot_is_shown_part_by_part() -> None:
    shown = client_status("berlin", ClientReadiness(ready=True, expires_in=60.0), snapshot())
    assert shown.name == "berlin"
    assert (shown.token.lifetime, shown.token.expires_in, shown.token.cooldown_seconds) == (3600.0, 60.0, None)
    assert (shown.waiting, shown.client_errors) == (3, ClientErrors(2, 60))
    assert dict(shown.responses) == {"200": 5, "403": 2}
    assert (shown.acquisitions, shown.reauthentications) == ({"cached": 7, "fetched": 1}, {"succeeded": 1})
    assert shown.blocked == {"budget": 1}
    assert shown.fetches == (FetchRecord(1000.0, 0.1235, "initial", "ok", 2, "shared"),)


class TestSharedStore:
    class Provider:
        def __init__(self, kind: str) -> None:
            self.kind = kind

        def store_report(self) -> StoreReport:
            return StoreReport(
                self.kind, reachable=False, hits=12, published=3, fallbacks=2, failures=4, last_failure="timeout"
            )

    def test_what_is_known_of_it_is_shown(self) -> None:
        expected = StoreReport("redis", reachable=False, hits=12, published=3, fallbacks=2, failures=4, last_failure="timeout")
        assert shared_store(self.Provider("redis")) == expected
        shown = client_status("berlin", ClientReadiness(ready=True, expires_in=9.0), snapshot(), expected)
        assert (shown.store, shown.condition.level) == (expected, "warn")

    def test_memory_is_not_shared(self) -> None:
        assert shared_store(self.Provider("memory")) is None

    def test_a_provider_need_not_tell(self) -> None:
        assert shared_store(StaticTokenProvider("t0ken")) is None


def test_a_time_that_json_cannot_say_is_left_out(subtests: pytest.Subtests) -> None:
    for endless in (float("inf"), float("nan"), None):
        with subtests.test(str(endless)):
            shown = client_status("berlin", ClientReadiness(ready=True), snapshot(lifetime=endless, expires_in=endless))
            assert (shown.token.lifetime, shown.token.expires_in) == (None, None)


def test_nothing_of_the_sources_url_is_shown_that_may_be_secret() -> None:
    state = ClientReadiness(ready=True, source="https://me:s3cret@login.example/token?key=s3cret")
    assert client_status("berlin", state, snapshot()).token.source == "https://login.example/token"


class TestOfThisProcess:
    def test_a_status_document_causes_no_fetch(self, sandbox: Sandbox, settings: Settings) -> None:
        assert {client.condition.level for client in read_status(settings).clients} == {"idle"}
        assert accounts_asked_for(sandbox) == {}

    def test_the_document_has_calls_and_fetches(self, sandbox: Sandbox, settings: Settings) -> None:
        started = time.time()
        clients = Clients(settings)
        clients["default"].get(PRODUCTS)
        sandbox.admin.revoke()
        clients["default"].get(PRODUCTS)
        status = read_status(settings)
        default, berlin = status.clients

        assert default.condition.level == "good"
        assert default.token.source == sandbox.token_url
        assert default.token.lifetime == 3600.0
        assert 3500 < (default.token.expires_in or 0) <= 3600
        assert default.responses == {"200": 2, "403": 1}
        assert default.reauthentications["succeeded"] == 1
        assert [(fetch.reason, fetch.outcome) for fetch in default.fetches] == [("rejected", "ok"), ("initial", "ok")]
        assert all(fetch.at >= started - 1 for fetch in default.fetches)
        assert berlin.condition.level == "idle"
        assert status.at >= started - 1

    def test_the_document_has_the_reason_of_a_missing_token(self, sandbox: Sandbox) -> None:
        settings = settings_for(sandbox, client_secret=WRONG_SECRET)
        clients = Clients(settings)
        with pytest.raises(CredentialsRefusedError):
            clients["default"].get(PRODUCTS)
        default = seen(settings)["default"]
        assert default.condition.level == "bad"
        assert "invalid_client" in default.condition.summary
        assert (default.token.cooldown_seconds or 0) > 0
        assert default.fetches[0].outcome == "invalid_client"

    def test_a_provider_that_does_not_tell_is_shown_as_that(self, settings: Settings) -> None:
        pipeline = build.pipeline_for(settings.client())
        pipeline.provider = StaticTokenProvider("t0ken")
        shown = seen(settings)["default"]
        assert (shown.condition.level, shown.token.source) == ("idle", None)
        assert "provider" in shown.condition.summary

    def test_no_credential_is_in_it(self, sandbox: Sandbox, settings: Settings) -> None:
        clients = Clients(settings)
        for name in clients:
            assert clients[name].get(PRODUCTS).status_code == 200
        sent = {(request.authorization or "").rpartition(" ")[2] for request in sandbox.admin.requests()}
        assert len(sent) == 4  # of two clients: to the token endpoint, and to the API
        document = json.dumps(read_status(settings).as_dict())
        accounts = sandbox.options.accounts[:2]
        kept = sent | {account.client_secret for account in accounts} | {account.client_id for account in accounts}
        assert len(kept) == 8
        assert [word for word in kept if word in document] == []
