"""The assertion that no secret and no token appeared in logs, spans or output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pytest
from opentelemetry import trace

from ..secret import Secret
from .logs import LogKeeper
from .output import OutputKeeper
from .search import traces_of

if TYPE_CHECKING:
    from .spans import SpanKeeper


class NoSecrets:
    """Knows the secrets and tokens that came up since the fixture was set up, and what was logged, traced and written.

    - Secrets: whatever was put into a :class:`Secret` (every client secret, key and token is), the sandbox's accounts and the
      tokens that it issued, to other processes too, and what :meth:`watch` was told. Those shorter than eight characters are
      not looked for.
    - Logs: every logger that propagates, at DEBUG, with arguments, extras and tracebacks.
    - Spans: those of OpenTelemetry's SDK, if its tracer provider is set when the test begins.
    - Output: standard output and error, as pytest captures them. What a test has read from there itself, it can hand in.

    They are looked for in every form that :mod:`prio_middleware.traces` knows, encoded or hashed; sixteen characters in a row
    will do.

    Args:
        capture: pytest's fixture that captures the test's output.
        issued: gives further secrets, those that somebody else made meanwhile; it is asked at every look.
    """

    def __init__(self, capture: pytest.CaptureFixture[Any], issued: Callable[[], Iterable[str]] = tuple) -> None:
        self._secrets: dict[str, None] = {}
        self._issued = issued
        self._patch = pytest.MonkeyPatch()
        self._logs = LogKeeper()
        self._output = OutputKeeper(capture)
        self._spans = _span_keeper()

    def watch(self, *secrets: str) -> None:
        """Look for these too."""
        self._secrets |= dict.fromkeys(secrets)

    def __call__(self, *texts: object) -> None:
        """Look now: at everything so far, and at ``texts``.

        Raises:
            AssertionError: a secret appeared. It says where, and does not repeat it.
        """
        __tracebackhide__ = True
        self.watch(*self._issued())
        traces = traces_of(list(self._secrets))
        leaks = [place for place, text in self._places(texts) if traces.find(text)]
        assert not leaks, f"A secret or a token appeared in {', '.join(leaks)}."  # noqa: S101 - that is what it is for

    def __enter__(self) -> Self:
        known, make = self._secrets, Secret.__init__

        def make_and_note(secret: Secret, text: str) -> None:
            make(secret, text)
            known[text] = None

        self._patch.setattr(Secret, "__init__", make_and_note)
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


def _span_keeper() -> SpanKeeper | None:
    """What keeps the spans of this process, if there is anything that makes them."""
    provider: Any = trace.get_tracer_provider()
    if not hasattr(provider, "add_span_processor"):
        return None
    from .spans import keeper_of

    return keeper_of(provider)
