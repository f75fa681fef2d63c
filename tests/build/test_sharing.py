"""From settings to what shares tokens."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, build
from prio_middleware.build import build_provider, sharing
from prio_middleware.build.sharing import build_shared_tokens
from prio_middleware.clients import opening
from prio_middleware.tokens.shared import connect
from prio_middleware.tokens.shared.redis_store import RedisStore

OWN = {"client_id": "shop", "client_secret": "s"}
STATIC = {"use": "prio_middleware.tokens.static:StaticTokenProvider", "token": "fixed"}
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    build.forget()


def settings(url: str = "redis://localhost:1", **changes: Any) -> ClientSettings:
    return ClientSettings(**{**OWN, "token_store": {"url": url, "encryption_key": KEY}, **changes})


def test_without_a_store_tokens_are_ones_own() -> None:
    assert build_shared_tokens(ClientSettings(**OWN)) is None
    assert build_provider(ClientSettings(**OWN)).store_report().kind == "memory"


def test_with_one_they_are_shared() -> None:
    report = build_provider(settings()).store_report()

    assert (report.kind, report.reachable, report.circuit) == ("redis", None, "closed")


def test_clients_of_one_store_share_its_connections_and_what_is_known_of_its_health() -> None:
    one, other = build_shared_tokens(settings()), build_shared_tokens(settings(client_id="berlin"))
    third = build_shared_tokens(settings("redis://localhost:2"))

    assert one
    assert other
    assert third
    assert one._store is other._store is not third._store
    assert one._circuit is other._circuit is not third._circuit
    build.forget()
    assert sharing._stores == {}


@pytest.mark.parametrize(("hosts", "elsewhere"), [((), False), (("redis",), True)])
def test_servers_may_name_other_machines_where_one_may_be_spoken_to_without_tls(
    hosts: tuple[str, ...], elsewhere: bool
) -> None:
    table = {"url": "redis://localhost:3", "encryption_key": KEY, "mode": "cluster", "plain_hosts": hosts}
    build_shared_tokens(ClientSettings(**OWN, token_store=table))

    assert [address.plain_elsewhere for address in sharing._stores] == [elsewhere]


def test_without_the_extra_the_client_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"prio-middleware\[redis\]") as caught:
        build.build_pipeline(settings())

    assert caught.value.client == "default"


def test_a_process_that_is_here_to_stay_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    listening: list[object] = []
    monkeypatch.setattr(RedisStore, "listen", lambda self, dropped: listening.append(dropped))
    opening.listen(settings())
    opening.listen(ClientSettings(**OWN))
    opening.listen(ClientSettings(**OWN, pipeline=[STATIC, "header_injector"]))

    assert len(listening) == 1
