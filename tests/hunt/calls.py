"""Features of the clients: each makes calls that succeed and calls that fail, and keeps what the caller gets."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import ssl
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio

from prio_middleware import AccessToken, ConfigurationError, Secret, StaticTokenProvider, build
from prio_middleware.settings import Settings
from prio_middleware.telemetry.snapshot import snapshot
from tests.hunt.canaries import NEW_SECRET, PASSWORD, PRIVATE_KEY, SECRET
from tests.hunt.ground import Ground
from tests.hunt.server import Answer, Call, echo, echo_in_headers
from tests.settings.test_secrecy import MISTAKES
from tests.transports.world import Caller

REASON = "prio_middleware.reason"


async def basic(ground: Ground) -> None:
    await life(ground)


async def basic_form(ground: Ground) -> None:
    await life(ground, basic_encoding="form")


async def post(ground: Ground) -> None:
    await life(ground, client_auth="client_secret_post")


async def key(ground: Ground) -> None:
    await life(ground, client_secret=None, private_key=PRIVATE_KEY)


async def life(ground: Ground, **changes: Any) -> None:
    """A token is had, is revoked and replaced, is revoked and cannot be replaced, cannot be had at all."""
    settings = ground.settings(**changes)
    client = ground.client(settings)
    ground.server.meanwhile = ground.look
    await ok(client)
    ground.server.meanwhile = lambda: None
    ground.server.revoke()
    await ok(client)
    ground.server.revoke()
    ground.server.token = echo(401)
    await handed_on(ground, client)
    await ground.failing(client)
    await ground.failing(client, "http://127.0.0.1/products")
    ground.note("repr", "snapshot", snapshot(build.pipeline_for(settings)))
    ground.look()
    await client.close()


async def ok(client: Caller) -> Any:
    response = await client.get("/products")
    assert response.status_code == 200
    return response


async def handed_on(ground: Ground, client: Caller) -> None:
    """The server's refusal is the caller's own; the reason beside it is ours."""
    response = await client.get("/products")
    assert response.status_code == 401
    ground.note_error(response.extensions[REASON])


async def token_answers(ground: Ground) -> None:
    """Whatever the token endpoint says of what it was told."""
    client = ground.client(ground.settings(token_deadline=0.2, token_timeout=0.2))
    for answering in ANSWERS:
        ground.server.token = functools.partial(answering, ground)
        await ground.failing(client)
    await client.close()


def _granted(ground: Ground, call: Call, **members: object) -> Answer:
    return ground.server.grant(call, **members)


ANSWERS: list[Callable[[Ground, Call], Answer]] = [
    *(lambda _, call, status=status: echo(status)(call) for status in (200, 400, 401, 403, 500)),
    lambda _, call: Answer(400, {"error": SECRET}),
    lambda _, call: Answer(400, {"error": "invalid_client", "error_description": "\x00".join(SECRET)}),
    lambda _, call: Answer(400, {"error": "invalid_client", "error_description": f"...{SECRET[9:24]}..."}),
    lambda _, call: Answer(400, {"error": "invalid_client", "error_description": SECRET.encode().hex()}),
    lambda ground, call: _granted(ground, call, token_type="mac"),
    lambda ground, call: _granted(ground, call, token_type=ground.server.latest),
    lambda ground, call: _granted(ground, call, access_token=f"{ground.server.latest}\r\nX: y"),
    lambda ground, call: _granted(ground, call, access_token=[ground.server.latest]),
    lambda ground, call: _granted(ground, call, expires_in=ground.server.latest),
    lambda ground, call: _granted(ground, call, error="server_error", error_description=ground.server.latest),
    lambda ground, call: Answer(200, json.dumps(_granted(ground, call).document).encode()[:-1]),
    lambda ground, call: Answer(200, _granted(ground, call).body, {"content-encoding": "gzip"}),
]


async def in_headers(ground: Ground) -> None:
    """The same in headers. The HTTP library's own lines at DEBUG, which have them, are kept out as documented."""
    with quiet("httpcore", "httpcore2"):
        client = ground.client(ground.settings(token_deadline=0.2, token_timeout=0.2))
        await ok(client)
        ground.server.token = ground.server.api = echo_in_headers(401)
        await handed_on(ground, client)
        for answering in (*map(echo_in_headers, (400, 401, 503)), *IN_HEADERS):
            ground.server.token = answering
            await ground.failing(client)
        ground.server.token = ground.server.grant
        for status in (400, 401, 403):
            ground.server.api = echo_in_headers(status)
            await client.get(f"/{status}")
        await client.close()


IN_HEADERS: list[Callable[[Call], Answer]] = [
    lambda call: Answer(200, f"<html>{call.told}".encode(), {"content-type": f"text/{quote(SECRET)}"}),
    lambda _: Answer(302, None, {"location": f"https://elsewhere.example/{quote(SECRET)}"}),
    lambda _: Answer(503, None, {"retry-after": quote(SECRET)}),
]


@contextlib.contextmanager
def quiet(*names: str) -> Generator[None]:
    """Keep these loggers at INFO."""
    for name in names:
        logging.getLogger(name).setLevel(logging.INFO)
    yield
    for name in names:
        logging.getLogger(name).setLevel(logging.NOTSET)


async def api_answers(ground: Ground) -> None:
    """An API that repeats the token that it refuses."""
    client = ground.client()
    await ok(client)
    ground.server.token = echo(401)
    ground.server.api = echo(401)
    await handed_on(ground, client)
    ground.server.token = ground.server.grant
    for status in (400, 401, 403):
        for code in ("invalid_token", "insufficient_scope", "server_error"):
            ground.server.api = echo(status, code)
            response = await client.get(f"/{status}/{code}")
            if REASON in response.extensions:
                ground.note_error(response.extensions[REASON])
            ground.note("repr", "response", f"{response!r} {response.request!r} {response.request.headers!r}")
            assert "authorization" not in response.request.headers
    await client.close()


async def network(ground: Ground) -> None:
    """Nobody answers; through a proxy, too."""
    for changes in (
        {"base_url": "https://127.0.0.1:1", "token_url": "https://127.0.0.1:1/token"},
        {"proxy": f"http://shop:{PASSWORD}@127.0.0.1:1"},
        {"base_url": "https://127.0.0.1:1"},
    ):
        client = ground.client(ground.settings(token_deadline=0.2, token_timeout=0.2, **changes))
        await ground.failing(client)
        ground.look()
        await client.close()


async def rotation(ground: Ground) -> None:
    """The secret's file is given another one, and then one that cannot be used."""
    file = ground.folder / "secret"
    _write(file, SECRET)
    settings = ground.settings(client_secret=None, client_secret_file=file)
    client = ground.client(settings)
    await ok(client)
    _write(file, NEW_SECRET)
    ground.server.revoke()
    await ok(client)
    _write(file, f"{SECRET}\n{NEW_SECRET}")
    ground.server.revoke()
    ground.server.token = echo(401)
    await handed_on(ground, client)
    await ground.failing(client)
    ground.look()
    await client.close()


def _write(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{text}\n")
    fresh.chmod(0o600)
    fresh.replace(file)


async def discovery(ground: Ground) -> None:
    """Metadata that are right, and metadata that point elsewhere or say too much."""
    right = ground.server.metadata
    changes = {"token_url": None, "discovery": ground.server.url, "token_deadline": 0.3, "token_timeout": 0.3}
    for metadata in (
        right,
        lambda call: Answer(200, {**_document(right(call)), "token_endpoint": f"{ground.elsewhere.url}/token"}),
        lambda call: Answer(200, {**_document(right(call)), "issuer": f"{ground.server.url}/other"}),
        lambda _: Answer(307, None, {"location": f"{ground.elsewhere.url}/metadata"}),
        echo(400),
    ):
        build.forget()
        ground.server.metadata = metadata
        client = ground.client(ground.settings(**changes))
        await (ok(client) if metadata is right else ground.failing(client))
        ground.look()
        await client.close()


def _document(answer: Answer) -> dict[str, object]:
    return dict(answer.document) if isinstance(answer.document, dict) else {}


async def redirects(ground: Ground) -> None:
    """Redirects of API and token endpoint to another origin, an absolute URL to there, and the way back."""
    client = ground.client(follow_redirects=True)
    for status in (301, 302, 303, 307, 308):
        ground.server.api = _redirecting(status, f"{ground.elsewhere.url}/{status}")
        assert (await client.get("/products")).status_code == 200
        assert (await client.post("/products", content=b"x")).status_code == 200
    assert (await client.get(f"{ground.elsewhere.url}/absolute")).status_code == 200
    await client.close()
    client = ground.client()
    response = await client.get("/products")
    ground.note("elsewhere", "next_request", f"{response.next_request!r} {response.next_request.headers.raw}")
    await client.close()
    for status in (301, 302, 303, 307, 308):
        build.forget()
        ground.server.token = _redirecting(status, f"{ground.elsewhere.url}/token")
        client = ground.client(follow_redirects=True)
        await ground.failing(client)
        await client.close()


def _redirecting(status: int, location: str) -> Callable[[Call], Answer]:
    return lambda _: Answer(status, None, {"location": location})


async def ahead(ground: Ground) -> None:
    """A token is replaced beside its callers, and then cannot be."""
    ground.server.lifetime = 10
    client = ground.client(ground.settings(refresh="ahead", leeway_fraction=0.99, leeway_max=10, leeway_jitter=0))
    ground.server.api = lambda _: Answer(200)
    for answering in (ground.server.grant, ground.server.grant, echo(401)):
        ground.server.token = answering
        asked = ground.server.token_requests
        await anyio.sleep(0.15)
        await ok(client)
        await _until(ground, asked + 1)
    await anyio.sleep(0.1)
    ground.look()
    await client.close()


async def _until(ground: Ground, token_requests: int) -> None:
    with anyio.fail_after(20):
        while ground.server.token_requests < token_requests:  # noqa: ASYNC110 - the server is in a thread of its own
            await anyio.sleep(0.02)


async def options(ground: Ground) -> None:
    """Options of a request: right ones, and secrets where none belong. The request and what hangs on it are the caller's."""
    client = ground.client()
    await client.get("/products", extensions={"prio": {"scope": "read", "params": {"hint": PASSWORD}}})
    wrong: list[Any] = [
        {"params": {"client_secret": SECRET}},
        {"params": {"x": f"{SECRET}\n"}},
        {"params": {"x": [SECRET]}},
        {"params": SECRET},
        SECRET,
    ]
    for given in wrong:
        try:
            await client.get("/products", extensions={"prio": given})
        except ConfigurationError as error:
            vars(error).pop("_request", None)
            ground.note_error(error)
    await client.close()


async def budget(ground: Ground) -> None:
    """Calls that the budget guard refuses."""
    client = ground.client(ground.settings(budget_guard={"enforce": True, "client_errors": 2, "requests": 50}))
    await ok(client)
    ground.server.api = echo(403, "insufficient_scope")
    for _ in range(2):
        await client.get("/products")
    await ground.failing(client)
    await client.close()


async def fixed_token(ground: Ground) -> None:
    """A token of one's own, under a transport of one's own."""
    world = ground.world
    make_inner = world.library.HTTPTransport if world.is_sync else world.library.AsyncHTTPTransport
    inner = make_inner(verify=ssl.create_default_context(cafile=str(ground.ca_file)))
    provider = StaticTokenProvider(ground.server.latest)
    client = world.caller(world.transport(inner, provider=provider, origins=[ground.server.url]))
    await client.get(f"{ground.server.url}/products")
    ground.server.revoke()
    await client.get(f"{ground.server.url}/products")
    ground.look()
    await client.close()


async def mistakes(ground: Ground) -> None:
    """Settings with a mistake beside a secret, or with the secret as the mistake."""
    for mistake in MISTAKES.values():
        try:
            Settings.from_values(**_with_canary(mistake))
        except ConfigurationError as error:
            ground.note_error(error)
    for name, text in FILES.items():
        (ground.folder / name).write_text(text)
        try:
            Settings(config=ground.folder / name) if name.endswith(".toml") else Settings(env_file=ground.folder / name)
        except ConfigurationError as error:
            ground.note_error(error)
    good = Settings.from_values(**ground.values(name=None, proxy=f"http://u:{PASSWORD}@proxy.example"))
    ground.note("dumps", "settings", f"{good.provenance()} {good.client().model_dump()} {good.client().model_dump_json()}")
    ground.note("repr", "token", f"{Secret(SECRET)} {AccessToken(Secret(ground.server.latest))!r}")
    ground.look()


FILES = {
    "one.toml": f"client_secret = '{SECRET}'\nscop = 'x'\n".replace("'", "'''"),
    "two.toml": f"client_secret = {SECRET}\n",
    "three.toml": f"client_secret = ['''{SECRET}''']\n",
    "one.env": f"PRIO_CLIENT_SECRETT={SECRET}\n",
}


def _with_canary(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_canary(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_canary(inner) for inner in value]
    if isinstance(value, bytes):
        return value.replace(CANARY.encode(), SECRET.encode())
    return value.replace(CANARY, SECRET) if isinstance(value, str) else value


CANARY = "canary-7f3a"
