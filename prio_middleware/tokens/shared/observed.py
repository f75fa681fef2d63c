"""Operations of a shared store, recorded as metrics."""

from __future__ import annotations

from ...telemetry import metrics, names
from ...telemetry.providers import telemetry
from ...telemetry.tally import LEDGER
from .report import Observer, OperationSeen


def observer(client: str) -> Observer:
    """Records how long each operation took that was made for ``client``, and what it failed with."""

    def observe(seen: OperationSeen) -> None:
        tally = LEDGER.of(client)
        # The type alone: what follows it may be any code that a server makes up.
        failed = {} if seen.failure is None else {names.ERROR_TYPE: seen.failure.partition(" ")[0]}
        labels = {names.STORE_OPERATION: seen.operation, **failed}
        metrics.of(telemetry(), tally).record_store(seen.seconds, tally, labels)

    return observe
