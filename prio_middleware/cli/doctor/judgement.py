"""What is to be thought of what was seen. No I/O."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import PrioError
from ..answer import Said
from ..durations import duration
from ..settings_shown import Row, by_key
from .greeting import Greeting
from .steps import Finding, Status

if TYPE_CHECKING:
    from ...tokens.token import AccessToken

DAY = 86_400.0

CERTIFICATE_WARNING = 14 * DAY
"""Seconds before a certificate expires from which on it is worth a word: authorities renew earlier."""

CLOCK_WARNING = 5.0
"""Seconds that clocks may differ. The Date header has whole seconds, and answers take their time."""

ASSERTION_LIMIT = 30.0
"""Seconds that clocks may differ where the client signs assertions, which are good for 60 s (RFC 7523 §3)."""


def judge_settings(rows: Sequence[Row], notes: Sequence[str]) -> Finding:
    """What the settings are, and what was said about them while they were loaded."""
    lines = tuple((row.setting, row.comment) for row in rows)
    given = sum(row.is_given for row in rows)
    summary = f"{given} given, the others are defaults."
    if notes:
        return Finding(Status.WARN, f"{summary} {' '.join(notes)}", None, by_key(rows), lines)
    return Finding(Status.OK, summary, None, by_key(rows), lines)


def judge_error(error: PrioError) -> Finding:
    """What an error of the tree says."""
    facts = {
        "code": error.code,
        "status_code": error.status_code,
        "error_reference": error.error_reference,
        "retry_after": error.retry_after,
        "url": error.url,
    }
    quote = f" (error_reference {error.error_reference})" if error.error_reference else ""
    known = {name: value for name, value in facts.items() if value is not None}
    return Finding(Status.FAIL, f"{error.message.strip()}{quote}", error.remedy, known)


def judge_tls(greeting: Greeting) -> Finding:
    """Whether the connection is encrypted, and for how long that lasts."""
    if greeting.tls is None:
        return Finding(Status.WARN, "Plain HTTP, as loopback_http_hosts allows.", "Only for test servers on this machine.")
    spoken = f"{greeting.tls}, {greeting.http}"
    facts: dict[str, object] = {"tls": greeting.tls, "http": greeting.http}
    if greeting.expires is None:
        return Finding(Status.OK, f"{spoken}.", facts=facts)
    left = greeting.expires - greeting.local
    until = datetime.datetime.fromtimestamp(greeting.expires, datetime.UTC).date().isoformat()
    facts["certificate_expires"] = until
    summary = f"{spoken}; the certificate is good until {until} ({left / DAY:,.0f} days)."
    if left < CERTIFICATE_WARNING:
        return Finding(Status.WARN, summary, "The server's operator has to renew the certificate soon: tell them.", facts)
    return Finding(Status.OK, summary, facts=facts)


def judge_clock(greeting: Greeting, *, signs: bool) -> Finding:
    """How far this machine's clock is from the server's.

    Args:
        greeting: what both said.
        signs: the client signs assertions, which a server refuses where clocks differ.
    """
    if greeting.date is None:
        return Finding(Status.SKIP, "Not known: the server's answer has no date.")
    ahead = greeting.local - (greeting.date + 0.5)  # The header leaves out fractions.
    facts = {"ahead_seconds": round(ahead, 1)}
    if abs(ahead) <= CLOCK_WARNING:
        return Finding(Status.OK, "This machine's clock and the server's agree.", facts=facts)
    summary = f"This machine's clock is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the server's."
    refused = signs and abs(ahead) > ASSERTION_LIMIT
    return Finding(Status.FAIL if refused else Status.WARN, summary, "Have this machine's clock set by NTP.", facts)


def judge_token(token: AccessToken, asked: str | None) -> Finding:
    """What came of the token request.

    Args:
        token: what came back.
        asked: the scopes that were asked for.
    """
    lasts = "does not expire" if math.isinf(token.lifetime) else f"is good for {duration(token.lifetime)}"
    facts: dict[str, object] = {"token_type": token.token_type, "scope": token.scope}
    if not math.isinf(token.lifetime):
        facts["lifetime"] = round(token.lifetime)
    summary = f"A {token.token_type} token that {lasts}."
    missing = [] if token.scope is None else sorted(set((asked or "").split()) - set(token.scope.split()))
    if missing:
        remedy = "Calls that need them will be refused: ask the API's operator to grant them to this client."
        return Finding(Status.WARN, f"{summary} These scopes were not granted: {', '.join(missing)}.", remedy, facts)
    return Finding(Status.OK, summary, facts=facts)


def judge_call(said: Said) -> Finding:
    """What came of a call with a token."""
    facts = {name: value for name, value in (("status_code", said.status_code), *said.named().items()) if value is not None}
    if said.status_code < 300:
        return Finding(Status.OK, f"{said}.", facts=facts)
    status = Status.WARN if said.status_code < 400 else Status.FAIL
    return Finding(status, f"{said}.", _call_remedy(said.status_code), facts)


def _call_remedy(status_code: int) -> str:
    if status_code < 400:
        return "The call is redirected: check base_url, or name a call that is not with --path."
    if status_code in {400, 401, 403}:
        return "The token is in order, the call is refused: ask the API's operator whether this client may make it."
    if status_code in {404, 405}:
        return "Check base_url, or name a call that exists with --path."
    if status_code == 429:
        return "Too many requests: wait a minute. The limits are counted for all that call from this address."
    return "The server has a problem of its own: try again later, and quote the reference to its operator."
