"""Files of the working directory that other users can write, beside credentials from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.settings import Settings

Write = Callable[[str, str], Path]

OWN = 'client_id = "shop"\n'
SECRET = "canary-of-the-environment"
REDIRECTED = [
    ("prio.toml", 'token_url = "https://evil.example/token"\n'),
    ("prio.toml", 'base_url = "https://evil.example"\n'),
    ("prio.toml", 'proxy = "http://evil.example:3128"\n'),
    ("prio.toml", '[clients.berlin]\nclient_id = "berlin"\ntoken_url = "https://evil.example/token"\n'),
    ("pyproject.toml", '[tool.prio_middleware]\ntoken_url = "https://evil.example/token"\n'),
    (".env", "PRIO_TOKEN_URL=https://evil.example/token\n"),
    (".env", "PRIO_CLIENT_SECRET_FILE=stolen\n"),
    (".env", "PRIO_CONFIG=other.toml\n"),
]


@pytest.fixture
def secret(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment."""
    monkeypatch.setenv("PRIO_CLIENT_ID", "shop")
    monkeypatch.setenv("PRIO_CLIENT_SECRET", SECRET)


def of_another_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another user own the file; unless root runs the tests, by running as another one."""
    if os.geteuid() == 0:
        os.chown(path, 4242, -1)
    else:
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)


@pytest.mark.pitfall(id="writable-settings")
@pytest.mark.usefixtures("secret")
def test_a_world_writable_file_is_refused(write: Write, complaint: Callable[..., str], subtests: pytest.Subtests) -> None:
    write("stolen", "another secret")
    write("other.toml", 'token_url = "https://evil.example/token"\n')
    for name, text in REDIRECTED:
        with subtests.test(f"{name}: {text}"):
            path = write(name, text)
            path.chmod(0o602)
            error = complaint()
            path.unlink()

            assert f"{name}: every user can write this file" in error
            assert "PRIO_CLIENT_SECRET" in error
            assert SECRET not in error


@pytest.mark.pitfall(id="writable-settings")
@pytest.mark.usefixtures("secret")
def test_a_file_of_another_user_is_refused(
    write: Write, complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another_user(write("prio.toml", 'token_url = "https://evil.example/token"'), monkeypatch)
    error = complaint()

    assert "prio.toml: another user owns this file" in error
    assert "PRIO_CLIENT_SECRET" in error


@pytest.mark.pitfall(id="writable-settings")
@pytest.mark.parametrize(
    ("provider", "variable"), [("static", "PRIO_TOKEN_FILE"), ("none", "PRIO_HEADERS"), ("none", "PRIO_HEADERS_FILE")]
)
def test_an_untrusted_file_cannot_send_static_credentials_elsewhere(
    write: Write, complaint: Callable[..., str], provider: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"PRIO_HEADERS": '{"X-Api-Key": "canary"}'}
    monkeypatch.setenv(variable, given.get(variable) or str(write("stolen", "X-Api-Key: canary")))
    text = f'preset = "rfc6749"\nprovider = "{provider}"\nbase_url = "https://evil.example"\n'
    write("prio.toml", text).chmod(0o602)

    assert variable in complaint()


def test_mistakes_in_the_file_are_told_first(write: Write, complaint: Callable[..., str]) -> None:
    write("prio.toml", "clients = { berlin = 1 }").chmod(0o606)

    assert "clients.berlin: expected a table" in complaint()


def test_an_untrusted_file_that_names_the_secret_file_is_refused(write: Write, complaint: Callable[..., str]) -> None:
    write("stolen", "a file of the user that runs")
    write("prio.toml", 'client_id = "shop"\nclient_secret_file = "stolen"\ntoken_url = "https://evil.example/"').chmod(0o606)

    assert "prio.toml: client_secret_file" in complaint()


def test_credentials_of_an_argument_are_named(write: Write, complaint: Callable[..., str]) -> None:
    write("prio.toml", 'token_url = "https://evil.example/token"\n').chmod(0o606)
    error = complaint(clients={"berlin": {"client_id": "berlin", "client_secret": SECRET}})

    assert "argument clients.berlin.client_secret" in error


def test_a_link_of_another_user_to_a_trusted_file_is_refused(
    write: Write, complaint: Callable[..., str], secret: None, directory: Path
) -> None:
    target = write("elsewhere.toml", 'token_url = "https://evil.example/token"')
    link = directory / "prio.toml"
    link.symlink_to(target)
    assert Settings().client().token_url == "https://evil.example/token"
    if os.geteuid() == 0:
        os.chown(link, 4242, -1, follow_symlinks=False)
        assert "another user owns this file" in complaint()


@pytest.mark.usefixtures("secret")
def test_a_file_that_its_group_can_write_draws_a_warning(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("prio.toml", 'scope = "booking"')
    path.chmod(0o660)

    assert Settings().client().scope == "booking"
    assert "prio.toml is writable by its group" in caplog.text
    assert "PRIO_CLIENT_SECRET" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644])
def test_a_file_that_its_owner_alone_can_write_draws_none(write: Write, caplog: pytest.LogCaptureFixture, mode: int) -> None:
    write("prio.toml", 'scope = "booking"').chmod(mode)

    assert Settings().client().scope == "booking"
    assert not caplog.records


@pytest.mark.usefixtures("secret")
def test_a_file_of_root_serves_every_user(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image's prio.toml belongs to root, and the secret comes from the environment."""
    path = write("prio.toml", 'scope = "booking"')
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert path.stat().st_uid in {0, os.geteuid()}
    assert Settings().client().scope == "booking"


def test_a_file_with_its_own_credentials_redirects_no_others(write: Write) -> None:
    write("prio.toml", f'{OWN}client_secret = "own"\n').chmod(0o606)

    assert Settings().client().client_id == "shop"


@pytest.mark.usefixtures("secret")
def test_a_file_without_settings_is_not_checked(write: Write) -> None:
    write(".env", "SHOP_DEBUG=1\n").chmod(0o666)
    write("pyproject.toml", "[project]\n").chmod(0o666)

    assert Settings().client().client_id == "shop"


@pytest.mark.usefixtures("secret")
def test_whoever_names_the_file_trusts_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """On some mounts, all files have mode 777."""
    write("prio.toml", 'scope = "booking"').chmod(0o666)
    with pytest.raises(ConfigurationError, match="PRIO_CONFIG"):
        Settings()
    monkeypatch.setenv("PRIO_CONFIG", "prio.toml")

    assert Settings().client().scope == "booking"


@pytest.mark.usefixtures("secret")
def test_where_files_have_no_owner_there_is_nothing_to_check(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("prio.toml", 'scope = "booking"').chmod(0o666)
    monkeypatch.delattr(os, "geteuid")

    assert Settings().client().scope == "booking"
