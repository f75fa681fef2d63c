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
import anyio.lowlevel
import pytest

from prio_middleware import (
    AccessToken,
    AccountCredentials,
    ConfigurationError,
    Secret,
    StaticTokenProvider,
    build,
    token_extensions,
)
from prio_middleware.settings import Settings
from prio_middleware.telemetry.snapshot import snapshot
from prio_middleware.web.clients import Clients, fetch_tokens
from prio_middleware.web.readiness import readiness
from tests.long.hunt.canaries import NEW_SECRET, PASSWORD, PRIVATE_KEY, SECRET
from tests.long.hunt.context import HuntContext
from tests.long.hunt.server import Answer, Call, echo, echo_in_headers, says
from tests.settings.test_secrecy import MISTAKES
from tests.transports.library_privates import transport_of
from tests.transports.matrix import Caller

REASON = "prio_middleware.reason"


async def basic(context: HuntContext) -> None:
    await life(context)


async def basic_form(context: HuntContext) -> None:
    await life(context, basic_encoding="form")


async def post(context: HuntContext) -> None:
    await life(context, client_auth="client_secret_post")


async def key(context: HuntContext) -> None:
    await life(context, client_secret=None, private_key=PRIVATE_KEY)


async def gateway_key(context: HuntContext) -> None:
    await life(context, token_headers={"X-Gateway-Key": NEW_SECRET})


async def life(context: HuntContext, **changes: Any) -> None:
    """A token is had, is revoked and replaced, is revoked and cannot be replaced, cannot be had at all."""
    settings = context.settings(**changes)
    client = context.client(settings)
    context.server.meanwhile = context.look
    await ok(client)
    context.server.meanwhile = lambda: None
    context.server.revoke()
    await ok(client)
    context.server.revoke()
    context.server.token = echo(401)
    await handed_on(context, client)
    await context.failing(client)
    await context.failing(client, "http://127.0.0.1/products")
    context.note("repr", "snapshot", snapshot(build.pipeline_for(settings)))
    context.look()
    await client.close()


async def ok(client: Caller) -> Any:
    response = await client.get("/products")
    assert response.status_code == 200
    return response


async def handed_on(context: HuntContext, client: Caller) -> None:
    """Look into the reason that the library adds to a refusal; the response itself is the server's."""
    response = await client.get("/products")
    assert response.status_code == 401
    context.note_error(response.extensions[REASON])
    context.end_pause(client)


async def token_answers(context: HuntContext) -> None:
    """Every response of the token endpoint that repeats its request."""
    client = context.client(context.settings(token_deadline=0.2, token_timeout=0.2))
    for answering in ANSWERS:
        context.server.token = functools.partial(answering, context)
        await context.failing(client)
    context.server.token = lambda call: _granted(context, call, expires_in=context.server.latest)  # It is used all the same.
    await ok(client)
    await client.close()


def _granted(context: HuntContext, call: Call, **members: object) -> Answer:
    return context.server.grant(call, **members)


ANSWERS: list[Callable[[HuntContext, Call], Answer]] = [
    *(lambda _, call, status=status: echo(status)(call) for status in (200, 400, 401, 403, 500)),
    lambda _, call: Answer(400, {"error": SECRET}),
    lambda _, call: Answer(400, {"error": "invalid_client", "error_description": "\x00".join(SECRET)}),
    lambda _, call: Answer(400, {"error": "invalid_client", "error_description": f"...{SECRET[9:24]}..."}),
    lambda _, call: Answer(400, {"error": "invalid_client", "error_description": SECRET.encode().hex()}),
    lambda context, call: _granted(context, call, token_type="mac"),
    lambda context, call: _granted(context, call, token_type=context.server.latest),
    lambda context, call: _granted(context, call, access_token=f"{context.server.latest}\r\nX: y"),
    lambda context, call: _granted(context, call, access_token=[context.server.latest]),
    lambda context, call: _granted(context, call, error="server_error", error_description=context.server.latest),
    lambda context, call: Answer(200, json.dumps(_granted(context, call).document).encode()[:-1]),
    lambda context, call: Answer(200, _granted(context, call).body, {"content-encoding": "gzip"}),
]


async def earlier_tokens(context: HuntContext) -> None:
    """Servers that repeat a token or a secret of an earlier exchange, and the end of a long token."""
    with quiet("httpcore", "httpcore2"):
        client = context.client(context.settings(token_deadline=0.2, token_timeout=0.2))
        provider = transport_of(client.client).pipeline.provider
        long = "".join(f"{serial:x}kanarie." for serial in range(1500))
        tokens: tuple[dict[str, Any], ...] = ({}, {}, {"access_token": long}, {})
        for changes in tokens:
            context.server.token = functools.partial(context.server.grant, **changes)
            context.server.api = lambda _: Answer(200)
            await ok(client)
            provider.replace_credentials(provider.endpoint)
        earlier = [text for call in context.server.calls for text in call.told]
        for text in dict.fromkeys([*earlier, long[:40], long[5000:5040], long[-40:]]):
            for status in (302, 400, 503):
                context.server.token = says(status, text)
                await context.failing(client)
            context.server.token = context.server.grant
            await client.get("/fresh")
            context.server.token = says(400, text)
            context.server.api = says(401, text)
            response = await client.get("/products")
            if REASON in response.extensions:
                context.note_error(response.extensions[REASON])
            context.end_pause(client)
        context.look()
        await client.close()


async def key_in_url(context: HuntContext) -> None:
    """A key in the query of the token URL, with a token that is had before the first call."""
    settings = context.settings(token_url=f"{context.server.url}/token?key={PASSWORD}")
    client = context.client(settings)
    await ok(client)
    context.server.revoke()
    context.server.token = echo(401)
    await handed_on(context, client)
    await context.failing(client)
    context.look()
    await client.close()
    build.forget()
    values = {**context.values(name=None), "token_url": settings.token_url}
    context.note("pages", "warm-up", fetch_tokens(Settings.from_values(**values)))
    ready = readiness(Clients(Settings.from_values(**values)))
    context.note("pages", "/ready", f"{ready} {ready.as_dict()}")
    context.look()


async def in_headers(context: HuntContext) -> None:
    """The same in headers. The HTTP library's own lines at DEBUG, which have them, are kept out as documented."""
    with quiet("httpcore", "httpcore2"):
        client = context.client(context.settings(token_deadline=0.2, token_timeout=0.2))
        await ok(client)
        context.server.token = context.server.api = echo_in_headers(401)
        await handed_on(context, client)
        for answering in (*map(echo_in_headers, (400, 401, 503)), *IN_HEADERS):
            context.server.token = answering
            await context.failing(client)
        context.server.token = context.server.grant
        for status in (400, 401, 403):
            context.server.api = echo_in_headers(status)
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


async def api_answers(context: HuntContext) -> None:
    """Let the API repeat a token that it rejects."""
    client = context.client()
    await ok(client)
    context.server.token = echo(401)
    context.server.api = echo(401)
    await handed_on(context, client)
    context.server.token = context.server.grant
    for status in (400, 401, 403):
        for code in ("invalid_token", "insufficient_scope", "server_error"):
            context.server.api = echo(status, code)
            response = await client.get(f"/{status}/{code}")
            if REASON in response.extensions:
                context.note_error(response.extensions[REASON])
            context.note("repr", "response", f"{response!r} {response.request!r} {response.request.headers!r}")
            assert "authorization" not in response.request.headers
    await client.close()


async def network(context: HuntContext) -> None:
    """No server answers, directly and through a proxy."""
    for changes in (
        {"base_url": "https://127.0.0.1:1", "token_url": "https://127.0.0.1:1/token"},
        {"proxy": f"http://shop:{PASSWORD}@127.0.0.1:1"},
        {"base_url": "https://127.0.0.1:1"},
    ):
        client = context.client(context.settings(token_deadline=0.2, token_timeout=0.2, **changes))
        await context.failing(client)
        context.look()
        await client.close()


async def rotation(context: HuntContext) -> None:
    """The secret's file is given another one, and then one that cannot be used."""
    file = context.folder / "secret"
    _write(file, SECRET)
    settings = context.settings(client_secret=None, client_secret_file=file)
    client = context.client(settings)
    await ok(client)
    _write(file, NEW_SECRET)
    context.server.revoke()
    await ok(client)
    _write(file, f"{SECRET}\n{NEW_SECRET}")
    context.server.revoke()
    context.server.token = echo(401)
    await handed_on(context, client)
    await context.failing(client)
    context.look()
    await client.close()


def _write(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{text}\n")
    fresh.chmod(0o600)
    fresh.replace(file)


async def discovery(context: HuntContext) -> None:
    """Metadata that are right, and metadata that point elsewhere or say too much."""
    right = context.server.metadata
    changes = {"token_url": None, "issuer": context.server.url, "discovery": True, "token_deadline": 0.3, "token_timeout": 0.3}
    for metadata in (
        right,
        lambda call: Answer(200, {**_document(right(call)), "token_endpoint": f"{context.elsewhere.url}/token"}),
        lambda call: Answer(200, {**_document(right(call)), "issuer": f"{context.server.url}/other"}),
        lambda _: Answer(307, None, {"location": f"{context.elsewhere.url}/metadata"}),
        echo(400),
    ):
        build.forget()
        context.server.metadata = metadata
        client = context.client(context.settings(**changes))
        await (ok(client) if metadata is right else context.failing(client))
        context.look()
        await client.close()


def _document(answer: Answer) -> dict[str, object]:
    return dict(answer.document) if isinstance(answer.document, dict) else {}


async def redirects(context: HuntContext) -> None:
    """Redirects of API and token endpoint to another origin, an absolute URL to there, and the way back."""
    client = context.client(follow_redirects=True)
    for status in (301, 302, 303, 307, 308):
        context.server.api = _redirecting(status, f"{context.elsewhere.url}/{status}")
        assert (await client.get("/products")).status_code == 200
        assert (await client.post("/products", content=b"x")).status_code == 200
    assert (await client.get(f"{context.elsewhere.url}/absolute")).status_code == 200
    await client.close()
    client = context.client()
    response = await client.get("/products")
    context.note("elsewhere", "next_request", f"{response.next_request!r} {response.next_request.headers.raw}")
    await client.close()
    for status in (301, 302, 303, 307, 308):
        build.forget()
        context.server.token = _redirecting(status, f"{context.elsewhere.url}/token")
        client = context.client(follow_redirects=True)
        await context.failing(client)
        await client.close()


def _redirecting(status: int, location: str) -> Callable[[Call], Answer]:
    return lambda _: Answer(status, None, {"location": location})


async def ahead(context: HuntContext) -> None:
    """A token is replaced beside its callers, and then cannot be."""
    context.server.lifetime = 10
    settings = context.settings(refresh="ahead", leeway_fraction=0.999, leeway_max=10, leeway_jitter=0)
    client = context.client(settings)
    context.server.api = lambda _: Answer(200)
    await ok(client)
    report = build.pipeline_for(settings).provider.report
    for answering in (context.server.grant, echo(401)):
        context.server.token = answering
        asked = context.server.token_requests
        with anyio.fail_after(20):
            while context.server.token_requests == asked or report().fetching:
                await ok(client)
    assert report().failure
    context.look()
    await client.close()


async def options(context: HuntContext) -> None:
    """Options of a request: right ones, and secrets where none belong. The request and what hangs on it are the caller's."""
    client = context.client()
    await client.get("/products", extensions={"prio": {"scope": "read", "params": {"hint": PASSWORD}}})
    wrong: list[Any] = [
        {"params": {"client_secret": SECRET}},
        {"params": {"x": f"{SECRET}\n"}},
        {"params": {"x": [SECRET]}},
        {"params": SECRET},
        SECRET,
    ]
    for given in wrong:
        with pytest.raises(ConfigurationError) as caught:
            await client.get("/products", extensions={"prio": given})
        error: Any = caught.value
        error.request = client.client.build_request("GET", "/products")  # without the options
        context.note_error(error)
    await client.close()


async def budget(context: HuntContext) -> None:
    """Make calls that the budget guard blocks."""
    client = context.client(context.settings(budget_guard={"enforce": True, "client_errors": 2, "requests": 50}))
    await ok(client)
    context.server.api = echo(403, "insufficient_scope")
    for _ in range(2):
        await client.get("/products")
    await context.failing(client)
    await client.close()


async def fixed_token(context: HuntContext) -> None:
    """A user's own token provider and transport."""
    matrix = context.matrix
    make_inner = matrix.library.HTTPTransport if matrix.is_sync else matrix.library.AsyncHTTPTransport
    inner = make_inner(verify=ssl.create_default_context(cafile=str(context.ca_file)))
    provider = StaticTokenProvider(context.server.latest)
    client = matrix.caller(matrix.transport(inner, provider=provider, origins=[context.server.url]))
    await client.get(f"{context.server.url}/products")
    context.server.revoke()
    await client.get(f"{context.server.url}/products")
    context.look()
    await client.close()


async def accounts(context: HuntContext) -> None:
    """Accounts of a resolver: used, revoked, refused with an echo, and new credentials. Resolvers that fail beside a secret."""
    rows: dict[str, Callable[[str], Any]] = {
        "berlin": lambda name: AccountCredentials(name, "berlin@example.com", SECRET),
        "paris": lambda name: AccountCredentials(name, "paris@example.com", Secret(NEW_SECRET), scope="read"),
        "another's": lambda _: AccountCredentials("berlin", "berlin@example.com", SECRET),
        "no credentials": lambda _: {"client_secret": SECRET},
        "unusable": lambda name: AccountCredentials(name, "", SECRET),
        "unsendable": lambda name: AccountCredentials(name, name, SECRET, scope="read\n"),
        "raises": _raise,
    }

    def load(name: str) -> Any:
        return rows[name](name) if name in rows else None

    async def aload(name: str) -> Any:
        await anyio.lowlevel.checkpoint()
        return load(name)

    settings = context.settings(token_deadline=0.3, token_timeout=0.3)
    client = context.client(settings, accounts=load if context.matrix.is_sync else aload)
    context.server.meanwhile = context.look
    for name in ("berlin", "paris"):
        context.server.token, context.server.api = context.server.grant, lambda _: Answer(200)
        await ok_as(client, name)
        await ok_as(client, name)
        context.server.meanwhile = lambda: None
        context.server.token = context.server.api = echo(401)
        context.note_error((await client.get("/products", extensions=token_extensions(account=name))).extensions[REASON])
        earlier = [text for call in context.server.calls for text in call.told]
        for text in dict.fromkeys(earlier):
            context.server.token, context.server.api = context.server.grant, lambda _: Answer(200)
            await ok_as(client, name)
            context.server.token, context.server.api = echo(401), says(401, text)
            with quiet("httpcore", "httpcore2"):
                response = await client.get(f"/{name}", extensions=token_extensions(account=name))
            if REASON in response.extensions:
                context.note_error(response.extensions[REASON])
        await context.failing(client, extensions=token_extensions(account=name, scope="write"))
    for name in (*list(rows)[2:], "nobody", f"no\nbody {PASSWORD[:4]}"):
        await context.failing(client, extensions=token_extensions(account=name))
    context.note("repr", "snapshot", snapshot(transport_of(client.client).pipeline))
    context.note("repr", "credentials", f"{rows['berlin']('berlin')!r} {rows['paris']('paris')}")
    context.look()
    await client.close()


def _raise(name: str) -> Any:
    raise LookupError(f"The row of {name} is ({SECRET!r}, {NEW_SECRET!r}).")


async def ok_as(client: Caller, account: str) -> None:
    response = await client.get("/products", extensions=token_extensions(account=account))
    assert response.status_code == 200


async def static_headers(context: HuntContext) -> None:
    """A key in a header or in the query: in the settings and in a file, beside no token and beside one, echoed, and spoilt."""
    file, token_file, key_file = (context.folder / name for name in ("headers", "token", "key"))
    _write(file, f"X-Api-Key: {SECRET}")
    _write(token_file, context.server.latest)
    _write(key_file, SECRET)
    own: dict[str, Any] = {"client_id": None, "client_secret": None, "token_url": None}
    for changes in (
        {"provider": "none", "headers": {"X-Api-Key": NEW_SECRET}},
        {"provider": "none", "headers_file": file},
        {"provider": "static", "token_file": token_file, "headers": {"X-Api-Key": NEW_SECRET}},
        {"provider": "none", "api_key": NEW_SECRET},
        {"provider": "static", "token_file": token_file, "api_key_file": key_file},
    ):
        settings = context.settings(**own, **changes)
        client = context.client(settings, follow_redirects=True)
        for answering in (lambda _: Answer(200), echo(401), echo(403, NEW_SECRET), echo_in_headers(400)):
            context.server.api = answering
            with quiet("httpcore", "httpcore2"):
                response = await client.get("/products")
            if REASON in response.extensions:
                context.note_error(response.extensions[REASON])
            context.note("repr", "response", f"{response!r} {response.request!r} {response.request.headers!r}")
        context.server.api = _redirecting(307, f"{context.elsewhere.url}/redirected")
        await client.get("/products")
        await client.get(f"{context.elsewhere.url}/absolute")
        await context.failing(client, "http://127.0.0.1/products")
        context.look()
        await client.close()
    _write(file, f"X-Api-Key: {SECRET}\nX-Other {NEW_SECRET}")
    with pytest.raises(ConfigurationError) as caught:
        context.client(context.settings(**own, provider="none", headers_file=file, name="other"))
    context.note_error(caught.value)


async def static_token(context: HuntContext) -> None:
    """A token from a file, which is replaced, rejected, and then spoilt. The API repeats the old one and the new one."""
    file = context.folder / "token"
    _write(file, context.server.latest)
    own: dict[str, Any] = {"client_id": None, "client_secret": None, "token_url": None}
    client = context.client(context.settings(**own, provider="static", token_file=file))
    await ok(client)
    earlier = context.server.latest
    context.server.revoke()
    _write(file, context.server.latest)
    await ok(client)
    for answering in (echo(401), says(401, earlier), says(403, context.server.latest)):
        context.server.api = answering
        with quiet("httpcore", "httpcore2"):
            response = await client.get("/products")
        if REASON in response.extensions:
            context.note_error(response.extensions[REASON])
    context.server.api = context.server.serve
    _write(file, f"{context.server.latest}\n{SECRET}")
    await client.get("/products")
    context.look()
    await client.close()


async def mistakes(context: HuntContext) -> None:
    """Settings with a mistake beside a secret, or with the secret as the mistake."""
    for mistake in MISTAKES.values():
        try:
            Settings.from_values(**_with_canary(mistake))
        except ConfigurationError as error:
            context.note_error(error)
    for name, text in FILES.items():
        (context.folder / name).write_text(text)
        try:
            Settings(config=context.folder / name) if name.endswith(".toml") else Settings(env_file=context.folder / name)
        except ConfigurationError as error:
            context.note_error(error)
    good = Settings.from_values(**context.values(name=None, proxy=f"http://u:{PASSWORD}@proxy.example"))
    context.note("dumps", "settings", f"{good.provenance()} {good.client().model_dump()} {good.client().model_dump_json()}")
    context.note("repr", "token", f"{Secret(SECRET)} {AccessToken(Secret(context.server.latest))!r}")
    context.look()


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
