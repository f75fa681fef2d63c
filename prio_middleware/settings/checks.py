"""Checks across settings: contradictions, and settings without effect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel

from .._util.plain_http import insecure_url, is_loopback
from ..middleware.budget_guard import part_of
from ..pipeline.registry import BUILT_IN, GUARDS, waiver_problem
from .layers import KeyPath, SettingsProblem, variable
from .models import ClientTable, corrected
from .presets import PRESETS
from .token_store import store_problems

Own = Mapping[str, Any] | BaseModel
"""Settings written for a client itself, without inherited ones: nested tables, or models made of them."""

Reason = Callable[[ClientTable, str], str | None]
"""Return the reason why a key has no effect on a client and a suggestion, or None if the key has an effect."""


class Rule(NamedTuple):
    """Settings, and the function that tells why they have no effect. Spaces separate the keys, a dot a table from its key."""

    keys: str
    reason: Reason


def settings_without_effect(client: ClientTable, own: Own) -> Iterator[SettingsProblem]:
    """Yield each setting in ``own`` that has no effect on ``client``, with the first reason in ``RULES``."""
    reported: set[str] = set()
    for keys, reason in RULES:
        for key in keys.split():
            path = tuple(key.split("."))
            if key in reported or not _is_written(own, path):
                continue
            if attrgetter(key)(client) not in (None, ()) and (text := reason(client, key)):
                reported.add(key)
                yield SettingsProblem(path, text)


def _is_written(own: Any, path: KeyPath) -> bool:
    for key in path:
        if isinstance(own, BaseModel):
            own = {name: getattr(own, name) for name in own.model_fields_set}
        if not isinstance(own, Mapping) or key not in own:
            return False
        own = own[key]
    return True


def _unless(keys: str, has_effect: Callable[[Any], object], text: str) -> Rule:
    """Return a rule with the reason ``text``, in which ``{client}`` stands for the client's settings."""
    return Rule(keys, lambda client, _: None if has_effect(client) else text.format(client=client))


def _needs(component: str) -> Reason:
    """Return the reason why settings of a component have no effect: a declared pipeline leaves it out."""

    def reason(client: ClientTable, key: str) -> str | None:
        if not client.pipeline or any(part.use == component for part in client.pipeline):
            return None
        it = "it" if component == key else component
        return (
            f"the pipeline does not contain {it}: add {component}; "
            f"did you mean pipeline = {corrected(client.pipeline, [component])}?"
        )

    return reason


def _of_client_auth(keys: str, method: str, purpose: str, meant: str) -> Rule:
    return _unless(
        keys,
        lambda client: client.client_auth == method,
        f"client_auth {{client.client_auth!r}} does not use it: {purpose}; did you mean {meant}?",
    )


def _loopback_http_hosts(client: ClientTable, key: str) -> str | None:
    urls = (client.base_url, client.token_server_url, *client.allowed_token_origins)
    if any(url.lower().startswith("http:") for url in urls):  # The check of these URLs uses the setting.
        return None
    return _needs("https_enforcer")(client, key)


def _issuer(client: ClientTable, key: str) -> str | None:
    if client.discovery:
        return None
    if client.client_auth == "private_key_jwt" and client.assertion_audience is not None:
        return "assertion_audience takes precedence; did you mean to set only one of them?"
    meant = "'discovery = true', which finds token_url"
    without_assertion = _of_client_auth(key, "private_key_jwt", "there is no assertion whose audience it is", meant)
    return _needs("token_provider")(client, key) or without_assertion.reason(client, key)


def _leeway(client: ClientTable, key: str) -> str | None:
    zero = next((name for name in ("leeway_fraction", "leeway_max") if not getattr(client, name)), None)
    if zero in {None, key} or getattr(client, key) in {0, "on_expiry"}:  # Two zeros do not contradict each other.
        return None
    if key == "refresh":
        return f"{zero} is 0, so no token is due before it expires; did you mean 'on_expiry'?"
    return f"{zero} is 0, so there is no leeway; did you mean to set {zero} to another value?"


def _of_url_scheme(keys: str, scheme: str, meant: str) -> Rule:
    return _unless(
        keys,
        lambda client: client.token_store.scheme in {"", scheme},
        f"{{client.token_store.scheme}}:// does not use it, only {scheme}:// does; did you mean {meant}?",
    )


def server_limits(client: ClientTable) -> dict[str, int | None]:
    """Return the limits of the server per minute, for 4xx responses and for requests. None means unknown."""
    guard, preset = client.budget_guard, PRESETS[client.preset]
    return {
        "client_errors": (guard and guard.client_errors) or preset.client_error_limit,
        "requests": (guard and guard.requests) or preset.request_limit,
    }


_NO_LIMIT = "preset {client.preset!r} has no such limit; did you mean to also set "

RULES: tuple[Rule, ...] = (
    Rule("loopback_http_hosts", _loopback_http_hosts),
    Rule("allowed_origins foreign_origins", _needs("origin_guard")),
    Rule("budget_guard", _needs("budget_guard")),
    Rule("app", lambda client, key: _needs("application_info")(client, key) if any(dict(client.app).values()) else None),
    Rule(
        "allowed_token_origins basic_encoding key_id algorithm assertion_audience scope audience resource "
        "params body_format refresh default_lifetime max_lifetime leeway_fraction leeway_max leeway_jitter token_timeout "
        "token_deadline failure_cooldown token_store token_scheme token_headers token_cache_size "
        "accounts accounts_ttl accounts_limit ready_before_first_token",
        _needs("token_provider"),
    ),
    Rule("caller_authorization", _needs("header_injector")),
    Rule("headers headers_file", _needs("static_headers")),
    Rule("api_key api_key_file", _needs("query_key")),
    Rule("renew_on path_templates renewal_params", _needs("revocation_handler")),
    _unless(
        "environment version",
        lambda client: client.preset == "prio",
        "only preset 'prio' uses it; preset {client.preset!r} uses base_url and token_url; did you mean 'base_url'?",
    ),
    _unless(
        "allowed_token_origins",
        lambda client: client.discovery,
        "only discovery uses it, and token_url is set; did you mean 'allowed_origins', whose requests carry the token?",
    ),
    _of_client_auth(
        "basic_encoding", "client_secret_basic", "it is for HTTP Basic", "body_format, or client_auth 'client_secret_basic'"
    ),
    _of_client_auth(
        "key_id algorithm", "private_key_jwt", "there is no private key", "to set private_key instead of client_secret"
    ),
    _of_client_auth("assertion_audience", "private_key_jwt", "there is no assertion", "'audience'"),
    Rule("issuer", _issuer),
    Rule("refresh leeway_fraction leeway_max leeway_jitter", _leeway),
    _unless(
        "cert_key_file cert_key_password",
        lambda client: client.cert_file,
        "there is no certificate without cert_file; did you mean 'cert_file'?",
    ),
    _unless(
        "max_keepalive_connections",
        lambda client: client.max_keepalive_connections <= client.max_connections,
        "expected at most max_connections, which also limits idle connections; did you mean 'max_connections'?",
    ),
    _unless(
        "token_store.nodes",
        lambda client: client.token_store.mode != "single",
        "mode 'single' has only the server in url; did you mean mode 'cluster' or 'sentinel'?",
    ),
    _unless(
        "token_store.service",
        lambda client: client.token_store.mode == "sentinel",
        "mode {client.token_store.mode!r} does not use it: it names a master to sentinels; did you mean mode 'sentinel'?",
    ),
    _of_url_scheme("token_store.ca_file", "rediss", "the setting 'ca_file' of the client"),
    _of_url_scheme("token_store.insecure_hosts", "redis", "a url with redis://"),
    _unless("budget_guard.share", lambda client: any(server_limits(client).values()), f"{_NO_LIMIT}client_errors or requests?"),
    _unless("budget_guard.in_flight", lambda client: server_limits(client)["client_errors"], f"{_NO_LIMIT}client_errors?"),
)
"""Every setting that needs another setting to have an effect. All others always have one, or are required.

Credentials are required with every pipeline, and ``client_auth`` selects them, so they are not here for a pipeline without
``token_provider``. ``share`` and the limits of ``budget_guard`` have an effect without ``enforce``: the guard counts, and
telemetry and ``guard.allowance`` show the limits.
"""

_URLS = frozenset({"base_url", "token_url", "issuer", "allowed_origins", "allowed_token_origins"})


def check(client: ClientTable, own: Own, name: str) -> Iterator[SettingsProblem]:
    """Yield every setting of the client ``name`` that is missing, contradictory, or in ``own`` and without effect."""
    yield from _server(client, name)
    yield from _credentials(client, name)
    yield from _static_credentials(client, name)
    yield from _plain_http(client)
    if client.default_lifetime > client.max_lifetime:
        yield SettingsProblem(("default_lifetime",), "expected at most max_lifetime")
    if client.token_timeout > client.token_deadline:
        yield SettingsProblem(("token_timeout",), "expected at most token_deadline, which limits all attempts together")
    if client.token_store is not None:
        yield from (SettingsProblem(("token_store", key), text) for key, text in store_problems(client.token_store))
    yield from _budget_guard(client)
    yield from _guards(client)
    yield from settings_without_effect(client, own)


def _server(client: ClientTable, name: str) -> Iterator[SettingsProblem]:
    given = client.model_fields_set
    for key in ("environment", "version"):
        if key in given and "base_url" in given and client.preset == "prio":
            yield SettingsProblem((key,), "conflicts with base_url, which already contains it: remove one of them")
    no_default = f"preset {client.preset!r} has no default"
    if not client.base_url:
        yield _missing(name, "base_url", no_default)
    if client.discovery:
        if client.issuer is None:
            yield _missing(name, "issuer", "discovery reads the metadata of this issuer")
        if client.token_url:
            yield SettingsProblem(("token_url",), "conflicts with discovery, which finds it: remove one of them")
    elif not client.token_url and client.provider == "client_credentials":
        alternative = ", and discovery is not true" if client.issuer else ""
        yield _missing(name, "token_url", no_default + alternative)


def _static_credentials(client: ClientTable, name: str) -> Iterator[SettingsProblem]:
    twice = [key for key in ("headers", "api_key") if getattr(client, key) and getattr(client, f"{key}_file")]
    yield from (SettingsProblem((f"{key}_file",), f"conflicts with {key}: remove one of them") for key in twice)
    if client.provider == "client_credentials":
        if client.token_file:
            yield SettingsProblem(("token_file",), 'needs provider = "static": client_credentials requests its tokens')
        return
    for key in ("client_id", "client_secret", "private_key"):
        if getattr(client, key):
            yield SettingsProblem((key,), f"has no effect: provider {client.provider!r} requests no token")
    if client.provider == "static" and client.token_file is None:
        yield _missing(name, "token_file", "provider 'static' reads the token from it")
    if client.provider == "none":
        if client.token_file:
            yield SettingsProblem(("token_file",), "has no effect: provider 'none' sends no token; did you mean 'static'?")
        if not any((client.headers, client.headers_file, client.api_key, client.api_key_file, client.pipeline)):
            reason = "requests without a token need headers, headers_file, api_key or your own component"
            yield _missing(name, "headers", reason)


def _credentials(client: ClientTable, name: str) -> Iterator[SettingsProblem]:
    if client.provider != "client_credentials":
        return
    if not client.client_id:
        yield _missing(name, "client_id", "every client needs its own")
    wanted, other = "client_secret", "private_key"
    if client.client_auth == "private_key_jwt":
        wanted, other = other, wanted
    if getattr(client, wanted) is None:
        yield _missing(name, wanted, f"client_auth {client.client_auth!r} needs it")
    if getattr(client, other) is not None:
        yield SettingsProblem((other,), f"client_auth {client.client_auth!r} uses {wanted}, not {other}: remove one of them")


def _plain_http(client: ClientTable) -> Iterator[SettingsProblem]:
    hosts = client.loopback_http_hosts
    if not all(is_loopback(host.strip("[]")) for host in hosts):
        expected = "expected loopback hosts only (localhost, 127.0.0.1, ::1), without scheme and port"
        yield SettingsProblem(("loopback_http_hosts",), expected)
        return
    insecure: dict[str, list[str]] = {}
    for key in sorted(_URLS & client.model_fields_set):
        value = getattr(client, key)
        urls = [value] if isinstance(value, str) else value or ()
        if found := [urlsplit(url).hostname or "" for url in urls if insecure_url(url, hosts)]:
            insecure[key] = found
    loopback = filter(is_loopback, chain.from_iterable(insecure.values()))
    allowed = f"loopback_http_hosts = {json.dumps([*hosts, *dict.fromkeys(loopback)])}"
    for key, found in insecure.items():
        line = allowed if all(map(is_loopback, found)) else f'{key} = "https://..."'
        text = f"expected https://, because plain HTTP shows the token to the network; write {line} in prio.toml"
        yield SettingsProblem((key,), text)


def _budget_guard(client: ClientTable) -> Iterator[SettingsProblem]:
    guard, limits = client.budget_guard, server_limits(client)
    if guard is None:
        return
    if guard.enforce and not any(limits.values()):
        yield SettingsProblem(
            ("budget_guard", "enforce"), f"preset {client.preset!r} has no limits: set client_errors or requests"
        )
    for name, limit in limits.items():
        if limit is not None and not part_of(limit, guard.share):
            yield SettingsProblem(
                ("budget_guard", "share"), f"allows less than one of {name} per minute: expected at least {1 / limit:.3g}"
            )


def _guards(client: ClientTable) -> Iterator[SettingsProblem]:
    """Yield guards that a declared pipeline leaves out, and waivers without effect.

    Components from other packages may be subclasses of a guard or of the token provider. That is checked when the pipeline is
    built.
    """
    waived = client.waive
    yield from (SettingsProblem(("waive",), problem) for problem in map(waiver_problem, waived) if problem)
    uses = [component.use for component in client.pipeline] or list(BUILT_IN)
    if "token_provider" not in uses:
        return
    outside = uses[: uses.index("token_provider")]
    idle = [name for name in GUARDS if name in waived and name in outside]
    if idle:
        yield SettingsProblem(
            ("waive",), f"the pipeline contains {' and '.join(idle)}: remove it from waive or from the pipeline"
        )
    missing = [name for name in GUARDS if name not in waived and name not in outside]
    if missing and all(use in BUILT_IN for use in outside):
        places = [f"{name} {'stands after' if name in uses else 'is missing before'} token_provider" for name in missing]
        waiver = ", ".join(f'"{name}"' for name in missing)
        text = f"{' and '.join(places)}: write pipeline = {corrected(client.pipeline, missing)}, or waive = [{waiver}]"
        yield SettingsProblem(("pipeline",), text)


def _missing(client: str, key: str, why: str) -> SettingsProblem:
    """Return the problem of a missing key, with the places to set it: most new users meet this error first."""
    table: KeyPath = () if client == "default" else ("clients", client)
    place = f"{key} under [{'.'.join(table)}]" if table else key
    return SettingsProblem((key,), f"missing; {why}. Set {variable((*table, key))}, or {place} in prio.toml", missing=True)
