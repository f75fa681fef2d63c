"""Every fault of the table, for every kind of client: the expected end, and as if nothing had been once it is over."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from prio_middleware.sandbox import API_FAULTS, METADATA_FAULTS, TOKEN_FAULTS, Sandbox
from tests.e2e.faults.meeting import Wires, meet
from tests.e2e.faults.table import FAULTS, Fault
from tests.e2e.place import OVER_TLS, Place

pytestmark = pytest.mark.anyio

LEFT_HALF_SENT = "ignore:Async generator 'httpx2?._content.ByteStream:ResourceWarning"
"""The libraries leave their own generator of a request's body where sending failed; trio's garbage collection complains."""


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
@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.filterwarnings(LEFT_HALF_SENT)
async def test_a_fault_and_what_comes_after(place: Place, fault: Fault, wires: Wires) -> None:
    assert (await meet(fault, place, wires)).complaints(fault) == []
    if fault.trouble and fault.trouble.direction == "up":
        gc.collect()
