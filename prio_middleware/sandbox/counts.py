"""Counts and latest requests of the sandbox."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

TOKEN_ROUTE = "/oauth2/token"  # The token endpoint's path below the API's root.
METADATA_ROUTE = "/.well-known/"  # Prefix of the paths of the authorization server's metadata.

_OPEN = ("/system/", METADATA_ROUTE)
_KEPT = 20_000


@dataclass(slots=True)
class SeenRequest:
    """Request as it arrived, with its credentials.

    Attributes:
        path: the path with its query.
        route: the path below the API's root, without its query.
        app_headers: the ``App-*`` headers, names in lower case.
        status: the status of the response; None if none was sent.
    """

    method: str
    path: str
    route: str
    host: str
    authorization: str | None
    app_headers: dict[str, str]
    status: int | None = None

    @property
    def token_request(self) -> bool:
        """True for a request to the token endpoint."""
        return self.route == TOKEN_ROUTE


@dataclass(frozen=True, slots=True)
class SeenTokenRequest:
    """Parsed token request.

    Attributes:
        client_id: the client id in its credentials, valid or not; empty without credentials.
        method: the client authentication method (``client_secret_basic`` ...); empty without one.
        parameters: the parameters of the body, without secret and assertion.
        error: the error code of the response; None for a token.
        fault: the fault that replaced the response; None without a fault.
    """

    client_id: str
    method: str
    content_type: str
    parameters: dict[str, str]
    error: str | None
    fault: str | None = None


@dataclass(slots=True)
class Counts:
    """Counts since the start or the last reset, without requests to the admin interface.

    Attributes:
        token_requests: requests that reached the token endpoint.
        tokens_issued: token requests answered with a token, without a fault.
        token_errors: token requests answered with an OAuth error.
        token_faults: token requests whose response a fault replaced.
        token_requests_by_client: token requests by client id.
        calls: all other requests.
        calls_by_status: calls by the status of the response.
        calls_by_route: calls by path and status.
        calls_without_token: calls without ``Authorization``, but for ``system/*`` and metadata.
        max_concurrent_calls: the most calls in progress at one time.
        blocked: requests of any kind answered 429 because a limit was exceeded.
        client_errors_last_minute: responses 4xx that count towards the limit now.
    """

    token_requests: int = 0
    tokens_issued: int = 0
    token_errors: int = 0
    token_faults: int = 0
    token_requests_by_client: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    calls_by_status: dict[int, int] = field(default_factory=dict)
    calls_by_route: dict[str, dict[int, int]] = field(default_factory=dict)
    calls_without_token: int = 0
    max_concurrent_calls: int = 0
    blocked: int = 0
    client_errors_last_minute: int = 0


class Counters:
    """Counters of a running sandbox. Thread-safe. Beyond ``paths`` routes, further ones are counted together as ``(other)``."""

    def __init__(self, *, paths: int = 5_000) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._calls_in_progress = 0
        self.reset()

    def reset(self) -> None:
        """Clear all counts, except those in progress."""
        with self._lock:
            self._requests: deque[SeenRequest] = deque(maxlen=_KEPT)
            self._token_requests: deque[SeenTokenRequest] = deque(maxlen=_KEPT)
            self._counts = Counts(max_concurrent_calls=self._calls_in_progress)

    def arrived(self, seen: SeenRequest) -> None:
        """Count a request that arrived."""
        with self._lock:
            self._requests.append(seen)
            if seen.token_request:
                self._counts.token_requests += 1
                return
            self._counts.calls += 1
            if seen.authorization is None and not seen.route.startswith(_OPEN):
                self._counts.calls_without_token += 1
            self._calls_in_progress += 1
            self._counts.max_concurrent_calls = max(self._counts.max_concurrent_calls, self._calls_in_progress)

    def answered(self, seen: SeenRequest, status: int) -> None:
        """Count a response that is about to be sent."""
        with self._lock:
            seen.status = status
            if not seen.token_request:
                routes = self._counts.calls_by_route
                route = seen.route if seen.route in routes or len(routes) < self._paths else "(other)"
                _add_one(routes.setdefault(route, {}), status)
                _add_one(self._counts.calls_by_status, status)

    def left(self, seen: SeenRequest) -> None:
        """Record the end of a request, answered or not."""
        with self._lock:
            self._calls_in_progress -= not seen.token_request

    def blocked(self) -> None:
        """Count a request that exceeded a limit."""
        with self._lock:
            self._counts.blocked += 1

    def token_request(self, seen: SeenTokenRequest) -> None:
        """Count a token request that was parsed."""
        with self._lock:
            self._token_requests.append(seen)
            _add_one(self._counts.token_requests_by_client, seen.client_id)
            if seen.fault:
                self._counts.token_faults += 1
            elif seen.error:
                self._counts.token_errors += 1
            else:
                self._counts.tokens_issued += 1

    def requests(self) -> list[SeenRequest]:
        """Return the latest 20,000 requests, oldest first."""
        with self._lock:
            return [dataclasses.replace(seen) for seen in self._requests]

    def token_requests(self) -> list[SeenTokenRequest]:
        """Return the latest 20,000 token requests, oldest first."""
        with self._lock:
            return list(self._token_requests)

    def counts(self, client_errors_last_minute: int) -> Counts:
        """Return a copy of the counts."""
        with self._lock:
            return dataclasses.replace(copy.deepcopy(self._counts), client_errors_last_minute=client_errors_last_minute)


def _add_one(counts: dict[Any, int], key: object) -> None:
    counts[key] = counts.get(key, 0) + 1
