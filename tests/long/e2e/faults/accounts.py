"""Faults of accounts and of static headers: a broken resolver, hostile names, spoilt files. Other accounts are undisturbed."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from prio_middleware import AccountCredentials, ConfigurationError, build, token_extensions
from prio_middleware.sandbox import Account
from prio_middleware.settings import ClientSettings
from tests.long.e2e.client_kind import FAR, PRODUCT, SOON, ClientKind, does_not_hang
from tests.long.e2e.faults.run_fault import FaultRun, Wires, no_descriptor_left, run_fault_in_time
from tests.long.e2e.faults.table import MIB, Fault
from tests.long.e2e.leak import assert_silent
from tests.transports.matrix import Caller

SECRET = "s3cret-of-an-account"
KEY = "k3y-of-the-supplier"
MANY = 10_000
LONGEST_ERROR = 1000
"""Characters."""

MOST_MIB = 32
"""Memory in MiB by which the process may grow. Ten thousand accounts that were kept would take twice that."""

RESOLVER = [
    Fault("resolver", "raises", ("TokenEndpointUnavailableError",), others=2),
    Fault("resolver", "hangs", ("TokenEndpointUnavailableError",), others=2, limits=SOON),
    Fault("resolver", "another account's credentials", ("TokenEndpointUnavailableError",), others=2),
    Fault("resolver", "no credentials", ("TokenEndpointUnavailableError",), others=2),
    Fault("resolver", "an empty client id", ("TokenEndpointUnavailableError",), others=2),
    Fault("resolver", "a line break in the secret", ("TokenEndpointUnavailableError",), others=2),
    Fault("resolver", "the wrong secret", ("CredentialsRefusedError",), arrived=2, others=3),
    Fault("resolver", "no such account", ("UnknownAccountError",), others=2),
]
"""Others are the calls of two other accounts. After wrong credentials, there is a token request, and another question."""

NAMES: dict[str, list[str]] = {
    "empty": [""],
    "1 MiB long": ["x" * MIB],
    "control characters": ["ber\nlin", "ber\rlin", "\x00", "ber\x1blin", "ber\u2028lin", "\ud800"],
    "10,000 that do not exist": [f"nobody-{number}" for number in range(MANY)],
}
HOSTILE_NAMES = [
    Fault("account name", name, ("UnknownAccountError",), arrived=MANY if len(names) == MANY else 0, others=2)
    for name, names in NAMES.items()
]

FILES = {
    "empty": "",
    "an empty key": "X-Api-Key:\n",
    "a line break in a value": f"X-Api-Key: {KEY[:8]}\n{KEY[8:]}\n",
    "a control character in a value": f"X-Api-Key: {KEY}\x07\n",
}
SPOILT_FILES = [
    *(Fault("headers file", name, ("ConfigurationError",), arrived=0) for name in FILES),
    *(Fault("headers file", f"{name}, later", ("200",), arrived=0, others=1) for name in FILES),
]

ACCOUNT_FAULTS = [*RESOLVER, *HOSTILE_NAMES, *SPOILT_FILES]


class Resolver:
    """Resolver with accounts of the sandbox, to be broken.

    Attributes:
        fault: the name of a fault; None if it works.
        asked: the number of its calls.
        goes_on: ends the fault "hangs".
    """

    def __init__(self) -> None:
        self.fault: str | None = None
        self.asked = 0
        self.goes_on = threading.Event()

    def __call__(self, name: str) -> Any:
        self.asked += 1
        fault = self.fault if name != "paris" else None
        if fault == "hangs":
            self.goes_on.wait(FAR)
        if fault in {"raises", "hangs"}:
            raise LookupError(f"no row: {SECRET}")
        return ANSWERS[fault](name) if fault else _credentials(name)

    async def awaiting(self, name: str) -> Any:
        """Do the same for an async client."""
        if self.fault == "hangs" and name != "paris":
            self.asked += 1
            await anyio.sleep(FAR)
        await anyio.lowlevel.checkpoint()
        return self(name)


def _credentials(name: str) -> AccountCredentials | None:
    return AccountCredentials(name, f"{name}@example.com", SECRET) if name in {"berlin", "paris"} else None


ANSWERS: dict[str, Callable[[str], Any]] = {
    "another account's credentials": lambda _: _credentials("paris"),
    "no credentials": lambda name: {"account": name, "client_secret": SECRET},
    "an empty client id": lambda name: AccountCredentials(name, "", SECRET),
    "a line break in the secret": lambda name: AccountCredentials(name, f"{name}@example.com", f"{SECRET}\n"),
    "the wrong secret": lambda name: AccountCredentials(name, f"{name}@example.com", SECRET[:-1]),
    "no such account": lambda _: None,
}


@dataclass(slots=True)
class AccountRun(FaultRun):
    """Result of :func:`run_account_fault`.

    Attributes:
        asked: calls of the resolver while the fault was on.
        beside: results of the calls of other accounts meanwhile.
        grown_mib: growth of the process, in MiB.
    """

    asked: int = 0
    beside: list[str] = field(default_factory=list)
    grown_mib: float = 0.0

    def complaints(self, fault: Fault) -> list[str]:
        """Return the differences from the expectations of ``fault``."""
        arrived = self.during.calls + self.during.token_requests
        found = {
            f"ended with {self.ended}": self.ended in fault.ends,
            f"{self.asked} calls there and {arrived} requests, not {fault.arrived} and {fault.others}": (self.asked, arrived)
            == (fault.arrived, fault.others),
            f"other accounts: {self.beside}": all(result == "200" for result in self.beside),
            f"then {self.recovered}": self.recovered == "200",
            "a call without its token": self.during.calls_without_token + self.after.calls_without_token == 0,
            f"{self.left_open} descriptors left open": self.left_open <= 0,
            f"grew by {self.grown_mib:.0f} MiB": self.grown_mib <= MOST_MIB,
        }
        return [complaint for complaint, is_fine in found.items() if not is_fine]


async def run_row(fault: Fault, kind: ClientKind, wires: Wires, folder: Path) -> FaultRun:
    """Run any row of the table. ``folder`` is for its files."""
    if fault.where == "headers file":
        return await run_file_fault(fault, kind, folder)
    if fault.where in {"resolver", "account name"}:
        return await run_account_fault(fault, kind)
    return await run_fault_in_time(fault, kind, wires)


async def run_account_fault(fault: Fault, kind: ClientKind) -> AccountRun:
    """Call as an account whose resolver is broken, or whose name is hostile, and as others. Mend it, and call again."""
    run, resolver = AccountRun(), Resolver()
    for name in ("berlin", "paris"):
        kind.admin.put_account(Account(f"{name}@example.com", SECRET))
    settings = kind.settings(client_auth="client_secret_basic", **fault.limits)
    async with no_descriptor_left(run):
        accounts = resolver if kind.matrix.is_sync else resolver.awaiting
        async with kind.client(settings, accounts=accounts, timeout=FAR) as client:
            for account in ("paris", None):
                assert await _call(kind, client, account) == "200"
            kind.admin.reset_counts()
            resolver.fault, resolver.asked = fault.name if fault.where == "resolver" else None, 0
            before = _mebibytes()
            names = NAMES.get(fault.name, ["berlin"])
            # To search an error takes longer than the call: of ten thousand, one in a hundred is searched.
            results = {await _call(kind, client, name, is_searched=turn % 100 == 0) for turn, name in enumerate(names)}
            run.ended, run.asked, run.grown_mib = " ".join(sorted(results)), resolver.asked, _mebibytes() - before
            run.beside = [await _call(kind, client, account) for account in ("paris", None)]
            run.during = kind.admin.counts()
            resolver.fault = None
            resolver.goes_on.set()
            kind.admin.reset_counts()
            run.recovered = await _recovered(kind, client)
            run.after = kind.admin.counts()
    return run


async def run_file_fault(fault: Fault, kind: ClientKind, folder: Path) -> AccountRun:
    """Open a client with a spoilt file of headers, or spoil it later. Mend it, and call again."""
    run, file = AccountRun(), folder / "headers"
    name, _, later = fault.name.partition(", ")
    _write(file, f"X-Api-Key: {KEY}\n")
    settings = kind.settings(headers_file=file)
    async with no_descriptor_left(run):
        if later:
            async with kind.client(settings, timeout=FAR) as client:
                assert await _call(kind, client, None) == "200"
                kind.admin.reset_counts()
                _write(file, FILES[name])
                await anyio.sleep(1.1)  # The file is looked at once in a second.
                run.ended = await _call(kind, client, None)
        else:
            _write(file, FILES[name])
            run.ended = await _opened(kind, settings)
        run.during = kind.admin.counts()
        _write(file, f"X-Api-Key: {KEY}-2\n")
        build.forget()
        kind.admin.reset_counts()
        async with kind.client(settings, timeout=FAR) as client:
            run.recovered = await _call(kind, client, None)
        run.after = kind.admin.counts()
    return run


async def _opened(kind: ClientKind, settings: ClientSettings) -> str:
    try:
        async with kind.client(settings):
            return "opened"
    except ConfigurationError as error:
        assert_silent(error, [KEY, KEY[:8], KEY[8:]])
        return type(error).__name__


async def _recovered(kind: ClientKind, client: Caller) -> str:
    """Return the result of the account's next call, after the pause that a failed fetch is followed by."""
    result = "none"
    with anyio.move_on_after(FAR):
        while True:
            if (result := await _call(kind, client, "berlin")) == "200":
                break
            await anyio.sleep(0.1)
    return result


async def _call(kind: ClientKind, client: Caller, account: str | None, *, is_searched: bool = True) -> str:
    options = {} if account is None else {"extensions": token_extensions(account=account)}
    with does_not_hang():
        try:
            return str((await client.get(PRODUCT, **options)).status_code)
        except kind.matrix.library.TransportError as error:
            if is_searched:
                assert_silent(error, [SECRET, SECRET[:-1]])
            return type(error).__name__ if len(str(error)) < LONGEST_ERROR else f"an error of {len(str(error))} characters"


def _write(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(file)


def _mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
