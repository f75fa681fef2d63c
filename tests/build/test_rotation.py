"""Secret files that change: the new secret is used without a restart."""

from __future__ import annotations

import base64
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from prio_middleware import ClientCredentialsProvider, CredentialsRefusedError
from prio_middleware.build import build_provider
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS, AccessToken
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from prio_middleware.settings import ClientSettings
from tests.oauth.helpers import refused, token
from tests.settings.pipes import wait_shortly


class Server:
    """Token endpoint that accepts one secret at a time."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.asked: list[str] = []

    def __call__(self, request: TokenRequest) -> TokenResponse:
        given = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[2]
        self.asked.append(given)
        return token() if given == self.secret else refused("invalid_client", 401)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    write(path, "first")
    return path


def write(path: Path, secret: str) -> None:
    """Replace the file atomically, as orchestrators do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{secret}\n")
    fresh.chmod(0o600)
    fresh.replace(path)


def serve(pipe: Path, secret: str) -> None:
    threading.Thread(target=pipe.write_text, args=(secret,), daemon=True).start()


def provider(file: Path, **changes: Any) -> ClientCredentialsProvider:
    return build_provider(
        ClientSettings(**{"client_id": "shop", "client_secret_file": file, "environment": "sandbox", **changes})
    )


def get(tokens: ClientCredentialsProvider, server: Server, rejected: AccessToken | None = None) -> AccessToken:
    return tokens.current(DEFAULT_OPTIONS, rejected) or tokens.get_token(DEFAULT_OPTIONS, rejected, server)


def test_a_new_secret_takes_over_at_the_next_token_request(file: Path) -> None:
    tokens, server = provider(file), Server("first")
    first = get(tokens, server)
    write(file, "second")
    server.secret = "second"

    assert get(tokens, server) is first  # the hot path looks at no file
    assert get(tokens, server, rejected=first).serial > first.serial
    assert server.asked == ["first", "second"]


def test_tokens_of_the_old_secret_are_dropped(file: Path) -> None:
    tokens, server = provider(file), Server("first")
    first = get(tokens, server)
    write(file, "second")
    server.secret = "second"
    get(tokens, server, rejected=first)

    assert get(tokens, server).serial > first.serial


def test_refused_credentials_are_read_once_more_at_once(file: Path) -> None:
    tokens, server = provider(file), Server("second")
    before = file.stat()
    file.write_text("secod\n")  # as long as the one before, and dated like it: nothing to be seen from outside
    file.write_text("other\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    server.secret = "other"
    get(tokens, server)

    assert server.asked == ["first", "other"]


def test_refused_credentials_that_did_not_change_are_asked_about_once(file: Path) -> None:
    tokens, server = provider(file), Server("unknown")
    for _ in range(3):
        with pytest.raises(CredentialsRefusedError):
            get(tokens, server)

    assert server.asked == ["first"]


def test_a_changed_secret_ends_the_cooldown(file: Path) -> None:
    tokens, server = provider(file), Server("second")
    with pytest.raises(CredentialsRefusedError):
        get(tokens, server)
    write(file, "second")

    assert get(tokens, server).serial > 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text(""),
        lambda file: file.write_text("two\nlines\n"),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["gone", "empty", "two lines", "a directory"],
)
def test_a_file_that_cannot_be_used_leaves_the_credentials_as_they_are(
    file: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    tokens, server = provider(file), Server("first")
    spoil(file)
    with caplog.at_level(logging.WARNING, "prio_middleware"):
        get(tokens, server)

    assert server.asked == ["first"]
    assert "credentials are kept" in caplog.text
    assert "start again" not in caplog.text
    assert "first" not in caplog.text


def test_a_file_touched_without_another_secret_changes_nothing(file: Path) -> None:
    tokens, server = provider(file), Server("first")
    first = get(tokens, server)
    write(file, "first")
    tokens.invalidate(first)
    get(tokens, server)

    assert len(server.asked) == 2


def test_a_renewed_private_key_is_read_again(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def key() -> str:
        made = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.PKCS8
        return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    path = tmp_path / "key"
    write(path, key())
    tokens = provider(path, client_secret_file=None, private_key_file=path, client_auth="private_key_jwt")
    before = tokens.endpoint.auth.fingerprint
    write(path, key())
    tokens.get_token(DEFAULT_OPTIONS, None, lambda _: token())

    assert tokens.endpoint.auth.fingerprint != before


class TestPipe:
    """Secret that a password manager serves through a named pipe."""

    @pytest.fixture
    def pipe(self, tmp_path: Path) -> Path:
        path = tmp_path / "pipe"
        os.mkfifo(path, 0o600)
        return path

    def test_a_pipe_is_read_again_only_where_the_credentials_are_refused(self, pipe: Path) -> None:
        serve(pipe, "first")
        tokens, server = provider(pipe), Server("first")
        tokens.invalidate(get(tokens, server))
        tokens.invalidate(get(tokens, server))
        serve(pipe, "second")
        server.secret = "second"
        get(tokens, server)

        assert server.asked == ["first", "first", "first", "second"]

    @pytest.mark.pitfall(id="silent-pipe")
    @pytest.mark.anyio
    async def test_the_event_loop_goes_on_meanwhile(self, pipe: Path) -> None:
        serve(pipe, "first")
        tokens, server = provider(pipe), Server("second")
        refused_once = anyio.Event()

        async def send(request: TokenRequest) -> TokenResponse:
            refused_once.set()
            return server(request)

        async def write_from_this_loop() -> None:
            await refused_once.wait()
            async with await anyio.open_file(pipe, "w") as writer:
                await writer.write("second")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write_from_this_loop)
            await tokens.aget_token(DEFAULT_OPTIONS, None, send)

        assert server.asked == ["first", "second"]

    def test_a_pipe_in_the_place_of_a_file_is_not_read_before(self, file: Path, pipe: Path) -> None:
        tokens, server = provider(file), Server("first")
        pipe.replace(file)
        get(tokens, server)

        assert server.asked == ["first"]

    def test_where_nothing_is_written_the_error_stands(self, pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        serve(pipe, "first")
        tokens, server = provider(pipe), Server("second")
        wait_shortly(monkeypatch)
        with pytest.raises(CredentialsRefusedError):
            get(tokens, server)


def test_without_a_file_there_is_nothing_to_read_again() -> None:
    tokens = build_provider(ClientSettings(client_id="shop", client_secret="fixed", environment="sandbox"))

    assert get(tokens, Server("fixed")).serial > 0
