"""The sandbox as an ASGI application."""

from __future__ import annotations

import functools
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from .admin import Admin
from .admin_http import AdminEndpoint
from .api import DistributorApi, open_echo, redirect
from .clock import Clock
from .counts import TOKEN_ROUTE
from .gate import ADMIN, Gate
from .metadata import MetadataEndpoint
from .oauth import TokenEndpoint, method_not_allowed
from .operations import Operations, perform
from .options import SandboxOptions
from .problems import Problem
from .state import State

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class SandboxApp(Starlette):
    """The sandbox's application, for any ASGI server or transport, under asyncio and trio.

    Args:
        options: how it behaves at first.
        clock: what tokens, reservations and limits go by.

    Attributes:
        admin: how to change it while it runs, and to read what it saw.
        options: how it behaved at first.
        base_path: the path of the API's root.
    """

    def __init__(self, options: SandboxOptions | None = None, clock: Clock | None = None) -> None:
        self.options = options or SandboxOptions()
        self.base_path = f"/{self.options.version}/distributor"
        self.sandbox_state = State(self.options, clock or Clock())
        self.operations = Operations(self.sandbox_state)
        self.admin = Admin(functools.partial(perform, self.operations))
        super().__init__(
            routes=_routes(self.operations, self.sandbox_state, self.base_path),
            middleware=[Middleware(Gate, state=self.sandbox_state, base=self.base_path)],
            exception_handlers={HTTPException: _http_problem},
        )


def create_app(options: SandboxOptions | None = None, clock: Clock | None = None) -> SandboxApp:
    """The sandbox's application; ``app.admin`` is its admin interface."""
    return SandboxApp(options, clock)


def _routes(operations: Operations, state: State, base: str) -> list[Route | Mount]:
    token = Route(TOKEN_ROUTE, TokenEndpoint(state).answer, methods=["POST"])
    return [
        *MetadataEndpoint(state, base).routes(),
        Mount(base, routes=[token, *DistributorApi(state).routes()]),
        Route("/echo", open_echo, methods=_METHODS),
        Route("/redirect", redirect, methods=_METHODS),
        Route(f"{ADMIN}{{operation}}", AdminEndpoint(operations, state.admin_key).answer, methods=["POST"]),
    ]


def _http_problem(request: Request, error: Exception) -> Response:
    status = cast("HTTPException", error).status_code
    if status == 405 and request.url.path.endswith(TOKEN_ROUTE):
        return method_not_allowed()
    return Problem(status, "NOT_FOUND" if status == 404 else "METHOD_NOT_ALLOWED", "There is no such call.").response()
