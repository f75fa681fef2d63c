"""Meanings of telemetry's names, and writer of docs/reference/telemetry.md: ``python scripts/telemetry_reference.py``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prio_middleware.telemetry import names
from prio_middleware.telemetry.metrics import BUCKETS
from prio_middleware.telemetry.names import METRICS, SCHEMA_URL, SCOPE

ERROR_TYPES: Final[dict[str, str]] = {
    "invalid_client": "the token endpoint rejects the client's credentials: `invalid_client`, or a 401 without a code",
    "4xx": "the token endpoint answered with another error code or 4xx status; the log has the code",
    "429": "the token endpoint answered 429",
    "5xx": "the server answered 5xx, 408, 425, `server_error` or `temporarily_unavailable`",
    "redirect": "the token endpoint redirects, which is not followed",
    "invalid_response": "the answer holds no usable token, or the metadata no usable token endpoint",
    "timeout": "no whole answer in time",
    "connection_refused": "the host refused the connection",
    "connection_error": "another network error: the connection was reset or closed, or the host or proxy is unreachable",
    "dns_error": "the host name cannot be resolved",
    "tls_error": "TLS failed, or the certificate is not trusted",
    names.UNCHANGED_TOKEN: "the token endpoint returned the token that the API had rejected",
    names.OTHER_ERROR: "an error that is none of these; the log has its text",
    names.CANCELLED: "the caller was cancelled, or the fetch ended with its event loop",
}
"""Values of ``error.type`` and their meanings."""

ATTRIBUTES: Final[dict[str, str]] = {
    names.CLIENT: "the client's name in the settings; metrics report at most `metric_client_limit` names, and further clients "
    "as `_other`",
    names.FETCH_REASON: "`initial`, `expiring`, `rejected` (the API rejected the token) or `forced` (new credentials)",
    names.FETCH_ATTEMPTS: "number of token requests, retries included",
    names.TOKEN_EXPIRES_IN: "lifetime of the new token in seconds",
    names.TOKEN_SOURCE: "`endpoint` (the token endpoint) or `shared` (the shared token store)",
    names.ACQUISITION_OUTCOME: "`cached` (from the cache), `fetched` (by this call), `waited` (for another call's fetch), "
    "`cooling_down` (no token: a fetch failed a moment ago) or `failed`",
    names.REAUTHENTICATION_REASON: "error code of the rejection (RFC 6749 or RFC 6750), else its status",
    names.REAUTHENTICATION_OUTCOME: "`succeeded`, `rejected`, `token_unavailable`, `unchanged`, "
    "`body_not_replayable`, `budget` or `failed`; "
    "`not_attempted` for a 403 without an error code that the rules ignore: the call was not retried",
    names.BLOCK_REASON: (
        "`plain_http`, `unsupported_protocol`, `foreign_origin`, `caller_authorization`, `cooling_down` or `budget`"
    ),
    names.STORE_OPERATION: "`read`, `acquire_lease`, `publish_token`, `publish_error` or `release_lease`",
    names.STORE_OUTCOME: "`hit` (a token was taken from the store), `published` (the store took a token), `not_stored` (the "
    "store did not take a token), `error` (an error of the token endpoint was taken from the store) or `fallback` (a fetch "
    "without the store)",
    names.STATUS: "status of the response; on a span, of the rejection; absent without a response",
    names.ERROR_TYPE: "see [error types](#error-types); absent after a success",
    names.SERVER_ADDRESS: "host of the token endpoint",
    names.SERVER_PORT: "port of the token endpoint",
}
"""Attributes of spans and metrics, and their meanings."""


class SpanKind(NamedTuple):
    """Kind of span: name, meaning and possible attributes."""

    name: str
    meaning: str
    attributes: tuple[str, ...]


SPANS: Final = (
    SpanKind(
        names.FETCH,
        "one fetch of a token, retries and pauses included; its HTTP spans are children. A refresh in the background is a root "
        "span with a link to the call that started it",
        (
            names.CLIENT,
            names.SERVER_ADDRESS,
            names.SERVER_PORT,
            names.FETCH_REASON,
            names.FETCH_ATTEMPTS,
            names.TOKEN_EXPIRES_IN,
            names.TOKEN_SOURCE,
            names.ERROR_TYPE,
        ),
    ),
    SpanKind(
        names.WAIT,
        "a call that waited for another call's fetch, with a link to it",
        (names.CLIENT, names.ERROR_TYPE),
    ),
    SpanKind(
        names.REAUTHENTICATE,
        "re-authentication after a rejected token: the new token and the retry",
        (names.CLIENT, names.STATUS, names.REAUTHENTICATION_REASON, names.REAUTHENTICATION_OUTCOME, names.ERROR_TYPE),
    ),
)


class LogEvent(NamedTuple):
    """Kind of log line.

    Attributes:
        levels: levels of its lines.
        meaning: what it means.
        fields: further fields, without their prefix.
    """

    levels: str
    meaning: str
    fields: tuple[str, ...] = ("client",)


EVENTS: Final[dict[str, LogEvent]] = {
    "token_fetch": LogEvent(
        "INFO; WARNING if it failed, or ended a failure",
        "a fetch of a token ended; the line that ends a failure has `prio_failures`, the number of failed fetches",
        ("client", "reason", "outcome", "attempts", "duration", "source", "failures"),
    ),
    "token_request_failed": LogEvent(
        "WARNING",
        "the first attempt of a fetch failed, and the fetch goes on",
        ("client", "reason", "outcome", "duration"),
    ),
    "failure_cooldown": LogEvent("WARNING", "no token is requested for `prio_duration` seconds", ("client", "duration")),
    "unavailable": LogEvent("WARNING", "an application answered 503, because there was no token or no budget"),
    "reauthentication": LogEvent(
        "INFO; WARNING if it did not help", "the API rejected a token", ("client", "status", "reason", "outcome")
    ),
    "blocked": LogEvent(
        "WARNING; DEBUG for each call during a cool-down", "a request was blocked before it was sent", ("client", "reason")
    ),
    "ignored_403": LogEvent("WARNING", "a 403 without an error code led to no retry", ("client", "status")),
    "caller_authorization": LogEvent(
        "INFO", "a request keeps the caller's own `Authorization`; once for each client", ("client", "url")
    ),
    "redirect_without_token": LogEvent(
        "WARNING", "a call to an allowed origin goes without a token, because its redirect chain left the allowed origins"
    ),
    "inherited_client": LogEvent(
        "WARNING", "a forked child uses a client with open connections of its parent; once for each client and process"
    ),
    "started_without_token": LogEvent("WARNING", "an application started while the token endpoint was unreachable"),
    "no_lifespan": LogEvent("INFO", "an ASGI application has no lifespan of its own", ()),
    "waived_guard": LogEvent("WARNING", "a pipeline leaves out a guard, because `waive` names it"),
    "credentials_loaded": LogEvent("INFO", "new credentials are in use"),
    "credentials_kept": LogEvent("WARNING", "new credentials cannot be loaded, and the old ones stay in use"),
    "certificates_loaded": LogEvent("INFO", "new certificates are in use"),
    "certificates_not_checked": LogEvent("WARNING", "a client was made with `verify=False`", ("client",)),
    "certificates_kept": LogEvent("WARNING", "new certificates cannot be loaded, and the old ones stay in use"),
    "readable_secret_file": LogEvent("WARNING", "other users can read a secret file", ()),
    "short_secret": LogEvent("WARNING", "a client secret is too short to be masked in texts", ("client",)),
    "writable_settings_file": LogEvent("WARNING", "other users can write a settings file", ()),
    "token_endpoint_found": LogEvent("INFO", "discovery found another token endpoint"),
    "odd_expires_in": LogEvent("DEBUG", "the token endpoint's `expires_in` is no number"),
    "store_unavailable": LogEvent("WARNING", "the shared token store does not answer; each process fetches its own token"),
    "store_available": LogEvent(
        "WARNING", "the shared token store answers again, after `prio_failures` failures", ("client", "failures")
    ),
    "store_record_not_used": LogEvent("WARNING", "a record in the shared token store cannot be used"),
    "store_file_not_used": LogEvent("WARNING", "the shared token store's file cannot be used", ()),
}
"""Log events by ``prio_event``."""

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "telemetry.md"

HEAD = f"""\
# Telemetry

This page lists all spans, metrics and attributes. [Observe tokens and calls](../how-to/observe.md) shows how to use them. The
instrumentation scope is `{SCOPE}`, with the library's version and the schema `{SCHEMA_URL}`.

This page is generated from the code by `python scripts/telemetry_reference.py`.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_spans(), *_metrics(), *_attributes(), *_log_events()])


def _spans() -> Iterator[str]:
    yield "## Spans\n"
    yield "All spans have the kind INTERNAL and no events. Failed ones have the status ERROR.\n"
    rows = ((f"`{span.name}`", span.meaning, _names(span.attributes)) for span in SPANS)
    yield from _table(("Name", "Meaning", "Attributes"), rows)


def _metrics() -> Iterator[str]:
    yield "\n## Metrics\n"
    rows = (
        (f"`{metric.name}`", metric.kind, f"`{metric.unit}`", metric.meaning.rstrip("."), _names(metric.attributes))
        for metric in METRICS
    )
    yield from _table(("Name", "Kind", "Unit", "Meaning", "Attributes"), rows)
    yield f"\nThe advised bucket bounds of histograms are {', '.join(f'{bound:g}' for bound in BUCKETS)} seconds.\n"


def _attributes() -> Iterator[str]:
    yield "## Attributes\n"
    yield from _table(("Name", "Meaning"), ((f"`{name}`", meaning) for name, meaning in ATTRIBUTES.items()))
    yield "\n## Error types\n"
    yield "These are all values of `error.type`:\n"
    yield from _table(("Value", "Meaning"), ((f"`{name}`", meaning) for name, meaning in ERROR_TYPES.items()))
    yield ""


def _log_events() -> Iterator[str]:
    yield "## Log events\n"
    yield (
        f"The logger is `{SCOPE}`. A failure is logged when it begins, then at most once a minute for each client, event and\n"
        "outcome: `prio_left_out` is the number of events since the last such line.\n"
    )
    rows = (
        (f"`{name}`", event.levels, event.meaning, _names(f"prio_{field}" for field in event.fields))
        for name, event in EVENTS.items()
    )
    yield from _table(("`prio_event`", "Level", "Meaning", "Further fields"), rows)
    yield ""


def _names(attributes: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in attributes)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
