"""WSGI applications for real servers, configured by ``PRIO_...`` variables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from prio_middleware.wsgi import CLIENT, PrioMiddleware, WSGIReadyApp
from tests.web.helpers import PRODUCTS

ready = WSGIReadyApp()


def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    match environ["PATH_INFO"]:
        case "/ready":
            return ready(environ, start_response)
        case "/lazy":
            return lazily(environ, start_response)
        case _:
            return [products(environ, start_response)]


def lazily(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "1000000")])
    yield products(environ, start_response)


def products(environ: WSGIEnvironment, start_response: StartResponse) -> bytes:
    answer = environ[CLIENT].get(PRODUCTS)
    start_response(f"{answer.status_code} {answer.reason_phrase}", [("Content-Type", "application/json")])
    return b'{"process": %d}' % os.getpid()


def __getattr__(name: str) -> Any:
    app = PrioMiddleware(shop, warm_up=name == "warm")
    if name == "used_before_the_fork":
        assert app.clients["default"].get(PRODUCTS).status_code == 200
    return app
