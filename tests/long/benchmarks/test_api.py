"""The API in memory rejects the requests that a real API rejects."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers.api import CLOSED, OPEN, TOKEN_PATH, Api, Style

STYLES: list[Style] = ["rfc6749", "prio"]


def bearer(api: Api) -> str:
    return f"Bearer {json.loads(api.answer(TOKEN_PATH, None).body)['access_token']}"


def test_a_token_opens_what_is_open() -> None:
    api = Api()
    assert api.answer(OPEN, bearer(api)).status == 200
    assert (api.token_requests, api.calls, api.refusals) == (1, 1, 0)


@pytest.mark.parametrize(("style", "dead", "closed"), [("rfc6749", 401, 403), ("prio", 403, 403)])
def test_it_refuses_dead_tokens_and_closed_paths(style: Style, dead: int, closed: int) -> None:
    api = Api(style)
    assert api.answer(OPEN, "Bearer made-up").status == dead
    assert api.answer(f"{CLOSED}/1", bearer(api)).status == closed
    assert api.refusals == 2


@pytest.mark.parametrize("style", STYLES)
def test_a_revocation_is_for_the_tokens_so_far(style: Style) -> None:
    api = Api(style, revoke_at=2)
    token = bearer(api)
    assert [api.answer(OPEN, token).status == 200 for _ in range(3)] == [True, False, False]
    assert api.answer(OPEN, bearer(api)).status == 200


def test_a_token_expires() -> None:
    api = Api(lifetime=0)
    assert api.answer(OPEN, bearer(api)).status == 401


def test_a_dead_token_and_a_closed_path_get_the_same_answer_as_at_prio() -> None:
    api = Api("prio")
    assert api.answer(OPEN, None) == api.answer(CLOSED, bearer(api))
