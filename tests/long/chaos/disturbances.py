"""Disturbances of a round, by lane: one at a time within a lane, any combination across lanes.

A new one is a line in ``DISTURBANCES``; its needs go into the context.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.redis_servers import Server

if TYPE_CHECKING:
    from tests.long.chaos.context import ChaosContext

STORE = "store"
"""The lane of what happens only where tokens are shared."""

ACCOUNTS = ("berlin", "paris")
"""Accounts of a resolver, beside the client's own. Each is a lane: a renewal that fails, because the resolver does, counts as
one that did not help, and only three of those are allowed in 90 s."""

LIFETIME = 8.0
"""Seconds that tokens live in quiet times. They are due for a new one from a fifth of that on."""


def _nothing(_: ChaosContext) -> None:
    return


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One disturbance.

    Attributes:
        name: for the report.
        lane: disturbances of one lane follow each other.
        begin: starts it, with numbers from the generator.
        end: ends it.
        lasts: shortest and longest duration, in seconds.
        outage: no new token is available during it.
        deadly: tokens die that the client considers valid.
        leap: the client's clock passes the deadline of calls in progress.
        account: the only account that it concerns; empty for all.
    """

    name: str
    lane: str
    begin: Callable[[ChaosContext, random.Random], None]
    end: Callable[[ChaosContext], None] = _nothing
    lasts: tuple[float, float] = (0.0, 0.0)
    outage: bool = False
    deadly: bool = False
    leap: bool = False
    account: str = ""


def _revoke(context: ChaosContext, _: random.Random) -> None:
    context.admin.revoke()


def _revoke_account(account: str) -> Callable[[ChaosContext, random.Random], None]:
    return lambda context, _: context.revoke_account(account)


def _break_resolver(account: str, how: str) -> Callable[[ChaosContext, random.Random], None]:
    return lambda context, _: context.accounts.spoil(account, how)


def _mend_resolver(account: str) -> Callable[[ChaosContext], None]:
    return lambda context: context.accounts.mend(account)


def _server_leaps(context: ChaosContext, numbers: random.Random) -> None:
    context.admin.advance(numbers.uniform(0.1, 2 * LIFETIME))


def _client_leaps(context: ChaosContext, numbers: random.Random) -> None:
    context.clock.advance(numbers.uniform(0.1, LIFETIME))


def _short_lives(context: ChaosContext, numbers: random.Random) -> None:
    context.admin.configure(lifetime=round(numbers.uniform(1.0, 3.0), 3))


def _lies(announced: str) -> Callable[[ChaosContext, random.Random], None]:
    def begin(context: ChaosContext, numbers: random.Random) -> None:
        context.admin.configure(lifetime=round(numbers.uniform(1.0, 3.0), 3), expires_in=announced)

    return begin


def _honest_lives(context: ChaosContext) -> None:
    context.admin.configure(lifetime=LIFETIME, expires_in=None)


def _slow_tokens(context: ChaosContext, numbers: random.Random) -> None:
    context.admin.configure(token_delay=round(numbers.uniform(0.05, 0.3), 3))


def _quick_tokens(context: ChaosContext) -> None:
    context.admin.configure(token_delay=0)
    context.admin.release()


def _slow_answers(context: ChaosContext, numbers: random.Random) -> None:
    context.admin.configure(api_delay=round(numbers.uniform(0.05, 0.3), 3))


def _quick_answers(context: ChaosContext) -> None:
    context.admin.configure(api_delay=0)
    context.admin.release()


def _fails_with(fault: str, **options: float) -> Callable[[ChaosContext, random.Random], None]:
    def begin(context: ChaosContext, _: random.Random) -> None:
        context.admin.fail_tokens(fault, times=None, seconds=60, retry_after=options.get("retry_after"))

    return begin


def _mended(context: ChaosContext) -> None:
    context.admin.clear_faults()
    context.admin.release()


def _fails_once(context: ChaosContext, numbers: random.Random) -> None:
    context.admin.fail_tokens(numbers.choice(["drop", "server_error", "truncated"]))


def _server_first(context: ChaosContext, _: random.Random) -> None:
    context.announce_secret()


def _file_first(context: ChaosContext, _: random.Random) -> None:
    context.write_secret()


def _store(do: Callable[[Server], object]) -> Callable[[ChaosContext], None]:
    def act(context: ChaosContext) -> None:
        if context.store:
            do(context.store)

    return act


def _to_store(do: Callable[[Server], object]) -> Callable[[ChaosContext, random.Random], None]:
    act = _store(do)
    return lambda context, _: act(context)


def _impatience(context: ChaosContext, numbers: random.Random) -> None:
    context.impatience = numbers.uniform(0.1, 0.6)


def _patience(context: ChaosContext) -> None:
    context.impatience = 0.0


_OUTAGES = [
    "drop",
    "truncated",
    "server_error",
    "stall",
    "html",
    "empty",
    "too_many_requests",
    "invalid_request",
    "secret_echo",
]

DISTURBANCES = [
    Disturbance("tokens are revoked", "tokens", _revoke, deadly=True),
    Disturbance("the server's clock leaps", "tokens", _server_leaps, deadly=True),
    Disturbance("the client's clock leaps", "clock", _client_leaps, leap=True),
    Disturbance("tokens live shortly", "tokens", _short_lives, _honest_lives, (0.5, 3.0), deadly=True),
    Disturbance("tokens die before they say", "tokens", _lies("3600"), _honest_lives, (0.5, 3.0), deadly=True),
    Disturbance("tokens are for one call", "tokens", _lies("0"), _honest_lives, (0.2, 1.0), deadly=True),
    Disturbance("tokens do not say how long", "tokens", _lies(""), _honest_lives, (0.5, 3.0), deadly=True),
    Disturbance("the token endpoint is slow", "endpoint", _slow_tokens, _quick_tokens, (0.5, 3.0)),
    Disturbance("the token endpoint fails once", "endpoint", _fails_once, _mended, (1.0, 1.0), outage=True),
    *(
        Disturbance(f"the token endpoint answers {fault}", "endpoint", _fails_with(fault), _mended, (0.3, 4.0), outage=True)
        for fault in _OUTAGES
    ),
    Disturbance(
        "the token endpoint asks for a pause",
        "endpoint",
        _fails_with("unavailable", retry_after=1.0),
        _mended,
        (0.3, 2.0),
        outage=True,
    ),
    Disturbance("the API is slow", "answers", _slow_answers, _quick_answers, (0.3, 2.0)),
    Disturbance(
        "the secret changes at the server first",
        "secrets",
        _server_first,
        lambda context: context.write_secret(),
        (0.0, 1.0),
        outage=True,
        deadly=True,
    ),
    Disturbance(
        "the secret changes in the file first",
        "secrets",
        _file_first,
        lambda context: context.announce_secret(),
        (0.0, 1.0),
        outage=True,
        deadly=True,
    ),
    *(
        Disturbance(f"tokens of {account} are revoked", account, _revoke_account(account), deadly=True, account=account)
        for account in ACCOUNTS * 3  # As often as everything else.
    ),
    *(
        Disturbance(
            f"the resolver {how} for {account}",
            account,
            _break_resolver(account, how),
            _mend_resolver(account),
            (0.3, 3.0),
            outage=True,
            account=account,
        )
        for account in ACCOUNTS
        for how in ("raises", "hangs", "answers with another account")
    ),
    Disturbance(
        "the secret of an account changes",
        ACCOUNTS[0],
        lambda context, _: context.announce_secret_of(ACCOUNTS[0]),
        lambda context: context.accounts.renew(ACCOUNTS[0]),
        (0.0, 1.0),
        outage=True,
        deadly=True,
        account=ACCOUNTS[0],
    ),
    # None of these is an outage: a token is available without the store.
    Disturbance("the store dies", STORE, _to_store(Server.stop), _store(Server.start), (0.1, 4.0)),
    Disturbance("the store falls silent", STORE, _to_store(Server.pause), _store(Server.resume), (0.1, 3.0)),
    Disturbance("the store forgets", STORE, _to_store(lambda store: store.admin().flushall())),
    Disturbance("callers give up", "callers", _impatience, _patience, (0.5, 3.0)),
]
