"""The options of an ordinary client that :func:`client` and :func:`async_client` pass on."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypedDict


class ClientOptions(TypedDict, total=False):
    """See the HTTP library's own ``Client``. Types of the library itself are not repeated here: it checks them."""

    verify: ssl.SSLContext | str | bool
    cert: str | tuple[str, str] | tuple[str, str, str] | None
    http1: bool
    http2: bool
    proxy: Any
    limits: Any
    trust_env: bool
    transport: Any
    mounts: Mapping[str, Any]
    timeout: Any
    headers: Any
    params: Any
    cookies: Any
    follow_redirects: bool
    max_redirects: int
    event_hooks: Mapping[str, list[Callable[..., Any]]]
    default_encoding: str | Callable[[bytes], str]
