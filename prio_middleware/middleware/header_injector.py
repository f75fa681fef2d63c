"""Header injector: writes the ``Authorization`` header with the token."""

from __future__ import annotations

from typing import Final, get_args

from ..errors import ConfigurationError
from ..pipeline.component_checks import built_in
from ..pipeline.exchange import CallerAuthorization, Exchange

_CHOICES: Final = get_args(CallerAuthorization)


@built_in("header_injector")
class HeaderInjector:
    """Component that writes the token into the headers that are sent (RFC 6750 §2.1). Requests without one are unchanged.

    Args:
        caller_authorization: the policy for an ``Authorization`` header that the caller set: ``"keep"`` sends it, and no token;
            ``"replace"`` sends the token in its place; ``"refuse"`` raises an error.

    Attributes:
        handles_caller_authorization: True: the injector notices the caller's header when it replaces it.

    Raises:
        ConfigurationError: ``caller_authorization`` has another value.
    """

    handles_caller_authorization = True

    def __init__(self, caller_authorization: CallerAuthorization = "keep") -> None:
        if caller_authorization not in _CHOICES:
            raise ConfigurationError(
                f"caller_authorization is {caller_authorization!r}; expected one of {', '.join(map(repr, _CHOICES))}."
            )
        self.caller_authorization: CallerAuthorization = caller_authorization

    def on_request(self, exchange: Exchange) -> None:
        """Write the header.

        Raises:
            CallerAuthorizationError: the caller set the header, and the policy is ``"refuse"``.
        """
        if exchange.token is None:
            return
        headers = exchange.headers
        size = len(headers)
        headers["Authorization"] = exchange.token.header.reveal()
        # A header was replaced: the caller's own, or on the retry the token of the first attempt.
        if len(headers) <= size and exchange.attempt == 1:
            exchange.caller_authorization = self.caller_authorization
            exchange.use_caller_authorization()
