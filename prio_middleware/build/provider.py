"""The token provider that the settings describe, with credentials that may change in their file."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..secret import Secret
from ..settings import ClientSettings
from ..settings.secret_files import read_secret_file
from ..tokens.client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost, PrivateKeyJWT
from ..tokens.discovery import Discovery
from ..tokens.endpoint import TokenEndpoint
from ..tokens.expiry import ExpiryPolicy
from ..tokens.metadata import Issuer
from ..tokens.provider import ClientCredentialsProvider
from ..tokens.token import TokenOptions
from .rotation import RotatingCredentials
from .sharing import build_shared_tokens


def build_provider(settings: ClientSettings) -> ClientCredentialsProvider:
    """A new token provider for ``settings``.

    Raises:
        ConfigurationError: the credentials cannot be used.
    """
    endpoint = _endpoint(settings, settings.private_key or settings.client_secret or Secret(""))
    params = tuple((name, value.reveal()) for name, value in settings.params)
    return ClientCredentialsProvider(
        endpoint,
        defaults=TokenOptions(settings.scope, settings.audience, settings.resource, params),
        refresh=settings.refresh,
        deadline=settings.token_deadline,
        hold_back=settings.hold_back,
        loopback_http_hosts=settings.loopback_http_hosts,
        discovery=_discovery(settings),
        renewal=_renewal(settings, endpoint),
        shared=build_shared_tokens(settings),
    )


def _endpoint(settings: ClientSettings, secret: Secret) -> TokenEndpoint:
    return TokenEndpoint(
        url=settings.discovery or settings.token_url,
        auth=_client_auth(settings, secret),
        body_format=settings.body_format,
        timeout=settings.token_timeout,
        expiry=ExpiryPolicy(
            settings.default_lifetime,
            settings.max_lifetime,
            settings.leeway_fraction,
            settings.leeway_max,
            settings.leeway_jitter,
        ),
        client=settings.name,
    )


def _client_auth(settings: ClientSettings, secret: Secret) -> ClientAuth:
    if settings.client_auth == "private_key_jwt":
        audience = settings.assertion_audience or settings.issuer or settings.discovery
        return PrivateKeyJWT(settings.client_id, secret, settings.algorithm, settings.key_id, audience)
    if settings.client_auth == "client_secret_post":
        return ClientSecretPost(settings.client_id, secret)
    return ClientSecretBasic(settings.client_id, secret, settings.basic_encoding)


def _discovery(settings: ClientSettings) -> Discovery | None:
    if settings.discovery is None:
        return None
    return Discovery(Issuer(settings.discovery, settings.allowed_token_origins, settings.loopback_http_hosts))


def _renewal(settings: ClientSettings, endpoint: TokenEndpoint) -> RotatingCredentials | None:
    path = settings.private_key_file or settings.client_secret_file
    if path is None:
        return None

    def load() -> TokenEndpoint | ConfigurationError:
        secret = read_secret_file(path)
        if isinstance(secret, str):
            return ConfigurationError(secret, client=settings.name)
        try:
            return _endpoint(settings, secret)
        except ConfigurationError as error:
            return error.copy(client=settings.name)

    return RotatingCredentials(path, load, endpoint)
