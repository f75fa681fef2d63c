"""Which of a client's options belong to the inner transport, and how every way out of the client leads through the pipeline."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigurationError
from .environment import environment_proxies

INNER_OPTIONS = frozenset({"verify", "cert", "http1", "http2", "limits", "proxy", "trust_env"})
"""Options that a client hands to the transport it makes itself, and ignores when it is given one."""

_OURS = {
    "auth": "It would replace the token of every request. For single requests, pass auth= to the request itself.",
    "base_url": "Set base_url in the settings: it also says which origin may have the token.",
}


def assemble(
    options: Mapping[str, Any],
    configured: Mapping[str, Any],
    make_inner: Callable[..., Any],
    wrap: Callable[[Any], Any],
    *,
    client: str,
) -> dict[str, Any]:
    """The options of the library's client: ``options`` over what is ``configured``, with the transports in them wrapped.

    Args:
        options: what the user gave.
        configured: what the settings say; the user's transport overrules what they say of theirs.
        make_inner: the library's own transport class.
        wrap: puts the pipeline around a transport.
        client: the client's name, for errors.

    Raises:
        ConfigurationError: an option would route around the pipeline, or be ignored, or it needs what is not installed.
    """
    _refuse_ours(options, client)
    transport = options.get("transport")
    if transport is not None:
        _refuse_ignored(options, client)
    together = {**configured, **options}
    inner = {name: value for name, value in together.items() if name in INNER_OPTIONS}
    outer = {name: value for name, value in together.items() if name not in INNER_OPTIONS}
    mounts = {pattern: mount and wrap(mount) for pattern, mount in (outer.pop("mounts", None) or {}).items()}
    trust_env = inner.get("trust_env", True)
    if transport is None:
        _check_http2(inner, client)
        transport = make_inner(**inner)
        if trust_env and inner.get("proxy") is None:
            mounts = {**_environment_mounts(inner, make_inner, wrap), **mounts}
    return {**outer, "transport": wrap(transport), "mounts": mounts, "trust_env": trust_env}


def _check_http2(inner: Mapping[str, Any], client: str) -> None:
    """The libraries' transports would notice at the first connection only, and the token request would fail with it."""
    if inner.get("http2") and importlib.util.find_spec("h2") is None:
        raise ConfigurationError(
            "http2 is on, and the package h2 is not installed.",
            client=client,
            remedy="Install it, pip install h2, or switch http2 off.",
        )


def _environment_mounts(inner: Mapping[str, Any], make_inner: Callable[..., Any], wrap: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        pattern: proxy and wrap(make_inner(**{**inner, "proxy": proxy})) for pattern, proxy in environment_proxies().items()
    }


def _refuse_ours(options: Mapping[str, Any], client: str) -> None:
    for name, remedy in _OURS.items():
        if name in options:
            raise ConfigurationError(f"{name}= is not an option of this client.", client=client, remedy=remedy)


def _refuse_ignored(options: Mapping[str, Any], client: str) -> None:
    ignored = sorted(options.keys() & (INNER_OPTIONS - {"trust_env"}))
    if ignored:
        raise ConfigurationError(
            f"{', '.join(f'{name}=' for name in ignored)} would be ignored: the transport that is given sends.",
            client=client,
            remedy="Give these options to that transport, or leave transport= out.",
        )
