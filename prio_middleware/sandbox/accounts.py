"""Who may use the sandbox: client accounts, and the scopes they may ask for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

_PREFIX = "https://www.prioticketapis.com/auth/distributor"

BOOKING = f"{_PREFIX}.booking"
PRODUCTS = f"{_PREFIX}.products.readonly"
RESERVATIONS = f"{_PREFIX}.reservations"
BOOKINGS = f"{_PREFIX}.bookings"
BOOKING_DETAILS = f"{_PREFIX}.bookings.details"
REPORTING = f"{_PREFIX}/reporting"

ALL_SCOPES = (BOOKING, PRODUCTS, RESERVATIONS, BOOKINGS, BOOKING_DETAILS, REPORTING)


def new_secret() -> str:
    """A random secret with the characters that careless encoding spoils."""
    return f"{secrets.token_urlsafe(12)}@!#$%25+:{secrets.token_urlsafe(12)}"


@dataclass(frozen=True, slots=True)
class Account:
    """A client of the sandbox.

    Attributes:
        client_id: its identifier; at Prio often an e-mail address.
        client_secret: its secret; random unless given.
        scopes: what it may ask for, and what it gets where it asks for nothing.
        public_key: the PEM or JWK text that its signed assertions are checked with (RFC 7523); None where it sends none.
    """

    client_id: str
    client_secret: str = field(default_factory=new_secret, repr=False)
    scopes: tuple[str, ...] = ALL_SCOPES
    public_key: str | None = None


def default_accounts() -> tuple[Account, ...]:
    """Three accounts: one that may do everything, a second one like it, and one that may only look at products."""
    return (
        Account("tickets@canal-cruises.example"),
        Account("berlin@canal-cruises.example"),
        Account("catalogue@reseller.example", scopes=(PRODUCTS,)),
    )
