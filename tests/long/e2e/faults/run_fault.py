"""A call during a fault, and one after it."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from prio_middleware import DiscoveryError, TokenError, build
from prio_middleware.sandbox import Counts
from prio_middleware.settings import ClientSettings
from tests.long.e2e.client_kind import FAR, PRODUCT, ClientKind, does_not_hang, until
from tests.long.e2e.faults.table import Fault, Where
from tests.long.e2e.faults.wire import Wire
from tests.long.e2e.leak import assert_silent
from tests.transports.library_privates import connections_in_use, transport_of
from tests.transports.matrix import Caller

METADATA = "/.well-known/"
TRIES = 10


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
class FaultRun:
    """Result of :func:`run_fault`.

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

    def says_nothing(self, fault: Fault) -> bool:
        """Return whether time ran out before the fault was run: a busy machine may shake hands for longer than that."""
        is_early = _arrived(self.during, self.looks).total() < fault.arrived + fault.others
        has_no_token = fault.where == "API" and self.ended == "TokenEndpointUnavailableError"
        return bool(fault.limits) and (is_early or has_no_token)

    def complaints(self, fault: Fault) -> list[str]:
        """Return the differences from the expectations of ``fault``."""
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


def _looks(kind: ClientKind) -> int:
    """Requests for metadata. One that has no answer is in no count by route."""
    return sum(seen.route.startswith(METADATA) for seen in kind.admin.requests())


def _arrived(counts: Counts, looks: int) -> Counter[Where]:
    """Requests by where they arrived."""
    return Counter({"metadata endpoint": looks, "token endpoint": counts.token_requests, "API": counts.calls - looks})


async def run_fault_in_time(fault: Fault, kind: ClientKind, wires: Wires) -> FaultRun:
    """Do :func:`run_fault`, and again if that says nothing."""
    for _ in range(TRIES - 1):
        run = await run_fault(fault, kind, wires)
        if not run.says_nothing(fault):
            return run
        build.forget()
        kind.admin.reset()
    return await run_fault(fault, kind, wires)


async def run_fault(fault: Fault, kind: ClientKind, wires: Wires) -> FaultRun:
    """Break what ``fault`` says, call, mend it, and call again."""
    run = FaultRun()
    async with no_descriptor_left(run):
        settings = _settings(fault, kind, wires)
        async with kind.client(settings) as client:
            own, client.client.timeout = client.client.timeout, FAR  # Only for the fault itself, time is to run out.
            if fault.warm:
                await _warm_up(fault, client, kind.provider(settings))
            kind.admin.reset_counts()
            _strike(fault, kind, wires)
            client.client.timeout = own
            run.ended = await _call(kind, client)
            run.during, run.looks = kind.admin.counts(), _looks(kind)
            run.busy = _busy(client)

            _mend(kind, wires)
            kind.admin.reset_counts()
            client.client.timeout = FAR
            _be_patient(kind.provider(settings))
            run.recovered = await _call(kind, client)
            run.after, run.looks_after = kind.admin.counts(), _looks(kind)
            run.busy += _busy(client)
    return run


def _settings(fault: Fault, kind: ClientKind, wires: Wires) -> ClientSettings:
    path = f"/v3.8{kind.base_url.partition('/v3.8')[2]}"
    server = f"https://127.0.0.1:{wires.token.port}{path}"
    found = (
        {"issuer": server, "discovery": True} if fault.where == "metadata endpoint" else {"token_url": f"{server}/oauth2/token"}
    )
    return kind.settings(base_url=f"https://127.0.0.1:{wires.api.port}{path}", failure_cooldown=0, **found, **fault.limits)


async def _warm_up(fault: Fault, client: Caller, provider: Any) -> None:
    """Open a connection and fetch a token without a deadline. A fault of the token endpoint needs the token dropped again."""
    deadline, endpoint = provider.deadline_seconds, provider.endpoint
    _be_patient(provider)
    assert (await client.get(PRODUCT)).status_code == 200
    if fault.where == "token endpoint":
        provider.deadline_seconds = deadline
        provider.replace_credentials(endpoint)


def _be_patient(provider: Any) -> None:
    """Make the next fetch at once, and give it all the time that it takes. New credentials end the pause after a failure."""
    provider.deadline_seconds = FAR
    if not provider.report().is_usable:
        provider.replace_credentials(replace(provider.endpoint, timeout=FAR))


def _strike(fault: Fault, kind: ClientKind, wires: Wires) -> None:
    if fault.trouble:
        (wires.api if fault.where == "API" else wires.token).trouble = fault.trouble
    else:
        admin = kind.admin
        fails = {"metadata endpoint": admin.fail_metadata, "token endpoint": admin.fail_tokens, "API": admin.fail_api}
        fails[fault.where](fault.name, times=fault.times, **fault.options)


def _mend(kind: ClientKind, wires: Wires) -> None:
    wires.calm()
    kind.admin.clear_faults()
    kind.admin.release()


async def _call(kind: ClientKind, client: Caller) -> str:
    with does_not_hang():
        try:
            return str((await client.get(PRODUCT)).status_code)
        except (kind.matrix.library.TransportError, ssl.SSLError) as error:
            _check(error, kind)
            return type(error).__name__


def _check(error: Any, kind: ClientKind) -> None:
    assert_silent(error, [kind.account.client_secret])
    if isinstance(error, TokenError):
        assert error.client == "shop"
        assert error.url
        assert error.url.endswith("/oauth2/token") or isinstance(error, DiscoveryError) or METADATA in error.url
        assert all(part in str(error) for part in [error.message, "client 'shop'", error.url, error.remedy])


def _busy(client: Caller) -> list[str]:
    return connections_in_use(transport_of(client.client).inner)


@contextlib.asynccontextmanager
async def no_descriptor_left(run: FaultRun) -> AsyncGenerator[None]:
    """Count the descriptors that are open after the block, and were not before."""
    before = _descriptors()
    yield
    with contextlib.suppress(TimeoutError):
        await until(lambda: _descriptors() <= before, patience=5)
    run.left_open = _descriptors() - before


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - only the count is needed
