"""The limits in docs/security.md do show a token, and the setting named beside each prevents it."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Callable
from typing import Any

import httpcore
import httpx
import pytest
from rich.console import Console
from rich.traceback import Traceback

from prio_middleware import StaticTokenProvider
from prio_middleware.httpx import AuthTransport, client
from tests.long.hunt.calls import quiet
from tests.long.hunt.canaries import TOKEN, traces_of
from tests.long.hunt.context import HuntContext
from tests.long.hunt.server import echo_in_headers
from tests.transports.library_privates import use_pool
from tests.transports.matrix import MatrixClient

CANARY = TOKEN.format(serial=1)
LOGGERS = ("httpcore", "httpcore2")


class Mute(httpcore.NetworkStream):
    """A connection that takes nothing."""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        raise httpcore.WriteTimeout("nobody reads")

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return self

    def close(self) -> None:
        pass

    def get_extra_info(self, info: str) -> Any:
        return None


class Nobody(httpcore.NetworkBackend):
    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return Mute()


@pytest.fixture
def failure() -> httpx.HTTPError:
    """A call that fails while the HTTP library is sending it, token and all."""
    inner = httpx.HTTPTransport()
    use_pool(inner, httpcore.ConnectionPool(network_backend=Nobody()))
    provider = StaticTokenProvider(CANARY)
    transport = AuthTransport(inner, provider=provider, origins=["https://api.example"])
    with httpx.Client(transport=transport) as calling, pytest.raises(httpx.WriteTimeout) as caught:
        calling.get("https://api.example/")
    return caught.value


def by_traceback(error: BaseException, show: bool) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=show).format())


def by_rich(error: BaseException, show: bool) -> str:
    said = io.StringIO()
    shown = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=show, locals_max_string=10_000, locals_max_length=1000
    )
    Console(file=said, width=400).print(shown)
    return said.getvalue()


def by_foreign_frames(error: BaseException, show: bool) -> str:
    """A reporter that masks by name, such as Elastic APM, and of the frames only httpcore's: it holds the headers in a list."""
    causes = [error, *filter(None, [error.__cause__, error.__context__])]
    frames = [frame for one in causes for frame, _ in traceback.walk_tb(one.__traceback__)]
    foreign = [frame for frame in frames if str(frame.f_globals["__name__"]).partition(".")[0] == "httpcore"]
    assert foreign
    masked = ("authorization", "token", "secret")
    found = [
        {name: vars(value) if hasattr(value, "__dict__") else value for name, value in frame.f_locals.items()}
        for frame in foreign
    ]
    shown = [{name: value for name, value in one.items() if name.lower() not in masked} for one in found]
    return f"{type(error).__name__} {shown if show else ''}"


@pytest.mark.parametrize("show", [True, False])
@pytest.mark.parametrize("report", [by_traceback, by_rich, by_foreign_frames])
def test_frames_of_the_http_library(failure: httpx.HTTPError, report: Callable[[BaseException, bool], str], show: bool) -> None:
    text = report(failure, show)
    assert "WriteTimeout" in text
    assert bool(traces_of([CANARY]).find(text)) is show


@pytest.mark.parametrize("show", [True, False])
def test_headers_that_a_server_echoes_in_the_lines_of_httpcore(show: bool) -> None:
    with HuntContext(MatrixClient("httpx-sync")) as context, client(settings=context.settings()) as calling:
        calling.get("/products")
        context.server.api = echo_in_headers(403)
        with quiet(*(() if show else LOGGERS)):
            calling.get("/products")
    assert {leak.place for leak in context.leaks()} == ({"logs"} if show else set())
    assert logging.getLogger("httpcore").level == logging.NOTSET
