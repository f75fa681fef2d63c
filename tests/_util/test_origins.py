from __future__ import annotations

import httpx
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware._util.origins import Origin, canonical_host, parse_origin
from prio_middleware.errors import ConfigurationError

ORIGINS: list[tuple[str, tuple[str, str, int | None]]] = [
    ("https://api.example.com", ("https", "api.example.com", None)),
    ("https://api.example.com/v3.8/distributor?x=https://evil.test#y", ("https", "api.example.com", None)),
    ("https://api.example.com?x=1", ("https", "api.example.com", None)),
    ("https://api.example.com#x", ("https", "api.example.com", None)),
    ("HTTPS://API.Example.COM", ("https", "api.example.com", None)),
    ("https://api.example.com:443", ("https", "api.example.com", None)),
    ("https://api.example.com:", ("https", "api.example.com", None)),
    ("https://api.example.com:8443/", ("https", "api.example.com", 8443)),
    ("http://api.example.com:80", ("http", "api.example.com", None)),
    ("http://api.example.com:443", ("http", "api.example.com", 443)),
    ("wss://api.example.com:443/live", ("wss", "api.example.com", None)),
    ("https://api.example.com.", ("https", "api.example.com.", None)),
    ("https://localhost:8000", ("https", "localhost", 8000)),
    ("https://my_host", ("https", "my_host", None)),
    ("https://127.0.0.1:8443", ("https", "127.0.0.1", 8443)),
    ("https://[::1]:8443", ("https", "::1", 8443)),
    ("https://[0:0:0:0:0:0:0:1]", ("https", "::1", None)),
    ("https://[2001:DB8::1]", ("https", "2001:db8::1", None)),
    ("https://Müller.example", ("https", "xn--mller-kva.example", None)),
    ("https://straße.example", ("https", "xn--strae-oqa.example", None)),
    ("https://xn--mller-kva.example", ("https", "xn--mller-kva.example", None)),
]


def test_an_origin_has_one_form(subtests: pytest.Subtests) -> None:
    for url, origin in ORIGINS:
        with subtests.test(f"{url}"):
            assert parse_origin(url) == Origin(*origin)


NO_ORIGINS: list[str] = [
    "",
    "api.example.com",
    "api.example.com:443",
    "//api.example.com",
    "/v3.8/distributor",
    "https:api.example.com",
    "https:/api.example.com",
    "https:///api.example.com",
    "https://",
    "https://:443",
    "https://.",
    "https://.example.com",
    "https://a..example.com",
    "https://-a.example.com",
    "https://a-.example.com",
    f"https://{'a' * 64}.example.com",
    "https://*.example.com",
    "https://api.example.com:0x1bb",
    "https://api.example.com:65536",
    "https://api.example.com:0",
    "https://api.example.com:00000",
    "https://api.example.com:443:443",
    "https://api.example.com:٤٤٣",
    "https://api%2eexample.com",
    "https://api.example.com\\@evil.test",
    "https://api.example.com/\\evil.test",
    "https://api.example.com /",
    "https://api.example.com/a b",
    " https://api.example.com",
    "https://api.example.com\n",
    "https://api.example.com\r\nX-Evil: 1",
    "https://api.example.com/\x00",
    "https://api\u200b.example.com",
    "https://127.1",
    "https://127.0.0.256",
    "https://2130706433",
    "https://0177.0.0.1",
    "https://example.123",
    "https://[::1",
    "https://[::1]x",
    "https://[::g]",
    "https://[1:2]",
    "https://\u00ad",
    "https://☃☃\u0301..example",
    "ftp://api.example.com",
    "file:///etc/passwd",
    "javascript:alert(1)",
]


def test_what_could_be_read_as_another_host_is_no_origin(subtests: pytest.Subtests) -> None:
    for url in NO_ORIGINS:
        with subtests.test(f"{url!r:.60}"):
            error = parse_origin(url)
            assert isinstance(error, ConfigurationError)
            assert "https://host" in str(error)


def test_user_info_is_refused_and_not_repeated(subtests: pytest.Subtests) -> None:
    for url in [
        "https://user:canary@api.example.com",
        "https://canary@api.example.com",
        "https://api.example.com@canary@evil.test/",
    ]:
        with subtests.test(f"{url}"):
            error = parse_origin(url)
            assert isinstance(error, ConfigurationError)
            assert "canary" not in str(error) + repr(error) + str(vars(error))


@pytest.mark.parametrize("library", [httpx, httpx2])
@settings(deadline=None, max_examples=50)
@given(text=st.from_regex(r"(?i)(https?|wss?)://[\[\]a-zß.:0-9@%/\\_-]{1,20}", fullmatch=True))
def test_what_is_an_origin_is_the_same_to_the_http_library(library: object, text: str) -> None:
    origin = parse_origin(text)
    if isinstance(origin, Origin):
        url = (httpx if library is httpx else httpx2).URL(text)
        host = url.raw_host.decode()
        assert (url.scheme, canonical_host(f"[{host}]" if ":" in host else host), url.port or None) == origin
