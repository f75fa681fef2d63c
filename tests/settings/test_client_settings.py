from __future__ import annotations

import json
import logging
import os
import re
import types
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, Settings
from prio_middleware._util.secret import Secret

OWN = {"client_id": "shop", "client_secret": "s"}
JWT = {"client_id": "shop", "private_key": "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"}
API = "https://api.example.com"
RFC = {**OWN, "preset": "rfc6749", "base_url": API, "token_url": "https://id.example.com/token"}


def test_preset_prio_fills_in_what_is_not_given() -> None:
    client = ClientSettings(**OWN)
    assert client.base_url == "https://distributor-api.prioticket.com/v3.8/distributor"
    assert client.token_url == f"{client.base_url}/oauth2/token"
    assert (client.client_auth, client.basic_encoding, client.body_format) == ("client_secret_basic", "raw", "json")
    assert client.read_timeout == 60.0
    assert client.name == "default"


def test_preset_rfc6749_fills_in_what_is_not_given() -> None:
    client = ClientSettings(**RFC)
    assert (client.client_auth, client.basic_encoding, client.body_format) == ("client_secret_basic", "form", "form")
    assert client.read_timeout == 30.0


def test_what_is_given_goes_before_the_preset() -> None:
    client = ClientSettings(**RFC, basic_encoding="raw", body_format="json", read_timeout=1)
    assert (client.basic_encoding, client.body_format) == ("raw", "json")
    assert ClientSettings(**RFC, client_auth="client_secret_post").client_auth == "client_secret_post"
    assert client.read_timeout == 1.0


def test_a_private_key_means_private_key_jwt() -> None:
    client = ClientSettings(**JWT, key_id="k1", algorithm="ES256")
    assert client.client_auth == "private_key_jwt"
    assert client.private_key == Secret(JWT["private_key"])


REFRESH: list[tuple[str, float, float]] = [("on_expiry", 0.1, 30.0), ("ahead", 0.25, 300.0)]


def test_refresh_ahead_starts_earlier(subtests: pytest.Subtests) -> None:
    for refresh, fraction, most in REFRESH:
        with subtests.test(str((refresh, fraction, most))):
            client = ClientSettings(**OWN, refresh=refresh)
            assert (client.leeway_fraction, client.leeway_max) == (fraction, most)
            assert ClientSettings(**OWN, refresh=refresh, leeway_max=7).leeway_max == 7.0


GOOD_VALUES: list[tuple[dict[str, Any], str, object]] = [
    ({"base_url": "https://a.example/v1/"}, "base_url", "https://a.example/v1"),
    ({"token_url": "https://a.example/token?tenant=x"}, "token_url", "https://a.example/token?tenant=x"),
    ({"base_url": "http://127.0.0.1:8000", "loopback_http_hosts": ["127.0.0.1"]}, "base_url", "http://127.0.0.1:8000"),
    ({"base_url": "http://LOCALHOST:1", "loopback_http_hosts": "localhost"}, "base_url", "http://LOCALHOST:1"),
    ({"base_url": "http://[::1]:1/", "loopback_http_hosts": "[::1]"}, "base_url", "http://[::1]:1"),
    (
        {"allowed_origins": "https://a.example https://b.example:8443/"},
        "allowed_origins",
        ("https://a.example", "https://b.example:8443"),
    ),
    ({"allowed_origins": []}, "allowed_origins", ()),
    ({"allowed_origins": "wss://live.example:8443"}, "allowed_origins", ("wss://live.example:8443",)),
    ({"allowed_origins": "ws://localhost:1", "loopback_http_hosts": "localhost"}, "allowed_origins", ("ws://localhost:1",)),
    ({"params": {"b": "2", "a": "1"}}, "params", (("a", Secret("1")), ("b", Secret("2")))),
    ({"params": '{"tenantId": "x"}'}, "params", (("tenantId", Secret("x")),)),
    ({"params": (("a", "1"),)}, "params", (("a", Secret("1")),)),
    ({"client_secret": Secret("s")}, "client_secret", Secret("s")),
    ({"proxy": "http://user:p%40ss@proxy.example:3128"}, "proxy", Secret("http://user:p%40ss@proxy.example:3128")),
    ({"proxy": "socks5://127.0.0.1:9050"}, "proxy", Secret("socks5://127.0.0.1:9050")),
    ({"read_timeout": "60"}, "read_timeout", 60.0),
    ({"max_connections": "7"}, "max_connections", 7),
    ({"http2": "yes"}, "http2", True),
    ({"token_scheme": "JWT"}, "token_scheme", "JWT"),
    ({"failure_cooldown": 0}, "failure_cooldown", 0.0),
    ({"client_secret": " with spaces "}, "client_secret", Secret(" with spaces ")),
    ({"ca_file": __file__}, "ca_file", Path(__file__)),
]


def test_values_that_will_do(subtests: pytest.Subtests) -> None:
    for values, attribute, expected in GOOD_VALUES:
        with subtests.test(f"{attribute} {values}"):
            assert getattr(ClientSettings(**{**OWN, **values}), attribute) == expected


EMPTY = "expected a value, found an empty one"
ONE_LINE = "expected one line of text without control characters"
URL = "expected a URL such as https://api.example.com/v1, without user name and password"


WRONG_VALUES: list[tuple[str, object, str]] = [
    ("preset", "pri", "expected 'prio' or 'rfc6749'; did you mean 'prio'?"),
    ("preset", 3, "expected 'prio' or 'rfc6749'"),
    ("environment", "sandbx", "did you mean 'sandbox'?"),
    ("library", "requests", "expected 'httpx' or 'httpx2'"),
    ("client_id", "", EMPTY),
    ("client_id", "  ", EMPTY),
    ("client_id", "a\r\nb", ONE_LINE),
    ("client_id", "a\x00", ONE_LINE),
    ("client_id", "a\u2028b", ONE_LINE),
    ("client_id", 3, "expected a valid string"),
    ("client_secret", "", EMPTY),
    ("client_secret", "a\nb", ONE_LINE),
    ("client_secret", 3, "expected a string"),
    ("client_secret_file", 3, "expected a file name"),
    ("private_key", "\n", EMPTY),
    ("private_key", "a\x00b", ONE_LINE),
    ("scope", "a\tb", ONE_LINE),
    ("base_url", "api.example.com", URL),
    ("base_url", "ftp://api.example.com", URL),
    ("base_url", "https://", URL),
    ("base_url", "https://user:pass@api.example.com", URL),
    ("base_url", "https://api.example.com:99999", URL),
    ("base_url", "https://api.example.com\\@evil.example", URL),
    ("base_url", "https://[::1", URL),
    ("base_url", "https://api.example.com?x=1", "expected a URL without a query"),
    ("base_url", "https://api.example.com#x", "expected a URL without a fragment"),
    ("base_url", "http://api.example.com", "expected https://"),
    ("base_url", "http://127.0.0.1:8000", "expected https://"),
    ("token_url", "http://id.example.com/token", "expected https://"),
    ("allowed_origins", ["http://a.example"], "expected https://"),
    ("allowed_origins", ["ws://a.example"], "expected https://"),
    ("base_url", "wss://a.example", URL),
    ("allowed_origins", ["https://a.example/path"], "expected an origin without a path"),
    ("allowed_origins", ["https://a.example?x"], "expected an origin without a path"),
    ("allowed_origins", 3, "expected a valid tuple"),
    ("loopback_http_hosts", ["api.example.com"], "expected loopback hosts only"),
    ("loopback_http_hosts", ["0.0.0.0"], "expected loopback hosts only"),
    ("foreign_origins", "allow", "expected 'without_token' or 'refuse'"),
    ("token_scheme", "Bearer ", "expected one word, such as Bearer"),
    ("token_scheme", "Bearer:", "expected one word, such as Bearer"),
    ("params", [], "expected a table of strings"),
    ("params", {"a": 1}, "expected a table of strings"),
    ("params", "tenant=x", "expected a table of strings"),
    ("params", "[" * 100_000, "expected a table of strings"),
    ("params", {"a": "\r\n"}, EMPTY),
    ("params", {"": "a"}, EMPTY),
    ("token_headers", {"Authorization": "x"}, "Authorization cannot be among them"),
    ("token_headers", {"content-TYPE": "x"}, "Content-Type cannot be among them"),
    ("token_headers", {"Content-Length": "1"}, "Content-Length cannot be among them"),
    ("token_headers", {"host": "x"}, "Host cannot be among them"),
    ("token_headers", {"Accept-Encoding": "gzip"}, "Accept-Encoding cannot be among them"),
    ("token_headers", {"X Key": "x"}, "expected header names in letters"),
    ("token_headers", {"X-Key": "ü"}, "expected values of printable ASCII"),
    ("token_headers", {"X-Key": " x"}, "expected values of printable ASCII"),
    ("token_headers", {"X-Key": "a\r\nb"}, ONE_LINE),
    ("token_headers", {"X-Key": "a", "x-key": "b"}, "expected each header once"),
    ("token_headers", ["X-Key"], "expected a table of strings"),
    ("proxy", "http://user:p/ss@proxy.example:3128", "%2F"),
    ("proxy", "http://user:12/ss@proxy.example:3128", "%2F"),
    ("proxy", "proxy.example:3128", "expected a URL such as http://proxy.example.com:3128"),
    ("proxy", "ftp://proxy.example", "expected a URL such as http://proxy.example.com:3128"),
    ("proxy", "http://user:pass@", "expected a URL such as http://proxy.example.com:3128"),
    ("read_timeout", 0, "expected a number greater than 0"),
    ("read_timeout", "soon", "expected a valid number"),
    ("read_timeout", True, "expected a number"),
    ("read_timeout", "nan", "expected a finite number"),
    ("read_timeout", None, "expected a valid number"),
    ("leeway_fraction", 1, "expected a number less than 1"),
    ("leeway_max", -1, "expected a number greater than or equal to 0"),
    ("max_connections", 1.5, "expected a valid integer"),
    ("max_connections", 0, "expected a number greater than or equal to 1"),
    ("max_connections", True, "expected a number"),
    ("http2", "perhaps", "expected a valid boolean"),
    ("ca_file", "/absent/ca.pem", "/absent/ca.pem cannot be read (No such file or directory); expected a file"),
    ("ca_file", "/", "/ cannot be read (Is a directory); expected a file"),
    ("cert_file", "a\x00b", ONE_LINE),
    ("cert_file", "a\ud800b", ONE_LINE),
    ("client_id", "a\ud800b", ONE_LINE),
    ("client_secret", "a\ud800b", ONE_LINE),
    ("params", (1,), "expected a table of strings"),
    ("app", "shop", "expected a table"),
    ("algorithm", "HS256", "expected 'RS256'"),
    ("base_ulr", "x", "no such setting; did you mean 'base_url'?"),
    ("xyzzy", "x", "no such setting."),
]


def test_values_that_will_not_do(subtests: pytest.Subtests) -> None:
    for key, value, expected in WRONG_VALUES:
        with subtests.test(f"{key} {value!r:.60}"):
            with pytest.raises(ConfigurationError) as caught:
                ClientSettings(**{**OWN, key: value})
            assert re.search(rf"\b{key}(\.0)?: ", caught.value.message)
            assert expected in caught.value.message


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "client_id: missing; every client needs its own. Set PRIO_CLIENT_ID, or client_id in prio.toml"),
    ({"client_id": "a"}, "client_secret: missing; client_auth 'client_secret_basic' needs it. Set PRIO_CLIENT_SECRET"),
    ({"client_id": "a", "client_auth": "private_key_jwt"}, "private_key: missing; client_auth 'private_key_jwt' needs it"),
    ({**OWN, "preset": "rfc6749"}, "base_url: missing; preset 'rfc6749' has no default. Set PRIO_BASE_URL"),
    ({**OWN, "preset": "rfc6749"}, "token_url: missing; preset 'rfc6749' has no default. Set PRIO_TOKEN_URL"),
    ({"name": "berlin"}, "Set PRIO_CLIENTS__BERLIN__CLIENT_ID, or client_id under [clients.berlin] in prio.toml"),
    ({**OWN, "client_auth": "private_key_jwt"}, "client_secret: client_auth 'private_key_jwt' uses private_key, not"),
    ({**OWN, **JWT}, "client_secret: client_auth 'private_key_jwt' uses private_key, not client_secret"),
    (
        {**JWT, "client_auth": "client_secret_post"},
        "private_key: client_auth 'client_secret_post' uses client_secret, not",
    ),
    ({**OWN, "key_id": "k1"}, "key_id: client_auth 'client_secret_basic' does not use it"),
    ({**OWN, "base_url": API, "environment": "sandbox"}, "environment: conflicts with base_url, which already contains it"),
    ({**OWN, "base_url": API, "version": "v1"}, "version: conflicts with base_url, which already contains it"),
    ({**RFC, "client_secret_file": "x"}, "client_secret_file: conflicts with client_secret: remove one of them"),
    ({**OWN, "preset": "rfc6749", "environment": "sandbox"}, "environment: only preset 'prio' uses it"),
    ({**OWN, "default_lifetime": 100, "max_lifetime": 50}, "default_lifetime: expected at most max_lifetime"),
    ({**OWN, "token_timeout": 31}, "token_timeout: expected at most token_deadline"),
]


def test_what_is_missing_or_contradictory(subtests: pytest.Subtests) -> None:
    for values, expected in CONTRADICTIONS:
        with subtests.test(expected):
            with pytest.raises(ConfigurationError) as caught:
                ClientSettings(**values)
            assert expected in str(caught.value)


LINE_BREAKS: list[str] = ["from-file", "from-file\n", "from-file\r\n", "\ufefffrom-file\n\n"]


WRONG_FILES: list[tuple[bytes | None, str]] = [
    (None, "cannot be read (No such file or directory); expected a file that contains only the secret"),
    (b"", "is empty; expected the secret"),
    (b" \n", "is empty; expected the secret"),
    (b"\xff\xfe", "is not text in UTF-8; expected a file that contains only the secret"),
    (b"a\nb", "expected one line of text without control characters"),
    (b"x" * 65_537, "is longer than 65536 bytes; expected a file that contains only the secret"),
]


NO_NAMES: list[str] = ["a\x00b", "a\ud800b"]


def test_the_error_for_a_loopback_host_has_the_line_that_allows_it(tmp_path: Path, subtests: pytest.Subtests) -> None:
    file = tmp_path / "prio.toml"
    for written in [
        'base_url = "http://localhost:8000/v1"',
        'base_url = "http://[::1]:8000/v1"\ntoken_url = "http://127.0.0.1:9000/token"',
        'base_url = "http://127.0.0.1:8000/v1"\nloopback_http_hosts = ["localhost"]',
    ]:
        with subtests.test(written):
            file.write_text(written)
            with pytest.raises(ConfigurationError) as raised:
                Settings(**OWN, config=file)
            [line] = set(re.findall(r"write (loopback_http_hosts = \[.*?\]) in prio\.toml", str(raised.value)))

            file.write_text("\n".join([written.partition("\nloopback")[0], line]))
            Settings(**OWN, config=file)


class TestSecretFiles:
    def test_line_breaks_at_the_end_do_not_count(self, tmp_path: Path, subtests: pytest.Subtests) -> None:
        for text in LINE_BREAKS:
            with subtests.test(repr(text)):
                path = tmp_path / "secret"
                path.write_bytes(text.encode())
                path.chmod(0o600)
                for given in (path, str(path)):
                    client = ClientSettings(client_id="shop", client_secret_file=given)
                    assert (client.client_secret, client.client_secret_file) == (Secret("from-file"), path)

    def test_a_private_key_may_have_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "key.pem"
        path.write_text(JWT["private_key"])
        path.chmod(0o600)
        client = ClientSettings(client_id="shop", private_key_file=path)
        assert client.client_auth == "private_key_jwt"
        assert client.private_key == Secret(JWT["private_key"].strip())

    def test_files_that_will_not_do(self, tmp_path: Path, subtests: pytest.Subtests) -> None:
        for content, expected in WRONG_FILES:
            with subtests.test(expected):
                path = tmp_path / "secret"
                path.unlink(missing_ok=True)
                if content is not None:
                    path.write_bytes(content)
                    path.chmod(0o600)
                with pytest.raises(ConfigurationError) as caught:
                    ClientSettings(client_id="shop", client_secret_file=path)
                assert expected in str(caught.value)
                assert "client_secret: missing" not in str(caught.value)

    def test_names_that_no_file_has(self, subtests: pytest.Subtests) -> None:
        for name in NO_NAMES:
            with subtests.test(repr(name)), pytest.raises(ConfigurationError, match="cannot be read; expected a file"):
                ClientSettings(client_id="shop", client_secret_file=name)

    @pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o440, False), (0o640, True), (0o604, True)])
    def test_a_secret_file_that_others_may_read_causes_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
    ) -> None:
        path = tmp_path / "secret"
        path.write_text("canary")
        path.chmod(mode)
        with caplog.at_level(logging.WARNING, "prio_middleware"):
            ClientSettings(client_id="shop", client_secret_file=path)
        assert (f"Other users can read the secret file {path}" in caplog.text) is warned
        assert "canary" not in caplog.text

    @pytest.mark.parametrize(("secret", "warned"), [("Q", True), ("Q7z", True), ("Q7z8", False)])
    @pytest.mark.parametrize("key", ["client_secret", "client_secret_file"])
    def test_a_secret_too_short_to_be_masked_causes_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, secret: str, warned: bool
    ) -> None:
        path = tmp_path / "secret"
        path.write_text(secret)
        path.chmod(0o600)
        ClientSettings(client_id="shop", **{key: path if key == "client_secret_file" else secret})
        assert (f"The {key} of the client 'default' has fewer than 4 characters" in caplog.text) is warned
        assert "Q" not in caplog.text

    def test_a_secret_file_on_a_read_only_mount_causes_no_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Kubernetes mounts secrets with mode 0644 and read-only: a warning would ask for what no user can do."""
        path = tmp_path / "secret"
        path.write_text("canary")
        path.chmod(0o644)
        monkeypatch.setattr(os, "fstatvfs", lambda _: types.SimpleNamespace(f_flag=os.ST_RDONLY))
        ClientSettings(client_id="shop", client_secret_file=path)
        assert caplog.text == ""


def test_settings_are_immutable() -> None:
    client = ClientSettings(**OWN)
    with pytest.raises(TypeError, match="Settings are immutable"):
        client.scope = "a"


def test_dumps_are_masked() -> None:
    client = ClientSettings(
        **{**OWN, "client_secret": "canary"},
        proxy="http://u:canary@proxy.example",
        params={"key": "canary"},
        token_headers={"X-Key": "canary"},
        pipeline=[{"use": "shop:Own", "key": "canary"}, "token_provider"],
    )
    assert "canary" not in f"{client!r} {client} {client.model_dump()} {client.model_dump_json()} {vars(client)}"
    assert json.loads(client.model_dump_json())["client_secret"] == "Secret('**')"
    assert json.loads(client.model_dump_json())["params"] == {"key": "Secret('**')"}
    assert json.loads(client.model_dump_json())["token_headers"] == {"X-Key": "Secret('**')"}
