"""What happens to a busy application, again and again, so that there is something to see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..sandbox import Account, Admin, SandboxOptions

LIFETIME = 90.0
"""Seconds that a token is good for: short enough to see it end."""

NEW_SECRET = "changed-while-you-were-out"
"""A secret of the sandbox's account that its client was not told."""


class Trouble(NamedTuple):
    """Something that happens.

    Attributes:
        after: seconds since what happened before it.
        what: in words.
        happen: makes it so.
    """

    after: float
    what: str
    happen: Callable[[Admin], object]


def troubles(options: SandboxOptions) -> Iterator[Trouble]:
    """All of them in turn, without end: for the accounts of the clients ``default``, ``berlin`` and ``reseller``."""
    default, berlin, reseller = options.accounts[:3]
    return itertools.cycle(
        [
            Trouble(15, "The default client's tokens are revoked.", lambda admin: admin.revoke(default.client_id)),
            Trouble(10, "Reseller's secret is changed, and nobody told the client.", _changed(reseller)),
            Trouble(15, "Reseller has its old secret again.", _restored(reseller)),
            Trouble(10, "Berlin's tokens are revoked, and two token requests will fail.", _revoked_badly(berlin)),
            Trouble(15, "All tokens are revoked at once.", lambda admin: admin.revoke()),
        ]
    )


def _changed(account: Account) -> Callable[[Admin], object]:
    def happen(admin: Admin) -> None:
        admin.set_secret(account.client_id, NEW_SECRET)
        admin.expire(account.client_id)

    return happen


def _restored(account: Account) -> Callable[[Admin], object]:
    return lambda admin: admin.set_secret(account.client_id, account.client_secret)


def _revoked_badly(account: Account) -> Callable[[Admin], object]:
    def happen(admin: Admin) -> None:
        admin.fail_tokens("unavailable", times=2)
        admin.revoke(account.client_id)

    return happen
