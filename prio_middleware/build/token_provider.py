"""Token providers from settings, with secret files that are read again when they change."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

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


T = TypeVar("T")


class RotatedFile(Generic[T]):
    """Credentials from a file, which is read again when it has changed.

    Each look costs one ``stat``. If the new content cannot be used, because it is being written for example, the credentials
    stay in use, and the next look tries again. A pipe does not show a change, and reading it may block, so it is read with
    ``force`` only.

    Args:
        path: the file, or a link to it.
        make: returns the credentials for the file's content. It raises a :class:`ConfigurationError` if it cannot be used.
        client: the configured name of the client, for errors and logs.
        content: the content that is in use; default: it is still to be read.
    """

    def __init__(self, path: Path, make: Callable[[Secret], T], client: str, content: Secret | None = None) -> None:
        self._path = path
        self._make = make
        self._client = client
        self._content = content
        self._stamp = file_stamp(path)

    def read(self) -> T:
        """Return the credentials in the file.

        Raises:
            ConfigurationError: the file cannot be read, or its content cannot be used.
        """
        content = read_secret_file(self._path)
        if isinstance(content, str):
            raise ConfigurationError(content, client=self._client)
        made = self._make(content)
        self._content = content
        return made

    def __call__(self, *, force: bool = False) -> T | None:
        """Return the new credentials if the content has changed, else None. With ``force``, read the file in any case."""
        stamp, before = file_stamp(self._path), self._content
        if not force and (stamp == self._stamp or is_pipe(self._path)):
            return None
        try:
            made = self.read()
        except ConfigurationError as error:
            problem = error.copy(client=self._client)
            if problem.remedy == problem.default_remedy:
                problem = problem.copy(remedy="Correct the file: it is read again without a restart.")
            message = "The credentials are kept: the new ones cannot be loaded: %s"
            log_failure(message, problem, event="credentials_kept", client=self._client)
            return None
        self._stamp = stamp
        if self._content == before:
            return None
        message = "The client %r loaded new credentials."
        log(logging.INFO, message, self._client, event="credentials_loaded", client=self._client)
        return made


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

    def make(token: Secret) -> Secret:
        if not FIELD_VALUE.fullmatch(token.reveal()):
            raise ConfigurationError(
                f"{path} contains characters that no header can hold; expected a file that contains only the token"
            )
        return token

    file = RotatedFile(path, make, settings.name)
    return StaticTokenProvider(file.read(), settings.token_scheme or "Bearer", changed=file, client=settings.name)


def build_static_headers(settings: ClientSettings) -> StaticHeaders:
    """Build the component that adds static headers.

    Raises:
        ConfigurationError: their file cannot be used.
    """
    path = settings.headers_file
    if path is None:
        return StaticHeaders(settings.headers, client=settings.name)

    def make(content: Secret) -> HeaderPairs:
        headers = parse_headers(content.reveal())
        if isinstance(headers, str):
            raise ConfigurationError(f"{path}: {headers}")
        return headers

    file = RotatedFile(path, make, settings.name)
    return StaticHeaders(file.read(), changed=file, client=settings.name)


def build_query_key(settings: ClientSettings) -> QueryKey:
    """Build the component that adds the API key to the query.

    Raises:
        ConfigurationError: the key or its file cannot be used.
    """
    from ..middleware.query_key import QueryKey, key_problem  # Most clients have no such key.

    path = settings.api_key_file
    if path is None:
        return QueryKey(settings.api_key or "", client=settings.name)

    def make(key: Secret) -> Secret:
        if problem := key_problem(key):
            raise ConfigurationError(f"{path}: {problem}")
        return key

    file = RotatedFile(path, make, settings.name)
    return QueryKey(file.read(), changed=file, client=settings.name)


def build_account_provider(
    settings: ClientSettings,
    account: str,
    resolve: AccountResolver,
    counters: Callable[[], ClientCounters],
    trust: tuple[str, ...] = (),
    calls: ResolverCalls | None = None,
) -> ClientCredentialsProvider:
    """Build the token provider of one account of the client with these settings. ``resolve`` returns its credentials later.

    ``counters`` returns the account's counters, once it is known to exist.
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
    """Build a token provider from ``settings``, for clients of equal ``trust`` (see :func:`trust_of`).

    For an account, ``resolution`` finds the credentials.

    Raises:
        ConfigurationError: the credentials cannot be used.
    """
    files = {"ca_file": settings.ca_file, "cert_file": settings.cert_file}
    trust = (*trust, *(f"{key} {path}" for key, path in files.items() if path))
    secret = settings.private_key or settings.client_secret or Secret("")
    secret_file = settings.private_key_file or settings.client_secret_file
    endpoint_of = partial(_endpoint, settings, trust=trust)
    counters = counters or ClientCounters(settings.name)
    discovery: Discovery | None = None
    if settings.issuer and settings.discovery:
        discovery = Discovery(Issuer(settings.issuer, settings.allowed_token_origins, settings.loopback_http_hosts))
    shared: SharedTokens | None = None
    if settings.token_store is not None:
        from .shared_tokens import build_shared_tokens  # Most clients have no store.

        shared = build_shared_tokens(settings, settings.token_store, counters)
    return ClientCredentialsProvider(
        endpoint_of(secret),
        defaults=TokenOptions(settings.scope, settings.audience, settings.resource, _revealed(settings.params)),
        refresh=settings.refresh,
        deadline_seconds=settings.token_deadline,
        failure_cooldown=settings.failure_cooldown,
        loopback_http_hosts=settings.loopback_http_hosts,
        discovery=discovery,
        credentials_source=RotatedFile(secret_file, endpoint_of, settings.name, secret) if secret_file else None,
        resolution=resolution,
        renewal_params=_revealed(settings.renewal_params),
        cache=TokenCache(settings.token_cache_size),
        shared=shared,
        counters=counters,
    )


def _revealed(params: Iterable[tuple[str, Secret]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value.reveal()) for name, value in params)


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
