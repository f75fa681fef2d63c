from __future__ import annotations

import json
import re

import pytest

from prio_middleware.status.answers import FILES, SECURITY, Answer, respond
from prio_middleware.status.model import Status
from tests.status import kit


def ask(path: str, method: str = "GET", mount: str = "/ops/status") -> Answer:
    return respond(method, path, mount, kit.status)


def policy(answer: Answer) -> dict[str, str]:
    pairs = (directive.partition(" ") for directive in answer.headers["Content-Security-Policy"].split("; "))
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize(
    ("path", "kind", "part"),
    [
        ("/", "text/html; charset=utf-8", b"<h1>Token status</h1>"),
        ("/status.css", "text/css; charset=utf-8", b"prefers-color-scheme: dark"),
        ("/status.js", "text/javascript; charset=utf-8", b'fetch("status.json"'),
        ("/icon.svg", "image/svg+xml", b"<svg"),
        ("/status.json", "application/json", b'"pid": 4242'),
    ],
)
def test_what_there_is(path: str, kind: str, part: bytes) -> None:
    answer = ask(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    assert part in answer.body
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_the_data_are_the_status() -> None:
    assert json.loads(ask("/status.json").body) == json.loads(json.dumps(kit.status().as_dict()))


@pytest.mark.parametrize("path", [*FILES, "/status.json", "", "/nothing"])
def test_head_is_get_without_the_body(path: str) -> None:
    head = ask(path, "HEAD")
    assert head == ask(path)._replace(body=b"")
    assert head.headers["Content-Length"] != "0"


@pytest.mark.parametrize("path", [*FILES, "/status.json", ""])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", ""])
def test_nothing_can_be_changed(path: str, method: str) -> None:
    answer = ask(path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", ["/nothing", "/status.json/", "//", "/../answers.py", "/page.html", "/web/page.html", "status.json"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_nothing_else(path: str, method: str) -> None:
    assert ask(path, method).status == 404


@pytest.mark.parametrize(
    ("mount", "location"),
    [
        ("/status", "./status/"),
        ("/ops/status", "./status/"),
        ("/a:b", "./a%3Ab/"),
        ("/grün", "./gr%C3%BCn/"),
        ("/a b\r\nSet-Cookie: c=d", "./a%20b%0D%0ASet-Cookie%3A%20c%3Dd/"),
    ],
)
def test_without_its_slash_the_page_is_one_further(mount: str, location: str) -> None:
    answer = ask("", mount=mount)
    assert (answer.status, answer.headers["Location"]) == (307, location)


@pytest.mark.parametrize("mount", ["", "/"])
def test_mounted_at_the_root_there_is_no_slash_to_miss(mount: str) -> None:
    assert ask("", mount=mount) == ask("/")


@pytest.mark.parametrize("path", [*FILES, "/status.json", "", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_answer_is_guarded(path: str, method: str) -> None:
    headers = ask(path, method).headers
    assert SECURITY.items() <= headers.items()
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_policy_allows_the_pages_own_files_and_no_more() -> None:
    assert policy(ask("/")) == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "img-src", "connect-src"), "'self'"),
        **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
        "require-trusted-types-for": "'script'",
    }


def test_the_page_needs_no_more_than_that() -> None:
    page, style, script = (ask(path).body.decode() for path in ("/", "/status.css", "/status.js"))
    assert re.findall(r"<style|<script(?! src=)|\son\w+=|style=|javascript:", page) == []
    assert re.findall(r'(?:src|href)="(?!#)([^"]+)"', page) == [
        "icon.svg",
        "status.css",
        "status.js",
        "status.json",
        "status.json",
    ]
    assert re.findall(r"url\(|@import", style) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?://", script) == []


def test_what_is_not_asked_for_is_not_looked_at() -> None:
    def unexpected() -> Status:
        raise AssertionError

    assert respond("GET", "/", "", unexpected).status == 200
    assert respond("POST", "/status.json", "", unexpected).status == 405
