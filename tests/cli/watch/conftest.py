"""Status page with responses that a test sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from prio_middleware.web.status.report import Status
from tests.status import helpers


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


class Page:
    """Status page that sends ``answers`` in turn, and repeats the last one.

    Attributes:
        url: URL of the page.
        asked: path and headers of each request.
        at_request: called before the answer, by the number of the request from 1.
    """

    def __init__(self) -> None:
        self.answers: list[Reply] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.at_request: dict[int, Callable[[], object]] = {}
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                page.at_request.get(len(page.asked), int)()
                reply = page.answers.pop(0) if len(page.answers) > 1 else page.answers[0]
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
                pass

        class QuietServer(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Print nothing: a command that is interrupted resets its connection."""

        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ops/status"

    def say(self, *answers: Status | bytes | int) -> None:
        self.answers = [self._reply(answer) for answer in answers]

    def _reply(self, answer: Status | bytes | int) -> Reply:
        if isinstance(answer, int):
            return Reply(answer, b"no", {"Location": "/login"} if answer == 302 else {})
        body = answer if isinstance(answer, bytes) else json.dumps(answer.as_dict()).encode()
        return Reply(200, body, {"Content-Type": "application/json"})


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    thread = threading.Thread(target=page.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    page.say(helpers.status())
    yield page
    page.server.shutdown()
    thread.join()
    page.server.server_close()
