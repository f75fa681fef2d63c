from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from prio_middleware.cli.status import StatusReply, StatusSource, parse_status
from prio_middleware.errors import ConfigurationError, InsecureTransportError, PrioError
from tests.long.e2e.leak import assert_silent
from tests.status import helpers

if TYPE_CHECKING:
    from tests.cli.watch.conftest import Page


def document(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(helpers.status().as_dict()))
    return {**whole, **changes}


def ask(url: str, **options: Any) -> StatusReply | PrioError:
    with StatusSource(url, **options) as source:
        return source.fetch()


def refused(url: str, **options: Any) -> str:
    answer = ask(url, **options)
    assert isinstance(answer, PrioError)
    return str(answer)


def test_what_is_written_is_read() -> None:
    written = helpers.status(*helpers.every_condition())
    reply = parse_status(json.dumps(written.as_dict()).encode())
    assert reply
    assert reply.status == written
    assert reply.document == json.loads(json.dumps(written.as_dict()))


def test_what_a_newer_page_says_besides_does_not_matter() -> None:
    reply = parse_status(json.dumps(document(more={"deep": [1, None]})).encode())
    assert reply
    assert reply.status == helpers.status()


def test_a_missing_field_of_an_older_page_does_not_matter() -> None:
    client = {"name": "berlin", "condition": {"level": "good", "summary": "A token is there."}}
    reply = parse_status(json.dumps(document(clients=[client])).encode())
    assert reply
    assert reply.status.clients[0].name == "berlin"
    assert reply.status.clients[0].fetches == ()


NO_STATUS: dict[str, bytes] = {
    "nothing": b"",
    "a page": b"<!doctype html>",
    "a list": b"[]",
    "another service": b'{"status": "ok"}',
    "not UTF-8": b"\xff\xfe{}",
    "not a number": json.dumps(document(at=float("nan"))).encode(),
    "a time without end": json.dumps(document(at=1e300)).encode(),
    "an infinite one": json.dumps(document()).replace('"at": ', '"at": 1e999, "then": ').encode(),
    "a number without end": json.dumps(document(at=10**400)).encode(),
    "too little": json.dumps(document(clients=[{"name": "x"}])).encode(),
    "an unknown level": json.dumps(document()).replace('"good"', '"new"').encode(),
    "deep": b'{"clients":' + b"[" * 100_000,
    "deep and whole": b'{"clients":' + b"[" * 900 + b"]" * 900 + b"}",
}


def test_what_is_no_status_is_none(subtests: pytest.Subtests) -> None:
    for case, body in NO_STATUS.items():
        with subtests.test(case):
            assert parse_status(body) is None


SUFFIXES: list[str] = ["", "/", "/status.json", "/?a=b#c"]


def test_the_url_is_that_of_the_page_however_it_is_written(page: Page, subtests: pytest.Subtests) -> None:
    for suffix in SUFFIXES:
        with subtests.test(repr(suffix)):
            assert isinstance(ask(page.url + suffix), StatusReply)
            assert page.asked.pop()[0] == "/ops/status/status.json"


def test_headers_are_sent_along(page: Page) -> None:
    with StatusSource(page.url, [("Authorization", "Basic b3A6cHc=")]) as source:
        source.fetch()
    assert page.asked[0][1]["authorization"] == "Basic b3A6cHc="


def test_headers_do_not_travel_in_the_clear() -> None:
    with pytest.raises(InsecureTransportError):
        StatusSource("http://shop.example/status", [("Authorization", "Basic b3A6cHc=")])
    StatusSource("https://shop.example/status", [("Authorization", "Basic b3A6cHc=")])


def test_one_client_is_shown_if_it_is_named(page: Page) -> None:
    names = ["berlin", "berlin-2"]
    page.say(helpers.status(*(helpers.client(name=name) for name in names)))

    reply = ask(page.url, client="berlin")
    assert isinstance(reply, StatusReply)
    assert [client.name for client in reply.status.clients] == ["berlin"]
    assert [client["name"] for client in reply.document["clients"]] == ["berlin"]
    assert page.asked[0][0] == "/ops/status/status.json?q=berlin"
    assert "berlin, berlin-2" in refused(page.url, client="berl")


NO_URLS: list[str] = ["", "shop", "/status", "ws://shop.example/", "ftp://x/", "https://me:pw@shop.example/", "https:///x"]


def test_what_is_no_url_of_a_page(subtests: pytest.Subtests) -> None:
    for url in NO_URLS:
        with subtests.test(str(url)):
            with pytest.raises(ConfigurationError) as raised:
                StatusSource(url)
            assert "pw" not in str(raised.value)
            assert "/status" in str(raised.value.remedy)


LOGINS: list[tuple[int, str]] = [(302, "--header @FILE"), (401, "--header @FILE"), (403, "--header @FILE")]


def test_a_login_before_the_page_is_an_error(page: Page, subtests: pytest.Subtests) -> None:
    for status, remedy in LOGINS:
        with subtests.test(str(status)):
            page.say(status)
            assert remedy in refused(page.url)
            assert len(page.asked) == 1
            page.asked.clear()


NO_PAGES: list[int | bytes] = [404, 500, b"<html>", b'{"a": 1}']


def test_another_page_is_an_error(page: Page, subtests: pytest.Subtests) -> None:
    for answer in NO_PAGES:
        with subtests.test(str(answer)):
            page.say(answer)
            assert "https://shop.example.com/status" in refused(page.url)


def test_no_more_is_read_than_a_page_can_have(page: Page) -> None:
    whole = json.dumps(helpers.status().as_dict()).encode()
    page.say(whole)
    assert isinstance(ask(page.url, limit=len(whole)), StatusReply)
    assert "not a status" in refused(page.url, limit=len(whole) - 1)


def test_nothing_is_unfolded(page: Page) -> None:
    page.say(gzip.compress(json.dumps(helpers.status().as_dict()).encode()))
    page.answers[0].headers["Content-Encoding"] = "gzip"
    assert "not a status" in refused(page.url)
    assert page.asked[0][1]["accept-encoding"] == "identity"


@pytest.mark.pitfall(id="proxied-loopback")
@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_no_proxy_of_the_environment_sees_a_page_on_this_machine(
    page: Page, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    with StatusSource(page.url, [("Authorization", "Basic b3A6cHc=")]) as source:
        assert isinstance(source.fetch(), StatusReply)


@pytest.mark.pitfall(id="foreign-mistakes")
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    password, login = "kanarie/wachtwoord", "Basic b3A6a2FuYXJpZQ=="
    monkeypatch.setenv("HTTPS_PROXY", f"http://shop:{password}@proxy.example")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as raised:
        StatusSource("https://shop.example/status", [("Authorization", login)])
    assert_silent(raised.value, [password, login])


def test_a_page_that_does_not_answer_is_an_error() -> None:
    answer = refused("http://127.0.0.1:1/status")
    assert "No response" in answer
    assert "https://shop.example.com/status" in answer
