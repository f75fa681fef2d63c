"""A client that is opened for one command, with what the doctor and ``prio token`` need to see of it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..build import client_options, pipeline_for
from ..clients.opening import face, open_client

if TYPE_CHECKING:
    from ..settings import ClientSettings
    from ..tokens.token import AccessToken


class Route:
    """The way to one client's servers, with the client's TLS, timeouts and proxies.

    Args:
        settings: of the client.

    Attributes:
        library: ``httpx`` or ``httpx2``.
        bare: an ordinary client of that library: what it sends has no token.
        client: the configured client.

    Raises:
        ConfigurationError: the settings cannot be used: a certificate or a package is missing, a key does not fit.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.client: Any = open_client(settings)
        transport: Any = face(settings).AuthTransport
        self.library: Any = transport.library
        self.bare: Any = self.library.Client(**client_options(settings, self.library))
        self._transport = transport(_Through(self.bare), pipeline=pipeline_for(settings), name=settings.name)

    def authenticate(self) -> AccessToken:
        """The client's token, from its provider or from the server.

        Raises:
            TokenError: none can be had.
        """
        token: AccessToken = self._transport.authenticate()
        return token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.client.close()
        self.bare.close()


class _Through:
    """An ordinary client as a transport: it chooses the way, the environment's proxies included, as the configured one does."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def handle_request(self, request: Any) -> Any:
        return self._client.send(request, stream=True)
