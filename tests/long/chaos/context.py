"""A round's world: a sandbox in a process of its own, a secret file, a clock, and one token provider for all clients.

Or two, that share their tokens in a store.
"""

from __future__ import annotations

import base64
import itertools
import os
import random
from pathlib import Path
from typing import Any

from prio_middleware import build
from prio_middleware._util.clock import using
from prio_middleware.sandbox import Admin, Sandbox
from prio_middleware.sandbox.state import Clock
from prio_middleware.settings import ClientSettings
from tests.long.chaos.disturbances import LIFETIME
from tests.redis_servers import Server

DEADLINE = 1.0
"""Seconds that a fetch may take. A call may need two, and by the provider's promise each is over after twice that and a bit."""

LIMIT = 10.0
MARGIN = DEADLINE + 0.5


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
        self.admin.reset()
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
                build.pipeline_for(settings)

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

    def announce_secret(self) -> None:
        """Let the server take the next secret, and no other."""
        self._announced += 1
        self.admin.set_secret(self._account, f"secret-{self._announced}-of-a-round")
