"""Administration of a sandbox, in process or over HTTP."""

from __future__ import annotations

import dataclasses
import hmac
import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from starlette.requests import Request
from starlette.responses import Response

from ..errors import ConfigurationError
from .api_errors import ApiError, unknown
from .counts import Counts, SeenRequest, SeenTokenRequest
from .faults import FaultOptions
from .sandbox_options import Account

if TYPE_CHECKING:
    from .state import State


class FaultArguments(TypedDict, total=False):
    """Attributes of ``FaultOptions`` as keyword arguments."""

    location: str
    retry_after: float | str | None
    seconds: float | None
    size: int | None


class Admin:
    """Admin interface of a running sandbox. Its requests are not counted, and have no limits.

    Every method raises ConfigurationError for a name or value that the sandbox does not know.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def revoke(self, client_id: str | None = None) -> int:
        """Revoke the tokens of one client, or all. Return the number that this revoked."""
        return self._state.tokens.revoke(client_id)

    def expire(self, client_id: str | None = None) -> int:
        """Expire the tokens of one client, or all. Return the number that this expired."""
        return self._state.tokens.expire(self._state.clock(), client_id)

    def tokens(self) -> list[str]:
        """Return the latest 10,000 access tokens, valid or not, oldest first."""
        return self._state.tokens.texts()

    def configure(self, **changes: object) -> None:
        """Change any of :class:`SandboxOptions` but ``version`` and ``accounts``: ``configure(lifetime=5, limits=False)``."""
        self._state.options = self._state.options.replace(changes)

    def put_account(self, account: Account) -> None:
        """Add an account, or replace the one with its id."""
        self._state.accounts = {**self._state.accounts, account.client_id: account}

    def set_secret(self, client_id: str, client_secret: str) -> None:
        """Change an account's secret. Its tokens stay valid."""
        if client_id not in self._state.accounts:
            raise unknown("account", client_id, self._state.accounts)
        self.put_account(dataclasses.replace(self._state.accounts[client_id], client_secret=client_secret))

    def fail_tokens(self, fault: str, *, times: int | None = 1, **options: Unpack[FaultArguments]) -> None:
        """Replace the next responses of the token endpoint, as ``TOKEN_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: the number of responses; None for all until :meth:`clear_faults`.
            options: attributes of ``FaultOptions``: ``location``, ``retry_after``, ``seconds``, ``size``.
        """
        self._state.token_faults.add(fault, FaultOptions(**options), times)

    def fail_metadata(self, fault: str, *, times: int | None = 1, path: str = "", **options: Unpack[FaultArguments]) -> None:
        """Replace the next responses with the authorization server's metadata, as ``METADATA_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: the number of responses, one for each path that a client tries; None for all.
            path: ``/.well-known/oauth-authorization-server``, ``/.well-known/openid-configuration``; empty for both.
            options: attributes of ``FaultOptions``.
        """
        self._state.metadata_faults.add(fault, FaultOptions(**options), times, path)

    def fail_api(self, fault: str, *, times: int | None = 1, path: str = "", **options: Unpack[FaultArguments]) -> None:
        """Replace the next responses to calls, as ``API_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: the number of responses; None for all until :meth:`clear_faults`.
            path: the beginning of the path below the API's root; empty for every call.
            options: attributes of ``FaultOptions``.
        """
        self._state.api_faults.add(fault, FaultOptions(**options), times, path)

    def clear_faults(self) -> None:
        """Drop the faults that have not occurred yet."""
        self._state.clear_faults()

    def release(self) -> None:
        """End every delay and stall in progress."""
        self._state.pauses.release()

    def advance(self, seconds: float) -> None:
        """Advance the clock of tokens, reservations and limits by ``seconds``."""
        self._state.clock.advance(seconds)

    def counts(self) -> Counts:
        """Return the counts since the start or the last reset."""
        return self._state.counters.counts(self._state.limits.client_errors(self._state.clock()))

    def requests(self) -> list[SeenRequest]:
        """Return the latest 20,000 requests, oldest first."""
        return self._state.counters.requests()

    def token_requests(self) -> list[SeenTokenRequest]:
        """Return the latest 20,000 token requests, oldest first."""
        return self._state.counters.token_requests()

    def reset_counts(self) -> None:
        """Clear the counts, the recorded requests and the limits."""
        self._state.counters.reset()
        self._state.limits.reset()

    def reset(self) -> None:
        """Restore the options, accounts, tokens, bookings, faults and counts of the start."""
        self._state.reset()


_OPERATIONS = [name for name in vars(Admin) if not name.startswith("_")]

ADMIN_KEY = "Sandbox-Admin-Key"  # The header that opens the admin interface.


async def answer_admin_request(request: Request) -> Response:
    """Call the method of :class:`Admin` in the path, with the body's members as arguments.

    Return its ``result``, or the ``message`` and ``remedy`` of its error, as JSON.
    """
    key: str = request.app.sandbox_state.admin_key
    if not hmac.compare_digest(request.headers.get(ADMIN_KEY, "").encode(), key.encode()):
        raise ApiError(403, "ADMIN_KEY", f"The header {ADMIN_KEY} is missing or wrong.")
    status = 200
    try:
        document = {"result": _call(request.app.admin, request.path_params["operation"], await request.body() or b"{}")}
    except ConfigurationError as error:
        status, document = 400, {"message": error.message, "remedy": error.remedy}
    return Response(json.dumps(document, default=dataclasses.asdict), status, media_type="application/json")


def _call(admin: Admin, name: str, body: bytes) -> Any:
    if name not in _OPERATIONS:
        raise unknown("operation", name, _OPERATIONS)
    operation = getattr(admin, name)
    try:
        arguments: Mapping[str, Any] = json.loads(body)
        if name == "put_account":
            arguments = {"account": Account(**arguments["account"])}
        inspect.signature(operation).bind(**arguments)
    except (KeyError, TypeError, ValueError, RecursionError):
        message = f"The arguments of the sandbox's operation {name!r} do not match."
        raise ConfigurationError(message, remedy="See Admin.") from None
    return operation(**arguments)
