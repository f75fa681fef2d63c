from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from prio_middleware.web.responses import Answer
from prio_middleware.web.status.page import FILES, SECURITY, respond
from prio_middleware.web.status.report import Condition, Level, Status
from tests.status import helpers


def ask(path: str, method: str = "GET", mount: str = "/ops/status") -> Answer:
    return respond(method, path, mount, helpers.status)


def policy(answer: Answer) -> dict[str, str]:
    pairs = (directive.partition(" ") for directive in answer.headers["Content-Security-Policy"].split("; "))
    return {name: value for name, _, value in pairs}


PAGES = {
    "/": ("text/html; charset=utf-8", b"<h1>Token status</h1>"),
    "/status.css": ("text/css; charset=utf-8", b"prefers-color-scheme: dark"),
    "/status.js": ("text/javascript; charset=utf-8", b"fetch(`status.json?"),
    "/icon.svg": ("image/svg+xml", b"<svg"),
    "/status.json": ("application/json", b'"pid": 4242'),
}
"""Every path that is answered with 200, its content type, and a part of its body."""


def test_what_there_is(subtests: pytest.Subtests) -> None:
    assert {*FILES, "/status.json"} == PAGES.keys()
    for path, (kind, part) in PAGES.items():
        with subtests.test(path):
            answer = ask(path)
            assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
            assert part in answer.body
            assert answer.headers["Content-Length"] == str(len(answer.body))


def test_the_data_are_the_status() -> None:
    expected = {**helpers.status().as_dict(), "levels": {"good": 1}, "matching": 1}
    assert json.loads(ask("/status.json").body) == json.loads(json.dumps(expected))


def test_head_is_get_without_the_body(subtests: pytest.Subtests) -> None:
    for path in (*PAGES, "", "/nothing"):
        with subtests.test(path):
            head = ask(path, "HEAD")
            assert head == ask(path)._replace(body=b"")
            assert head.headers["Content-Length"] != "0"


def test_nothing_can_be_changed(subtests: pytest.Subtests) -> None:
    for path, method in itertools.product((*PAGES, ""), ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "")):
        with subtests.test(path, method=method):
            answer = ask(path, method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_there_is_nothing_else(subtests: pytest.Subtests) -> None:
    unknown = ("/nothing", "/status.json/", "//", "/../answers.py", "/page.html", "/web/page.html", "status.json")
    for path, method in itertools.product(unknown, ("GET", "POST")):
        with subtests.test(path, method=method):
            assert ask(path, method).status == 404


def test_without_its_slash_the_page_is_one_further(subtests: pytest.Subtests) -> None:
    for mount, location in {
        "/status": "./status/",
        "/ops/status": "./status/",
        "/a:b": "./a%3Ab/",
        "/grün": "./gr%C3%BCn/",
        "/a b\r\nSet-Cookie: c=d": "./a%20b%0D%0ASet-Cookie%3A%20c%3Dd/",
    }.items():
        with subtests.test(mount):
            answer = ask("", mount=mount)
            assert (answer.status, answer.headers["Location"]) == (307, location)


def test_mounted_at_the_root_there_is_no_slash_to_miss() -> None:
    assert ask("", mount="") == ask("", mount="/") == ask("/")


def test_every_answer_is_guarded(subtests: pytest.Subtests) -> None:
    for path, method in itertools.product((*PAGES, "", "/nothing"), ("GET", "HEAD", "POST")):
        with subtests.test(path, method=method):
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


def test_unrequested_parts_are_not_computed() -> None:
    def unexpected() -> Status:
        raise AssertionError

    assert respond("GET", "/", "", unexpected).status == 200
    assert respond("POST", "/status.json", "", unexpected).status == 405


def many(count: int = 500) -> Status:
    levels: tuple[Level, ...] = ("good", "idle", "warn")
    tenants = (helpers.client(f"tenant-{number}", condition=Condition(levels[number % 3], "")) for number in range(1, count))
    return helpers.status(helpers.client("berlin", condition=Condition("bad", "No token.")), *tenants)


def selected(query: str, status: Status | None = None) -> dict[str, Any]:
    answer = respond("GET", "/status.json", "/status", lambda: status or many(), query=query)
    assert answer.status == 200
    document: dict[str, Any] = json.loads(answer.body)
    return document


def names(document: dict[str, Any]) -> list[str]:
    return [client["name"] for client in document["clients"]]


class TestManyClients:
    def test_only_the_wanted_part_is_sent(self) -> None:
        found = selected("offset=20&limit=3")
        assert names(found) == ["tenant-20", "tenant-21", "tenant-22"]
        assert found["matching"] == 500
        assert sum(found["levels"].values()) == 500
        whole = respond("GET", "/status.json", "/status", many)
        part = respond("GET", "/status.json", "/status", many, query="limit=20")
        assert len(part.body) * 20 < len(whole.body)

    def test_clients_are_found_by_a_part_of_their_name(self) -> None:
        assert names(selected("q=BERL")) == ["berlin"]
        found = selected("q=tenant-49&limit=2&offset=1")
        assert (names(found), found["matching"]) == (["tenant-490", "tenant-491"], 11)

    def test_clients_are_found_by_their_condition(self) -> None:
        found = selected("level=bad")
        assert names(found) == ["berlin"]
        assert found["levels"]["bad"] == found["matching"] == 1

    def test_without_a_query_all_are_sent(self) -> None:
        assert len(names(selected(""))) == len(names(selected("unknown=1"))) == 500

    def test_an_invalid_query_is_an_error(self, subtests: pytest.Subtests) -> None:
        for query in ("limit=x", "limit=-1", "offset=1e3", "level=worse", f"limit={'9' * 5000}"):
            with subtests.test(query[:20]):
                answer = respond("GET", "/status.json", "/status", many, query=query)
                assert (answer.status, b"limit" in answer.body) == (400, True)
