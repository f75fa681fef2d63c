"""HTTP clients of one command: the configured client, and one without a token."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..build import client_options
from ..transports.routes import Routes, find_routes, transport_of
from ..web.clients import library_module, open_client

if TYPE_CHECKING:
    from .._util.secret import Secret
    from ..oauth.access_token import AccessToken
    from ..settings import ClientSettings


class CommandClient(AbstractContextManager["CommandClient"]):
    """Clients for the servers of one configured client, with its TLS, timeouts and proxies (``routes``).

    ``client`` is the configured one. ``plain`` is one of the same ``library`` whose requests carry no token. Raise
    ConfigurationError if the settings cannot be used: a certificate or a package is missing, or a key does not match.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self.client: Any = open_client(settings)
        self._transport: Any = transport_of(self.client)
        self.library: Any = library_module(settings).AuthTransport.library
        options = client_options(settings, self.library)
        routes = find_routes(self.library, options, client=settings.name, api=settings.base_url)
        assert isinstance(routes, Routes)  # noqa: S101 - open_client() accepted the same options.
        self.routes = routes
        transports = routes.wrapped(lambda transport: transport)
        self.plain: Any = self.library.Client(**transports, timeout=options["timeout"], trust_env=settings.trust_env)

    def authenticate(self) -> AccessToken:
        """Return the client's token, cached or from the token endpoint, or raise TokenError."""
        token: AccessToken = self._transport.authenticate()
        return token

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The credentials and tokens: no output repeats them if a server echoes them."""
        given = (self._settings.client_secret, self._settings.private_key)
        return (*(secret for secret in given if secret), *self._transport.pipeline.recent_secrets())

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.plain.close()
