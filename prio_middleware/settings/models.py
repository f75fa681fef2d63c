"""Models of a client's settings, one for each group: server, credentials, connection and so on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from .._util.redaction import CODE_LIMIT
from ..middleware.budget_guard import WHOLE_BUDGET
from ..oauth.access_token import DEFAULT_LIFETIME, LEEWAY_FRACTION, LEEWAY_JITTER, LEEWAY_MAX, MAX_LIFETIME
from ..oauth.accounts import ACCOUNTS_LIMIT, ACCOUNTS_TTL
from ..oauth.cache import CACHE_LIMIT
from ..oauth.token_request import FAILURE_COOLDOWN, TOKEN_DEADLINE, TOKEN_TIMEOUT
from ..pipeline.exchange import CallerAuthorization
from ..pipeline.registry import BUILT_IN
from ..telemetry.counters import NAMES_LIMIT
from .presets import PRESETS, BasicEncoding, BodyFormat, ClientAuthMethod, EnvironmentName, PresetName
from .token_store import TokenStore
from .values import (
    LISTED,
    AllowedOriginHeaders,
    BaseUrl,
    Count,
    EndpointUrl,
    Fraction,
    HttpOrigins,
    IssuerUrl,
    Items,
    Origins,
    Pairs,
    ReadableFile,
    Scheme,
    Seconds,
    SecondsOrZero,
    SecretLines,
    SecretPairs,
    SecretProxy,
    SecretText,
    SettingsTable,
    Share,
    Text,
    TokenHeaders,
    one_line,
    split_items,
    table_items,
)


def from_preset(key: str) -> Any:
    """Return a field whose default is the preset's value of ``key``."""
    return Field(default_factory=lambda data: getattr(PRESETS[data["preset"]], key))


class PresetBased(SettingsTable):
    """Base of every group of a client's settings: names the preset that their defaults depend on."""

    preset: PresetName = "prio"
    """The kind of server: "prio" for the Prio Distributor API, "rfc6749" for any other OAuth 2.0 server. It sets the defaults
    of other settings."""


class ServerSettings(PresetBased):
    """The API, its token endpoint, and the origins that may receive the token."""

    environment: EnvironmentName | None = None
    """Preset prio: the API's environment. Default: production, unless base_url is set."""

    version: Text | None = None
    """Preset prio: the API's version, as in its URL. Default: the version this release was made for."""

    base_url: BaseUrl = Field(
        default_factory=lambda data: PRESETS[data["preset"]].base_url(data["environment"], data["version"])
    )
    """The API's URL. Relative URLs of calls are joined to it. Preset prio: follows from environment and version."""

    issuer: IssuerUrl | None = None
    """The authorization server's issuer identifier (RFC 8414 §2), exactly as the server spells it. Needs discovery = true, or
    client_auth = "private_key_jwt", where it is the audience of the assertion."""

    discovery: bool = False
    """Read the token endpoint's URL from the issuer's metadata (RFC 8414, or OpenID Connect Discovery) when the first token is
    needed. It needs issuer, and takes the place of token_url. An issuer alone never turns it on."""

    allowed_token_origins: HttpOrigins = ()
    """With discovery: origins (https://host:port), besides the issuer's own, where the token endpoint may be. The client's
    credentials are sent there."""

    token_url: EndpointUrl = Field(
        default_factory=lambda data: "" if data["discovery"] else PRESETS[data["preset"]].token_url(data["base_url"])
    )
    """The token endpoint's URL. Preset prio: /oauth2/token below base_url. Empty with discovery."""

    allowed_origins: Origins = ()
    """Further origins (https://host:port) whose requests carry the token. Requests to the origin of base_url always do. wss://
    is the same origin as https://, and may be written instead."""

    foreign_origins: Literal["without_token", "refuse"] = "without_token"
    """Requests to any other origin: "without_token" sends them without the token and App-* headers, "refuse" raises
    ForeignOriginError."""

    caller_authorization: CallerAuthorization = "keep"
    """Calls that bring their own Authorization header, such as the placeholder key of an SDK: "keep" sends that header and no
    token, "replace" sends the token instead, "refuse" raises CallerAuthorizationError."""

    loopback_http_hosts: Items = ()
    """Loopback hosts (localhost, 127.0.0.1, ::1) that may be reached by plain HTTP, for a test server on this machine. All
    other hosts need HTTPS."""

    @property
    def token_server_url(self) -> str:
        """The token endpoint's URL, or with discovery the issuer."""
        return (self.discovery and self.issuer) or self.token_url


class Application(SettingsTable):
    """The calling application. Only values that are set are sent; nothing is detected automatically."""

    name: Text | None = None
    """App-Name."""

    version: Text | None = None
    """App-Version."""

    flavor: Text | None = None
    """App-Flavor."""

    package_name: Text | None = None
    """App-Package-Name."""

    build_number: Text | None = None
    """App-Build-Number."""

    platform: Text | None = None
    """App-Platform."""

    reference: Text | None = None
    """App-Reference. "uuid" sends a new UUID with each call, as Prio documents it: a unique reference, by which its support
    finds the request. It is in the notes of errors, and an attribute of the current span."""

    machine_id: Text | None = None
    """App-Machine-ID."""

    extra: Pairs = ()
    """Further headers, by the part of their name after "App-"."""


class BudgetGuardTable(SettingsTable):
    """The budget guard: counts requests and 4xx responses of each minute, and can block calls. This table turns it on."""

    enforce: bool = False
    """Raise BudgetExceededError before a call could exceed a limit. Without it, requests and responses are only counted."""

    share: Share = WHOLE_BUDGET
    """The part of the limits that this process may use. The server counts by IP address: four processes behind one address get
    0.25 each."""

    client_errors: Count | None = None
    """4xx responses per minute that the server tolerates from all processes together. Preset prio: 60."""

    requests: Count | None = None
    """Requests per minute that the server accepts from all processes together. Preset prio: 1000."""

    in_flight: bool = True
    """Count requests under way as 4xx responses, so that concurrent requests cannot exceed the limit. Without it, they may."""


class ConnectionSettings(PresetBased):
    """Connections to the API. Each token request opens its own connection with the same options."""

    library: Literal["httpx", "httpx2"] = "httpx"
    """The HTTP library of clients for ASGI, WSGI and Django applications."""

    keep_cookies: bool = False
    """Keep cookies of responses in clients for ASGI, WSGI and Django applications, and send them with later requests. All users
    of the application share these clients, so one user's requests then carry the cookies of another."""

    connect_timeout: Seconds = 10.0
    """Seconds to wait for a connection."""

    read_timeout: Seconds = from_preset("read_timeout")
    """Seconds to wait for the next bytes of a response. Preset prio: 60, because suppliers are slow; preset rfc6749: 30."""

    write_timeout: Seconds = 30.0
    """Seconds to wait until the next bytes of a request are sent."""

    pool_timeout: Seconds = 60.0
    """Seconds to wait for a free connection of the pool."""

    max_connections: Count = 100
    """Maximum number of open connections."""

    max_keepalive_connections: Count = 20
    """Maximum number of idle connections that stay open."""

    keepalive_expiry: Seconds = 5.0
    """Seconds after which an idle connection is closed."""

    http2: bool = False
    """Offer HTTP/2. Needs the HTTP library's extra http2."""

    proxy: SecretProxy | None = None
    """The proxy's URL. It may contain a password, so it is never shown. With it, requests by plain HTTP to a loopback host are
    refused; proxies from the environment are not used for them."""

    trust_env: bool = True
    """Read proxies from HTTPS_PROXY, NO_PROXY and related variables, and certificates from SSL_CERT_FILE and SSL_CERT_DIR."""

    ca_file: ReadableFile | None = None
    """A PEM file with the certificate authorities to trust instead of the default ones. After the file changes, new connections
    use its new content."""

    cert_file: ReadableFile | None = None
    """The client certificate in PEM, for servers that require one. After the file changes, new connections use its new
    content."""

    cert_key_file: ReadableFile | None = None
    """The client certificate's private key in PEM, if cert_file does not contain it."""

    cert_key_password: SecretText | None = None
    """The password of the client certificate's private key."""


SigningAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # fmt: skip


TokenSource = Literal["client_credentials", "static", "none"]


class CredentialSettings(PresetBased):
    """The client's credentials. Named clients inherit the method of authentication, but never an id, a secret or a key."""

    provider: TokenSource = "client_credentials"
    """The source of tokens: "client_credentials" requests them with the credentials (RFC 6749 §4.4); "static" reads one from
    token_file; "none" sends no token, for APIs that authenticate by headers or by a component of your own."""

    token_file: ReadableFile | None = None
    """Provider static: a file that contains only the token. After the file changes, requests carry the new one."""

    headers: AllowedOriginHeaders = ()
    """Headers with static credentials, such as { X-Api-Key = "..." }. Requests to allowed origins carry them, no other request
    does. Their values are masked."""

    headers_file: ReadableFile | None = None
    """A file with such headers, one a line, as Name: value. After the file changes, requests carry the new ones."""

    api_key: SecretText | None = None
    """An API key that requests to allowed origins carry as the query parameter `key`, as version 3.5 of Prio's API requires in
    production. URLs in logs, spans and errors do not contain it."""

    api_key_file: ReadableFile | None = None
    """A file that contains only this key. After the file changes, requests carry the new one."""

    client_id: Text = ""
    """The client's identifier, issued by the server."""

    client_secret: SecretText | None = None
    """The client's secret. Keep it in the environment or in a secret file, not in a file under version control."""

    client_secret_file: Path | None = None
    """A file that contains only the client's secret. Line breaks at its end are ignored."""

    private_key: SecretLines | None = None
    """The key that signs the client's assertions, in PEM or as a JWK."""

    private_key_file: Path | None = None
    """A file that contains the private key."""

    client_auth: ClientAuthMethod = Field(
        default_factory=lambda data: "private_key_jwt" if data["private_key"] else PRESETS[data["preset"]].client_auth
    )
    """The client's authentication method. Default: private_key_jwt with a private key, else client_secret_basic."""

    basic_encoding: BasicEncoding = from_preset("basic_encoding")
    """client_secret_basic: "form" form-encodes id and secret first (RFC 6749 §2.3.1); "raw" does not, as Prio requires."""

    key_id: Text | None = None
    """private_key_jwt: the `kid` in the assertion's header, for servers that know several keys."""

    algorithm: SigningAlgorithm | None = None
    """private_key_jwt: the signature algorithm. Default: the usual one for the type of key."""

    assertion_audience: Text | None = None
    """private_key_jwt: the `aud` of the assertion. Default: issuer if set, else token_url."""


Option = str | int | float | bool | tuple[str | int | float | bool, ...]


class DeclaredComponent(NamedTuple):
    """One component of a declared pipeline: a built-in one, an entry point, or ``package.module:Class``. Options are sorted."""

    use: str
    options: tuple[tuple[str, Option], ...] = ()

    def __repr__(self) -> str:
        """Leave out the options' values: they may be secrets."""
        return f"<DeclaredComponent {self.use} {', '.join(name for name, _ in self.options)}>" if self.options else self.use


def _component(value: object) -> DeclaredComponent:
    if isinstance(value, DeclaredComponent):
        return value
    table = {"use": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(use := table.get("use"), str):
        raise ValueError('expected the name of a component, or a table such as {use = "package.module:Class", option = 1}')
    options = tuple((str(key), _option(table[key])) for key in sorted(table, key=str) if key != "use")
    if use in BUILT_IN and options:
        raise ValueError(f"{use} takes no options here: set them as settings of the client")
    return DeclaredComponent(one_line(use), options)


def _option(value: object) -> Option:
    match value:
        case str() | int() | float():
            return value
        case list() | tuple() if all(isinstance(item, str | int | float) for item in value):
            return tuple(value)
        case _:
            raise ValueError("expected options that are strings, numbers, true or false, or lists of these")


def corrected(declared: Sequence[DeclaredComponent], missing: Iterable[str]) -> str:
    """Return the pipeline as TOML, with the ``missing`` built-in components inserted in the default order."""
    parts = [part for part in declared if part.use not in missing]
    for name in missing:
        later = BUILT_IN[BUILT_IN.index(name) + 1 :]
        place = next((place for place, part in enumerate(parts) if part.use in later), len(parts))
        parts.insert(place, DeclaredComponent(name))
    shown = (f'{{ use = "{part.use}", ... }}' if part.options else f'"{part.use}"' for part in parts)
    return f"[{', '.join(shown)}]"


_Component = Annotated[
    DeclaredComponent,
    PlainValidator(_component),
    PlainSerializer(lambda part: {"use": part.use, **{name: "**" for name, _ in part.options}} if part.options else part.use),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"use": {"type": "string"}}, "required": ["use"]}]}
    ),
]


class PipelineSettings(PresetBased):
    """The components that requests and responses pass through."""

    budget_guard: BudgetGuardTable | None = None
    """The budget guard's table. Without it, the guard is off."""

    pipeline: Annotated[tuple[_Component, ...], BeforeValidator(split_items)] = Field(default=())
    """The pipeline's components, outermost first. Default: https_enforcer, budget_guard (if that table is set), origin_guard,
    application_info, revocation_handler, token_provider, header_injector. Name other components by their entry point (group
    prio_middleware.components) or as package.module:Class. A component with options is a table: "use" holds its name, the other
    keys are its options. https_enforcer and origin_guard must stand before token_provider, unless waive names them."""

    waive: Items = ()
    """The guards (https_enforcer, origin_guard) that a declared pipeline leaves out, because a component of your own does their
    work. Each client without one logs a warning when it starts."""


def _by_refresh(**defaults: float) -> Any:
    return Field(default_factory=lambda data: defaults[data["refresh"]])


class TokenRequestSettings(PresetBased):
    """Token requests. The ``extensions`` of a single call can override scope, audience, resource and params."""

    scope: Text | None = None
    """The scopes to request, separated by spaces (RFC 6749 §3.3). Default: none, so the server decides."""

    audience: Text | None = None
    """The API that the token is for, for servers that expect an `audience` parameter."""

    resource: Text | None = None
    """The API that the token is for, as an absolute URI (RFC 8707)."""

    params: SecretPairs = ()
    """Further parameters of the token request. Names in environment variables become lower-case."""

    renewal_params: SecretPairs = ()
    """Further parameters of token requests that follow a rejection by the API, such as { force = "true" }: for servers that
    otherwise return the rejected token until it expires."""

    token_headers: TokenHeaders = ()
    """Further headers of token and metadata requests, such as a gateway's key. No other request carries them, and their values
    are masked. Not allowed: Authorization, Content-Type, Content-Length, Host, Accept-Encoding, Transfer-Encoding,
    Connection."""

    body_format: BodyFormat = from_preset("body_format")
    """The encoding of the token request's body: "form" (RFC 6749), or "json", as Prio requires."""

    token_scheme: Scheme | None = None
    """The scheme before the token in the Authorization header, whatever token_type the endpoint names. Default: Bearer, and any
    other token_type is an error."""

    refresh: Literal["on_expiry", "ahead"] = "on_expiry"
    """The time of the next token request: "on_expiry" makes one when the token is due, shortly before it expires, and
    calls wait up to 0.1 s for the new one; "ahead" makes it earlier, and no call with a valid token waits."""

    default_lifetime: Seconds = DEFAULT_LIFETIME
    """Lifetime of a token in seconds, if the server names none."""

    max_lifetime: Seconds = MAX_LIFETIME
    """Maximum lifetime of a token in seconds, whatever the server names."""

    leeway_fraction: Fraction = _by_refresh(on_expiry=LEEWAY_FRACTION, ahead=0.25)
    """The part of its lifetime before its expiry at which a token is due. Default: 0.1; with refresh "ahead", 0.25, which
    leaves time for retries."""

    leeway_max: SecondsOrZero = _by_refresh(on_expiry=LEEWAY_MAX, ahead=300.0)
    """Upper bound of that leeway in seconds. Default: 30; with refresh "ahead", 300."""

    leeway_jitter: Fraction = LEEWAY_JITTER
    """The part of the leeway that is drawn at random for each process, so that processes that started together do not request
    tokens at the same moment. 0: every process uses the full leeway."""

    token_timeout: Seconds = TOKEN_TIMEOUT
    """Timeout of one attempt of a token request, in seconds."""

    token_deadline: Seconds = TOKEN_DEADLINE
    """Seconds until a fetch of a token is given up, retries and connecting included."""

    token_cache_size: Count = CACHE_LIMIT
    """Maximum number of tokens in memory: one for each scope, audience, resource and params that calls request. Beyond it, the
    token that was unused for the longest time is dropped."""

    accounts: Text | None = None
    """A function that returns the credentials of an account by its name, as package.module:function. Calls name their account
    in their ``extensions``. Without it, the other configured clients at the same server are the accounts."""

    accounts_ttl: Seconds = ACCOUNTS_TTL
    """Seconds after which that function is asked again for an account. It is also asked when the server rejects the
    credentials."""

    accounts_limit: Count = ACCOUNTS_LIMIT
    """Maximum number of accounts in memory. Beyond it, the account whose last token request is the oldest is dropped."""

    metric_client_limit: Count = NAMES_LIMIT
    """Maximum number of clients that metrics report by name. Further clients share the name `_other`; the log names them. It
    applies to the whole process, so set it at the top level."""

    failure_cooldown: SecondsOrZero = FAILURE_COOLDOWN
    """Seconds without a token request after the server rejected the credentials. Changed credentials end the cooldown."""

    ready_before_first_token: bool = True
    """Readiness of a client that has not tried to fetch a token. The first probe starts a fetch in any case. Set it to false if
    the process should get calls only once it has a token."""


RenewOn = tuple[tuple[int, tuple[str, ...] | None], ...]
"""Statuses with their error codes, None for any code. Sorted, so that settings can be compared and hashed."""

_STATUS = re.compile(r"4\d\d")
_OTHER_MEANING = {"407": "missing credentials for a proxy", "408": "a slow request", "429": "a rate limit"}
_NEVER = "insufficient_scope"
_SEGMENT = re.compile(r"\{[^{}/]*\}|[^{}/]*")


def renewal_rules(renew_on: RenewOn) -> dict[int, frozenset[str] | None]:
    """Return ``renew_on`` as the statuses of :class:`RefusalRules`."""
    return {status: None if codes is None else frozenset(codes) for status, codes in renew_on}


def _renew_on(value: object) -> RenewOn:
    items = table_items(value, 'expected a table of statuses, such as { 401 = "any", 403 = ["token_revoked"] }')
    rules = {_status(status): _codes(codes) for status, codes in items}
    return tuple(sorted(rules.items(), key=lambda rule: rule[0]))


def _status(status: object) -> int:
    text = str(status)
    if text in _OTHER_MEANING:
        raise ValueError(f"{text} means {_OTHER_MEANING[text]}, not a rejected token: remove it")
    if not _STATUS.fullmatch(text):
        raise ValueError("expected statuses from 400 to 499")
    return int(text)


def _codes(codes: object) -> tuple[str, ...] | None:
    if codes is None or codes == "any":
        return None
    if not isinstance(codes, list | tuple) or not all(isinstance(code, str) for code in codes):
        raise ValueError('expected "any", or a list of error codes')
    folded = sorted({one_line(code).lower() for code in codes})
    if _NEVER in folded:
        raise ValueError(f"{_NEVER} means that the token lacks a scope: a new token with the same scopes would not help")
    if any(len(code) > CODE_LIMIT for code in folded):
        raise ValueError(f"expected error codes of at most {CODE_LIMIT} characters")
    return tuple(folded)


def _template(text: str) -> str:
    one_line(text)
    if not text.startswith("/") or not all(map(_SEGMENT.fullmatch, text.split("/"))):
        raise ValueError('expected a path that begins with "/", with whole segments in braces: "/products/{product}/prices"')
    if "?" in text or "#" in text:
        raise ValueError("expected a path without query and fragment")
    return text


_CODES = {"anyOf": [{"const": "any"}, {"type": "array", "items": {"type": "string"}}]}


class RejectionSettings(PresetBased):
    """The API's responses that reject a token, and so lead to a new token and one retry."""

    renew_on: Annotated[
        RenewOn,
        PlainValidator(_renew_on),
        PlainSerializer(
            lambda rules: {str(status): "any" if codes is None else list(codes) for status, codes in rules}, when_used="json"
        ),
        WithJsonSchema(
            {"type": "object", "patternProperties": {"^4[0-9][0-9]$": _CODES}, "additionalProperties": False},
        ),
    ] = Field(default=())
    """Responses that may mean a rejected token, by status: "any", or a list of error codes. They replace the preset's rules for
    the same statuses: { 401 = "any", 403 = ["token_revoked"] } leaves 400 as it is. A code is the body's error or that of a
    Bearer challenge, in upper or lower case. invalid_token always counts under a status that is named here or by the preset,
    insufficient_scope never does. A status that is named here also counts if WWW-Authenticate offers other schemes only."""

    path_templates: Annotated[tuple[Annotated[str, AfterValidator(_template)], ...], LISTED] = ()
    """Paths with placeholders, such as "/products/{product}/prices", below base_url or from the host's root. All calls that
    match a template count as one endpoint when a rejection is judged. Numbers, UUIDs and long hexadecimal segments need no
    template."""


class SharingSettings(PresetBased):
    """The store that processes share their tokens through."""

    token_store: TokenStore | None = None
    """The table of the token store. Without it, each process keeps its tokens in memory."""


class ClientTable(
    PipelineSettings,
    RejectionSettings,
    SharingSettings,
    ConnectionSettings,
    TokenRequestSettings,
    CredentialSettings,
    ServerSettings,
):
    """All settings of one client."""

    app: Application = Field(default_factory=Application)
    """The calling application, sent to the API in App-* headers."""
