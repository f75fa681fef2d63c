"""A token endpoint and an API on a loopback port, for packages that bring paths and answers of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from prio_middleware.settings import ClientSettings, Settings

Answer = Callable[[str], tuple[str, bytes]]
"""Returns content type and body for a path."""


class LocalAPI:
    """API whose every path answers 401 without the newest token, and JSON with it.

    Attributes:
        url: its base URL.
        answers: JSON values by path; other paths answer ``{"path": path}``.
        calls: method and path of each accepted call.
        rejected: number of calls without the newest token.
        token_requests: number of token requests.
        is_down: the token endpoint answers 503.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, str]] = []
        self.rejected = 0
        self.token_requests = 0
        self.is_down = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def token(self) -> str:
        """The newest token."""
        return f"token-{self.token_requests}"

    def values(self, **changes: Any) -> dict[str, Any]:
        """Return the settings of a client."""
        own = {"preset": "rfc6749", "base_url": self.url, "token_url": f"{self.url}/token", "client_id": "shop"}
        more = {"client_secret": "s3cret", "loopback_http_hosts": ["127.0.0.1"], "token_deadline": 1.0, "token_timeout": 0.5}
        return {**own, **more, **changes}

    def settings(self, **changes: Any) -> Settings:
        """Return settings with one client."""
        return Settings.from_values(**self.values(**changes))

    def client_settings(self, **changes: Any) -> ClientSettings:
        """Return the settings of one client."""
        return self.settings(**changes).client()

    def environment(self, **changes: Any) -> dict[str, str]:
        """Return the settings of a client as environment variables."""
        values = {**self.values(**changes), "loopback_http_hosts": "127.0.0.1"}
        return {f"PRIO_{key.upper()}": str(value) for key, value in values.items()}

    def answer(self, method: str, path: str, authorization: str | None) -> tuple[int, bytes]:
        """Return status and body."""
        if path == "/token":
            self.token_requests += 1
            body = {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600}
            return (503, b"") if self.is_down else (200, json.dumps(body).encode())
        if authorization != f"Bearer {self.token}":
            self.rejected += 1
            return 401, b"{}"
        self.calls.append((method, path))
        return 200, json.dumps(self.answers.get(path, {"path": path})).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                status, body = api.answer(self.command, path, self.headers.get("Authorization"))
                self.send_response(status)
                stream = path.endswith("/events")
                self.send_header("Content-Type", "text/event-stream" if stream else "application/json")
                self.send_header("Cache-Control", "max-age=60")
                body = b"event: sold\ndata: 1\n\n" if stream and status == 200 else body
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815 - the names of http.server

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
                pass

        return Handler
