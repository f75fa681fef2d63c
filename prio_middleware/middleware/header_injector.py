"""The token goes into the request's ``Authorization`` header."""

from __future__ import annotations

from ..pipeline import Exchange


class HeaderInjector:
    """Presents the token as RFC 6750 §2.1 has it, on the headers that are sent and nowhere else.

    A request that goes without a token of ours (bare, or with an ``Authorization`` header of the caller's own) is left alone.
    """

    def on_request(self, exchange: Exchange) -> None:
        """Write the header."""
        if exchange.token is not None:
            exchange.headers["Authorization"] = exchange.token.header.reveal()
