"""The spans that end while a test runs. Needs OpenTelemetry's SDK, and is loaded only where that makes spans."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider


class SpanKeeper(SpanProcessor):
    """Keeps the spans that end between :meth:`start` and :meth:`stop`."""

    def __init__(self) -> None:
        self._keeping = False
        self._spans: list[ReadableSpan] = []

    def start(self) -> None:
        """Keep spans from now on."""
        self._keeping = True

    def stop(self) -> None:
        """Keep no more, and forget those that were kept."""
        self._keeping = False
        self._spans.clear()

    def on_end(self, span: ReadableSpan) -> None:
        """Keep ``span``."""
        if self._keeping:
            self._spans.append(span)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Each span: where it is to be found, and all that it says."""
        return ((f"the span {span.name!r}", span.to_json(indent=0)) for span in list(self._spans))


_keepers: WeakKeyDictionary[TracerProvider, SpanKeeper] = WeakKeyDictionary()


def keeper_of(provider: TracerProvider) -> SpanKeeper:
    """The keeper for a provider's spans: one for each provider, for none can be taken away from it again."""
    if provider not in _keepers:
        _keepers[provider] = SpanKeeper()
        provider.add_span_processor(_keepers[provider])
    return _keepers[provider]
