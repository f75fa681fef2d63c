"""What is recorded of a request that was refused here, and not sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import PolicyError, PrioError, TokenError
from .log import log

if TYPE_CHECKING:
    from .tally import Tally


def note_rejection(error: PrioError, tally: Tally, client: str) -> None:
    """Count and log that a request was refused, if that is what ``error`` means."""
    reason = rejection(error)
    if reason is None:
        return
    tally.note_rejected(reason)
    # The hold-back itself was logged when it began: under load, each call that meets it would be another line.
    level = logging.DEBUG if reason == "held_back" else logging.WARNING
    log(
        level, "A request of the client %r was refused here. %s", client, error, event="rejection", client=client, reason=reason
    )


def rejection(error: PrioError) -> str | None:
    """Why the request was refused here; None: it was not, or there was no token to be had for it."""
    if isinstance(error, PolicyError):
        return error.reason
    return "held_back" if isinstance(error, TokenError) and error.held_back else None
