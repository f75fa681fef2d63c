"""Fuzz targets: functions that take any bytes and raise if a promise is broken. Hypothesis and atheris call them."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import httpx
import httpx2

from prio_middleware import (
    AccountCredentials,
    ApplicationInfo,
    ConfigurationError,
    HTTPSEnforcer,
    OriginGuard,
    PolicyError,
    PrioError,
    StaticHeaders,
    TokenError,
    build,
    token_extensions,
)
from prio_middleware._util.origins import Origin, parse_origin
from prio_middleware._util.redaction import CODE_LIMIT, URL_LIMIT, safe_url
from prio_middleware._util.retry_after import MAX_WAIT, retry_after
from prio_middleware._util.safe_body import CHAIN_LIMIT, Undecodable, decode, json_object
from prio_middleware._util.secret import Secret
from prio_middleware._util.www_authenticate import HEADER_LIMIT, bearer_error
from prio_middleware.httpx import client as make_client
from prio_middleware.middleware.origin_guard import LEFT_ORIGIN
from prio_middleware.middleware.revocation.refusal import parse_refusal
from prio_middleware.middleware.revocation.rules import PRIO_REFUSALS
from prio_middleware.middleware.static_headers import parse_headers
from prio_middleware.oauth.access_token import ExpiryPolicy
from prio_middleware.oauth.client_auth import ClientSecretBasic, ClientSecretPost
from prio_middleware.oauth.discovery import Issuer, Unusable, find_token_url
from prio_middleware.oauth.shared.file_store import FIRST_LINE, FileStore
from prio_middleware.oauth.shared.store import Lease, LeaseReply, StoreEntry
from prio_middleware.oauth.token_response import TokenResponse, parse_response
from prio_middleware.pipeline.exchange import Exchange
from prio_middleware.settings import ClientSettings
from prio_middleware.settings.loading import Loaded, load
from prio_middleware.settings.sources import Sources
from tests.long.fuzz.messages import message
from tests.long.fuzz.unfolding import counted
from tests.step_count import counted_steps

CANARY = "canary-4f1d2c9e8b7a"
"""Stands for a secret: where an input says SECRET, the server or the settings hold it."""

LONGEST_ERROR = 3000
"""Characters. An error is for a line of a log."""

ISSUER = Issuer("https://login.example/tenant", allowed_token_origins=("https://tokens.example",))
TRUSTED = {parse_origin(url) for url in ("https://login.example", "https://tokens.example")}
POLICY = ExpiryPolicy()

HOME = "https://api.example"
GUARD = OriginGuard([HOME])


STEPS_EACH = 400
"""Most steps for each byte of an input. A search for each part in each form of a secret takes ten thousand."""

STEPS_BESIDES = 300_000
"""Most steps besides those: the index of the client's own secrets, and what is imported at first use."""

LENGTH = 1024


def work(data: bytes) -> None:
    """Judge a server's answer of any kind, repeated to ``LENGTH``, in steps that grow with its length only."""
    data = (data * (1 + LENGTH // max(len(data), 1)))[: max(len(data), LENGTH)]
    said, answer = text(data), message(data)
    members = {"access_token": "t", "scope": said, "id_token": said[::-1], "error_description": said, "error": said}
    error = json.dumps(members).encode()
    granted = json.dumps({**members, "error": ""}).encode()
    for judge, length in (
        (lambda: parse_response(answer, 1000.0, POLICY, LONG_SECRETS), len(data)),
        (lambda: parse_refusal(answer.status_code, answer.headers or {}, answer.body, LONG_SECRETS), len(data)),
        (lambda: find_token_url(answer, ISSUER, "client_secret_basic", LONG_SECRETS), len(data)),
        (lambda: parse_response(TokenResponse(400, {}, error), 1000.0, POLICY, LONG_SECRETS), len(error)),
        (lambda: parse_response(TokenResponse(200, {}, granted), 1000.0, POLICY, LONG_SECRETS), len(granted)),
    ):
        with counted_steps() as steps:
            judge()
        assert steps.count <= STEPS_BESIDES + STEPS_EACH * length, f"{steps.count} steps for {length} bytes"


LONG_SECRETS = tuple(Secret("".join(f"{number * factor:x}." for number in range(100))) for factor in (7919, 104_729))


def token_answer(data: bytes) -> None:
    """A token that can be sent, or an error that can be shown."""
    answer = message(data.replace(b"SECRET", CANARY.encode()))
    outcome = parse_response(answer, 1000.0, POLICY, (Secret(CANARY),))
    if isinstance(outcome, TokenError):
        shown(outcome)
    else:
        one_field(outcome.authorization())
        assert 0 <= outcome.lifetime <= POLICY.max_lifetime
        assert 1000 <= outcome.fresh_until <= outcome.expires_at
        assert CANARY not in f"{outcome!r} {outcome.scope}"


def metadata(data: bytes) -> None:
    """A token endpoint where credentials may go, or why there is none."""
    found = find_token_url(message(data), ISSUER, "client_secret_basic")
    if isinstance(found, Unusable):
        line(f"{found.problem} {found.remedy}", LONGEST_ERROR)
    else:
        assert parse_origin(found) in TRUSTED
        origin = httpx.URL(found)
        assert (origin.scheme, origin.host) in {("https", "login.example"), ("https", "tokens.example")}


def error_body(data: bytes) -> None:
    """A refusal, of whose words only short codes are kept."""
    answer = message(data)
    refusal = parse_refusal(answer.status_code, answer.headers or {}, answer.body)
    for code in (refusal.code, refusal.challenge, refusal.error_reference):
        line(code or "", CODE_LIMIT)
    PRIO_REFUSALS.may_reject_token(refusal.status_code, refusal.code, refusal.challenge)


def compressed_body(data: bytes) -> None:
    """Decode no more than the limit, once for each encoding or, for deflate, twice."""
    names, _, body = data.partition(b"\n")
    limit = 1024
    with counted() as unfolded:
        outcome = decode(body, names.decode("latin-1"), limit)
    assert isinstance(outcome, Undecodable) or len(outcome) <= limit
    assert unfolded.bytes <= 2 * CHAIN_LIMIT * (limit + 1)


def challenge(data: bytes) -> None:
    """The error of a Bearer challenge, or none; what is behind the limit makes no difference."""
    header = data.decode("latin-1")
    error = bearer_error(header)
    assert error is None or (error in header.replace("\\", "") or "\\" in header)
    padded = header[:HEADER_LIMIT].ljust(HEADER_LIMIT)
    assert bearer_error(f'{padded}, Bearer error="later"') == bearer_error(padded)


def retry_after_header(data: bytes) -> None:
    """Seconds that make sense, or none."""
    value, _, date = data.decode("latin-1").partition("\n")
    for seconds in (retry_after(value), retry_after(value, date)):
        assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= MAX_WAIT)


def settings_file(data: bytes) -> None:
    """Settings, or one error in the tree that holds no secret."""
    file = scratch() / "prio.toml"
    file.write_bytes(f'client_secret = "{CANARY}"\n'.encode() + data)
    sources = Sources(file.parent)
    sources.add_toml(file)
    described(load(sources))


def dotenv_file(data: bytes) -> None:
    """The same in variables."""
    file = scratch() / ".env"
    file.write_bytes(f"PRIO_CLIENT_SECRET={CANARY}\n".encode() + data)
    sources = Sources(file.parent)
    sources.add_dotenv(file)
    described(load(sources))


def header_values(data: bytes) -> None:
    """The application's headers: a value that cannot be one field is an error."""
    name, _, value = text(data).partition("\n")
    with contextlib.suppress(ConfigurationError):
        for field, content in ApplicationInfo(name=value, extra={name: value}).headers.items():
            one_field(field)
            one_field(content)


def credentials(data: bytes) -> None:
    """Client id and secret arrive unchanged, or are an error."""
    client_id, _, secret = text(data).partition("\n")
    with contextlib.suppress(ConfigurationError):
        basic = ClientSecretBasic(client_id, Secret(secret), "form").apply("")
        one_field(basic.headers["Authorization"])
        pair = base64.b64decode(basic.headers["Authorization"].removeprefix("Basic ")).decode()
        assert [unquote_plus(part) for part in pair.split(":")] == [client_id, secret]
        posted = ClientSecretPost(client_id, Secret(secret)).apply("")
        assert dict(posted.body) == {"client_id": client_id, "client_secret": secret}
        raw = ClientSecretBasic(client_id, Secret(secret), "raw").apply("")
        assert base64.b64decode(raw.headers["Authorization"].removeprefix("Basic ")).decode() == f"{client_id}:{secret}"


def url(data: bytes) -> None:
    """Show a URL in one line; parse the origin to which the HTTP library connects."""
    given = text(data)
    line(safe_url(given), URL_LIMIT)
    assert CANARY not in safe_url(f"https://user:{CANARY}@{given.rpartition('://')[2]}")
    origin = parse_origin(given)
    if isinstance(origin, Origin):
        with contextlib.suppress(httpx.InvalidURL):
            exchange = Exchange(httpx.Request("GET", given), httpx.Headers())
            OriginGuard([given]).on_request(exchange)
            assert not exchange.bypassed, "what the settings name is not what is connected to"


def destination(data: bytes) -> None:
    """Send neither token nor ``App-*`` headers to another origin, by a URL or a redirect, as either library reads it."""
    address, _, location = text(data).partition("\n")
    for library in (httpx, httpx2):
        with contextlib.suppress(library.InvalidURL, UnicodeError, PolicyError):
            asked(library, address)
        with contextlib.suppress(library.InvalidURL, library.RemoteProtocolError, UnicodeError):
            redirected(library, location)


def asked(library: Any, address: str) -> None:
    exchange = Exchange(library.Request("GET", address), library.Headers())
    HTTPSEnforcer().on_request(exchange)
    GUARD.on_request(exchange)
    assert exchange.bypassed or is_home(exchange.request.url)


def redirected(library: Any, location: str) -> None:
    exchange = Exchange(library.Request("GET", f"{HOME}/orders"), library.Headers())
    GUARD.on_request(exchange)
    response = library.Response(302, headers=[(b"location", location.encode("utf-8", "surrogatepass"))])
    GUARD.on_response(exchange, response)
    if LEFT_ORIGIN not in exchange.request.extensions:
        answers = iter([response, library.Response(200)])
        with library.Client(transport=library.MockTransport(lambda _: next(answers)), follow_redirects=True) as client:
            assert is_home(client.send(exchange.request).url)


def is_home(read: Any) -> bool:
    return read.scheme in {"https", "wss"} and (read.host.lower(), read.port or 443) == ("api.example", 443)


def account(data: bytes) -> None:
    """The token of the account that a call names, with the credentials that were loaded for it; or an error to be shown."""
    name, loaded, client_id, scope = [*text(data).split("\n"), "", "", ""][:4]
    seen: list[dict[str, str]] = []

    def load(asked: str) -> AccountCredentials:
        assert asked == name
        return AccountCredentials(loaded or name, client_id or "id", f"{CANARY}-{name[:9]}", scope or None)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            seen.append(dict(parse_qsl(request.content.decode(), keep_blank_values=True)))
            return httpx.Response(200, json={"access_token": "of-the-account", "token_type": "Bearer", "expires_in": 60})
        return httpx.Response(200, headers={"by": request.headers.get("authorization", "nobody")})

    settings = ClientSettings(
        preset="rfc6749", base_url=HOME, token_url=f"{HOME}/token", client_id="own", client_secret="own", **ACCOUNT_OPTIONS
    )
    with make_client(settings=settings, accounts=load, transport=httpx.MockTransport(answer)) as calling:
        try:
            response = calling.get("/orders", extensions=token_extensions(account=name))
        except PrioError as error:
            shown(error)
            assert seen == [], "a request for an account that is none"
        else:
            assert response.headers["by"] == "Bearer of-the-account"
            sent = {"client_id": client_id or "id", "client_secret": f"{CANARY}-{name[:9]}", "scope": scope or None}
            assert seen == [{"grant_type": "client_credentials", **{key: value for key, value in sent.items() if value}}]
            assert (loaded or name) == name
    build.forget()


ACCOUNT_OPTIONS: dict[str, Any] = {"client_auth": "client_secret_post", "failure_cooldown": 0}


def headers_file(data: bytes) -> None:
    """Headers that can be sent, one for each line; or the problem, without any of the text."""
    given = text(data).replace("SECRET", CANARY)
    found = parse_headers(given)
    if isinstance(found, str):
        line(found, 200)
        return
    component = StaticHeaders(found)
    exchange = Exchange(httpx.Request("GET", HOME), httpx.Headers())
    component.on_request(exchange)
    assert 0 < len(found) == len(exchange.headers) <= len(given.splitlines())
    for name, value in exchange.headers.items():
        one_field(name)
        one_field(value)
        assert value
    assert CANARY not in repr(component)


def token_file(data: bytes) -> None:
    """A token store's file: an entry, or none. It never fails, and can be written afterwards."""
    path = scratch() / "tokens"
    path.write_bytes(FIRST_LINE + data)
    store, name = FileStore(path, lambda: 1000.0), "a"
    entry = store.drop_and_read(name, {})
    assert isinstance(entry, StoreEntry)
    assert 0 <= entry.record_seconds < math.inf
    assert 0 <= entry.error_seconds < math.inf
    lease = Lease("owner", "fetch", 10.0)
    if store.acquire_lease(name, entry, lease) == LeaseReply(granted=True):
        assert store.publish_token(name, lease, "2" * 32, b"sealed", 100.0) in {True, False}
    assert isinstance(FileStore(path, lambda: 1000.0).drop_and_read(name, {}), StoreEntry)
    assert json_object(path.read_bytes()[len(FIRST_LINE) :]) is not None or path.read_bytes() == FIRST_LINE + data


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        work,
        token_answer,
        metadata,
        error_body,
        compressed_body,
        challenge,
        retry_after_header,
        settings_file,
        dotenv_file,
        header_values,
        credentials,
        url,
        destination,
        account,
        headers_file,
        token_file,
    )
}


def described(outcome: Loaded | ConfigurationError) -> None:
    if isinstance(outcome, ConfigurationError):
        assert CANARY not in f"{outcome} {outcome!r}"
        return
    for client in outcome.clients.values():
        assert CANARY not in f"{client!r} {client.model_dump(mode='json')}"
        assert client.base_url.startswith("https://") or client.loopback_http_hosts


def shown(error: PrioError) -> None:
    """One printable line, without the secret."""
    line(str(error), LONGEST_ERROR)
    assert CANARY not in f"{error!r} {error.__dict__}"
    assert error.retry_after is None or 0 <= error.retry_after <= MAX_WAIT


def line(shown_text: str, limit: int) -> None:
    assert shown_text.isprintable()
    assert len(shown_text) <= limit
    assert CANARY not in shown_text


def one_field(value: str) -> None:
    """It cannot end a header, nor start another."""
    assert value.isascii()
    assert value.isprintable()


def text(data: bytes) -> str:
    """Any text, lone surrogates and all."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


_SCRATCH: list[tempfile.TemporaryDirectory[str]] = []


def scratch() -> Path:
    """A directory of this process."""
    if not _SCRATCH:
        _SCRATCH.append(tempfile.TemporaryDirectory(prefix="prio-fuzz-"))
    return Path(_SCRATCH[0].name)
