"""One line for each fetch, re-authentication, hold-back and refusal, with the same facts as ``extra``."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.context import Context

logger = logging.getLogger("prio_middleware")


def log(level: int, message: str, *values: object, context: Context | None = None, **facts: Any) -> None:
    """Log a line in ``context``, so that what exports it knows the span."""
    if not logger.isEnabledFor(level):
        return
    if context is None:
        logger.log(level, message, *values, extra=facts, stacklevel=2)
        return
    from .providers import attached

    with attached(context):
        logger.log(level, message, *values, extra=facts, stacklevel=2)


@contextmanager
def without_events() -> Generator[None]:
    """Write none of these lines: for programs that show in their own way what happens. Warnings of other kinds remain."""
    logger.addFilter(_is_no_event)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_event)


def _is_no_event(record: logging.LogRecord) -> bool:
    return not hasattr(record, "event")
