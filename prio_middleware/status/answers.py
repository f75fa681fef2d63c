"""From a request to an answer, for every framework alike: no I/O, and no library that speaks HTTP."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from .model import Status

METHODS = ("GET", "HEAD")

DATA = "/status.json"
"""Where the same stands for programs, below the page."""

FILES: Mapping[str, tuple[str, str]] = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/status.css": ("status.css", "text/css; charset=utf-8"),
    "/status.js": ("status.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}
"""Content Security Policy Level 3: what the page may load and do, and that nobody may show it in a frame."""

SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(f"{directive} {value}" for directive, value in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer."""


_PACKAGE = __name__.rpartition(".")[0]


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def respond(method: str, path: str, mount: str, look: Callable[[], Status]) -> Answer:
    """Answer one request.

    Args:
        method: GET and HEAD are answered; any other has 405.
        path: below the place where the page is mounted.
        mount: that place.
        look: what there is to show.
    """
    answer = _find(method, path, mount, look)
    return answer._replace(body=b"") if method == "HEAD" else answer


def _find(method: str, path: str, mount: str, look: Callable[[], Status]) -> Answer:
    here = path or ("" if mount.strip("/") else "/")
    if here and here != DATA and here not in FILES:
        return _plain(404, "There is nothing here.")
    if method not in METHODS:
        return _plain(405, "This page is only to be looked at.", Allow=", ".join(METHODS))
    if not here:
        # What the page loads is named relative to it. So is this: whoever stands before us may have changed the path.
        return _plain(307, "The page is one slash further.", Location=f"./{quote(mount.rpartition('/')[2])}/")
    if here == DATA:
        return _answer(200, "application/json", json.dumps(look().as_dict(), allow_nan=False).encode())
    name, kind = FILES[here]
    return _answer(200, kind, _file(name))


def _plain(status: int, text: str, **headers: str) -> Answer:
    return _answer(status, "text/plain; charset=utf-8", f"{text}\n".encode(), headers)


def _answer(status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    own = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
    return Answer(status, {**SECURITY, **own}, body)


@functools.cache
def _file(name: str) -> bytes:
    from importlib import resources

    return (resources.files(_PACKAGE) / "web" / name).read_bytes()
