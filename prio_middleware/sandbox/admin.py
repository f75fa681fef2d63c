"""The admin interface: change a running sandbox, and read what it saw.

One typed face, the same for a sandbox in this process and for one in a process of its own. It may be used from any thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from .accounts import Account
from .counts import Counts, SeenRequest, SeenTokenRequest
from .fault_plan import FaultOptions

Perform = Callable[[str, Mapping[str, Any]], Any]
"""Takes an operation's name and its arguments to the sandbox, and brings back what JSON can hold."""

_DEFAULT_LOCATION = FaultOptions().location


class Admin:
    """What can be done to a sandbox while it runs. Nothing of it is counted, or subject to the limits.

    Args:
        perform: how to reach the sandbox.

    Raises:
        ConfigurationError: by every method, for a name or a value that the sandbox does not know.
    """

    def __init__(self, perform: Perform) -> None:
        self._perform = perform

    def revoke(self, client_id: str | None = None) -> int:
        """Revoke the tokens of one client, or all. Returns how many were not revoked before."""
        return int(self._perform("revoke", {"client_id": client_id}))

    def expire(self, client_id: str | None = None) -> int:
        """Let the tokens of one client, or all, be expired. Returns how many were not expired before."""
        return int(self._perform("expire", {"client_id": client_id}))

    def tokens(self) -> list[str]:
        """The latest 10,000 access tokens that were issued, the oldest first, whether or not they are still good."""
        return [str(token) for token in self._perform("tokens", {})]

    def configure(self, **changes: object) -> None:
        """Change any of :class:`SandboxOptions` but ``version`` and ``accounts``: ``configure(lifetime=5, limits=False)``."""
        self._perform("configure", changes)

    def put_account(self, account: Account) -> None:
        """Add an account, or put it in the place of the one with its id."""
        self._perform("put_account", {"account": dataclasses.asdict(account)})

    def set_secret(self, client_id: str, client_secret: str) -> None:
        """Change an account's secret. Its tokens stay good."""
        self._perform("set_secret", {"client_id": client_id, "client_secret": client_secret})

    def fail_tokens(
        self,
        fault: str,
        *,
        times: int | None = 1,
        location: str = _DEFAULT_LOCATION,
        retry_after: float | str | None = None,
        seconds: float | None = None,
        size: int | None = None,
    ) -> None:
        """Spoil the next answers of the token endpoint, as ``TOKEN_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: how many answers; None for all until :meth:`clear_faults`.
            location: where redirects lead.
            retry_after: the ``Retry-After`` header; text is sent as it is.
            seconds: how long slow faults take.
            size: bytes of the bodies that are too large.
        """
        options = FaultOptions(location, retry_after, seconds, size)
        self._perform("fail_tokens", {"fault": fault, "times": times, "options": dataclasses.asdict(options)})

    def fail_metadata(
        self,
        fault: str,
        *,
        times: int | None = 1,
        path: str = "",
        location: str = _DEFAULT_LOCATION,
        retry_after: float | str | None = None,
        seconds: float | None = None,
        size: int | None = None,
    ) -> None:
        """Spoil the next answers with the authorization server's metadata, as ``METADATA_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: how many answers, of which there is one for each place that a client looks at; None for all.
            path: where: ``/.well-known/oauth-authorization-server``, ``/.well-known/openid-configuration``; empty for both.
            location: where redirects lead, and where a moved token endpoint is.
            retry_after: the ``Retry-After`` header; text is sent as it is.
            seconds: how long slow faults take.
            size: bytes of the bodies that are too large.
        """
        options = FaultOptions(location, retry_after, seconds, size)
        self._perform("fail_metadata", {"fault": fault, "times": times, "path": path, "options": dataclasses.asdict(options)})

    def fail_api(
        self,
        fault: str,
        *,
        times: int | None = 1,
        path: str = "",
        location: str = _DEFAULT_LOCATION,
        retry_after: float | str | None = None,
        seconds: float | None = None,
        size: int | None = None,
    ) -> None:
        """Spoil the next answers to calls whose path below the API's root begins with ``path``, as ``API_FAULTS[fault]`` does.

        Args:
            fault: the name of a fault.
            times: how many answers; None for all until :meth:`clear_faults`.
            path: where; empty for everywhere.
            location: where redirects lead.
            retry_after: the ``Retry-After`` header; text is sent as it is.
            seconds: how long slow faults take.
            size: bytes of the bodies that are too large.
        """
        options = FaultOptions(location, retry_after, seconds, size)
        self._perform("fail_api", {"fault": fault, "times": times, "path": path, "options": dataclasses.asdict(options)})

    def clear_faults(self) -> None:
        """Drop the faults that are still due."""
        self._perform("clear_faults", {})

    def release(self) -> None:
        """End every delay and stall that is going on."""
        self._perform("release", {})

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock on: tokens and reservations grow older, and the limits forget."""
        self._perform("advance", {"seconds": seconds})

    def counts(self) -> Counts:
        """What was counted since the start or the last reset."""
        return Counts.from_json(self._perform("counts", {}))

    def requests(self) -> list[SeenRequest]:
        """The latest 20,000 requests, the oldest first."""
        return [SeenRequest(**seen) for seen in self._perform("requests", {})]

    def token_requests(self) -> list[SeenTokenRequest]:
        """The latest 20,000 token requests, the oldest first."""
        return [SeenTokenRequest(**seen) for seen in self._perform("token_requests", {})]

    def reset_counts(self) -> None:
        """Set every count, the requests seen and the limits' memory to nothing."""
        self._perform("reset_counts", {})

    def reset(self) -> None:
        """Make the sandbox as it was at its start: options, accounts, tokens, bookings, faults and counts."""
        self._perform("reset", {})
