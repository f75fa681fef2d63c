"""Token providers from settings, with secret files that are read again when they change."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .._util.file_stamp import file_stamp
from .._util.secret import Secret
from ..errors import ConfigurationError
from ..middleware.static_headers import HeaderPairs, StaticHeaders, parse_headers
from ..oauth.access_token import FIELD_VALUE, ExpiryPolicy, TokenOptions
from ..oauth.accounts import AccountCredentials, AccountResolver, Resolution, ResolverCalls, check_resolver
from ..oauth.cache import TokenCache
from ..oauth.client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost, PrivateKeyJWT
from ..oauth.discovery import Discovery, Issuer
from ..oauth.provider import ClientCredentialsProvider
from ..oauth.static_token import NoTokenProvider, StaticTokenProvider
from ..oauth.token_request import TokenEndpoint
from ..settings import ClientSettings
from ..settings.files import is_pipe, read_secret_file
from ..telemetry.counters import ClientCounters
from ..telemetry.logs import log, log_failure

if TYPE_CHECKING:
    from ..middleware.query_key import QueryKey
    from ..oauth.shared.coordinator import SharedTokens


def _log_loaded(client: str) -> None:
    log(logging.INFO, "The client %r loaded new credentials.", client, event="credentials_loaded", client=client)


T = TypeVar("T")


class RotatingCredentials:
    """Credentials source that reads a secret file again when it has changed.

    Each call costs one ``stat``. If the file cannot be used, because it is being written for example, the credentials stay in
    use, and the next call tries again. A pipe does not show a change, and reading it may block, so it is read with ``force``
    only.

    Args:
        path: the file with the secret or key, or a link to it.
        load: returns an endpoint with the current content of the file, or an error.
        endpoint: the current endpoint.
    """

    def __init__(self, path: Path, load: Callable[[], TokenEndpoint | ConfigurationError], endpoint: TokenEndpoint) -> None:
        self._path = path
        self._load = load
        self._fingerprint = endpoint.auth.fingerprint
        self._stamp = file_stamp(path)

    def __call__(self, *, force: bool) -> TokenEndpoint | None:
        """Return an endpoint with new credentials if the file has changed, else None.

        Args:
            force: read the file even if it seems unchanged.
        """
        stamp = file_stamp(self._path)
        if not force and (stamp == self._stamp or is_pipe(self._path)):
            return None
        loaded = self._load()
        if isinstance(loaded, ConfigurationError):
            if loaded.remedy == loaded.default_remedy:
                loaded = loaded.copy(remedy="Correct the file: it is read again at the next fetch, without a restart.")
            message = "The credentials are kept: the new ones cannot be loaded: %s"
            log_failure(message, loaded, event="credentials_kept", client=loaded.client)
            return None
        self._stamp = stamp
        if loaded.auth.fingerprint == self._fingerprint:
            return None
        self._fingerprint = loaded.auth.fingerprint
        _log_loaded(loaded.client)
        return loaded


def build_token_source(
    settings: ClientSettings, counters: ClientCounters, trust: tuple[str, ...] = ()
) -> ClientCredentialsProvider | StaticTokenProvider:
    """Build the token provider that the settings choose.

    Raises:
        ConfigurationError: the credentials cannot be used.
    """
    if settings.provider == "none":
        return NoTokenProvider(client=settings.name)
    if settings.token_file is None:
        return build_provider(settings, counters, trust)
    path = settings.token_file

    def read() -> Secret | str:
        token = read_secret_file(path)
        if isinstance(token, Secret) and not FIELD_VALUE.fullmatch(token.reveal()):
            return f"{path} contains characters that no header can hold; expected a file that contains only the token"
        return token

    token = read()
    if isinstance(token, str):
        raise ConfigurationError(token, client=settings.name)
    scheme = settings.token_scheme or "Bearer"
    return StaticTokenProvider(token, scheme, changed=_changes(path, read, settings.name), client=settings.name)


def build_static_headers(settings: ClientSettings) -> StaticHeaders:
    """Build the component that adds static headers.

    Raises:
        ConfigurationError: their file cannot be used.
    """
    if (path := settings.headers_file) is None:
        return StaticHeaders(settings.headers, client=settings.name)

    def read() -> HeaderPairs | str:
        secret = read_secret_file(path)
        parsed = secret if isinstance(secret, str) else parse_headers(secret.reveal())
        return f"{path}: {parsed}" if isinstance(parsed, str) and isinstance(secret, Secret) else parsed

    headers = read()
    if isinstance(headers, str):
        raise ConfigurationError(headers, client=settings.name)
    return StaticHeaders(headers, changed=_changes(path, read, settings.name), client=settings.name)


def build_query_key(settings: ClientSettings) -> QueryKey:
    """Build the component that adds the API key to the query.

    Raises:
        ConfigurationError: the key or its file cannot be used.
    """
    from ..middleware.query_key import QueryKey, key_problem  # Most clients have no such key.

    if (path := settings.api_key_file) is None:
        return QueryKey(settings.api_key or "", client=settings.name)

    def read() -> Secret | str:
        key = read_secret_file(path)
        problem = key_problem(key) if isinstance(key, Secret) else None
        return f"{path}: {problem}" if problem else key

    key = read()
    if isinstance(key, str):
        raise ConfigurationError(key, client=settings.name)
    return QueryKey(key, changed=_changes(path, read, settings.name), client=settings.name)


def _changes(path: Path, read: Callable[[], T | str], client: str) -> Callable[[], T | None]:
    """Return a function that returns what ``read`` does whenever the file has changed, else None."""
    seen = [file_stamp(path)]

    def changed() -> T | None:
        stamp = file_stamp(path)
        if stamp == seen[0] or is_pipe(path):
            return None
        found = read()
        if isinstance(found, str):
            message = "The client %r keeps its credentials: the new ones cannot be loaded: %s"
            log_failure(message, client, found, event="credentials_kept", client=client)
            return None
        seen[0] = stamp
        _log_loaded(client)
        return found

    return changed


def build_account_provider(
    settings: ClientSettings,
    account: str,
    resolve: AccountResolver,
    counters: Callable[[], ClientCounters],
    trust: tuple[str, ...] = (),
    calls: ResolverCalls | None = None,
) -> ClientCredentialsProvider:
    """Build the token provider of one account, whose credentials ``resolve`` returns at the first fetch.

    Args:
        settings: the settings of the client that the account is used with.
        account: the account's name.
        resolve: the resolver.
        counters: returns the account's counters.
        trust: as for the client.
        calls: the calls of the resolver that have not ended.
    """
    endpoint = partial(account_endpoint, settings, trust)
    resolution = Resolution(
        account, resolve, endpoint, client=settings.name, counters=counters, ttl=settings.accounts_ttl, calls=calls
    )
    name = f"{settings.name}/{account}"
    unresolved = settings.model_copy(update={"name": name, "private_key_file": None, "client_secret_file": None})
    return build_provider(unresolved, ClientCounters(name), trust, resolution)


def account_endpoint(settings: ClientSettings, trust: tuple[str, ...], found: AccountCredentials) -> TokenEndpoint:
    """Return the token endpoint with the credentials of an account of the client that has these ``settings``."""
    secret = found.client_secret if isinstance(found.client_secret, Secret) else Secret(found.client_secret)
    own = settings.model_copy(update={"client_id": found.client_id, "name": f"{settings.name}/{found.account}"})
    return _endpoint(own, secret, trust)


def load_resolver(path: str, client: str) -> AccountResolver:
    """Return the function that ``path`` names, as ``package.module:function``.

    Raises:
        ConfigurationError: there is no such function, or it cannot be called with a name.
    """
    module, _, function = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        problem = ConfigurationError(
            f"accounts names {path!r}, which cannot be imported ({type(error).__name__}).",
            client=client,
            remedy="Name a function that takes the account's name, as package.module:function.",
        )
    else:
        check_resolver(found, client)
        resolver: AccountResolver = found
        return resolver
    raise problem


def build_provider(
    settings: ClientSettings,
    counters: ClientCounters | None = None,
    trust: tuple[str, ...] = (),
    resolution: Resolution | None = None,
) -> ClientCredentialsProvider:
    """Build a token provider from ``settings`` for clients of that ``trust``.

    Args:
        settings: the settings of one client.
        counters: its counters.
        trust: options of the clients that decide whom they trust.
        resolution: credentials from a resolver, for an account.

    Raises:
        ConfigurationError: the credentials cannot be used.
    """
    files = {"ca_file": settings.ca_file, "cert_file": settings.cert_file}
    trust = (*trust, *(f"{key} {path}" for key, path in files.items() if path))
    endpoint = _endpoint(settings, settings.private_key or settings.client_secret or Secret(""), trust)
    params = tuple((name, value.reveal()) for name, value in settings.params)
    counters = counters or ClientCounters(settings.name)
    return ClientCredentialsProvider(
        endpoint,
        defaults=TokenOptions(settings.scope, settings.audience, settings.resource, params),
        refresh=settings.refresh,
        deadline_seconds=settings.token_deadline,
        failure_cooldown=settings.failure_cooldown,
        loopback_http_hosts=settings.loopback_http_hosts,
        discovery=_discovery(settings),
        credentials_source=_credentials_source(settings, endpoint),
        resolution=resolution,
        renewal_params=tuple((name, value.reveal()) for name, value in settings.renewal_params),
        cache=TokenCache(settings.token_cache_size),
        shared=_shared_tokens(settings, counters),
        counters=counters,
    )


def _shared_tokens(settings: ClientSettings, counters: ClientCounters) -> SharedTokens | None:
    if settings.token_store is None:
        return None
    from .shared_tokens import build_shared_tokens  # Most clients have no store.

    return build_shared_tokens(settings, settings.token_store, counters)


def _endpoint(settings: ClientSettings, secret: Secret, trust: tuple[str, ...]) -> TokenEndpoint:
    return TokenEndpoint(
        url=settings.token_server_url,
        auth=_client_auth(settings, secret),
        body_format=settings.body_format,
        timeout=settings.token_timeout,
        expiry=_expiry_policy(
            settings.default_lifetime,
            settings.max_lifetime,
            settings.leeway_fraction,
            settings.leeway_max,
            settings.leeway_jitter,
        ),
        client=settings.name,
        token_scheme=settings.token_scheme,
        headers=settings.token_headers,
        trust=trust,
    )


_expiry_policy = lru_cache(maxsize=64)(ExpiryPolicy)  # Hundreds of accounts have equal ones.


def _client_auth(settings: ClientSettings, secret: Secret) -> ClientAuth:
    if settings.client_auth == "private_key_jwt":
        audience = settings.assertion_audience or settings.issuer
        return PrivateKeyJWT(settings.client_id, secret, settings.algorithm, settings.key_id, audience)
    if settings.client_auth == "client_secret_post":
        return ClientSecretPost(settings.client_id, secret)
    return ClientSecretBasic(settings.client_id, secret, settings.basic_encoding)


def _discovery(settings: ClientSettings) -> Discovery | None:
    if settings.issuer is None or not settings.discovery:
        return None
    return Discovery(Issuer(settings.issuer, settings.allowed_token_origins, settings.loopback_http_hosts))


def _credentials_source(settings: ClientSettings, endpoint: TokenEndpoint) -> RotatingCredentials | None:
    path = settings.private_key_file or settings.client_secret_file
    if path is None:
        return None

    def load() -> TokenEndpoint | ConfigurationError:
        secret = read_secret_file(path)
        if isinstance(secret, str):
            return ConfigurationError(secret, client=settings.name)
        try:
            return _endpoint(settings, secret, endpoint.trust)
        except ConfigurationError as error:
            return error.copy(client=settings.name)

    return RotatingCredentials(path, load, endpoint)
