"""Settings of the token store: valid and invalid tables, and masked secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, Secret, Settings

OWN = {"client_id": "shop", "client_secret": "s"}
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
CANARY = "canary-51be"


def client(**table: Any) -> ClientSettings:
    return ClientSettings(**OWN, token_store={"encryption_key": KEY, **table})


def complaint(**table: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        client(**table)
    return str(caught.value)


def test_tokens_stay_in_memory_unless_a_store_is_named() -> None:
    assert ClientSettings(**OWN).token_store is None


GOOD_TABLES: list[dict[str, Any]] = [
    {"url": "redis://localhost"},
    {"url": "redis://127.0.0.1:7000/3"},
    {"url": "redis://[::1]:7000"},
    {"url": "rediss://user:p%40ss@redis.example.com:6380/0"},
    {"url": Secret("rediss://redis.example.com")},
    {"url": "rediss://redis.example.com", "ca_file": __file__},
    {"url": "unix:///run/redis.sock"},
    {"url": "file:///var/lib/shop/tokens"},
    {"url": "file:///var/lib/the%20shop/tokens", "lease": 3},
    {"url": "redis://redis", "insecure_hosts": "redis"},
    {"url": "redis://Redis", "insecure_hosts": "REDIS"},
    {"url": "redis://one", "insecure_hosts": ["one", "two"], "mode": "cluster", "nodes": "two:7000"},
    {"url": "rediss://one", "mode": "cluster", "nodes": "two:7000, three:7001"},
    {"url": "rediss://one", "mode": "sentinel", "nodes": ["two:26379", "[::1]:26380"], "service": "shop"},
    {"url": "rediss://one", "lease": 3},
    {"url": "rediss://one", "encryption_key": f"{KEY}\n{KEY}\n"},
]


def test_values_that_will_do(subtests: pytest.Subtests) -> None:
    for table in GOOD_TABLES:
        with subtests.test(str(table)):
            store = client(**table).token_store

            assert store is not None
            assert isinstance(store.url, Secret)


URL = "expected a URL such as rediss://"


WRONG_TABLES: list[tuple[dict[str, Any], str]] = [
    ({}, "token_store.url: missing"),
    ({"url": ""}, URL),
    ({"url": 7}, "expected a string"),
    ({"url": "redis.example.com"}, URL),
    ({"url": "http://redis.example.com"}, URL),
    ({"url": "redis://"}, URL),
    ({"url": "redis://[::1"}, URL),
    ({"url": "redis://localhost:port"}, URL),
    ({"url": "redis://localhost/first"}, URL),
    ({"url": "redis://local\nhost"}, URL),
    ({"url": "unix://"}, URL),
    ({"url": "unix://run/redis.sock"}, URL),
    ({"url": "file://"}, URL),
    ({"url": "file:///"}, URL),
    ({"url": "file:///var/lib/"}, URL),
    ({"url": "file://var/lib/tokens"}, URL),
    ({"url": "file:///var/lib/tokens?mode=ro"}, "expected a URL without a query"),
    ({"url": "file:///var/lib/tokens", "encryption_key": None}, "token_store.encryption_key_file: missing"),
    ({"url": "file:///var/lib/tokens", "mode": "cluster"}, "token_store.url: mode 'cluster' needs a host"),
    ({"url": "file:///var/lib/tokens", "ca_file": __file__}, "token_store.ca_file: file:// does not use it"),
    ({"url": "file:///var/lib/tokens", "insecure_hosts": "redis"}, "token_store.insecure_hosts: file:// does not use it"),
    ({"url": "file:///var/lib/tokens", "nodes": "two:7000"}, "token_store.nodes: mode 'single' has only the server in url"),
    ({"url": "rediss://redis.example.com?ssl_cert_reqs=none"}, "expected a URL without a query"),
    ({"url": "redis://localhost?socket_timeout=60"}, "expected a URL without a query"),
    ({"url": "redis://localhost#x"}, "expected a URL without a query"),
    ({"url": "redis://redis.example.com"}, "token_store.url: expected rediss://"),
    ({"url": "redis://10.0.0.1"}, "token_store.url: expected rediss://"),
    ({"url": "redis://other", "insecure_hosts": "redis"}, "token_store.url: expected rediss://"),
    ({"url": "redis://localhost", "mode": "cluster", "nodes": "two:7000"}, "token_store.url: expected rediss://"),
    ({"url": "redis://localhost", "encryption_key": None}, "token_store.encryption_key_file: missing"),
    ({"url": "redis://localhost", "encryption_key": "short"}, "token_store.encryption_key: key 1 is not 32 bytes"),
    ({"url": "redis://localhost", "encryption_key": ""}, "token_store.encryption_key: expected a value"),
    ({"url": "redis://localhost", "encryption_key_file": "/nowhere"}, "token_store.encryption_key_file"),
    ({"url": "redis://localhost", "mode": "ring"}, "token_store.mode: expected 'single'"),
    ({"url": "redis://localhost", "nodes": "two:7000"}, "token_store.nodes: mode 'single' has only the server in url"),
    ({"url": "rediss://one", "mode": "cluster", "nodes": "two"}, "expected nodes such as"),
    ({"url": "rediss://one", "mode": "cluster", "nodes": "two:port"}, "expected nodes such as"),
    ({"url": "rediss://one", "mode": "cluster", "nodes": "redis://two:7000"}, "expected nodes such as"),
    ({"url": "rediss://one", "mode": "cluster", "nodes": "user:pw@two:7000"}, "expected nodes such as"),
    ({"url": "rediss://one/3", "mode": "cluster"}, "token_store.url: expected database 0"),
    ({"url": "rediss://one", "mode": "sentinel"}, "token_store.service: missing"),
    ({"url": "rediss://one", "service": "shop"}, "token_store.service: mode 'single' does not use it"),
    ({"url": "unix:///run/x", "mode": "sentinel", "service": "shop"}, "token_store.url: mode 'sentinel' needs a host"),
    ({"url": "redis://localhost", "ca_file": __file__}, "token_store.ca_file: redis:// does not use it"),
    ({"url": "redis://localhost", "lease": 0}, "token_store.lease: expected a number greater than 0"),
    ({"url": "redis://localhost", "urls": "x"}, "no such setting; did you mean 'url'?"),
]


def test_what_will_not_do_is_said_with_its_place(subtests: pytest.Subtests) -> None:
    for table, problem in WRONG_TABLES:
        with subtests.test(str((table, problem))):
            assert problem in complaint(**table)


def test_a_store_that_is_no_table_is_said_to_be_none() -> None:
    with pytest.raises(ConfigurationError, match="token_store: expected a table"):
        ClientSettings(**OWN, token_store="redis://localhost")


MISTAKES_WITH_SECRETS: list[dict[str, Any]] = [
    {"url": f"redis://user:{CANARY}@redis.example.com"},
    {"url": f"redis://user:{CANARY}@localhost:port"},
    {"url": f"rediss://user:{CANARY}@redis.example.com?x={CANARY}"},
    {"url": [CANARY]},
    {"url": "redis://localhost", "encryption_key": CANARY},
    {"url": "redis://localhost", "encryption_key": [CANARY]},
    {"url": "rediss://one", "mode": "cluster", "nodes": f"user:{CANARY}@two:7000"},
]


def test_no_mistake_shows_a_secret(subtests: pytest.Subtests) -> None:
    for table in MISTAKES_WITH_SECRETS:
        with subtests.test(str(table)):
            assert CANARY not in complaint(**table)


def test_neither_url_nor_key_is_shown() -> None:
    made = client(url=f"rediss://user:{CANARY}@redis.example.com")
    shown = f"{made!r} {made} {made.model_dump()} {made.model_dump_json()} {json.dumps(made.model_dump(mode='json'))}"

    assert CANARY not in shown
    assert KEY not in shown


def test_settings_with_a_store_can_be_compared_and_hashed() -> None:
    one, same, other = (client(url=f"rediss://{host}") for host in ("one", "one", "other"))

    assert one == same != other
    assert len({one, same, other}) == 2


def test_the_key_is_read_from_a_file_beside_the_settings(write: Callable[[str, str], Path], directory: Path) -> None:
    write("keys/prio.key", f"{KEY}\n")
    write(
        "prio.toml",
        'client_id = "shop"\nclient_secret = "s"\n[token_store]\nurl = "redis://localhost"\n'
        'encryption_key_file = "keys/prio.key"\n[clients.berlin]\nclient_id = "berlin"\nclient_secret = "b"\n',
    )
    settings = Settings()
    store = settings.client().token_store

    assert store is not None
    assert store.encryption_key == Secret(KEY)
    assert store.encryption_key_file == directory / "keys/prio.key"
    assert settings.client("berlin").token_store == store
    assert settings.provenance()["token_store.url"] == "prio.toml: token_store.url"


def test_a_variable_goes_before_the_file(write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write("prio.key", KEY)
    write("prio.toml", '[token_store]\nurl = "redis://localhost"\nencryption_key_file = "prio.key"\n')
    monkeypatch.setenv("PRIO_TOKEN_STORE__URL", "rediss://redis.example.com")
    store = Settings(**OWN).client().token_store

    assert store is not None
    assert store.url == Secret("rediss://redis.example.com")
    assert store.encryption_key == Secret(KEY)


def test_everything_can_be_said_with_variables(write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("prio.key", KEY)
    for name, value in {
        "URL": "rediss://one",
        "MODE": "sentinel",
        "NODES": "two:26379,three:26379",
        "SERVICE": "shop",
        "ENCRYPTION_KEY_FILE": str(path),
        "LEASE": "5",
    }.items():
        monkeypatch.setenv(f"PRIO_TOKEN_STORE__{name}", value)
    store = Settings(**OWN).client().token_store

    assert store is not None
    assert (store.mode, store.nodes, store.service, store.lease) == ("sentinel", ("two:26379", "three:26379"), "shop", 5.0)


def test_two_ways_to_give_the_key_are_one_too_many(write: Callable[[str, str], Path]) -> None:
    path = write("prio.key", KEY)

    assert "conflicts with encryption_key" in complaint(url="redis://localhost", encryption_key_file=path)
