from __future__ import annotations

import copy
import gc
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
from prio_middleware.pipeline.exchange import Exchange

from .conftest import MakeExchange

HOME = "https://api.example.com"
Handler = Callable[[Any], Any]


OWN: list[tuple[str, str]] = [
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
    ("https://api.example.com/v1", "wss://api.example.com/live"),
    ("https://api.example.com:8443", "WSS://api.example.com:8443/live"),
    ("wss://live.example.com", "wss://live.example.com:443/"),
    ("wss://live.example.com", "https://live.example.com/"),
    ("http://localhost:8000", "ws://localhost:8000/live"),
]


def test_the_client_s_own_origins(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for origin, url in OWN:
        with subtests.test(f"{origin}, {url}"):
            exchange = exchange_for(url)
            OriginGuard(["https://other.example", origin]).on_request(exchange)
            assert not exchange.bypassed
            assert exchange.request.extensions == {}


FOREIGN = [
    "https://evil.test/",
    "http://api.example.com/",
    "ws://api.example.com/",
    "wss://api.example.com:8443/",
    "wss://evil.test/",
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
def test_another_origin_gets_no_token(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in FOREIGN:
        with subtests.test(f"{url}"):
            exchange = exchange_for(url)
            OriginGuard([HOME]).on_request(exchange)
            assert exchange.bypassed


def test_another_origin_is_blocked_where_that_is_configured(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for url in FOREIGN:
        with subtests.test(f"{url}"):
            with pytest.raises(ForeignOriginError) as caught:
                OriginGuard([HOME], "refuse").on_request(exchange_for(url))
            assert caught.value.client == "berlin"
            assert caught.value.remedy
            assert LEFT_ORIGIN not in caught.value.remedy


def test_the_error_shows_neither_password_nor_query(exchange_for: MakeExchange) -> None:
    with pytest.raises(ForeignOriginError) as caught:
        OriginGuard([HOME], "refuse").on_request(exchange_for("https://user:canary@evil.test/p?key=canary"))
    assert caught.value.url == "https://evil.test/p"
    assert "canary" not in str(caught.value) + repr(caught.traceback[-1].frame.f_locals)


def test_origins_that_are_none(subtests: pytest.Subtests) -> None:
    for origins in [[], [""], ["api.example.com"], [HOME, "https://"], ["https://*.example.com"], "api.example.com"]:
        with subtests.test(f"{origins}"), pytest.raises(ConfigurationError):
            OriginGuard(origins)


def test_an_origin_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OriginGuard([f"https://user:{'canary'}@api.example.com"])
    assert "canary" not in str(caught.value) + repr(caught.traceback[-1].frame.f_locals)


def test_an_unknown_way_with_foreign_origins_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'drop'"):
        OriginGuard([HOME], "drop")  # type: ignore[arg-type]  # that is the mistake


def test_one_origin_may_be_given_as_text(exchange_for: MakeExchange) -> None:
    exchange = exchange_for(HOME)
    OriginGuard(HOME).on_request(exchange)
    assert not exchange.bypassed


# Redirects, as the HTTP libraries follow them.


class Chain:
    """Client whose transport asks a guard, and records for each hop if the token was sent."""

    def __init__(self, library: Any, guard: OriginGuard, answer: Handler, mounts: dict[str, Handler]) -> None:
        self.hops: list[tuple[str, bool]] = []
        noted = {pattern: library.MockTransport(handler) for pattern, handler in mounts.items()}
        chain = self

        class Guarded(library.BaseTransport):  # type: ignore[misc]  # whichever library it is
            def handle_request(self, request: Any) -> Any:
                exchange = Exchange(request, library.Headers(request.headers))
                guard.on_request(exchange)
                chain.hops.append((str(request.url), not exchange.bypassed))
                response = answer(request)
                guard.on_response(exchange, response)
                return response

        self.client = library.Client(transport=Guarded(), mounts=noted, follow_redirects=True)


@pytest.fixture
def chain_of(library: Any) -> Callable[..., Chain]:
    """Build a redirect chain from a table of URLs and their targets."""

    def make(
        table: dict[str, str],
        *,
        foreign: Literal["without_token", "refuse"] = "without_token",
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


def test_a_chain_that_left_gets_no_token_also_when_it_returns(subtests: pytest.Subtests, chain_of: MakeChain) -> None:
    for status in [301, 302, 303, 307, 308]:
        with subtests.test(f"{status}"):
            chain = chain_of(
                {f"{HOME}/a": "https://evil.test/b", "https://evil.test/b": f"{HOME}/c", f"{HOME}/c": "/d"}, status=status
            )
            assert chain.client.get(f"{HOME}/a").status_code == 200
            assert chain.hops == [
                (f"{HOME}/a", True),
                ("https://evil.test/b", False),
                (f"{HOME}/c", False),
                (f"{HOME}/d", False),
            ]


def test_a_location_counts_in_a_redirect_only(subtests: pytest.Subtests, exchange_for: MakeExchange, library: Any) -> None:
    for status, marked in [(200, False), (299, False), (300, True), (399, True), (400, False)]:
        with subtests.test(f"{status}"):
            exchange = exchange_for(f"{HOME}/a")
            OriginGuard([HOME]).on_response(exchange, library.Response(status, headers={"Location": "https://evil.test/"}))

            assert (LEFT_ORIGIN in exchange.request.extensions) is marked


def test_a_chain_that_left_through_another_transport_gets_no_token(chain_of: MakeChain) -> None:
    chain = chain_of({f"{HOME}/a": "https://evil.test/b", "https://evil.test/b": f"{HOME}/c"}, mounts=("all://evil.test",))
    chain.client.get(f"{HOME}/a")
    assert chain.hops == [(f"{HOME}/a", True), (f"{HOME}/c", False)]


def test_a_chain_that_begins_at_another_origin_gets_no_token(chain_of: MakeChain) -> None:
    chain = chain_of({"https://evil.test/": f"{HOME}/a"})
    chain.client.get("https://evil.test/")
    assert chain.hops == [("https://evil.test/", False), (f"{HOME}/a", False)]


def test_a_redirect_chain_within_the_origin_keeps_the_token(chain_of: MakeChain) -> None:
    chain = chain_of({f"{HOME}/a": "/b", f"{HOME}/b": f"{HOME}/c?x=1"})
    chain.client.get(f"{HOME}/a")
    assert chain.hops == [(f"{HOME}/a", True), (f"{HOME}/b", True), (f"{HOME}/c?x=1", True)]


def test_a_chain_that_comes_back_is_blocked_where_that_is_configured(chain_of: MakeChain) -> None:
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


def test_a_redirect_followed_by_hand_gets_no_token_however_often_it_is_sent(chain_of: MakeChain) -> None:
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


def test_the_mark_is_a_text_that_can_be_copied_and_pickled(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://evil.test/")
    OriginGuard([HOME]).on_request(exchange)
    marked = exchange.request.extensions
    assert isinstance(marked[LEFT_ORIGIN], str)
    assert pickle.loads(pickle.dumps(marked)) == copy.deepcopy(marked) == marked
    assert pickle.loads(pickle.dumps(exchange.request)).url == exchange.request.url


@pytest.mark.pitfall(id="cross-origin-redirect")
def test_a_copy_of_marked_extensions_counts_also_after_its_first_request_is_gone(exchange_for: MakeExchange) -> None:
    guard = OriginGuard([HOME])
    first = exchange_for(HOME)
    guard.on_response(first, httpx.Response(302, headers={"Location": "https://evil.test/"}))
    extensions = copy.deepcopy(dict(first.request.extensions))
    del first
    gc.collect()
    for _ in range(100):  # Some of these are at the address of the first one.
        exchange = exchange_for(HOME, extensions=extensions)
        guard.on_request(exchange)
        assert exchange.bypassed


def test_the_same_request_keeps_the_chain_it_began_though_two_calls_of_it_leave_at_once(library: Any) -> None:
    guard, request = OriginGuard([HOME]), library.Request("GET", HOME)
    exchanges = [Exchange(request, {}) for _ in range(2)]
    for exchange in exchanges:
        guard.on_response(exchange, library.Response(302, headers={"Location": "https://evil.test/"}))
    mark = request.extensions[LEFT_ORIGIN]
    guard.on_request(exchanges[0])
    assert not exchanges[0].bypassed
    assert request.extensions == {LEFT_ORIGIN: mark}


def test_whatever_stands_in_the_place_of_the_mark_counts_as_one(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    for mark in [True, None, "", "0" * 16, ["unhashable"]]:
        with subtests.test(f"{mark!r}"):
            exchange = exchange_for(HOME, extensions={LEFT_ORIGIN: mark})
            OriginGuard([HOME]).on_request(exchange)
            assert exchange.bypassed


def test_a_request_to_an_allowed_origin_without_a_token_is_logged_with_its_reason(
    exchange_for: MakeExchange, caplog: pytest.LogCaptureFixture
) -> None:
    OriginGuard([HOME]).on_request(
        exchange_for("https://user:canary@api.example.com/p?key=canary", extensions={LEFT_ORIGIN: "x"})
    )
    OriginGuard([HOME]).on_request(exchange_for("https://evil.test/"))  # It is not logged: the guard marked it.
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert (vars(line)["prio_client"], vars(line)["prio_event"]) == ("berlin", "redirect_without_token")
    assert LEFT_ORIGIN in line.getMessage()
    assert "https://api.example.com/p" in line.getMessage()
    assert "canary" not in line.getMessage()


def test_an_error_for_a_request_at_home_says_which_key_is_to_go(exchange_for: MakeExchange) -> None:
    with pytest.raises(ForeignOriginError) as caught:
        OriginGuard([HOME], "refuse").on_request(exchange_for(HOME, extensions={LEFT_ORIGIN: "x"}))
    assert LEFT_ORIGIN in caught.value.remedy


# Targets of a Location header.


def mark_after(library: Any, guard: OriginGuard, url: str, location: str | None, status: int = 302) -> bool:
    exchange = Exchange(library.Request("GET", url), {})
    headers = {} if location is None else {"Location": location.encode()}
    guard.on_response(exchange, library.Response(status, headers=headers))
    return LEFT_ORIGIN in exchange.request.extensions


AT_HOME: list[str] = [
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
]


def test_a_location_at_home(subtests: pytest.Subtests, library: Any) -> None:
    for location in AT_HOME:
        with subtests.test(f"{location!r}"):
            assert not mark_after(library, OriginGuard([HOME]), f"{HOME}/a", location)


ELSEWHERE: list[str] = [
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
]


def test_a_location_elsewhere_or_nowhere(subtests: pytest.Subtests, library: Any) -> None:
    for location in ELSEWHERE:
        with subtests.test(f"{location!r}"):
            assert mark_after(library, OriginGuard([HOME]), f"{HOME}/a", location)


def test_a_location_without_a_host_leads_to_another_port(subtests: pytest.Subtests, library: Any) -> None:
    for location in ["https:/b", "https:///b", "HTTPS:b", "https://"]:
        with subtests.test(f"{location}"):
            assert mark_after(library, OriginGuard([f"{HOME}:8443"]), f"{HOME}:8443/a", location)


def test_what_is_no_redirect_leads_nowhere(subtests: pytest.Subtests, library: Any) -> None:
    for status, location in [(200, "https://evil.test/"), (404, "https://evil.test/"), (304, None)]:
        with subtests.test(f"{status}"):
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
@settings(deadline=None)
@given(port=st.sampled_from(["", ":8443"]), pieces=st.lists(st.sampled_from(PIECES + HOSTS), max_size=8))
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
        assert marked or not exchange.bypassed
