"""`assert_no_secrets`: secrets and tokens in logs, spans and output."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from .._util.secret import Secret
from .._util.secret_matcher import SecretMatcher

SHORTEST = 8  # Length of the shortest secret to search for; shorter ones occur by chance.
PART = 16  # Number of consecutive characters of a secret that count as a leak.


def traces_of(secrets: Iterable[str]) -> SecretMatcher:
    """Return a matcher for ``secrets`` in logs, spans and output."""
    return SecretMatcher((secret for secret in secrets if len(secret) >= SHORTEST), PART)


class LogRecorder(logging.Handler):
    """Recorder of the records of every logger that propagates, at DEBUG."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._level = logging.NOTSET
        self._kept: list[tuple[str, str]] = []

    def start(self) -> None:
        """Start recording."""
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)

    def stop(self) -> None:
        """Stop recording, and restore the level of the root logger."""
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message with its traceback, the arguments and the extras of ``record``."""
        place = f"a record of the logger {record.name!r} ({record.levelname}, {record.filename}:{record.lineno})"
        self._kept.append((place, f"{self.format(record)} {vars(record)}"))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Return the place and text of each record."""
        return iter(list(self._kept))


CAPTURES = ("capfd", "capsys", "capfdbinary", "capsysbinary")
"""pytest's fixtures that capture output. A test can use only one of them."""


class OutputRecorder:
    """Recorder of standard output and error. ``capture`` is one of pytest's fixtures."""

    def __init__(self, capture: pytest.CaptureFixture[Any]) -> None:
        self._capture = capture
        self._kept = ["", ""]

    def stop(self) -> None:
        """Write the captured text again, for pytest's report."""
        for stream, text in zip((sys.stdout, sys.stderr), self._kept, strict=True):
            stream.write(text)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the place and text of each line."""
        for index, more in enumerate(self._capture.readouterr()):
            self._kept[index] += more.decode(errors="replace") if isinstance(more, bytes) else more
        for name, text in zip(("standard output", "standard error"), self._kept, strict=True):
            yield from ((f"line {number} of {name}", line) for number, line in enumerate(text.splitlines(), 1))


class SpanCollector(SpanProcessor):
    """Recorder of spans that end between :meth:`start` and :meth:`stop`."""

    def __init__(self) -> None:
        self._recording = False
        self._spans: list[ReadableSpan] = []

    def start(self) -> None:
        """Start recording."""
        self._recording = True

    def stop(self) -> None:
        """Stop recording, and drop the spans."""
        self._recording = False
        self._spans.clear()

    def on_end(self, span: ReadableSpan) -> None:
        """Keep ``span``."""
        if self._recording:
            self._spans.append(span)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Return the place and text of each span."""
        return ((f"the span {span.name!r}", span.to_json(indent=0)) for span in list(self._spans))


_recorders: WeakKeyDictionary[TracerProvider, SpanCollector] = WeakKeyDictionary()


def recorder_of(provider: TracerProvider) -> SpanCollector:
    """Return the recorder of a provider's spans: one per provider, because a span processor cannot be removed."""
    if provider not in _recorders:
        _recorders[provider] = SpanCollector()
        provider.add_span_processor(_recorders[provider])
    return _recorders[provider]


class NoSecrets:
    """Search for secrets and tokens in logs, spans and output since the fixture was set up.

    - Secrets: the content of every :class:`Secret` (client secrets, keys and tokens), the secrets of the sandbox's accounts,
      the tokens that it issued, also to other processes, and the arguments of :meth:`watch`. Secrets of fewer than eight
      characters are skipped.
    - Logs: every logger that propagates, at DEBUG, with arguments, extras and tracebacks.
    - Spans: those of OpenTelemetry's SDK, if its tracer provider is set when the test begins.
    - Output: standard output and error, as captured by pytest. A test that reads them itself can pass the text.

    The search covers every encoded and hashed form that :mod:`prio_middleware._util.secret_matcher` knows, and sixteen
    consecutive characters count.

    Args:
        capture: pytest's fixture that captures the test's output.
        issued: returns further secrets; called for every search.
    """

    def __init__(self, capture: pytest.CaptureFixture[Any], issued: Callable[[], Iterable[str]] = tuple) -> None:
        self._secrets: dict[str, None] = {}
        self._issued = issued
        self._patch = pytest.MonkeyPatch()
        self._logs = LogRecorder()
        self._output = OutputRecorder(capture)
        provider: Any = trace.get_tracer_provider()
        self._spans = recorder_of(provider) if hasattr(provider, "add_span_processor") else None

    def watch(self, *secrets: str) -> None:
        """Search for these too."""
        self._secrets |= dict.fromkeys(secrets)

    def __call__(self, *texts: object) -> None:
        """Search everything so far, and ``texts``.

        Raises:
            AssertionError: a secret was found. The message names the place, not the secret.
        """
        __tracebackhide__ = True
        self.watch(*self._issued())
        traces = traces_of(list(self._secrets))
        leaks = [place for place, text in self._places(texts) if traces.find(text)]
        assert not leaks, f"A secret or a token appeared in {', '.join(leaks)}."  # noqa: S101 - the purpose of this class

    def __enter__(self) -> Self:
        known, make = self._secrets, Secret.__init__

        def make_and_record(secret: Secret, text: str) -> None:
            make(secret, text)
            known[text] = None

        self._patch.setattr(Secret, "__init__", make_and_record)
        self._logs.start()
        if self._spans:
            self._spans.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._patch.undo()
        self._logs.stop()
        self._output.stop()
        if self._spans:
            self._spans.stop()

    def _places(self, texts: tuple[object, ...]) -> Iterator[tuple[str, str]]:
        yield from self._logs.texts()
        yield from self._output.texts()
        if self._spans:
            yield from self._spans.texts()
        yield from ((f"argument {number}", str(text)) for number, text in enumerate(texts, 1))
