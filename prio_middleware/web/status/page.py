"""Status page: its URLs, files and responses."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self, get_args
from urllib.parse import parse_qsl, quote

from ..._util.origins import parse_origin
from ..._util.plain_http import is_loopback
from ...errors import ConfigurationError
from ..responses import Answer
from .report import Level, Status

if TYPE_CHECKING:
    from starlette.types import Scope

METHODS = ("GET", "HEAD")

DATA = "/status.json"  # Path of the same data for programs, below the page.

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
"""Content Security Policy Level 3: the page loads its own files only, and no page may frame it."""

SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(f"{directive} {value}" for directive, value in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response."""

_PACKAGE = __name__.rpartition(".")[0]


class Addressed(NamedTuple):
    """Names by which a request reached the page.

    Attributes:
        host: the request's ``Host`` header; None without one.
        address: address of the server, or if that is unknown of the client; None if it has none.
        hosts: further host names of the page on a loopback address.
    """

    host: str | None
    address: str | None
    hosts: Collection[str] = ()

    def is_foreign(self) -> bool:
        """Return True if a foreign name was made to point to a loopback address (DNS rebinding).

        A browser on this machine takes the page for a part of the site with that name, whose scripts can read it.
        """
        if not self.host or not self.address or not is_loopback(self.address.removeprefix("::ffff:")):
            return False
        origin = parse_origin(f"http://{self.host}")
        if isinstance(origin, ConfigurationError) or "@" in self.host:
            return True
        name = origin.host
        is_own = name == "localhost" or name.endswith(".localhost") or name in map(str.lower, self.hosts)
        return not (is_own or ":" in name or name.replace(".", "").isdigit())  # No site can own these addresses.


class Selection(NamedTuple):
    """Clients that a request for the data selects: ``?q=berlin&level=bad&offset=20&limit=20``.

    Attributes:
        text: part of a client's name, in lower case.
        level: condition of a client; empty for any.
        offset: number of selected clients to leave out.
        limit: number of clients to return at most; None for all.
    """

    text: str = ""
    level: str = ""
    offset: int = 0
    limit: int | None = None

    @classmethod
    def parse(cls, query: str) -> Self | None:
        """Return the selection of a query string, or None if a parameter has no valid value."""
        try:
            given = dict(parse_qsl(query))
            limit = int(given["limit"]) if "limit" in given else None
            selection = cls(given.get("q", "").lower(), given.get("level", ""), int(given.get("offset", "0")), limit)
        except ValueError:
            return None
        return selection if min(selection.offset, limit or 0) >= 0 and selection.level in ("", *get_args(Level)) else None

    def document(self, status: Status) -> dict[str, Any]:
        """Return the data: the selected clients, the number of all clients by level, and the number that match."""
        levels = Counter(client.condition.level for client in status.clients)
        matching = [
            client
            for client in status.clients
            if self.text in client.name.lower() and self.level in ("", client.condition.level)
        ]
        end = None if self.limit is None else self.offset + self.limit
        shown = replace(status, clients=tuple(matching[self.offset : end]))
        return {**shown.as_dict(), "levels": levels, "matching": len(matching)}


def respond(
    method: str, path: str, mount: str, read_status: Callable[[], Status], addressed: Addressed | None = None, query: str = ""
) -> Answer:
    """Return the response to one request.

    Args:
        method: GET or HEAD; any other gets 405.
        path: path below the mount point.
        mount: path of the mount point.
        read_status: returns the status to show.
        addressed: names by which the request reached the page. By default they are not checked.
        query: query string of the request; see :class:`Selection`.
    """
    if addressed and addressed.is_foreign():
        answer = _plain(421, "On a loopback address, this page is for localhost. Name its other hosts with hosts=[...].")
    else:
        answer = _find(method, path, mount, read_status, query)
    return answer.to(method)


def route(scope: Scope) -> tuple[str, str]:
    """Return the path below the mount point, and the mount point, of an ASGI scope.

    ``path`` includes the mount point (ASGI HTTP specification, ``root_path``), but some routers remove it.
    """
    path, mount = scope["path"], scope.get("root_path", "").rstrip("/")
    return path[len(mount) :] if f"{path}/".startswith(f"{mount}/") else path, mount


def _find(method: str, path: str, mount: str, read_status: Callable[[], Status], query: str) -> Answer:
    here = path or ("" if mount.strip("/") else "/")
    if here and here != DATA and here not in FILES:
        return _plain(404, "Not found.")
    if method not in METHODS:
        return _plain(405, "This page is read-only: use GET.", Allow=", ".join(METHODS))
    if not here:
        # Relative, because a reverse proxy may have changed the path.
        return _plain(
            307, "The page is at the same path with a slash at its end.", Location=f"./{quote(mount.rpartition('/')[2])}/"
        )
    if here == DATA:
        selection = Selection.parse(query)
        if selection is None:
            return _plain(400, "offset and limit are numbers from 0, and level is good, idle, warn or bad.")
        return _answer(200, "application/json", json.dumps(selection.document(read_status()), allow_nan=False).encode())
    name, kind = FILES[here]
    return _answer(200, kind, _file(name))


def _plain(status: int, text: str, **headers: str) -> Answer:
    return _answer(status, "text/plain; charset=utf-8", f"{text}\n".encode(), headers)


def _answer(status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    own = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
    return Answer(body, status, {**SECURITY, **own})


@functools.cache
def _file(name: str) -> bytes:
    from importlib import resources

    return (resources.files(_PACKAGE) / "assets" / name).read_bytes()
