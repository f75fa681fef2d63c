from __future__ import annotations

from typing import Any

import pytest

from prio_middleware.errors import ConfigurationError
from prio_middleware.middleware import ApplicationInfo

from .conftest import MakeExchange


def test_every_field_is_a_header(exchange_for: MakeExchange) -> None:
    info = ApplicationInfo(
        name="Box Office",
        version="1.2.3",
        flavor="retail",
        package_name="com.example.box",
        build_number="42",
        platform="linux",
        reference="till-7",
        machine_id="m-1",
        extra={"Channel": "web"},
    )
    exchange = exchange_for("https://api.example.com")
    info.on_request(exchange)
    assert list(info.headers) == [
        *("App-Name", "App-Version", "App-Flavor", "App-Package-Name", "App-Build-Number", "App-Platform"),
        *("App-Reference", "App-Machine-ID", "App-Channel"),
    ]
    assert {name: value for name, value in exchange.headers.items() if name.lower().startswith("app-")} == {
        "app-name": "Box Office",
        "app-version": "1.2.3",
        "app-flavor": "retail",
        "app-package-name": "com.example.box",
        "app-build-number": "42",
        "app-platform": "linux",
        "app-reference": "till-7",
        "app-machine-id": "m-1",
        "app-channel": "web",
    }


def test_what_is_not_given_is_not_sent(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com", headers={"Accept": "*/*"})
    before = list(exchange.headers.items())
    ApplicationInfo().on_request(exchange)
    assert list(exchange.headers.items()) == before


def test_a_header_of_the_caller_s_own_wins(exchange_for: MakeExchange) -> None:
    exchange = exchange_for("https://api.example.com", headers={"APP-VERSION": "own"})
    ApplicationInfo(name="box", version="1").on_request(exchange)
    assert exchange.headers["App-Version"] == "own"
    assert exchange.headers["App-Name"] == "box"


def test_extra_headers_come_as_a_table_or_as_pairs(subtests: pytest.Subtests, exchange_for: MakeExchange) -> None:
    forms: list[Any] = [{"Channel": "web"}, (("Channel", "web"),)]
    for extra in forms:
        with subtests.test(f"{extra}"):
            exchange = exchange_for("https://api.example.com")
            ApplicationInfo(extra=extra).on_request(exchange)
            assert exchange.headers["App-Channel"] == "web"


NO_VALUES: list[Any] = [
    "",
    " ",
    " box",
    "box ",
    "a\r\nX-Evil: 1",
    "a\nb",
    "a\rb",
    "a\x00",
    "a\x7f",
    "a\tb",
    "Zürich",
    "票",
    "a\u2028b",
    7,
    b"box",
]


def test_a_value_that_cannot_stand_in_a_header_is_refused(subtests: pytest.Subtests) -> None:
    for value in NO_VALUES:
        with subtests.test(f"{value!r}"):
            with pytest.raises(ConfigurationError, match="'App-Reference' has an invalid value"):
                ApplicationInfo(reference=value)
            with pytest.raises(ConfigurationError) as caught:
                ApplicationInfo(extra={"Channel": value})
            assert "'App-Channel'" in caught.value.message


def test_a_name_that_will_not_do_is_refused(subtests: pytest.Subtests) -> None:
    for key in ["", "a b", "a:b", "a\r\nb", "ä", "App-Channel", "app-Channel"]:
        with subtests.test(f"{key!r}"):
            with pytest.raises(ConfigurationError) as caught:
                ApplicationInfo(extra={key: "x"})
            assert repr(f"App-{key}") in caught.value.message


def test_a_header_cannot_be_given_twice() -> None:
    with pytest.raises(ConfigurationError, match="'App-NAME' is given twice"):
        ApplicationInfo(name="box", extra={"NAME": "other"})
