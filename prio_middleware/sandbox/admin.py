"""Administration of a sandbox, in process or over HTTP."""

from __future__ import annotations

import dataclasses
import hmac
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, Unpack

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import ConfigurationError
from .api_errors import ApiError, unknown
from .counts import Counts, SeenRequest, SeenTokenRequest
from .faults import FaultOptions
from .sandbox_options import Account, account_from_json
from .state import State


class Operations:
    """Operations of the admin interface; :class:`.Admin` documents them."""

    def __init__(self, state: State) -> None:
        self._state = state

    def revoke(self, client_id: str | None = None) -> int:
        return self._state.tokens.revoke(client_id)

    def expire(self, client_id: str | None = None) -> int:
        return self._state.tokens.expire(self._state.clock(), client_id)

    def tokens(self) -> list[str]:
        return self._state.tokens.texts()

    def configure(self, **changes: object) -> None:
        self._state.options = self._state.options.replace(changes)

    def put_account(self, account: Mapping[str, Any]) -> None:
        added = account_from_json(account)
        self._state.accounts = {**self._state.accounts, added.client_id: added}

    def set_secret(self, client_id: str, client_secret: str) -> None:
        account = self._state.accounts.get(client_id)
        if account is None:
            raise unknown("account", client_id, self._state.accounts)
        changed = dataclasses.replace(account, client_secret=client_secret)
        self._state.accounts = {**self._state.accounts, client_id: changed}

    def fail_tokens(self, fault: str, times: int | None, options: Mapping[str, Any]) -> None:
        self._state.token_faults.add(fault, FaultOptions(**options), times)

    def fail_metadata(self, fault: str, times: int | None, path: str, options: Mapping[str, Any]) -> None:
        self._state.metadata_faults.add(fault, FaultOptions(**options), times, path)

    def fail_api(self, fault: str, times: int | None, path: str, options: Mapping[str, Any]) -> None:
        self._state.api_faults.add(fault, FaultOptions(**options), times, path)

    def clear_faults(self) -> None:
        self._state.clear_faults()

    def release(self) -> None:
        self._state.pauses.release()

    def advance(self, seconds: float) -> None:
        self._state.clock.advance(seconds)

    def counts(self) -> dict[str, Any]:
        refusals = self._state.limits.refusals(self._state.clock())
        return dataclasses.asdict(self._state.counters.counts(refusals))

    def requests(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(seen) for seen in self._state.counters.requests()]

    def token_requests(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(seen) for seen in self._state.counters.token_requests()]

    def reset_counts(self) -> None:
        self._state.counters.reset()
        self._state.limits.reset()

    def reset(self) -> None:
        self._state.reset()


_NAMES = [name for name in vars(Operations) if not name.startswith("_")]


def perform(operations: Operations, name: str, arguments: object) -> Any:
    """Perform the operation ``name``.

    Raises:
        ConfigurationError: there is no such operation, or its arguments do not fit.
    """
    if name not in _NAMES:
        raise unknown("operation", name, _NAMES)
    operation = getattr(operations, name)
    if not isinstance(arguments, dict) or not _fits(inspect.signature(operation), arguments):
        raise ConfigurationError(f"The arguments of the sandbox's operation {name!r} do not match.", remedy="See Admin.")
    return operation(**arguments)


def answer(operations: Operations, name: str, arguments: object) -> dict[str, Any]:
    """Return the ``result`` of :func:`perform` as a document, or the error's ``message`` and ``remedy``."""
    try:
        return {"result": perform(operations, name, arguments)}
    except ConfigurationError as error:
        return error_document(error)


def error_document(error: ConfigurationError) -> dict[str, Any]:
    """Return an error as a document."""
    return {"message": error.message, "remedy": error.remedy}


def _fits(signature: inspect.Signature, arguments: Mapping[str, Any]) -> bool:
    try:
        signature.bind(**arguments)
    except TypeError:
        return False
    return True


ADMIN_KEY = "Sandbox-Admin-Key"
"""The header that opens the admin interface."""


class AdminEndpoint:
    """Admin interface over HTTP. ``key`` is the value of the header that opens it."""

    def __init__(self, operations: Operations, key: str) -> None:
        self._operations = operations
        self._key = key

    async def answer(self, request: Request) -> Response:
        """Perform the operation in the path with the body's members as arguments."""
        if not hmac.compare_digest(request.headers.get(ADMIN_KEY, "").encode(), self._key.encode()):
            raise ApiError(403, "ADMIN_KEY", f"The header {ADMIN_KEY} is missing or wrong.")
        try:
            arguments = json.loads(await request.body() or b"{}")
        except (ValueError, RecursionError):
            arguments = None
        document = answer(self._operations, request.path_params["operation"], arguments)
        return JSONResponse(document, 200 if "result" in document else 400)


Perform = Callable[[str, Mapping[str, Any]], Any]
"""Function that performs an operation of the sandbox, given its name and arguments. Returns JSON values."""


class FaultArguments(TypedDict, total=False):
    """Attributes of ``FaultOptions`` as keyword arguments."""

    location: str
    retry_after: float | str | None
    seconds: float | None
    size: int | None


def _options(arguments: FaultArguments) -> dict[str, Any]:
    return dataclasses.asdict(FaultOptions(**arguments))


class Admin:
    """Admin interface of a running sandbox. Its requests are not counted, and have no limits.

    Every method raises ConfigurationError for a name or value that the sandbox does not know.

    Args:
        perform: performs an operation of the sandbox.
    """

    def __init__(self, perform: Perform) -> None:
        self._perform = perform

    def revoke(self, client_id: str | None = None) -> int:
        """Revoke the tokens of one client, or all. Return the number that this revoked."""
        return int(self._perform("revoke", {"client_id": client_id}))

    def expire(self, client_id: str | None = None) -> int:
        """Expire the tokens of one client, or all. Return the number that this expired."""
        return int(self._perform("expire", {"client_id": client_id}))

    def tokens(self) -> list[str]:
        """Return the latest 10,000 access tokens, valid or not, oldest first."""
        return [str(token) for token in self._perform("tokens", {})]

    def configure(self, **changes: object) -> None:
        """Change any of :class:`SandboxOptions` but ``version`` and ``accounts``: ``configure(lifetime=5, limits=False)``."""
        self._perform("configure", changes)

    def put_account(self, account: Account) -> None:
        """Add an account, or replace the one with its id."""
        self._perform("put_account", {"account": dataclasses.asdict(account)})

    def set_secret(self, client_id: str, client_secret: str) -> None:
        """Change an account's secret. Its tokens stay valid."""
        self._perform("set_secret", {"client_id": client_id, "client_secret": client_secret})

    def fail_tokens(self, fault: str, *, times: int | None = 1, **options: Unpack[FaultArguments]) -> None:
        """Replace the next answers of the token endpoint, as ``TOKEN_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: the number of answers; None for all until :meth:`clear_faults`.
            options: attributes of ``FaultOptions``: ``location``, ``retry_after``, ``seconds``, ``size``.
        """
        self._perform("fail_tokens", {"fault": fault, "times": times, "options": _options(options)})

    def fail_metadata(self, fault: str, *, times: int | None = 1, path: str = "", **options: Unpack[FaultArguments]) -> None:
        """Replace the next answers with the authorization server's metadata, as ``METADATA_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: the number of answers, one for each path that a client tries; None for all.
            path: ``/.well-known/oauth-authorization-server``, ``/.well-known/openid-configuration``; empty for both.
            options: attributes of ``FaultOptions``.
        """
        self._perform("fail_metadata", {"fault": fault, "times": times, "path": path, "options": _options(options)})

    def fail_api(self, fault: str, *, times: int | None = 1, path: str = "", **options: Unpack[FaultArguments]) -> None:
        """Replace the next answers to calls, as ``API_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: the number of answers; None for all until :meth:`clear_faults`.
            path: the beginning of the path below the API's root; empty for every call.
            options: attributes of ``FaultOptions``.
        """
        self._perform("fail_api", {"fault": fault, "times": times, "path": path, "options": _options(options)})

    def clear_faults(self) -> None:
        """Drop the faults that have not occurred yet."""
        self._perform("clear_faults", {})

    def release(self) -> None:
        """End every delay and stall in progress."""
        self._perform("release", {})

    def advance(self, seconds: float) -> None:
        """Advance the clock of tokens, reservations and limits by ``seconds``."""
        self._perform("advance", {"seconds": seconds})

    def counts(self) -> Counts:
        """Return the counts since the start or the last reset."""
        return Counts.from_json(self._perform("counts", {}))

    def requests(self) -> list[SeenRequest]:
        """Return the latest 20,000 requests, oldest first."""
        return [SeenRequest(**seen) for seen in self._perform("requests", {})]

    def token_requests(self) -> list[SeenTokenRequest]:
        """Return the latest 20,000 token requests, oldest first."""
        return [SeenTokenRequest(**seen) for seen in self._perform("token_requests", {})]

    def reset_counts(self) -> None:
        """Clear the counts, the recorded requests and the limits."""
        self._perform("reset_counts", {})

    def reset(self) -> None:
        """Restore the options, accounts, tokens, bookings, faults and counts of the start."""
        self._perform("reset", {})
