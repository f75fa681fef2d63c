"""What a customer is told where Prio refuses or does not answer."""

from __future__ import annotations

import logging

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from .models import Problem

# Not httpx.TransportError: a TokenError is one, and PrioMiddleware answers that with 503 and Retry-After.
SILENCE = (httpx.TimeoutException, httpx.NetworkError, httpx.ProtocolError)

logger = logging.getLogger("shop")


def add_exception_handlers(app: FastAPI) -> None:
    """Answer for what the path operations leave."""
    app.exception_handler(httpx.HTTPStatusError)(refused)
    for error in SILENCE:
        app.exception_handler(error)(unanswered)


async def refused(_request: Request, error: httpx.HTTPStatusError) -> JSONResponse:
    """Hand on what is the customer's to know: there is no such thing, or it is sold out."""
    if error.response.status_code in {400, 404, 409}:
        return _answer(error.response.status_code, error.response.json()["error_message"])
    return _apology(error)


async def unanswered(_request: Request, error: httpx.TransportError) -> JSONResponse:
    """Prio is not there."""
    return _apology(error)


def _apology(error: httpx.HTTPError) -> JSONResponse:
    logger.error("%s", error)
    return _answer(502, "The ticket office does not answer as it should.")


def _answer(status: int, message: str) -> JSONResponse:
    return JSONResponse(Problem(message=message).model_dump(), status)
