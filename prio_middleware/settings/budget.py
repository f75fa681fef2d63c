"""Settings of the budget guard."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .values import Count, Share


class BudgetGuardTable(BaseModel):
    """The budget guard, which is on where there is such a table: it counts, and refuses where it is asked to."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)

    enforce: bool = False
    """Refuse calls (BudgetExceededError) before a limit would be exceeded. Without it they are counted only,
    which any of these settings is enough for."""

    share: Share = 1.0
    """The part of the limits that one process may spend. The server counts by IP address: four processes that share one have
    0.25 each."""

    client_errors: Count | None = None
    """Answers 4xx that the server takes in a minute, from all processes together. Preset prio: 60."""

    requests: Count | None = None
    """Requests that the server takes in a minute, from all processes together. Preset prio: 1000."""

    in_flight: bool = True
    """Requests under way count as answered with 4xx, so no more can be under way at once than may still be refused. Without it,
    many at once may overshoot the limit."""
