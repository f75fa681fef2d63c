"""Everything a running sandbox knows. Each part guards itself: requests and the admin interface may use it from any thread."""

from __future__ import annotations

import secrets

from .accounts import Account
from .booking import Bookings
from .client_auth import Assertions
from .clock import Clock, Pauses
from .counts import Tally
from .fault_plan import FaultPlan
from .faults import API_FAULTS, METADATA_FAULTS, TOKEN_FAULTS
from .limits import Limits
from .options import SandboxOptions
from .tokens import Tokens


class State:
    """The sandbox's state.

    Attributes:
        options: how it behaves now; replaced as a whole.
        accounts: by client id; replaced as a whole.
        clock: the time that tokens, reservations and limits go by.
        admin_key: what opens the admin interface over HTTP.
    """

    def __init__(self, options: SandboxOptions, clock: Clock) -> None:
        self._initial = options
        self.options = options
        self.accounts = _by_id(options)
        self.clock = clock
        self.pauses = Pauses()
        self.tokens = Tokens()
        self.assertions = Assertions()
        self.limits = Limits()
        self.tally = Tally()
        self.token_faults = FaultPlan(TOKEN_FAULTS)
        self.metadata_faults = FaultPlan(METADATA_FAULTS)
        self.api_faults = FaultPlan(API_FAULTS)
        self.bookings = Bookings()
        self.admin_key = secrets.token_urlsafe(24)

    def reset(self) -> None:
        """Be as at the start; only the clock does not go back."""
        self.options = self._initial
        self.accounts = _by_id(self._initial)
        self.token_faults.clear()
        self.metadata_faults.clear()
        self.api_faults.clear()
        self.tokens.reset()
        self.bookings.reset()
        self.limits.reset()
        self.tally.reset()
        self.pauses.release()


def _by_id(options: SandboxOptions) -> dict[str, Account]:
    return {account.client_id: account for account in options.accounts}
