"""A status page that says what a test wants it to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from prio_middleware.status.model import Status
from tests.status import kit


class Said(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


class Page:
    """Answers in turn what is in ``answers``, the last one again and again.

    Attributes:
        url: where it is mounted.
        asked: path and headers of each request.
    """

    def __init__(self) -> None:
        self.answers: list[Said] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                said = page.answers.pop(0) if len(page.answers) > 1 else page.answers[0]
                self.send_response(said.status)
                for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said.body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ops/status"

    def say(self, *answers: Status | bytes | int) -> None:
        self.answers = [self._said(answer) for answer in answers]

    def _said(self, answer: Status | bytes | int) -> Said:
        if isinstance(answer, int):
            return Said(answer, b"no", {"Location": "/login"} if answer == 302 else {})
        body = answer if isinstance(answer, bytes) else json.dumps(answer.as_dict()).encode()
        return Said(200, body, {"Content-Type": "application/json"})


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    thread = threading.Thread(target=page.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    page.say(kit.status())
    yield page
    page.server.shutdown()
    thread.join()
    page.server.server_close()
