from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from prio_middleware.cli.watch import source
from prio_middleware.cli.watch.source import Source, Told, read
from prio_middleware.errors import ConfigurationError, InsecureTransportError, PrioError
from tests.status import kit

if TYPE_CHECKING:
    from tests.cli.watch.conftest import Page


def document(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(kit.status().as_dict()))
    return {**whole, **changes}


def ask(url: str) -> Told | PrioError:
    with Source(url) as source:
        return source.ask()


def refused(url: str) -> str:
    answer = ask(url)
    assert isinstance(answer, PrioError)
    return str(answer)


def test_what_is_written_is_read() -> None:
    written = kit.status(*kit.every_condition())
    told = read(json.dumps(written.as_dict()).encode())
    assert told
    assert told.status == written
    assert told.document == json.loads(json.dumps(written.as_dict()))


def test_what_a_newer_page_says_besides_does_not_matter() -> None:
    told = read(json.dumps(document(more={"deep": [1, None]})).encode())
    assert told
    assert told.status == kit.status()


def test_nor_does_what_an_older_one_leaves_out() -> None:
    client = {"name": "berlin", "condition": {"level": "good", "says": "A token is there."}}
    told = read(json.dumps(document(clients=[client])).encode())
    assert told
    assert told.status.clients[0].name == "berlin"
    assert told.status.clients[0].fetches == ()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<!doctype html>", id="a page"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"status": "ok"}', id="another service"),
        pytest.param(b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(json.dumps(document(at=float("nan"))).encode(), id="not a number"),
        pytest.param(json.dumps(document(at=1e300)).encode(), id="a time without end"),
        pytest.param(json.dumps(document()).replace('"at": ', '"at": 1e999, "then": ').encode(), id="an infinite one"),
        pytest.param(json.dumps(document(at=10**400)).encode(), id="a number without end"),
        pytest.param(json.dumps(document(clients=[{"name": "x"}])).encode(), id="too little"),
        pytest.param(json.dumps(document()).replace('"good"', '"new"').encode(), id="an unknown level"),
        pytest.param(b'{"clients":' + b"[" * 100_000, id="deep"),
        pytest.param(b'{"clients":' + b"[" * 900 + b"]" * 900 + b"}", id="deep and whole"),
    ],
)
def test_what_is_no_status_is_none(body: bytes) -> None:
    assert read(body) is None


@pytest.mark.parametrize("suffix", ["", "/", "/status.json", "/?a=b#c"])
def test_the_url_is_that_of_the_page_however_it_is_written(page: Page, suffix: str) -> None:
    assert isinstance(ask(page.url + suffix), Told)
    assert [path for path, _ in page.asked] == ["/ops/status/status.json"]


def test_headers_are_sent_along(page: Page) -> None:
    with Source(page.url, [("Authorization", "Basic b3A6cHc=")]) as source:
        source.ask()
    assert page.asked[0][1]["authorization"] == "Basic b3A6cHc="


def test_headers_do_not_travel_in_the_clear() -> None:
    with pytest.raises(InsecureTransportError):
        Source("http://shop.example/status", [("Authorization", "Basic b3A6cHc=")])
    Source("https://shop.example/status", [("Authorization", "Basic b3A6cHc=")])


@pytest.mark.parametrize(
    "url", ["", "shop", "/status", "ws://shop.example/", "ftp://x/", "https://me:pw@shop.example/", "https:///x"]
)
def test_what_is_no_url_of_a_page(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Source(url)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(("status", "remedy"), [(302, "--header @FILE"), (401, "--header @FILE"), (403, "--header @FILE")])
def test_a_login_before_the_page_is_told(page: Page, status: int, remedy: str) -> None:
    page.say(status)
    assert remedy in refused(page.url)
    assert len(page.asked) == 1


@pytest.mark.parametrize("answer", [404, 500, b"<html>", b'{"a": 1}'])
def test_what_is_no_page_is_told(page: Page, answer: int | bytes) -> None:
    page.say(answer)
    assert "Check the address" in refused(page.url)


def test_no_more_is_read_than_a_page_can_have(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.dumps(kit.status().as_dict()).encode()
    page.say(whole)
    monkeypatch.setattr(source, "LIMIT", len(whole))
    assert isinstance(ask(page.url), Told)
    monkeypatch.setattr(source, "LIMIT", len(whole) - 1)
    assert "no status" in refused(page.url)


def test_nothing_is_unfolded(page: Page) -> None:
    page.say(gzip.compress(json.dumps(kit.status().as_dict()).encode()))
    page.answers[0].headers["Content-Encoding"] = "gzip"
    assert "no status" in refused(page.url)
    assert page.asked[0][1]["accept-encoding"] == "identity"


def test_nobody_there() -> None:
    assert "No answer" in refused("http://127.0.0.1:1/status")
