"""What an application does before its first customer: find mistakes in the settings, and fetch tokens."""

from __future__ import annotations

import logging
from typing import Any

from ..build import client_options, pipeline_for
from ..errors import ConfigurationError, PrioError, TokenEndpointUnavailableError
from ..settings import ClientSettings, Settings
from ..tokens.shared.threads import no_threads
from .opening import face, open_client

logger = logging.getLogger("prio_middleware")


def check(settings: Settings) -> ConfigurationError | None:
    """What keeps a client from being made. No connection is opened, and nothing is kept that a fork would share."""
    try:
        for client in settings.clients.values():
            open_client(client).close()
    except ConfigurationError as error:
        return error.copy()
    return None


def fetch_tokens(settings: Settings) -> PrioError | None:
    """Have a token ready for every client.

    A token endpoint that cannot be reached just now is logged, and keeps no application from starting: it may be back when
    the first customer comes.

    Returns:
        Why the application must not start: credentials that are refused, say.
    """
    # One after the other, without threads: a server that forks next could copy a lock of the TLS library which a thread,
    # in ending, still holds.
    failures = [failure for failure in map(_authenticate, settings.clients.values()) if failure]
    lasting = [failure for failure in failures if not isinstance(failure, TokenEndpointUnavailableError)]
    if lasting:
        return lasting[0]
    for failure in failures:
        logger.warning("The application starts without a token: %s", failure, extra={"client": failure.client})
    return None


def _authenticate(settings: ClientSettings) -> PrioError | None:
    transport = face(settings).AuthTransport
    try:
        with no_threads(), transport.library.Client(**client_options(settings, transport.library)) as client:
            transport(_Route(client), pipeline=pipeline_for(settings), name=settings.name).authenticate()
    except PrioError as error:
        return error.copy()
    return None


class _Route:
    """An ordinary client as a transport: it knows the way, through the environment's proxies too."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def handle_request(self, request: Any) -> Any:
        return self._client.send(request, stream=True)
