"""Judging an answer takes steps that grow with its length only, whatever a server sends."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from prio_middleware._util.redaction import server_text
from prio_middleware._util.secret import Secret
from prio_middleware.middleware.revocation.refusal import parse_refusal
from prio_middleware.oauth.access_token import ExpiryPolicy
from prio_middleware.oauth.discovery import Issuer, find_token_url
from prio_middleware.oauth.token_response import TokenResponse, parse_response
from tests.step_count import counted_steps

LENGTHS = (600, 1200, 2400)

SLACK = 300_000
"""Steps that differ at random: a text of random letters shares short parts with a random secret."""

Judge = Callable[[int], object]


def text(length: int, seed: int = 1) -> str:
    """A text of letters and digits, another one for each seed."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=length))


def token_answer(status: int = 200, **members: object) -> Any:
    body = json.dumps({"access_token": text(64, 9), "token_type": "Bearer", **members}).encode()
    return parse_response(TokenResponse(status, httpx.Headers(), body), 0.0, ExpiryPolicy(), (Secret(text(300, 2)),))


def token_headers(status: int, **headers: str) -> Any:
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return parse_response(TokenResponse(status, named, b"no JSON"), 0.0, ExpiryPolicy(), (Secret(text(300, 2)),))


def refusal(length: int, body: object, **headers: str) -> Any:
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return parse_refusal(401, named, json.dumps(body).encode(), [Secret(text(length, 3)), Secret(text(length, 4))])


def metadata(**members: object) -> Any:
    body = json.dumps({"issuer": "https://login.example", **members}).encode()
    issuer = Issuer("https://login.example")
    return find_token_url(TokenResponse(200, httpx.Headers(), body), issuer, "private_key_jwt", [Secret(text(300, 2))])


ANSWERS: dict[str, Judge] = {
    "a scope beside tokens": lambda n: token_answer(scope=text(n), refresh_token=text(n, 2), id_token=text(n, 3)),
    "a scope beside characters that no header holds": lambda n: token_answer(scope=text(n), id_token="\U0001f600" * n),
    "a description beside tokens": lambda n: token_answer(
        400, error="x", error_description=text(n), error_uri=text(n, 5), refresh_token=text(n, 2), id_token=text(n, 3)
    ),
    "an error code": lambda n: token_answer(400, error=text(n), error_reference=text(n, 2), id_token=text(n, 3)),
    "a type": lambda n: token_answer(token_type=text(n), id_token=text(n, 3)),
    "a token": lambda n: token_answer(access_token=text(n)),
    "a token that cannot be sent": lambda n: token_answer(access_token=text(n) + "\n", error_description=text(n)),
    "many values": lambda n: token_answer(scope=[{} for _ in range(n)]),
    "many members": lambda n: token_answer(**{f"m{number}": number for number in range(n)}),
    "headers": lambda n: token_headers(302, location=f"https://a.example/{text(n)}?{text(n)}"),
    "a type of content": lambda n: token_headers(503, content_type=text(n), retry_after=text(n), date=text(n)),
    "a failure": lambda n: parse_response(TokenResponse(failure=text(n)), 0.0, ExpiryPolicy(), (Secret(text(n, 2)),)),
    "a rejection": lambda n: refusal(n, {"error": text(n), "error_reference": text(n, 2)}),
    "a challenge": lambda n: refusal(n, {}, www_authenticate=f'Bearer error="{text(n)}", {text(n)}="{text(n)}'),
    "many challenges": lambda n: refusal(n, {}, www_authenticate="Bearer a=b, " * (n // 12)),
    "another issuer": lambda n: metadata(issuer=text(n)),
    "methods": lambda n: metadata(token_endpoint_auth_methods_supported=[text(9, number) for number in range(n // 10)]),
    "a token endpoint": lambda n: metadata(token_endpoint=f"https://login.example/{text(n)}"),
    "an error text": lambda n: server_text(text(n), [Secret(text(n, seed)) for seed in range(2, 6)], n),
    "a text of parts of a secret": lambda n: server_text(parts(n), [Secret(f"{text(n, 2)}.{parts(n, 6)}")], n),
    "a text that repeats itself": lambda n: server_text("ab" * (n // 2), [Secret("abcd" * (n // 4))], n),
}


def parts(length: int, gap: int = 7) -> str:
    """A text of short parts of one secret, none of which is long enough to count."""
    return "".join(f"{number:05}"[-5:] + "x" * (gap - 5) for number in range(length // gap))


@pytest.mark.pitfall(id="bounded-work")
@pytest.mark.parametrize("judge", ANSWERS.values(), ids=ANSWERS)
def test_the_steps_grow_with_the_length_of_an_answer(judge: Judge) -> None:
    judge(LENGTHS[0] // 2)  # Imports, and what is cached for good.
    counts: list[int] = []
    for length in LENGTHS:
        with counted_steps() as steps:
            judge(length)
        counts.append(steps.count)
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    # From one length to the next, steps double. Squared growth would take four times as many.
    assert second <= 3 * max(first, 0) + SLACK, counts
