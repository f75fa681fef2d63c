from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Literal

import httpx
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware.errors import ConfigurationError, ForeignOriginError
from prio_middleware.middleware import OriginGuard
from prio_middleware.middleware.origin_guard import LEFT_ORIGIN
from prio_middleware.pipeline import Exchange

from .conftest import MakeExchange

HOME = "https://api.example.com"
Handler = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://api.example.com/v3.8/distributor", "https://api.example.com/v3.8/distributor/products?x=1"),
        ("https://api.example.com/v3.8", "https://api.example.com/another/path"),
        ("HTTPS://API.EXAMPLE.COM", "https://api.example.com:443/"),
        ("https://api.example.com", "HTTPS://api.example.com:443/"),
        ("https://[::1]", "httpS://[::1]:443/"),
        ("https://api.example.com:443", "https://API.example.com/"),
        ("https://api.example.com:8443", "https://api.example.com:8443/"),
        ("https://müller.example", "https://xn--mller-kva.example/"),
        ("https://xn--mller-kva.example", "https://MÜLLER.example/"),
        ("https://[::1]:8443", "https://[0:0:0:0:0:0:0:1]:8443/"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]/"),
        ("https://api.example.com", "https://user:password@api.example.com/"),
        ("https://api.example.com", "https://api。example.com/"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
    ],
)
def test_the_client_s_own_origins(exchange_for: MakeExchange, origin: str, url: str) -> None:
    exchange = exchange_for(url)
    OriginGuard(["https://other.example", origin]).on_request(exchange)
    assert not exchange.bare
    assert exchange.request.extensions == {}


FOREIGN = [
    "https://evil.test/",
    "http://api.example.com/",
    "wss://api.example.com/",
    "https://api.example.com:8443/",
    "HTTPS://api.example.com:80/",
    "https://api.example.com./",
    "https://api.example.com.evil.test/",
    "https://evil-api.example.com/",
    "https://example.com/",
    "https://api.example.com@evil.test/",
    "https://api.example.com:443@evil.test/",
    "https://api%2eexample.com/",
    "https://аpi.example.com/",  # noqa: RUF001 - a Cyrillic letter: another host
    "https://[::ffff:127.0.0.1]/",
    "/relative",
]


@pytest.mark.pitfall(id="absolute-url")
@pytest.mark.parametrize("url", FOREIGN)
def test_another_origin_passes_bare(exchange_for: MakeExchange, url: str) -> None:
    exchange = exchange_for(url)
    OriginGuard([HOME]).on_request(exchange)
    assert exchange.bare


@pytest.mark.parametrize("url", FOREIGN)
def test_another_origin_is_refused_where_that_is_asked_for(exchange_for: MakeExchange, url: str) -> None:
    with pytest.raises(ForeignOriginError) as caught:
        OriginGuard([HOME], "refuse").on_request(exchange_for(url))
    assert caught.value.message == "Refused: the request, or the redirect chain it belongs to, leaves the client's origins."
    assert caught.value.client == "berlin"
    assert caught.value.remedy


def test_the_error_shows_neither_password_nor_query(exchange_for: MakeExchange) -> None:
    with pytest.raises(ForeignOriginError) as caught:
        OriginGuard([HOME], "refuse").on_request(exchange_for("https://user:canary@evil.test/p?key=canary"))
    assert caught.value.url == "https://evil.test/p"
    assert "canary" not in str(caught.value) + repr(caught.traceback[-1].frame.f_locals)


@pytest.mark.parametrize(
    "origins", [[], [""], ["api.example.com"], [HOME, "https://"], ["https://*.example.com"], "api.example.com"]
)
def test_origins_that_are_none(origins: Any) -> None:
    with pytest.raises(ConfigurationError):
        OriginGuard(origins)


def test_no_origin_at_all_is_said_to_be_none() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginGuard([])
    assert caught.value.message == "No origin is named that may have the token."


def test_an_origin_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginGuard([f"https://user:{'canary'}@api.example.com"])
    assert "canary" not in str(caught.value) + repr(caught.traceback[-1].frame.f_locals)


def test_an_unknown_way_with_foreign_origins_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'drop'"):
        OriginGuard([HOME], "drop")  # type: ignore[arg-type]  # that is the mistake


def test_one_origin_may_be_given_as_it_is(exchange_for: MakeExchange) -> None:
    exchange = exchange_for(HOME)
    OriginGuard(HOME).on_request(exchange)
    assert not exchange.bare


# Redirects, as the HTTP libraries follow them.


class Chain:
    """A client whose transport asks a guard, as the shells do, and notes for each hop whether anything of ours went with it."""

    def __init__(self, library: Any, guard: OriginGuard, answer: Handler, mounts: dict[str, Handler]) -> None:
        self.hops: list[tuple[str, bool]] = []
        noted = {pattern: library.MockTransport(handler) for pattern, handler in mounts.items()}
        chain = self

        class Guarded(library.BaseTransport):  # type: ignore[misc]  # whichever library it is
            def handle_request(self, request: Any) -> Any:
                exchange = Exchange(request, library.Headers(request.headers))
                guard.on_request(exchange)
                chain.hops.append((str(request.url), not exchange.bare))
                response = answer(request)
                guard.on_response(exchange, response)
                return response

        self.client = library.Client(transport=Guarded(), mounts=noted, follow_redirects=True)


@pytest.fixture
def chain_of(library: Any) -> Callable[..., Chain]:
    """Makes a chain from a table: where each URL redirects to, if anywhere."""

    def make(
        table: dict[str, str],
        *,
        foreign: Literal["bare", "refuse"] = "bare",
        home: str = HOME,
        mounts: tuple[str, ...] = (),
        status: int = 302,
    ) -> Chain:
        def answer(request: Any) -> Any:
            location = table.get(str(request.url))
            return library.Response(200) if location is None else library.Response(status, headers={"Location": location})

        return Chain(library, OriginGuard([home], foreign), answer, dict.fromkeys(mounts, answer))

    return make


MakeChain = Callable[..., Chain]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_chain_that_left_stays_bare_also_when_it_comes_back(chain_of: MakeChain, status: int) -> None:
    chain = chain_of({f"{HOME}/a": "https://evil.test/b", "https://evil.test/b": f"{HOME}/c", f"{HOME}/c": "/d"}, status=status)
    assert chain.client.get(f"{HOME}/a").status_code == 200
    assert chain.hops == [
        (f"{HOME}/a", True),
        ("https://evil.test/b", False),
        (f"{HOME}/c", False),
        (f"{HOME}/d", False),
    ]


@pytest.mark.parametrize(("status", "marked"), [(200, False), (299, False), (300, True), (399, True), (400, False)])
def test_a_location_counts_in_a_redirect_only(exchange_for: MakeExchange, library: Any, status: int, marked: bool) -> None:
    exchange = exchange_for(f"{HOME}/a")
    OriginGuard([HOME]).on_response(exchange, library.Response(status, headers={"Location": "https://evil.test/"}))

    assert (LEFT_ORIGIN in exchange.request.extensions) is marked


def test_a_chain_that_left_through_another_transport_stays_bare_too(chain_of: MakeChain) -> None:
    chain = chain_of({f"{HOME}/a": "https://evil.test/b", "https://evil.test/b": f"{HOME}/c"}, mounts=("all://evil.test",))
    chain.client.get(f"{HOME}/a")
    assert chain.hops == [(f"{HOME}/a", True), (f"{HOME}/c", False)]


def test_a_chain_that_begins_elsewhere_stays_bare(chain_of: MakeChain) -> None:
    chain = chain_of({"https://evil.test/": f"{HOME}/a"})
    chain.client.get("https://evil.test/")
    assert chain.hops == [("https://evil.test/", False), (f"{HOME}/a", False)]


def test_a_chain_within_the_origin_keeps_what_is_ours(chain_of: MakeChain) -> None:
    chain = chain_of({f"{HOME}/a": "/b", f"{HOME}/b": f"{HOME}/c?x=1"})
    chain.client.get(f"{HOME}/a")
    assert chain.hops == [(f"{HOME}/a", True), (f"{HOME}/b", True), (f"{HOME}/c?x=1", True)]


def test_a_chain_that_comes_back_is_refused_where_that_is_asked_for(chain_of: MakeChain) -> None:
    chain = chain_of(
        {f"{HOME}/a": "https://evil.test/b", "https://evil.test/b": f"{HOME}/c"}, foreign="refuse", mounts=("all://evil.test",)
    )
    with pytest.raises(ForeignOriginError):
        chain.client.get(f"{HOME}/a")
    assert chain.hops == [(f"{HOME}/a", True)]


def test_the_same_request_sent_again_starts_a_chain_of_its_own(chain_of: MakeChain) -> None:
    chain = chain_of({f"{HOME}/a": "https://evil.test/b"})
    request = chain.client.build_request("GET", f"{HOME}/a")
    for _ in range(2):
        chain.client.send(request)
    assert chain.hops == [(f"{HOME}/a", True), ("https://evil.test/b", False)] * 2


def test_a_redirect_followed_by_hand_stays_bare_however_often_it_is_sent(chain_of: MakeChain) -> None:
    chain = chain_of(
        {f"{HOME}/a": "https://evil.test/b", "https://evil.test/b": f"{HOME}/c", f"{HOME}/c": "https://evil.test/d"}
    )
    response = chain.client.get(f"{HOME}/a", follow_redirects=False)
    back = chain.client.send(response.next_request, follow_redirects=False).next_request
    for _ in range(2):
        chain.client.send(back, follow_redirects=False)
    assert chain.hops[2:] == [(f"{HOME}/c", False)] * 2


@pytest.mark.pitfall(id="callers-extensions")
def test_what_the_caller_gave_as_extensions_is_not_written_to(chain_of: MakeChain) -> None:
    own: dict[str, Any] = {"prio": {"scope": "x"}}
    chain = chain_of({f"{HOME}/a": "https://evil.test/b"})
    for _ in range(2):
        chain.client.get(f"{HOME}/a", extensions=own)
    assert own == {"prio": {"scope": "x"}}
    assert chain.hops[0] == chain.hops[2] == (f"{HOME}/a", True)


def test_a_marked_request_can_still_be_pickled(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://evil.test/")
    OriginGuard([HOME]).on_request(exchange)
    assert pickle.loads(pickle.dumps(exchange.request)).url == exchange.request.url


def test_whatever_stands_in_the_place_of_the_mark_counts_as_one(exchange_for: MakeExchange) -> None:
    exchange = exchange_for(HOME, extensions={LEFT_ORIGIN: True})
    OriginGuard([HOME]).on_request(exchange)
    assert exchange.bare


# Where a Location leads.


def mark_after(library: Any, guard: OriginGuard, url: str, location: str | None, status: int = 302) -> bool:
    exchange = Exchange(library.Request("GET", url), {})
    headers = {} if location is None else {"Location": location.encode()}
    guard.on_response(exchange, library.Response(status, headers=headers))
    return LEFT_ORIGIN in exchange.request.extensions


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/b",
        "b",
        "../b",
        "?x=1",
        "#x",
        "/b?u=https://evil.test",
        "/\\evil.test",
        "///evil.test/b",
        ":b",
        "https://:443/b",
        "//api.example.com/b",
        f"{HOME}/b",
        f"{HOME}:443/b",
        "HTTPS://API.EXAMPLE.COM/b",
        "https:/b",
        "https:///b",
    ],
)
def test_a_location_at_home(library: Any, location: str) -> None:
    assert not mark_after(library, OriginGuard([HOME]), f"{HOME}/a", location)


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.test/",
        "HTTPS://EVIL.TEST",
        "//evil.test/b",
        "http://api.example.com/b",
        "http:/b",
        "http:///b",
        "https://api.example.com:8443/b",
        "https://api.example.com./b",
        "https://api.example.com@evil.test/",
        "https://evil.test\\@api.example.com.evil.test/",
        "https://evil.test/https://api.example.com/",
        "https://user@/b",
        "https://:8443/b",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://[::1/b",
        "https://[/b",
        "https://api.example.com:port/b",
        "https://a b/",
        "https://api.example.com\x7f/",
    ],
)
def test_a_location_elsewhere_or_nowhere(library: Any, location: str) -> None:
    assert mark_after(library, OriginGuard([HOME]), f"{HOME}/a", location)


@pytest.mark.parametrize("location", ["https:/b", "https:///b", "HTTPS:b", "https://"])
def test_a_location_without_a_host_leads_to_another_port(library: Any, location: str) -> None:
    assert mark_after(library, OriginGuard([f"{HOME}:8443"]), f"{HOME}:8443/a", location)


@pytest.mark.parametrize(("status", "location"), [(200, "https://evil.test/"), (404, "https://evil.test/"), (304, None)])
def test_what_is_no_redirect_leads_nowhere(library: Any, status: int, location: str | None) -> None:
    assert not mark_after(library, OriginGuard([HOME]), f"{HOME}/a", location, status)


PIECES = [
    "https:",
    "http:",
    "HTTPS:",
    "/",
    "//",
    "\\",
    "@",
    ":",
    ":8443",
    ":443",
    "?",
    "#",
    ".",
    "..",
    "%2e",
    "[::1]",
    "[",
    "]",
    " ",
    "x",
]
HOSTS = ["api.example.com", "API.EXAMPLE.COM", "evil.test", "api.example.com.", "ö"]


@pytest.mark.pitfall(id="cross-origin-redirect")
@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("port", ["", ":8443"])
@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES + HOSTS), max_size=8))
def test_where_the_library_goes_the_mark_goes_before(library: Any, port: str, pieces: list[str]) -> None:
    home, location = HOME + port, "".join(pieces)
    guard = OriginGuard([home])
    marked = mark_after(library, guard, f"{home}/a", location)
    transport = library.MockTransport(lambda _: library.Response(302, headers={"Location": location.encode()}))
    try:
        request = library.Client(transport=transport).get(f"{home}/a").next_request
    except (library.RemoteProtocolError, library.InvalidURL, ValueError):
        request = None
    if request is not None:
        exchange = Exchange(request, {})
        guard.on_request(exchange)
        assert marked or not exchange.bare
