"""Secrets and tokens stay where they belong, whatever goes wrong: errors, logs and ``repr`` show none of them."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from prio_middleware import AccessToken, PrioError, Secret, build
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from tests.long.e2e.leak import assert_silent, shown
from tests.transports.library_privates import transport_of
from tests.transports.matrix import Caller, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio

SECRET = '@!#$%25+:kanarieSecret7Zx9Qw"\\&<>/?'
TOKEN = "to.kanarieToken4Hy2Lp~+/=_-\"'\\"
CANARIES = [SECRET, TOKEN]

Answer = Callable[[Any], Any]


@pytest.fixture
def matrix(client_kind: str) -> MatrixClient:
    return MatrixClient(client_kind)


@pytest.fixture
def anyio_backend(matrix: MatrixClient) -> str:
    return matrix.backend


def client(matrix: MatrixClient, server: Server, **changes: Any) -> Caller:
    return matrix.client(server, settings=settings(client_secret=SECRET, failure_cooldown=0, **changes))


def granted(**members: Any) -> dict[str, Any]:
    return {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600, **members}


def said(status: int, document: object = None, **headers: str) -> dict[str, Any]:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return {"status_code": status, "content": content, "headers": headers}


def refused(description: str, **members: str) -> dict[str, Any]:
    return said(400, {"error": "invalid_client", "error_description": description, **members})


QUOTED = quote(SECRET, safe="")
BASIC = base64.b64encode(f"shop@example.com:{SECRET}".encode()).decode()

TOKEN_ANSWERS: dict[str, dict[str, Any]] = {
    "the secret": refused(f"No such secret: {SECRET}."),
    "a part of the secret": refused(f"No such secret: {SECRET[5:20]}..."),
    "the secret percent-encoded": refused(QUOTED),
    "the credentials in base64": refused(f"Basic {BASIC}"),
    "the secret with controls in between": refused("\x00".join(SECRET)),
    "the secret as code": refused("", error=SECRET),
    "the secret as reference": refused("", error_reference=SECRET),
    "the secret as URI": refused("", error_uri=f"https://help.example/?q={QUOTED}"),
    "the secret in a redirect": said(302, None, location=f"https://elsewhere.example/{QUOTED}?{QUOTED}"),
    "the secret as media type": said(200, b"<html>", **{"content-type": f"text/{QUOTED}"}),
    "the secret as Retry-After": said(503, {}, **{"retry-after": QUOTED}),
    "the token in HTML": said(200, f"<html>{TOKEN}".encode()),
    "the token of another kind": said(200, granted(token_type="mac")),
    "the token as its kind": said(200, granted(token_type=TOKEN)),
    "the token with a line break": said(200, granted(access_token=f"{TOKEN}\r\nX: y")),
    "the token in a list": said(200, granted(access_token=[TOKEN])),
    "the token and an error": said(200, granted(error="server_error", error_description=TOKEN)),
    "the token in broken JSON": said(200, json.dumps(granted()).encode()[:-1]),
    "the token in a huge body": said(200, json.dumps(granted()).encode() + b" " * 2**20),
    "the token in corrupt gzip": said(200, json.dumps(granted()).encode(), **{"content-encoding": "gzip"}),
}


REFUSAL = said(401, {"error": "invalid_token", "error_description": TOKEN})


def answering(matrix: MatrixClient, *answers: dict[str, Any]) -> Answer:
    """Give ``answers`` one after another, and the last one again and again."""
    left = list(answers)
    return lambda _: matrix.library.Response(**(left.pop(0) if len(left) > 1 else left[0]))


async def failure(client: Caller, *args: Any, **options: Any) -> PrioError:
    with pytest.raises(PrioError) as caught:
        await client.get(*args, **options)
    return caught.value


@pytest.mark.pitfall(id="chained-errors")
async def test_errors_of_the_token_endpoint(
    matrix: MatrixClient, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    caplog.set_level(logging.DEBUG, "prio_middleware")
    for name, answer in TOKEN_ANSWERS.items():
        with subtests.test(name):
            build.forget()
            server = Server(matrix, token=answering(matrix, answer))
            error = await failure(client(matrix, server, token_deadline=0.1, token_timeout=0.1))

            assert_silent(error, [*CANARIES, BASIC])
            for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
                assert type(twin) is type(error)
                assert str(twin) == str(error)
                assert_silent(twin, CANARIES)
            assert caplog.text
            assert not shown(caplog.text, CANARIES)
            assert server.calls == []
        caplog.clear()


async def test_a_token_in_the_place_of_its_lifetime_is_used_and_not_shown(
    matrix: MatrixClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "prio_middleware")
    server = Server(matrix, token=answering(matrix, said(200, granted(expires_in=TOKEN))))
    await client(matrix, server).get()
    assert server.authorizations == [f"Bearer {TOKEN}"]
    assert "expires_in" in caplog.text
    assert not shown(caplog.text, CANARIES)


def breaking(matrix: MatrixClient, message: str) -> Answer:
    def answer(_: Any) -> Any:
        raise matrix.library.ConnectError(message)

    return answer


async def test_a_transport_that_repeats_the_credentials(matrix: MatrixClient) -> None:
    server = Server(matrix, token=breaking(matrix, f"cannot send {BASIC}"))
    assert_silent(await failure(client(matrix, server, token_deadline=0.1, token_timeout=0.1)), [*CANARIES, BASIC])


async def test_the_librarys_own_errors(matrix: MatrixClient) -> None:
    """The error is the HTTP library's; this library adds only its frames, and the caller's request as it was."""
    server = Server(matrix, token=answering(matrix, said(200, granted())), respond=breaking(matrix, "cut off"))
    with pytest.raises(matrix.library.ConnectError) as caught:
        await client(matrix, server).get()
    assert server.authorizations == [f"Bearer {TOKEN}"]
    assert_silent(caught.value, CANARIES)


async def test_the_reason_why_a_refusal_is_returned(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    for name, answer in TOKEN_ANSWERS.items():
        with subtests.test(name):
            build.forget()
            token = answering(matrix, said(200, granted()), answer)
            server = Server(matrix, token=token, respond=answering(matrix, REFUSAL))
            response = await client(matrix, server, token_deadline=0.1, token_timeout=0.1).get()

            assert response.status_code == 401
            assert_silent(response.extensions["prio_middleware.reason"], CANARIES)


WRONG_OPTIONS: list[Any] = [
    {"scope": f"{SECRET}\r\n"},
    {"params": {"client_secret": SECRET}},
    {"params": {"x": f"{SECRET}\n"}},
    {"params": {"x": [SECRET]}},
    {"params": SECRET},
    {"scope": [SECRET]},
    SECRET,
]


async def test_options_of_a_request_that_are_wrong(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    for options in WRONG_OPTIONS:
        with subtests.test(options=options):
            error: Any = await failure(client(matrix, Server(matrix)), extensions={"prio": options})
            error.request = matrix.library.Request("GET", "http://api.example/")  # without the options
            assert_silent(error, CANARIES)


async def test_a_url_with_a_secret_in_it(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    for url in (f"http://api.example/?key={QUOTED}", f"http://shop:{QUOTED}@api.example/"):
        with subtests.test(url):
            error = await failure(client(matrix, Server(matrix)), url)
            assert not shown(f"{error} {error!r} {error.args} {error.url}", CANARIES)


async def test_what_is_printed_of_things_at_work(matrix: MatrixClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "prio_middleware")
    server = Server(matrix, token=answering(matrix, said(200, granted())))
    caller = client(matrix, server)
    response = await caller.get()
    chosen = settings(client_secret=SECRET, failure_cooldown=0)
    pipeline = build.pipeline_for(chosen)
    things = [
        *(caller.client, transport_of(caller.client)),
        *(response, response.request, response.request.headers, response.extensions),
        *(chosen, chosen.model_dump(), chosen.model_dump_json(), pipeline, pipeline.components, pipeline.provider),
        *(pipeline.provider.endpoint, pipeline.provider.endpoint.auth, Secret(SECRET), AccessToken(Secret(TOKEN))),
        pipeline.provider.current(DEFAULT_OPTIONS, None),
    ]
    assert server.authorizations == [f"Bearer {TOKEN}"]
    for thing in things:
        assert not shown(f"{thing} {thing!r}", CANARIES)
    assert not shown(caplog.text, CANARIES)


def test_the_search_finds_planted_secrets() -> None:
    """A search that finds nothing proves nothing."""
    error = ValueError(json.dumps(SECRET))
    for text in (SECRET, QUOTED, BASIC, base64.b64encode(f"a{QUOTED}".encode()).decode(), repr(TOKEN)):
        error.__context__ = LookupError(text)
        with pytest.raises(AssertionError):
            assert_silent(error, CANARIES)
