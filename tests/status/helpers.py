"""A status to show: clients of every condition."""

from __future__ import annotations

from typing import Any

from prio_middleware.telemetry.counters import BLOCK_REASONS, FetchRecord
from prio_middleware.telemetry.providers import StoreReport
from prio_middleware.web.status.report import Client, ClientErrors, Condition, Process, Status, Token

AT = 1_750_000_000.0
SOURCE = "https://distributor-api.prioticket.com/v3.8/distributor/oauth2/token"

FETCHES = tuple(
    FetchRecord(
        AT - 12.0 - 60 * number, 0.083 + number / 50, ("expiring", "rejected", "initial")[number % 3], "ok", 1, "endpoint"
    )
    for number in range(8)
)
FAILED = FetchRecord(AT - 3.0, 1.2, "forced", "invalid_client", 1, "endpoint")


def client(name: str = "default", **changes: Any) -> Client:
    values: dict[str, Any] = {
        "condition": Condition("good", "A token is there."),
        "token": Token(SOURCE, 3600.0, 2530.4),
        "responses": {"200": 12345, "201": 87, "403": 3},
        "acquisitions": {"cached": 12430, "fetched": 4, "waited": 17, "cooling_down": 0, "failed": 0},
        "reauthentications": {
            "succeeded": 2,
            "rejected": 1,
            "token_unavailable": 0,
            "body_not_replayable": 0,
            "budget": 0,
            "failed": 0,
            "not_attempted": 0,
        },
        "blocked": dict.fromkeys(BLOCK_REASONS, 0),
        "client_errors": ClientErrors(3, 60),
        "fetches": FETCHES,
    }
    return Client(name, **{**values, **changes})


def status(*clients: Client, at: float = AT, pid: int = 4242) -> Status:
    return Status(at, Process(pid, "web-1", AT - 7500, "0.1.0"), clients or (client(),))


def every_condition() -> tuple[Client, ...]:
    return (
        client(),
        client(
            "berlin",
            condition=Condition("bad", "No token can be had: invalid_client. No other fetch is made for the moment."),
            token=Token(SOURCE, cooldown_seconds=7.3),
            fetches=(FAILED,),
            client_errors=ClientErrors(61, 60),
            waiting=2,
        ),
        client(
            "partner",
            condition=Condition("warn", "The token is still good, and the last fetch failed: unavailable."),
            token=Token("https://login.partner.example/oauth2/token", 300.0, 21.0),
            client_errors=ClientErrors(49, 60),
            fetches=(FAILED, FetchRecord(AT - 400, 2.31, "initial", "ok", 3, "shared")),
            store=StoreReport("redis", reachable=True, hits=12, published=3),
        ),
        client(
            "reports",
            condition=Condition("idle", "No token yet: the first call fetches one."),
            token=Token(SOURCE),
            responses={},
            acquisitions={},
            reauthentications={},
            client_errors=ClientErrors(0, None),
            fetches=(),
        ),
    )
