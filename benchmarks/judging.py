"""Processor time to judge the largest answers of a hostile server: ``python -m benchmarks.judging``.

An event loop stands still for that time. Exit status 1 if one answer takes longer than ``LIMIT_SECONDS``.
"""

from __future__ import annotations

import gzip
import json
import random
import string
import sys
import time
from collections.abc import Callable
from typing import Final

import httpx

from prio_middleware._util.redaction import SEARCHED_LIMIT
from prio_middleware._util.safe_body import DIGIT_LIMIT, VALUE_LIMIT
from prio_middleware._util.secret import RECENT_CHARACTERS, Secret
from prio_middleware.middleware.revocation.refusal import BODY_LIMIT, parse_refusal
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.client_auth import ClientSecretBasic
from prio_middleware.oauth.token_request import TokenEndpoint
from prio_middleware.oauth.token_response import RESPONSE_LIMIT, TOKEN_LIMIT, TokenResponse

LIMIT_SECONDS: Final = 0.05
"""Longest time for one answer."""

ROUNDS: Final = 9

_seeds = iter(range(1_000_000))


def text(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Return a random text, another one for each call, so that nothing was cached before."""
    return "".join(random.Random(next(_seeds)).choices(alphabet, k=length))  # noqa: S311 - not a secret


ESCAPED: Final = "&\"'<>/%+"
"""Characters that every encoding writes in several."""


def token_answer(length: int, **members: object) -> Callable[[], object]:
    """Return the judgement of an error with ``members``, filled to ``length`` bytes."""
    body = {"error": text(64), "error_description": text(200), "error_uri": text(200), "error_reference": text(64), **members}
    body["filling"] = ""
    body["filling"] = "x" * max(length - len(json.dumps(body)), 0)
    return judged(400, json.dumps(body).encode())


def judged(status: int, body: bytes, **headers: str) -> Callable[[], object]:
    """Return the judgement of a response of the token endpoint, for a client with earlier tokens of the longest size."""
    endpoint = TokenEndpoint("https://login.example/token", ClientSecretBasic("shop", Secret(text(64))))
    endpoint.recent.add(*(Secret(text(TOKEN_LIMIT)) for _ in range(8)))
    request = endpoint.request(DEFAULT_OPTIONS, 20.0, 0.0)
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return lambda: endpoint.read(TokenResponse(status, named, body), 0.0, request)


def rejection() -> Callable[[], object]:
    """Return the judgement of a rejection of the API."""
    body = json.dumps({"error": text(64), "error_reference": text(64), "filling": "x" * (BODY_LIMIT - 300)}).encode()
    headers = httpx.Headers({"www-authenticate": f'Bearer error="{text(64)}", realm="{text(8000)}"'})
    secrets = [Secret(text(64)), *(Secret(text(SEARCHED_LIMIT // 4)) for _ in range(3))]
    return lambda: parse_refusal(401, headers, body, secrets)


def tokens(alphabet: str = string.ascii_letters + string.digits) -> dict[str, object]:
    """Return three tokens, as long as they may be so that the answer is still searched for them and for earlier ones."""
    length = (SEARCHED_LIMIT - RECENT_CHARACTERS) // 3
    return {name: text(length, alphabet) for name in ("access_token", "refresh_token", "id_token")}


ANSWERS: Final[dict[str, Callable[[], Callable[[], object]]]] = {
    "an error of 1 MiB": lambda: token_answer(RESPONSE_LIMIT),
    "... beside three tokens": lambda: token_answer(RESPONSE_LIMIT, **tokens()),
    "... whose characters are escaped": lambda: token_answer(RESPONSE_LIMIT, **tokens(ESCAPED)),
    "... and an id_token that no header holds": lambda: token_answer(0, id_token="\U0001f600" * 80_000),
    "a scope of 16 KiB beside tokens": lambda: token_answer(RESPONSE_LIMIT, error="", scope=text(16 * 1024), **tokens()),
    "a scope of 4 KiB beside tokens": lambda: token_answer(RESPONSE_LIMIT, error="", scope=text(4 * 1024), **tokens()),
    "a megabyte of empty objects": lambda: judged(200, b'{"a":[' + b"{}," * (RESPONSE_LIMIT // 3 - 4) + b"{}]}"),
    "a megabyte of long numbers": lambda: judged(200, b'{"a":[' + b",".join([b"9" * DIGIT_LIMIT] * 2600) + b"]}"),
    "a number of a megabyte": lambda: judged(200, b'{"a":1.' + b"9" * (RESPONSE_LIMIT - 16) + b"}"),
    "as many values as are read": lambda: judged(200, b'{"a":[' + b"{}," * VALUE_LIMIT + b"{}]}"),
    "a megabyte in gzip": lambda: judged(200, gzip.compress(b" " * RESPONSE_LIMIT), content_encoding="gzip"),
    "a redirect to a megabyte": lambda: judged(302, b"", location=f"https://a.example/{text(RESPONSE_LIMIT)}"),
    "a page of a megabyte": lambda: judged(503, b"<" * RESPONSE_LIMIT, content_type="text/html"),
    "a rejection of 64 KiB": rejection,
}


def main() -> int:
    """Print the shortest of ``ROUNDS`` times for each answer, which other programs disturb least. Return the exit status."""
    slowest = 0.0
    for name, prepare in ANSWERS.items():
        times: list[float] = []
        for _ in range(ROUNDS):
            judge = prepare()
            began = time.thread_time()
            judge()
            times.append(time.thread_time() - began)
        best = min(times)
        slowest = max(slowest, best)
        print(f"{name:45} {best * 1e3:7.1f} ms")
    print(f"\nThe slowest answer takes {slowest * 1e3:.1f} ms, of {LIMIT_SECONDS * 1e3:.0f} ms at most.")
    return slowest > LIMIT_SECONDS


if __name__ == "__main__":
    sys.exit(main())
