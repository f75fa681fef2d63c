"""The token goes into the request's ``Authorization`` header."""

from __future__ import annotations

from ..pipeline import Exchange


class HeaderInjector:
    """Presents the token as RFC 6750 §2.1 has it, on the headers that are sent and nowhere else.

    A request that goes without a token of ours (bare, or with an ``Authorization`` header of the caller's own) is left alone.

    Attributes:
        gives_way: it notices the caller's own header itself, so nobody needs to look for one before every call.
    """

    gives_way = True

    def on_request(self, exchange: Exchange) -> None:
        """Write the header."""
        if exchange.token is None:
            return
        headers = exchange.headers
        size = len(headers)
        headers["Authorization"] = exchange.token.header.reveal()
        if len(headers) <= size and exchange.attempt == 1:  # One was replaced; at a second attempt, it was the first one's.
            exchange.give_way()
