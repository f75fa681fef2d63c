"""One line for each fetch, re-authentication, hold-back and refusal, with the same facts as ``extra``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.context import Context

logger = logging.getLogger("prio_middleware")


def log(level: int, message: str, *values: object, context: Context | None = None, **facts: Any) -> None:
    """Log a line in ``context``, so that what exports it knows the span.

    An application that set up no logging is not written to: what went wrong is raised, too.
    """
    if not (logger.isEnabledFor(level) and logger.hasHandlers()):
        return
    if context is None:
        logger.log(level, message, *values, extra=facts, stacklevel=2)
        return
    from .providers import attached

    with attached(context):
        logger.log(level, message, *values, extra=facts, stacklevel=2)
