"""Every fault, where it strikes, and what a call is to end with: the one table that the tests and ``make faults`` go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.long.e2e.client_kind import SOON
from tests.long.e2e.faults.wire import Trouble

Where = Literal["metadata endpoint", "token endpoint", "API", "resolver", "account name", "headers file"]

MIB = 1024 * 1024
REDIRECTS = [301, 302, 303, 307, 308]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row.

    Attributes:
        where: what is broken.
        name: the sandbox's name for it, or what the wire does.
        ends: how the call ends: an HTTP status, or an error's class; several where the libraries and event loops differ.
        arrived: requests that reach the broken endpoint.
        others: requests that reach the other endpoints.
        trouble: what the wire does; None: the sandbox's answer is spoilt.
        warm: there is a connection already.
        times: how many answers are spoilt; None for all.
        options: what the sandbox's fault is told.
        limits: settings of the client.
    """

    where: Where
    name: str
    ends: tuple[str, ...]
    arrived: int = 1
    others: int = 0
    trouble: Trouble | None = None
    warm: bool = False
    times: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.where}: {self.name}"

    @property
    def is_survived(self) -> bool:
        """The call has its answer all the same."""
        return self.ends == ("200",)


OPTIONS: dict[str, dict[str, Any]] = {
    "slow": {"seconds": 0.02},
    "drip": {"seconds": 0.02},
    "huge_body": {"size": 2 * MIB},
    "gzip_bomb": {"size": 20 * MIB},
    "gzip_bomb_refusal": {"size": 4 * MIB},
    "endless_refusal": {"size": 2 * MIB},
}
ONE_MORE_TRY = {"token_deadline": 10.0, "token_timeout": 0.5}
STALLING = {"token_deadline": 0.5, "token_timeout": 0.5}
"""Long enough for a handshake on a busy machine: each token request makes one."""
IMPATIENT = {"read_timeout": 0.3, "connect_timeout": 0.3}


def _spoilt(where: Where, names: list[str], *ends: str, **more: Any) -> list[Fault]:
    rows: list[dict[str, Any]] = [{"options": OPTIONS.get(name, {}), **more} for name in names]
    return [Fault(where, name, ends, **row) for name, row in zip(names, rows, strict=True)]


UNANSWERED = ["too_many_requests", "unavailable", "server_error", "bad_gateway", "drop", "truncated", "stall"]
CREDENTIALS = ["bare_401", "invalid_client", "invalid_client_400", "secret_echo"]
REFUSED = ["bare_403", "error_under_200", "invalid_grant", "invalid_request", "invalid_scope", "method_not_allowed"]
NO_TOKEN = [
    *(f"redirect_{status}" for status in REDIRECTS),
    *("empty", "html", "huge_body", "gzip_bomb", "corrupt_gzip", "invalid_utf8", "no_access_token"),
    *(f"json_{kind}" for kind in ("array", "number", "string", "null", "deep", "huge_number")),
    *(
        f"access_token_{kind}"
        for kind in ("null", "number", "object", "empty", "space", "control", "crlf", "non_ascii", "long")
    ),
    *(f"token_type_{kind}" for kind in ("mac", "crlf", "number")),
]
ODD_TOKENS = ["slow", "no_token_type", "token_type_odd_case", "unasked_gzip"]
"""Odd answers, with a token in them all the same."""

SPOILT_TOKEN_ANSWERS = [
    *_spoilt("token endpoint", UNANSWERED, "TokenEndpointUnavailableError", limits=SOON),
    *_spoilt("token endpoint", ["drip"], "TokenEndpointUnavailableError", limits=SOON, options={"seconds": 60}),
    *_spoilt("token endpoint", CREDENTIALS, "CredentialsRefusedError"),
    *_spoilt("token endpoint", [*REFUSED, "unsupported_grant_type", "unauthorized_client"], "TokenRequestRefusedError"),
    *_spoilt("token endpoint", NO_TOKEN, "InvalidTokenResponseError"),
    *_spoilt("token endpoint", ODD_TOKENS, "200", others=1),
]

GATEWAY_FAILED = ["unavailable", "server_error", "bad_gateway"]
"""A 5xx says nothing of the other kind, which is asked as well."""

METADATA_UNAVAILABLE = [*(name for name in UNANSWERED if name not in GATEWAY_FAILED), "drip"]
NO_METADATA = [
    *(f"redirect_{status}" for status in REDIRECTS),
    *("bare_403", "not_found", "empty", "html", "json_array", "invalid_utf8", "huge_body", "gzip_bomb"),
    *("no_issuer", "other_issuer", "slashed_issuer"),
    *("no_token_endpoint", "plain_token_endpoint", "moved_token_endpoint", "other_auth_methods"),
]
"""Unusable metadata: the client tries the other path as well."""

SPOILT_METADATA = [
    *_spoilt("metadata endpoint", METADATA_UNAVAILABLE, "TokenEndpointUnavailableError", limits=SOON, options={"seconds": 60}),
    *_spoilt("metadata endpoint", GATEWAY_FAILED, "TokenEndpointUnavailableError", limits=SOON, arrived=2),
    *_spoilt("metadata endpoint", NO_METADATA, "DiscoveryError", arrived=2),
    *_spoilt("metadata endpoint", ["slow"], "200", others=2),
]

DELIVERED = {
    **{f"redirect_{status}": status for status in REDIRECTS},
    "too_many_requests": 429,
    "unavailable": 503,
    "server_error": 500,
    "bad_gateway": 502,
    "slow": 200,
    "drip": 200,
    "refused_400": 400,
    "insufficient_scope": 403,
    "long_refusal": 403,
    "gzip_bomb_refusal": 403,
    "endless_refusal": 403,
}
"""Answers that a new token would not change, or that are too long to be judged: sent once."""

TRIED_AGAIN = {"bare_403": 403, "refused_401": 401, "refused_403": 403, "invalid_token": 401, "gzip_refusal": 403}
"""Refusals that may be about the token."""

_TWICE: dict[str, Any] = {"arrived": 2, "others": 1, "warm": True}

SPOILT_API_ANSWERS = [
    *(row for name, status in DELIVERED.items() for row in _spoilt("API", [name], str(status), warm=True)),
    *(
        row
        for name, status in TRIED_AGAIN.items()
        for row in _spoilt("API", [name], str(status), arrived=2, others=1, warm=True)
    ),
    *_spoilt("API", ["drop", "truncated"], "RemoteProtocolError", warm=True),
    *_spoilt("API", ["stall"], "ReadTimeout", limits=IMPATIENT, warm=True),
]

CURED = [
    *_spoilt("API", [*TRIED_AGAIN], "200", times=1, **_TWICE),
    *_spoilt("token endpoint", ["drop", "server_error"], "200", arrived=2, others=1, times=1),
    *_spoilt("token endpoint", ["stall"], "200", arrived=2, others=1, times=1, limits=ONE_MORE_TRY),
]
"""It happens once, and the caller sees nothing of it."""

CONNECTING = {
    "reset on connecting": Trouble("reset", "up"),
    "hung up on in the handshake": Trouble("close", "down", 200),
    "reset in the handshake": Trouble("reset", "down", 200),
    "corrupt certificate": Trouble("corrupt", "down", 400),
    "something else than TLS": Trouble("corrupt", "down"),
}
"""Nothing was sent yet."""

LOST_REQUEST = {
    "request cut off by a reset": Trouble("reset", "up", asked=True),
    "request cut in two": Trouble("close", "up", 40, asked=True),
    "request corrupted": Trouble("corrupt", "up", 40, asked=True),
}
LOST_ANSWER = {
    "answer lost by a reset": Trouble("reset", "down", asked=True),
    "answer lost by a hang-up": Trouble("close", "down", asked=True),
    "answer cut in two": Trouble("close", "down", 60, asked=True),
    "answer corrupted": Trouble("corrupt", "down", 40, asked=True),
}
STALLED = {
    "silence in the handshake": (Trouble("stall", "down"), False, 0, "ConnectTimeout"),
    "half a handshake": (Trouble("stall", "down", 200), False, 0, "ConnectTimeout"),
    "request swallowed": (Trouble("stall", "up", asked=True), True, 0, "ReadTimeout"),
    "answer swallowed": (Trouble("stall", "down", asked=True), True, 1, "ReadTimeout"),
    "half an answer": (Trouble("stall", "down", 60, asked=True), True, 1, "ReadTimeout"),
}
BROKEN = ("ReadError", "RemoteProtocolError", "WriteError", "SSLError")
"""Under asyncio, both libraries let ssl's own error through when a record is corrupt: it is no ``TransportError``."""


def _on_the_wire(
    where: Where, unavailable: str | None, other: int, *, failing: Mapping[str, Any], stalled: Mapping[str, Any]
) -> list[Fault]:
    """Return the faults of connections.

    Args:
        where: which connections.
        unavailable: the error that all of it is; None: the library's own.
        other: requests that arrive elsewhere, where the connection is a new one.
        failing: settings of clients whose connections fail.
        stalled: the same where nothing comes, and time has to run out.
    """

    def row(
        name: str, trouble: Trouble, ends: tuple[str, ...], arrived: int, *, warm: bool, limits: Mapping[str, Any] = failing
    ) -> Fault:
        return Fault(
            where,
            name,
            (unavailable,) if unavailable else ends,
            arrived,
            others=0 if warm else other,
            trouble=trouble,
            warm=warm,
            limits=limits,
        )

    return [
        *(row(name, trouble, ("ConnectError",), 0, warm=False) for name, trouble in CONNECTING.items()),
        *(row(name, trouble, BROKEN, 0, warm=True) for name, trouble in LOST_REQUEST.items()),
        *(row(name, trouble, BROKEN, 1, warm=True) for name, trouble in LOST_ANSWER.items()),
        *(
            row(name, trouble, (ends,), arrived, warm=warm, limits=stalled)
            for name, (trouble, warm, arrived, ends) in STALLED.items()
        ),
    ]


TRICKLED = [
    Fault("token endpoint", "answer in drops", ("200",), others=1, trouble=Trouble("trickle", "down"), warm=True),
    Fault("API", "answer in drops", ("200",), trouble=Trouble("trickle", "down"), warm=True),
]

FAULTS = [
    *SPOILT_METADATA,
    *SPOILT_TOKEN_ANSWERS,
    *SPOILT_API_ANSWERS,
    *CURED,
    *_on_the_wire("token endpoint", "TokenEndpointUnavailableError", 0, failing=SOON, stalled=STALLING),
    *_on_the_wire("API", None, 1, failing={}, stalled=IMPATIENT),
    *TRICKLED,
]
