"""Exchange: one call on its way through the pipeline; and the verdict on its response."""

from __future__ import annotations

import enum
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final, Literal

from .._util.secret import Unpicklable
from ..errors import CallerAuthorizationError
from ..oauth.access_token import DEFAULT_OPTIONS, AccessToken, TokenOptions
from .protocols import OnResponse, RequestLike

if TYPE_CHECKING:
    from .._util.secret import Secret
    from ..middleware.revocation.refusal import Refusal

CallerAuthorization = Literal["keep", "replace", "refuse"]
"""Policy for an ``Authorization`` header that the caller set on the request.

- ``"keep"``: send it, and no token.
- ``"replace"``: send the token in its place.
- ``"refuse"``: block the request.
"""

_RawPairs = list[tuple[bytes, bytes]]

REFERENCE: Final = "App-Reference"  # Header with the reference of a request, by which the vendor's support finds it.


class Verdict(enum.Enum):
    """Decision of a component about a response."""

    DELIVER = "deliver"
    """Return the response to the caller."""

    REAUTHENTICATE = "reauthenticate"
    """The token is rejected: replace it and send the request once more, if that is possible."""


REAUTHENTICATE = Verdict.REAUTHENTICATE  # Every call compares with it, and a global name is faster than a class attribute.


class Exchange(Unpicklable):
    """One call on its way through the pipeline. It cannot be pickled: its headers hold credentials.

    Attributes:
        request: the caller's request. Read-only, except for own keys in its ``extensions``.
        headers: the headers that are sent. A copy: changes reach neither the caller's request nor a redirect.
        client: the configured name of the client, for errors.
        token: the token of this attempt. None before the token provider, and if the request is sent without a token.
        refusal: the parsed response, if its status is in a component's ``refusal_statuses`` and a token was sent; else None.
        options: scope, audience and so on of the token. None if the request is sent without a token.
        bypassed: True after :meth:`bypass`.
        attempt: 1, or 2 after re-authentication.
        caller_authorization: the policy for the caller's own ``Authorization`` header. ``"replace"`` until the header injector
            runs, if a component between the token provider and the injector may still change that header.
        saved_authorization: that header before the header injector runs. None if only components of this package ran before.
        further_query: query that is added to the sent request only, such as an API key. None if there is none.
        response_hooks: the hooks that get the response, innermost first.
        rejected_token: the token to replace; None if the caller gets the response.
    """

    # Defaults on the class make construction faster and reads slower: only for attributes that the steady path does not read.
    caller_authorization: CallerAuthorization = "keep"
    saved_authorization: _RawPairs | None = None
    further_query: Secret | None = None
    attempt = 1

    def __init__(self, request: RequestLike, headers: MutableMapping[str, str], client: str = "default") -> None:
        self.request = request
        self.headers = headers
        self.client = client
        self.token: AccessToken | None = None
        self.refusal: Refusal | None = None
        self.rejected_token: AccessToken | None = None
        self.options: TokenOptions | None = DEFAULT_OPTIONS
        self.response_hooks: tuple[OnResponse, ...] = ()
        self.bypassed = False

    def bypass(self) -> None:
        """Mark the request to be sent as the caller made it: without a token, and without the later components.

        This is final. Headers that any component writes, before or after, are not sent, ``App-*`` headers included.
        """
        self.bypassed = True
        self.token = self.options = None

    def send_unchanged(self) -> None:
        """Bypass the pipeline, and discard all headers that components wrote."""
        request: Any = self.request
        copy: Any = type(self.headers)
        self.bypass()
        self.headers = copy(request.headers)

    def use_caller_authorization(self) -> bool:
        """Send the caller's own ``Authorization`` header instead of the token, if there is one and the policy is ``"keep"``.

        Return False if the token is sent: the caller set no such header, a component removed it, or the policy is
        ``"replace"``.

        Raises:
            CallerAuthorizationError: the caller set one, and the policy is ``"refuse"``.
        """
        if self.caller_authorization == "replace":
            return False
        request: Any = self.request
        headers: Any = self.headers
        authorization = _authorization(request.headers)
        if authorization and self.saved_authorization is not None:
            authorization = self.saved_authorization
        elif authorization and self.token is None:  # With a token, the injector has already replaced the header.
            authorization = _authorization(headers)
        if not authorization:
            return False
        if self.caller_authorization == "refuse":
            raise CallerAuthorizationError(
                "Blocked: the request has an Authorization header of its own.", client=self.client, url=self.request.url
            )
        from ..telemetry.logs import log_caller_authorization

        log_caller_authorization(self.client, self.request.url)
        self.headers = type(headers)([*(pair for pair in headers.raw if not _is_authorization(pair)), *authorization])
        self.token = self.options = None
        return True

    def save_caller_authorization(self) -> None:
        """Save the ``Authorization`` header in ``saved_authorization`` before the injector replaces it."""
        self.saved_authorization = _authorization(self.headers)

    def start_retry(self, token: AccessToken) -> None:
        """Start the second attempt, with a new token."""
        headers: Any = self.headers
        self.headers = type(headers)(headers)  # The first request keeps its own: recorders may hold it.
        self.token = token
        self.refusal = self.rejected_token = None
        self.attempt = 2

    def reject_token(self) -> None:
        """Set ``rejected_token`` after a verdict ``REAUTHENTICATE``.

        It stays None if the response is no parsed refusal, or if that was not read to its end and its header does not decide.
        """
        if self.refusal is not None and self.refusal.is_conclusive:
            self.rejected_token = self.token


def _authorization(headers: Any) -> _RawPairs:
    return [pair for pair in headers.raw if _is_authorization(pair)]


def _is_authorization(pair: tuple[bytes, bytes]) -> bool:
    return pair[0].lower() == b"authorization"
