"""Features of the hunt, and the places that must have texts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio

from tests.long.hunt import around, calls
from tests.long.hunt.context import HuntContext
from tests.transports.matrix import MatrixClient

ONE = ("httpx-sync",)
TWO = ("httpx-sync", "httpx2-trio")
SOME = ("httpx-sync", "httpx2-asyncio", "httpx-trio")
"""Both libraries, both colours, both event loops."""

CALLS = frozenset({"logs", "spans", "metrics", "repr", "dumps", "processes"})


class Feature(NamedTuple):
    """Something that this library does.

    Attributes:
        name: as the table has it.
        run: does it, well and badly.
        places: where there must be something to look at: a search of nothing finds nothing.
        client_kinds: the kinds of clients that it is done with.
    """

    name: str
    run: Callable[[HuntContext], Awaitable[None]]
    places: frozenset[str]
    client_kinds: tuple[str, ...] = SOME

    def __str__(self) -> str:
        return self.name


FEATURES = [
    Feature("client_secret_basic", calls.basic, CALLS | {"errors"}),
    Feature("... form-encoded", calls.basic_form, CALLS | {"errors"}, ONE),
    Feature("client_secret_post", calls.post, CALLS | {"errors"}, TWO),
    Feature("private_key_jwt", calls.key, CALLS | {"errors"}, TWO),
    Feature("token_headers", calls.gateway_key, CALLS | {"errors"}, TWO),
    Feature("rotation", calls.rotation, CALLS | {"errors"}, TWO),
    Feature("discovery", calls.discovery, CALLS | {"errors"}, TWO),
    Feature("redirects", calls.redirects, CALLS | {"errors", "elsewhere"}),
    Feature("refresh ahead", calls.ahead, CALLS, TWO),
    Feature("budget guard", calls.budget, CALLS | {"errors"}, ONE),
    Feature("options of a request", calls.options, CALLS | {"errors"}, TWO),
    Feature("accounts", calls.accounts, CALLS | {"errors"}),
    Feature("static headers", calls.static_headers, (CALLS | {"errors", "elsewhere"}) - {"spans"}, TWO),
    Feature("a static token", calls.static_token, (CALLS | {"errors"}) - {"spans"}, TWO),
    Feature("a fixed token", calls.fixed_token, CALLS - {"metrics", "spans"}, TWO),
    Feature("token answers that echo", calls.token_answers, CALLS | {"errors"}),
    Feature("earlier and long tokens", calls.earlier_tokens, CALLS | {"errors"}),
    Feature("a key in the token URL", calls.key_in_url, CALLS | {"errors", "pages"}, TWO),
    Feature("refusals that echo", calls.api_answers, CALLS | {"errors"}),
    Feature("headers that echo", calls.in_headers, CALLS | {"errors"}),
    Feature("no network", calls.network, CALLS | {"errors"}, TWO),
    Feature("settings", calls.mistakes, frozenset({"repr", "dumps", "errors", "processes"}), ONE),
    Feature("ASGI, Starlette", around.starlette_app, CALLS | {"pages"}, ONE),
    Feature("accounts of requests", around.accounts_of_requests, CALLS | {"pages"}, ONE),
    Feature("FastAPI", around.fastapi_app, CALLS | {"pages"}, ONE),
    Feature("WSGI", around.wsgi_app, CALLS | {"pages"}, ONE),
    Feature("Flask", around.flask_app, CALLS | {"pages"}, ONE),
    Feature("Django", around.django_app, CALLS | {"pages"}, ONE),
    Feature("commands", around.commands, CALLS | {"output"}, ONE),
    Feature("sandbox", around.sandbox, frozenset({"repr", "processes"}), ONE),
    Feature("shared store", around.shared_store, CALLS | {"errors", "redis"}, ("httpx-sync", "httpx2-trio")),
    Feature("token file", around.token_file, CALLS | {"files"}, TWO),
]


def hunt(feature: Feature, matrix: str) -> HuntContext:
    """Hunt through one feature."""
    kind = MatrixClient(matrix)
    with HuntContext(kind) as context:
        anyio.run(feature.run, context, backend=kind.backend)
    return context
