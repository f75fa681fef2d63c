"""Exchange: the caller's own ``Authorization`` header, and requests that bypass the pipeline."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import httpx
import pytest

from prio_middleware import AccessToken, CallerAuthorizationError, Exchange, Secret
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS

RawPairs = list[tuple[bytes, bytes]]

OWN = [(b"Authorization", b"Basic own")]
CHANGED = [(b"Authorization", b"Basic changed")]
TOKEN = AccessToken(Secret("ours"))
URL = "https://api.example/orders?key=1"


def exchange(own: RawPairs, headers: RawPairs, **attributes: Any) -> Exchange:
    """Return an exchange whose request has the headers ``own``, and whose components wrote ``headers``."""
    made = Exchange(httpx.Request("GET", URL, headers=own), httpx.Headers(headers), "shop")
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def raw(headers: Any) -> RawPairs:
    return list(headers.raw)


def test_the_caller_s_own_header_is_sent_as_components_left_it(subtests: pytest.Subtests) -> None:
    ours = [(b"Authorization", b"Bearer ours")]
    rows: list[tuple[RawPairs, dict[str, Any], RawPairs]] = [
        (OWN, {}, OWN),
        (CHANGED, {}, CHANGED),
        (ours, {"token": TOKEN}, OWN),
        (ours, {"token": TOKEN, "saved_authorization": CHANGED}, CHANGED),
    ]
    for row, (headers, attributes, sent) in enumerate(rows):
        with subtests.test(f"{row}"):
            call = exchange(OWN, headers, **attributes)
            assert call.use_caller_authorization() is True
            assert raw(call.headers) == sent
            assert (call.token, call.options) == (None, None)


def test_the_token_is_sent_where_there_is_no_such_header(subtests: pytest.Subtests) -> None:
    rows: list[tuple[RawPairs, RawPairs, dict[str, Any]]] = [
        ([], [], {}),
        ([], CHANGED, {}),  # A component's own header, and not the caller's.
        (OWN, [], {}),
        (OWN, OWN, {"token": TOKEN, "saved_authorization": []}),
        (OWN, OWN, {"caller_authorization": "replace"}),
    ]
    for row, (own, headers, attributes) in enumerate(rows):
        with subtests.test(f"{row}"):
            call = exchange(own, headers, **attributes)
            assert call.use_caller_authorization() is False
            assert raw(call.headers) == headers
            assert (call.token, call.options) == (attributes.get("token"), DEFAULT_OPTIONS)


def test_a_request_with_such_a_header_can_be_blocked() -> None:
    call = exchange(OWN, OWN, caller_authorization="refuse")
    with pytest.raises(CallerAuthorizationError) as caught:
        call.use_caller_authorization()
    assert (caught.value.client, caught.value.url) == ("shop", "https://api.example/orders")
    assert caught.value.message


def test_a_header_that_is_kept_is_logged_with_client_and_url(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "prio_middleware"):
        exchange(OWN, OWN).use_caller_authorization()
    (record,) = caplog.records
    assert record.args == ("shop", "https://api.example/orders")


def test_the_header_is_saved_before_it_is_replaced() -> None:
    call = exchange([], [*CHANGED, (b"X", b"1")])
    call.save_caller_authorization()
    assert call.saved_authorization == CHANGED


def test_a_request_that_bypasses_the_rest_carries_no_token_and_no_app_header() -> None:
    call = exchange([(b"X", b"1")], [(b"App-Name", b"shop")], token=TOKEN)
    call.send_unchanged()
    request: Any = call.request
    assert raw(call.headers) == raw(request.headers)
    assert call.headers is not request.headers
    assert (call.bypassed, call.token, call.options) == (True, None, None)


def test_it_cannot_be_pickled_because_its_headers_hold_credentials() -> None:
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(Exchange(httpx.Request("GET", "https://api.example/"), httpx.Headers({"X-Api-Key": "k3y"})))
