"""A round's world: a sandbox in a process of its own, a secret file, a clock, and one token provider for all clients.

Or two, that share their tokens in a store.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import httpx

from prio_middleware import AccountCredentials, build
from prio_middleware._util.clock import using
from prio_middleware.sandbox import Admin, Sandbox
from prio_middleware.sandbox.state import Clock
from prio_middleware.settings import ClientSettings
from tests.long.chaos.disturbances import ACCOUNTS, LIFETIME
from tests.redis_servers import Server

DEADLINE = 1.0
"""Seconds that a fetch may take. A call may need two, and by the provider's promise each is over after twice that and a bit."""

ACCOUNTS_TTL = 2.0
"""Seconds after which the resolver is asked again: several times in a round."""

LIMIT = 10.0
MARGIN = DEADLINE + 0.5


class AccountsOfRound:
    """Resolver of a round's accounts, to be spoilt for each of them. All clients have it, so they share the tokens."""

    def __init__(self) -> None:
        self._spoilt: dict[str, str] = {}
        self._secrets: dict[str, int] = dict.fromkeys(ACCOUNTS, 1)
        self._mended = {account: threading.Event() for account in ACCOUNTS}

    def __call__(self, name: str) -> AccountCredentials:
        """Return the credentials of the account ``name``, unless that is spoilt."""
        match self._spoilt.get(name):
            case "raises":
                raise LookupError(name)
            case "hangs":
                self._mended[name].wait()
                raise TimeoutError
            case "answers with another account":
                name = next(account for account in ACCOUNTS if account != name)
            case _:
                pass
        return AccountCredentials(name, client_id_of(name), secret_of(name, self._secrets[name]))

    def spoil(self, account: str, how: str) -> None:
        """Begin to fail for ``account``."""
        self._mended[account].clear()
        self._spoilt[account] = how

    def mend(self, account: str) -> None:
        """Answer properly again."""
        self._spoilt.pop(account, None)
        self._mended[account].set()

    def renew(self, account: str) -> None:
        """Answer with the next secret of ``account``."""
        self._secrets[account] += 1


def client_id_of(account: str) -> str:
    """The client id of an account."""
    return f"{account}@chaos.example"


def secret_of(account: str, number: int) -> str:
    """The secret of an account after ``number - 1`` changes."""
    return f"secret-{number}-of-{account}"


def account_of(authorization: str | None) -> str:
    """The account whose token the sandbox was sent; empty for the client's own, and without a token."""
    payload = (authorization or "").split(".")[1:2]
    claims = json.loads(base64.urlsafe_b64decode(f"{payload[0]}==")) if payload else {}
    return next((account for account in ACCOUNTS if client_id_of(account) == claims.get("sub")), "")


class ChaosContext:
    """Sandbox, clock and settings of a round.

    Args:
        sandbox: served from a process of its own.
        folder: where the secret file is to be.
        seed: what of the settings is left to chance.
        store: where the clients of one library and those of the other, with a token provider each, share their tokens. None:
            all have one provider, which keeps its tokens in memory.
    """

    def __init__(self, sandbox: Sandbox, folder: Path, seed: str, store: Server | None = None) -> None:
        build.forget()
        self.admin: Admin = sandbox.admin
        self.clock = Clock()
        self.store = store
        self.impatience = 0.0
        self.stopped = False
        self._numbers = itertools.count(1)
        self._file = folder / "secret"
        self._account = sandbox.options.accounts[0].client_id
        self._announced = self._written = 0
        self._announced_of: dict[str, int] = dict.fromkeys(ACCOUNTS, 1)
        self.accounts: AccountsOfRound = AccountsOfRound()
        self.admin.reset()
        for name in ACCOUNTS:
            own = dataclasses.replace(
                sandbox.options.accounts[0], client_id=client_id_of(name), client_secret=secret_of(name, 1)
            )
            self.admin.put_account(own)
        self.admin.configure(lifetime=LIFETIME)
        self.write_secret()
        self.announce_secret()
        numbers = random.Random(seed)
        values: dict[str, Any] = {
            "base_url": sandbox.base_url,
            "client_id": self._account,
            "client_secret_file": self._file,
            "ca_file": sandbox.ca_file,
            "refresh": numbers.choice(["on_expiry", "ahead"]),
            "leeway_fraction": 0.8,
            "leeway_max": LIFETIME,
            "token_deadline": DEADLINE,
            "token_timeout": DEADLINE / 2,
            "failure_cooldown": 0.2,
            "accounts_ttl": ACCOUNTS_TTL,
            "trust_env": False,
        }
        if store:
            values["token_store"] = {
                "url": store.url,
                "encryption_key": base64.urlsafe_b64encode(numbers.randbytes(32)).decode(),
            }
        self._settings = [ClientSettings(name=name, **values) for name in (["chaos", "chaos-beside"] if store else ["chaos"])]
        with using(self.clock):
            for settings in self._settings:
                provider = build.plan(None, settings, httpx, {}, accounts=self.accounts).pipeline.provider
                for name in ACCOUNTS:  # They are made here to have this clock.
                    provider.of_account(name)

    def settings(self, group: int) -> ClientSettings:
        """Those of one group of clients. Groups with equal settings have one token provider between them."""
        return self._settings[group % len(self._settings)]

    def write_secret(self) -> None:
        """Put the next secret into the file, in one step, as orchestrators do."""
        self._written += 1
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"secret-{self._written}-of-a-round")
        fresh.chmod(0o600)
        os.replace(fresh, self._file)  # noqa: PTH105 - Path.replace is the same

    def revoke_account(self, account: str) -> None:
        """Revoke the tokens of one account."""
        self.admin.revoke(client_id_of(account))

    def announce_secret_of(self, account: str) -> None:
        """Let the server take the next secret of an account, and no other."""
        self._announced_of[account] += 1
        self.admin.set_secret(client_id_of(account), secret_of(account, self._announced_of[account]))

    def announce_secret(self) -> None:
        """Let the server take the next secret, and no other."""
        self._announced += 1
        self.admin.set_secret(self._account, f"secret-{self._announced}-of-a-round")
