"""The admin interface over HTTP: a POST for each operation, for whoever has the key."""

from __future__ import annotations

import hmac
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .operations import Operations, answer
from .problems import Problem

ADMIN_KEY = "Sandbox-Admin-Key"
"""The header that opens the admin interface."""


class AdminEndpoint:
    """Answers with the operation's ``result``, or with a ``message`` and a ``remedy``.

    Args:
        operations: what can be done.
        key: what the header has to hold.
    """

    def __init__(self, operations: Operations, key: str) -> None:
        self._operations = operations
        self._key = key

    async def answer(self, request: Request) -> Response:
        """Do the operation that the path names, with the body's members as arguments."""
        if not hmac.compare_digest(request.headers.get(ADMIN_KEY, "").encode(), self._key.encode()):
            return Problem(403, "ADMIN_KEY", f"The header {ADMIN_KEY} is missing or wrong.").response()
        document = answer(self._operations, request.path_params["operation"], _arguments(await request.body()))
        return JSONResponse(document, 200 if "result" in document else 400)


def _arguments(body: bytes) -> object:
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
