"""A client that is opened for one command, with what the doctor and ``prio token`` need to see of it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..build import client_options, pipeline_for
from ..clients.face import face
from ..errors import ConfigurationError

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
        ConfigurationError: the settings cannot be used: a certificate, a key or a package is missing or wrong.
    """

    def __init__(self, settings: ClientSettings) -> None:
        made = face(settings)
        self.library: Any = made.AuthTransport.library
        try:
            self.bare = self.library.Client(**client_options(settings, self.library))
            self.client = made.client(settings=settings)
        except ImportError as error:  # HTTP/2 and SOCKS need packages of their own.
            problem = str(error)
        else:
            self._transport = made.AuthTransport(_Through(self.bare), pipeline=pipeline_for(settings), name=settings.name)
            return
        raise ConfigurationError(problem, client=settings.name, remedy="Install it, or leave the setting out.")

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
