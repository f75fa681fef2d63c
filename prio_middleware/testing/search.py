"""How long a secret, and how long a part of it, has to be for a text that repeats it to be a leak."""

from __future__ import annotations

from collections.abc import Iterable

from ..traces import Traces

SHORTEST = 8
"""Characters of a secret that is looked for. Shorter ones are found everywhere."""

PART = 16
"""Characters of a secret in a row that count as a leak, also where the rest is cut off."""


def traces_of(secrets: Iterable[str]) -> Traces:
    """What gives ``secrets`` away in what a test logs, traces and writes."""
    return Traces((secret for secret in secrets if len(secret) >= SHORTEST), PART)
