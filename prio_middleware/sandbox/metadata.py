"""The authorization server's metadata (RFC 8414), in both places where a client may look for them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from .accounts import ALL_SCOPES
from .counts import METADATA_ROUTE, TOKEN_ROUTE
from .fault_plan import Spoilt
from .state import State


class MetadataEndpoint:
    """Answers with the metadata: truthfully, or as the next fault has it.

    Args:
        state: the sandbox's state.
        base: the path of the API's root.
    """

    def __init__(self, state: State, base: str) -> None:
        self._state = state
        self._base = base

    def routes(self) -> list[Route]:
        """Before the path (RFC 8414 §3.1), and behind it (OpenID Connect Discovery 1.0 §4)."""
        return [
            Route(f"{METADATA_ROUTE}oauth-authorization-server{self._base}", self.answer),
            Route(f"{self._base}{METADATA_ROUTE}openid-configuration", self.answer),
        ]

    async def answer(self, request: Request) -> ASGIApp:
        """The answer, as an ASGI application."""
        document = self._document(f"{request.url.scheme}://{request.url.netloc}{self._base}")
        fault = self._state.metadata_faults.next(request.url.path.removeprefix(self._base))
        app = JSONResponse(document)
        if fault is None:
            return app
        name, how = fault
        return self._state.metadata_faults.spoil(name, Spoilt(how, self._state.pauses, app, document))

    def _document(self, base_url: str) -> Mapping[str, object]:
        options = self._state.options
        return {
            "issuer": options.issuer or base_url,
            "token_endpoint": f"{base_url}{TOKEN_ROUTE}",
            "token_endpoint_auth_methods_supported": options.client_auth_methods,
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "scopes_supported": sorted(ALL_SCOPES),
        }
