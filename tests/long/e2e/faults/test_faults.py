"""Every fault of the table, and the call after it. ``make faults`` lets every kind of client meet every one of them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from prio_middleware.sandbox import API_FAULTS, METADATA_FAULTS, TOKEN_FAULTS, Sandbox
from tests.long.e2e.client_kind import OVER_TLS, ClientKind
from tests.long.e2e.faults.accounts import ACCOUNT_FAULTS, run_row
from tests.long.e2e.faults.run_fault import Wires
from tests.long.e2e.faults.table import FAULTS, Fault

pytestmark = pytest.mark.anyio

LEFT_HALF_SENT = "ignore:Async generator 'httpx2?._content.ByteStream:ResourceWarning"
"""The libraries leave their own generator of a request's body where sending failed; trio's garbage collection complains."""


FAULT_RUNS = [
    pytest.param(kind, fault, id=f"{fault}-{kind}")
    for turn, fault in enumerate([*FAULTS, *ACCOUNT_FAULTS])
    for kind in (OVER_TLS if fault.trouble else [OVER_TLS[turn % len(OVER_TLS)]])
]
"""Each spoilt answer meets one kind of client, in turn: all judge answers by the same code. Faults on the wire meet all six."""


@pytest.fixture(scope="module")
def laid(_served: Sandbox) -> Iterator[Wires]:
    with Wires.to(_served.url) as wires:
        yield wires


@pytest.fixture
def wires(laid: Wires) -> Iterator[Wires]:
    yield laid
    laid.calm()


def test_the_table_knows_every_fault_of_the_sandbox() -> None:
    named = {(fault.where, fault.name) for fault in FAULTS if fault.trouble is None}

    known = {"metadata endpoint": METADATA_FAULTS, "token endpoint": TOKEN_FAULTS, "API": API_FAULTS}
    assert named == {(where, name) for where, names in known.items() for name in names}


@pytest.mark.pitfall(id="odd-answers")
@pytest.mark.pitfall(id="no-timeout")
@pytest.mark.parametrize(("kind", "fault"), FAULT_RUNS, indirect=["kind"])
@pytest.mark.filterwarnings(LEFT_HALF_SENT)
async def test_a_fault_and_what_comes_after(kind: ClientKind, fault: Fault, wires: Wires, tmp_path: Path) -> None:
    assert (await run_row(fault, kind, wires, tmp_path)).complaints(fault) == []
    if fault.trouble and fault.trouble.direction == "up":
        gc.collect()
