"""Verdicts of `prio check` on the results of its probes, without I/O; and the steps for one server."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from .._util.origins import DEFAULT_PORTS, Origin, parse_origin
from ..errors import PrioError
from .arguments import duration
from .check_probes import CheckFinding, CheckStatus, FirstResponse, Hop, Step, connect, first_hop, first_response, resolve
from .response import ApiMessage
from .settings_shown import Row, by_key

if TYPE_CHECKING:
    from ..oauth.access_token import AccessToken
    from ..settings import ClientSettings
    from .command_client import CommandClient

DAY = 86_400.0
CERTIFICATE_WARNING = 14 * DAY  # Seconds before a certificate's expiry at which a warning begins: authorities renew earlier.
CLOCK_WARNING = 5.0  # Seconds of tolerated clock difference. The Date header has whole seconds, and responses take time.
ASSERTION_LIMIT = 30.0  # The same if the client signs assertions, which are valid for 60 s (RFC 7523 §3).


def judge_settings(rows: Sequence[Row], warnings: Sequence[str]) -> CheckFinding:
    """Return the finding for the settings, with the warnings logged while they were loaded."""
    status = CheckStatus.WARN if warnings else CheckStatus.OK
    summary = " ".join([f"{sum(row.is_given for row in rows)} set, all others are defaults.", *warnings])
    return CheckFinding(status, summary, None, by_key(rows), tuple((row.setting, row.comment) for row in rows))


def judge_error(error: PrioError) -> CheckFinding:
    """Return the finding for an error of this package."""
    facts = _known(error, "code", "status_code", "error_reference", "retry_after", "url")
    quote = f" (error_reference {error.error_reference})" if error.error_reference else ""
    return CheckFinding(CheckStatus.FAIL, f"{error.message.strip()}{quote}", error.remedy, facts)


def _known(source: object, *names: str) -> dict[str, object]:
    return {name: value for name in names if (value := getattr(source, name)) is not None}


def judge_tls(seen: FirstResponse) -> CheckFinding:
    """Return the finding for encryption and certificate."""
    if seen.tls is None:
        return CheckFinding(
            CheckStatus.WARN, "Plain HTTP, allowed by loopback_http_hosts.", "Use it for test servers on this machine only."
        )
    versions = f"{seen.tls}, {seen.http}"
    facts: dict[str, object] = {"tls": seen.tls, "http": seen.http}
    if seen.expires is None:
        return CheckFinding(CheckStatus.OK, f"{versions}.", facts=facts)
    left = seen.expires - seen.local
    until = datetime.datetime.fromtimestamp(seen.expires, datetime.UTC).date().isoformat()
    facts["certificate_expires"] = until
    summary = f"{versions}; the certificate is valid until {until} ({left / DAY:,.0f} days)."
    if left < CERTIFICATE_WARNING:
        return CheckFinding(CheckStatus.WARN, summary, "Ask the server's operator to renew the certificate soon.", facts)
    return CheckFinding(CheckStatus.OK, summary, facts=facts)


def judge_clock(seen: FirstResponse, *, signs: bool) -> CheckFinding:
    """Return the finding for the clocks' difference. It is a failure if the client signs assertions, which need the time."""
    if seen.date is None:
        return CheckFinding(CheckStatus.SKIP, "Unknown: the server's response has no date.")
    ahead = seen.local - (seen.date + 0.5)  # The header has no fractions.
    facts = {"ahead_seconds": round(ahead, 1)}
    if abs(ahead) <= CLOCK_WARNING:
        return CheckFinding(CheckStatus.OK, "This machine's clock and the server's agree.", facts=facts)
    summary = f"This machine's clock is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the server's."
    status = CheckStatus.FAIL if signs and abs(ahead) > ASSERTION_LIMIT else CheckStatus.WARN
    return CheckFinding(status, summary, "Synchronize this machine's clock by NTP.", facts)


def judge_token(token: AccessToken, requested: str | None) -> CheckFinding:
    """Return the finding for a token and the requested scopes."""
    life = "does not expire" if math.isinf(token.lifetime) else f"is valid for {duration(token.lifetime)}"
    facts: dict[str, object] = {"token_type": token.token_type, "scope": token.scope}
    if not math.isinf(token.lifetime):
        facts["lifetime"] = round(token.lifetime)
    summary = f"A {token.token_type} token that {life}."
    missing = [] if token.scope is None else sorted(set((requested or "").split()) - set(token.scope.split()))
    if missing:
        remedy = "Ask the API's operator to grant them to this client. Calls that need them will be rejected."
        return CheckFinding(CheckStatus.WARN, f"{summary} Scopes not granted: {', '.join(missing)}.", remedy, facts)
    return CheckFinding(CheckStatus.OK, summary, facts=facts)


def judge_call(message: ApiMessage) -> CheckFinding:
    """Return the finding for a call with a token."""
    facts = _known(message, "status_code", "code", "message", "error_reference", "retry_after", "location")
    if message.reason:
        facts["reason"] = message.reason.message
    if message.status_code < 300:
        return CheckFinding(CheckStatus.OK, f"{message}.", facts=facts)
    status = CheckStatus.WARN if message.status_code < 400 else CheckStatus.FAIL
    return CheckFinding(status, f"{message}.", _call_remedy(message.status_code), facts)


def _call_remedy(status_code: int) -> str:
    if status_code < 400:
        return "The call is redirected: check base_url, or name another call with --path."
    if status_code in {400, 401, 403}:
        return "The token is valid, but the API rejects the call: ask its operator if this client may make it."
    if status_code in {404, 405}:
        return "Check base_url, or name an existing call with --path."
    if status_code == 429:
        return "Too many requests: wait a minute. The limits apply to all clients at this IP address together."
    return "The server failed: try again later, and quote the reference to its operator."


class ServerSteps:
    """Steps for one server, after the step ``after``. ``url`` is requested without a token."""

    def __init__(self, client: CommandClient, settings: ClientSettings, url: str, after: Step) -> None:
        origin = origin_of(url)
        hop = first_hop(client.routes, origin)
        signs = settings.client_auth == "private_key_jwt"
        seen: list[FirstResponse] = []

        def check_tls() -> CheckFinding:
            found = first_response(client.plain, client.library, url)
            if isinstance(found, CheckFinding):
                return found
            seen.append(found)
            return judge_tls(found)

        itself = str(Hop(origin.host, origin.port or DEFAULT_PORTS[origin.scheme]))
        self.dns = Step("dns", lambda: resolve(hop), str(hop), (after,))
        self.tcp = Step("tcp", lambda: connect(hop, settings.connect_timeout), str(hop), (self.dns,))
        self.tls = Step("tls", check_tls, itself, (self.tcp,))
        self.clock = Step("clock", lambda: judge_clock(seen[0], signs=signs), itself, (self.tls,))


def origin_of(url: str) -> Origin:
    """Return the origin of a URL that the settings have checked."""
    return cast("Origin", parse_origin(url))
