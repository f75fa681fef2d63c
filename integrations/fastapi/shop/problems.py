"""Responses to the customer if Prio rejects a call or does not respond."""

from __future__ import annotations

import logging

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from .models import Problem

# Not httpx.TransportError: a TokenError is one too, and PrioMiddleware returns 503 with Retry-After for it.
SILENCE = (httpx.TimeoutException, httpx.NetworkError, httpx.ProtocolError)

logger = logging.getLogger("shop")


def add_exception_handlers(app: FastAPI) -> None:
    """Handle the errors that path operations raise."""
    app.exception_handler(httpx.HTTPStatusError)(rejected)
    for error in SILENCE:
        app.exception_handler(error)(unanswered)


async def rejected(_request: Request, error: httpx.HTTPStatusError) -> JSONResponse:
    """Return the message of a 400, 404 or 409. Any other error is the fault of the shop."""
    if error.response.status_code in {400, 404, 409}:
        return _answer(error.response.status_code, error.response.json()["error_message"])
    return _apology(error)


async def unanswered(_request: Request, error: httpx.TransportError) -> JSONResponse:
    """Return 502, because Prio did not respond."""
    return _apology(error)


def _apology(error: httpx.HTTPError) -> JSONResponse:
    logger.error("%s", error)
    return _answer(502, "The ticket office does not answer as it should.")


def _answer(status: int, message: str) -> JSONResponse:
    return JSONResponse(Problem(message=message).model_dump(), status)
