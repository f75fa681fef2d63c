"""A client meets a fault, and goes on once it is over."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from prio_middleware import DiscoveryError, TokenError
from prio_middleware.sandbox import Counts
from prio_middleware.settings import ClientSettings
from tests.e2e.faults.table import Fault, Where
from tests.e2e.faults.wire import Wire
from tests.e2e.leak import assert_silent
from tests.e2e.place import FAR, PRODUCT, Place, does_not_hang, until
from tests.transports.world import Caller

METADATA = "/.well-known/"


@dataclass(slots=True)
class Wires:
    """The ways to the token endpoint and to the API: two ports of one sandbox, to be broken apart from each other."""

    token: Wire
    api: Wire

    @classmethod
    @contextlib.contextmanager
    def to(cls, url: str) -> Generator[Wires]:
        port = int(url.rpartition(":")[2])
        with Wire(port).laid() as token, Wire(port).laid() as api:
            yield cls(token, api)

    def calm(self) -> None:
        self.token.trouble = self.api.trouble = None


@dataclass(slots=True)
class Met:
    """What happened.

    Attributes:
        ended: the status or the error's class that the call ended with.
        during: what the sandbox counted while the fault was on.
        recovered: what the next call ended with.
        after: what was counted since.
        busy: connections of the pool that were not given back.
        left_open: descriptors that are open although the client is closed.
        looks: how many calls were for metadata while the fault was on.
        looks_after: how many were since.
    """

    ended: str = ""
    during: Counts = field(default_factory=Counts)
    recovered: str = ""
    after: Counts = field(default_factory=Counts)
    busy: list[str] = field(default_factory=list)
    left_open: int = 0
    looks: int = 0
    looks_after: int = 0

    def complaints(self, fault: Fault) -> list[str]:
        """What is not as ``fault`` says."""
        during, after = _arrived(self.during, self.looks), _arrived(self.after, self.looks_after)
        seen = (during[fault.where], during.total() - during[fault.where])
        looks = fault.where == "metadata endpoint" and not fault.is_survived
        tokens = fault.where != "API" and not fault.is_survived
        found = {
            f"ended with {self.ended}": self.ended in fault.ends,
            f"{seen[0]} requests there and {seen[1]} elsewhere, not {fault.arrived} and {fault.others}": seen
            == (fault.arrived, fault.others),
            f"then {self.recovered}": self.recovered == "200",
            f"then {after['metadata endpoint']} looks at metadata": after["metadata endpoint"] == looks,
            f"then {after['token endpoint']} token requests": after["token endpoint"] == tokens,
            f"then {after['API']} calls": after["API"] == 1,
            "a call without its token": self.during.calls_without_token + self.after.calls_without_token == 0,
            f"not given back: {', '.join(self.busy)}": not self.busy,
            f"{self.left_open} descriptors left open": self.left_open <= 0,
        }
        return [complaint for complaint, is_fine in found.items() if not is_fine]


def _looks(place: Place) -> int:
    """Requests for metadata. One that has no answer is in no count by route."""
    return sum(seen.route.startswith(METADATA) for seen in place.admin.requests())


def _arrived(counts: Counts, looks: int) -> Counter[Where]:
    """Requests by where they arrived."""
    return Counter({"metadata endpoint": looks, "token endpoint": counts.token_requests, "API": counts.calls - looks})


async def meet(fault: Fault, place: Place, wires: Wires) -> Met:
    """Break what ``fault`` says, call, mend it, and call again."""
    met = Met()
    async with _no_descriptor_left(met):
        settings = _settings(fault, place, wires)
        async with place.client(settings) as client:
            own, client.client.timeout = client.client.timeout, FAR  # Only for the fault itself, time is to run out.
            if fault.warm:
                assert (await client.get(PRODUCT)).status_code == 200
                if fault.where == "token endpoint":
                    _forget_the_token(place, settings)
            place.admin.reset_counts()
            _strike(fault, place, wires)
            client.client.timeout = own
            met.ended = await _call(place, client)
            met.during, met.looks = place.admin.counts(), _looks(place)
            met.busy = _busy(client)

            _mend(place, wires)
            place.admin.reset_counts()
            client.client.timeout = FAR
            _be_patient(place.provider(settings))
            met.recovered = await _call(place, client)
            met.after, met.looks_after = place.admin.counts(), _looks(place)
            met.busy += _busy(client)
    return met


def _settings(fault: Fault, place: Place, wires: Wires) -> ClientSettings:
    path = f"/v3.8{place.base_url.partition('/v3.8')[2]}"
    server = f"https://127.0.0.1:{wires.token.port}{path}"
    found = {"discovery": server} if fault.where == "metadata endpoint" else {"token_url": f"{server}/oauth2/token"}
    return place.settings(base_url=f"https://127.0.0.1:{wires.api.port}{path}", hold_back=0, **found, **fault.limits)


def _forget_the_token(place: Place, settings: ClientSettings) -> None:
    provider = place.provider(settings)
    provider.use(provider.endpoint)


def _be_patient(provider: Any) -> None:
    provider.deadline = FAR
    provider.endpoint = replace(provider.endpoint, timeout=FAR)


def _strike(fault: Fault, place: Place, wires: Wires) -> None:
    if fault.trouble:
        (wires.api if fault.where == "API" else wires.token).trouble = fault.trouble
    else:
        admin = place.admin
        fails = {"metadata endpoint": admin.fail_metadata, "token endpoint": admin.fail_tokens, "API": admin.fail_api}
        fails[fault.where](fault.name, times=fault.times, **fault.options)


def _mend(place: Place, wires: Wires) -> None:
    wires.calm()
    place.admin.clear_faults()
    place.admin.release()


async def _call(place: Place, client: Caller) -> str:
    with does_not_hang():
        try:
            return str((await client.get(PRODUCT)).status_code)
        except (place.world.library.TransportError, ssl.SSLError) as error:
            _check(error, place)
            return type(error).__name__


def _check(error: Any, place: Place) -> None:
    assert_silent(error, [place.account.client_secret])
    if isinstance(error, TokenError):
        assert error.client == "shop"
        assert error.url
        assert error.url.endswith("/oauth2/token") or isinstance(error, DiscoveryError) or METADATA in error.url
        assert all(part in str(error) for part in [error.message, "client 'shop'", error.url, error.remedy])


def _busy(client: Caller) -> list[str]:
    pool = client.client._transport.inner._pool
    return [repr(connection) for connection in pool.connections if not (connection.is_idle() or connection.is_closed())]


@contextlib.asynccontextmanager
async def _no_descriptor_left(met: Met) -> AsyncGenerator[None]:
    before = _descriptors()
    yield
    with contextlib.suppress(TimeoutError):
        await until(lambda: _descriptors() <= before, patience=5)
    met.left_open = _descriptors() - before


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - it is no folder of ours, and the count is all
