"""How a client is, judged from what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import ClientErrors, Condition, Store

if TYPE_CHECKING:
    from ..readiness import ClientReadiness

NEARLY = 0.8
"""The part of the 4xx budget from which on it is worth a warning."""


def condition(state: ClientReadiness, errors: ClientErrors, store: Store | None = None) -> Condition:
    """The worst there is to say of a client."""
    if not state.ready:
        later = "No other fetch is made for the moment." if state.held_back else "The next call tries again."
        return Condition("bad", f"No token can be had: {state.failure}. {later}")
    if state.failure:
        kept = "The token is still good" if is_usable(state) else "There is no token"
        return Condition("warn", f"{kept}, and the last fetch failed: {state.failure}.")
    if errors.limit and errors.last_minute >= NEARLY * errors.limit:
        return Condition("warn", f"{errors.last_minute} of {errors.limit} answers 4xx in the last minute.")
    if store and store.reachable is False:
        return Condition("warn", f"The shared store does not answer: {store.last_failure}. This process fetches for itself.")
    return _well(state)


def is_usable(state: ClientReadiness) -> bool:
    """A token is there and has not expired."""
    return state.expires_in is not None and state.expires_in > 0


def _well(state: ClientReadiness) -> Condition:
    if is_usable(state):
        return Condition("good", "A token is there.")
    if state.expires_in is not None:
        return Condition("idle", "The token has expired, and nobody has needed another.")
    if state.source is None:
        return Condition("idle", "Its tokens come from a provider that says nothing of them.")
    return Condition("idle", "No token yet: the first call fetches one.")
