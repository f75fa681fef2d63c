"""The admin interface's operations on the state of one sandbox: by name, with arguments and results that JSON can hold."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from .fault_plan import FaultOptions
from .names import unknown
from .options import account_from_json
from .state import State


class Operations:
    """What :class:`.Admin` can ask for: its documentation is there.

    Args:
        state: the sandbox's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def revoke(self, client_id: str | None = None) -> int:
        return self._state.tokens.revoke(client_id)

    def expire(self, client_id: str | None = None) -> int:
        return self._state.tokens.expire(self._state.clock(), client_id)

    def tokens(self) -> list[str]:
        return self._state.tokens.texts()

    def configure(self, **changes: object) -> None:
        self._state.options = self._state.options.replace(changes)

    def put_account(self, account: Mapping[str, Any]) -> None:
        added = account_from_json(account)
        self._state.accounts = {**self._state.accounts, added.client_id: added}

    def set_secret(self, client_id: str, client_secret: str) -> None:
        account = self._state.accounts.get(client_id)
        if account is None:
            raise unknown("account", client_id, self._state.accounts)
        changed = dataclasses.replace(account, client_secret=client_secret)
        self._state.accounts = {**self._state.accounts, client_id: changed}

    def fail_tokens(self, fault: str, times: int | None, options: Mapping[str, Any]) -> None:
        self._state.token_faults.add(fault, FaultOptions(**options), times)

    def fail_metadata(self, fault: str, times: int | None, path: str, options: Mapping[str, Any]) -> None:
        self._state.metadata_faults.add(fault, FaultOptions(**options), times, path)

    def fail_api(self, fault: str, times: int | None, path: str, options: Mapping[str, Any]) -> None:
        self._state.api_faults.add(fault, FaultOptions(**options), times, path)

    def clear_faults(self) -> None:
        self._state.token_faults.clear()
        self._state.metadata_faults.clear()
        self._state.api_faults.clear()

    def release(self) -> None:
        self._state.pauses.release()

    def advance(self, seconds: float) -> None:
        self._state.clock.advance(seconds)

    def counts(self) -> dict[str, Any]:
        refusals = self._state.limits.refusals(self._state.clock())
        return dataclasses.asdict(self._state.tally.counts(refusals))

    def requests(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(seen) for seen in self._state.tally.requests()]

    def token_requests(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(seen) for seen in self._state.tally.token_requests()]

    def reset_counts(self) -> None:
        self._state.tally.reset()
        self._state.limits.reset()

    def reset(self) -> None:
        self._state.reset()


_NAMES = [name for name in vars(Operations) if not name.startswith("_")]


def perform(operations: Operations, name: str, arguments: object) -> Any:
    """Do what the admin interface asks for.

    Raises:
        ConfigurationError: there is no such operation, or its arguments do not fit.
    """
    if name not in _NAMES:
        raise unknown("operation", name, _NAMES)
    operation = getattr(operations, name)
    if not isinstance(arguments, dict) or not _fits(inspect.signature(operation), arguments):
        raise ConfigurationError(f"The sandbox cannot do {name!r} with these arguments.", remedy="Compare them with Admin's.")
    return operation(**arguments)


def answer(operations: Operations, name: str, arguments: object) -> dict[str, Any]:
    """What :func:`perform` gives as a document: its ``result``, or the error's ``message`` and ``remedy``."""
    try:
        return {"result": perform(operations, name, arguments)}
    except ConfigurationError as error:
        return refusal(error)


def refusal(error: ConfigurationError) -> dict[str, Any]:
    """An error as a document."""
    return {"message": error.message, "remedy": error.remedy}


def _fits(signature: inspect.Signature, arguments: Mapping[str, Any]) -> bool:
    try:
        signature.bind(**arguments)
    except TypeError:
        return False
    return True
