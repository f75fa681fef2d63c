"""The ``Retry-After`` header (RFC 9110 §10.2.3): seconds, or a date."""

from __future__ import annotations

import datetime
import re
import time
from email.utils import parsedate_to_datetime

MAX_WAIT = 86_400.0  # Maximum seconds. A server that sends more than a day means "not soon".

_LONGEST_DATE = 40

# The RFC wants whole seconds; some servers send fractions.
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds to wait, at most ``MAX_WAIT``. None if the header is absent, negative or invalid.

    A date is compared with ``date``, the response's ``Date`` header, because clocks may differ. Without that header, it is
    compared with this machine's clock.
    """
    text = (value or "").strip()[:_LONGEST_DATE]
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_WAIT)
    until = http_date(text)
    if until is None:
        return None
    now = http_date(date)
    return min(max(until - (time.time() if now is None else now), 0.0), MAX_WAIT)


def http_date(text: str | None) -> float | None:
    """Return an HTTP date (RFC 9110 §5.6.7) as Unix time, or None if it is none. Dates without a time zone are in UTC."""
    try:
        moment = parsedate_to_datetime((text or "").strip()[:_LONGEST_DATE])
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
