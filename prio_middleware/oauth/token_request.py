"""Token requests (RFC 6749 §4.4.2), without I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from .._util.redaction import safe_url
from .._util.secret import RecentSecrets, Secret, Unpicklable
from ..errors import ConfigurationError, TokenError
from .access_token import DEFAULT_OPTIONS, FIELD_VALUE, SCHEME, ExpiryPolicy, TokenOptions
from .client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost
from .token_response import TokenResponse, parse_response

if TYPE_CHECKING:
    from .access_token import AccessToken
    from .effects import Stop

BodyFormat = Literal["json", "form"]

_CONTENT_TYPES: dict[BodyFormat, str] = {"json": "application/json", "form": "application/x-www-form-urlencoded"}

SHORTEST_SECRET_PARAM = 8  # Minimum length of a further parameter or header that counts as a secret: no error repeats it.

# Parameters with an option of their own.
_RESERVED_PARAMS = frozenset(
    ["grant_type", "scope", "audience", "resource", "client_id", "client_secret", "client_assertion", "client_assertion_type"]
)


class TokenRequest(Unpicklable):
    """A request to the authorization server. Its ``repr`` does not show headers and body.

    It is no dataclass, so that ``asdict`` cannot reveal them.

    Attributes:
        url: the token URL, or a URL of the server's metadata.
        headers: header names and values, including credentials.
        timeout: time limit in seconds for each of connect, read, write and waiting for a connection.
        total_seconds: seconds that the attempt may take as a whole.
        secrets: parts that the server might echo, and that no error may repeat.
        method: ``POST`` for a token, ``GET`` for metadata.
        stop: ends the wait for its response early, if a thread of the provider sends the request.
        hint: the sender's advice in case the request fails, for example about a proxy.
    """

    __slots__ = ("body", "headers", "hint", "method", "secrets", "stop", "timeout", "total_seconds", "url")

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        timeout: float,
        total_seconds: float,
        secrets: tuple[Secret, ...] = (),
        method: Literal["POST", "GET"] = "POST",
    ) -> None:
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.total_seconds = total_seconds
        self.secrets = secrets
        self.method = method
        self.stop: Stop | None = None
        self.hint: str | None = None

    def explain(self, error: TokenError, client: str) -> TokenError:
        """Return ``error`` with the client, the URL and the hint of this request."""
        remedy = f"{error.remedy} {self.hint}" if self.hint else error.remedy
        return error.copy(client=client, url=safe_url(self.url), remedy=remedy)

    def __repr__(self) -> str:
        return f"<TokenRequest {self.method} {safe_url(self.url)}>"


# Defaults of the settings, too.
TOKEN_TIMEOUT: Final = 10.0  # Timeout of each step of a token request, in seconds.
TOKEN_DEADLINE: Final = 20.0  # Seconds after which a fetch of a token is given up, retries and connecting included.
FAILURE_COOLDOWN: Final = 10.0  # Seconds without a token request after a permanent failure, such as refused credentials.


@dataclass(frozen=True, slots=True, repr=False)
class TokenEndpoint:
    """Token endpoint of one client: builds its requests and reads their responses.

    Attributes:
        url: the token URL, or the issuer if the token URL is still to be discovered.
        auth: the client authentication.
        body_format, token_scheme: see the settings of these names.
        timeout, headers: the settings ``token_timeout`` (seconds) and ``token_headers``.
        expiry: rules for ``expires_in``.
        client: the configured name of the client, for errors.
        trust: the transport's options that decide which server it trusts. Processes share tokens only if these are equal.
        recent: the credentials and tokens of the last token requests: no error repeats them.

    Raises:
        ConfigurationError: the body format is unknown, the timeout is not positive and finite, or a header cannot be sent.
    """

    url: str
    auth: ClientAuth
    body_format: BodyFormat = "form"
    timeout: float = TOKEN_TIMEOUT
    expiry: ExpiryPolicy = field(default_factory=ExpiryPolicy)
    client: str = "default"
    token_scheme: str | None = None
    headers: TokenHeaders = ()
    trust: tuple[str, ...] = ()
    recent: RecentSecrets = field(default_factory=RecentSecrets, compare=False)

    def __post_init__(self) -> None:
        if self.body_format not in _CONTENT_TYPES:
            raise self._mistake(f"The body format is {self.body_format!r}; expected is json or form.")
        if not 0 < self.timeout < math.inf:
            raise self._mistake(f"The timeout of token requests is {self.timeout}; expected is a positive number of seconds.")
        problem = headers_problem(self.headers)
        if problem:
            raise self._mistake(f"The further headers of token requests cannot be sent: {problem}.")
        if isinstance(self.auth, ClientSecretBasic | ClientSecretPost):  # Another process may have sent it.
            self.recent.add(self.auth.client_secret)

    def request(self, options: TokenOptions, deadline_at: float, now: float) -> TokenRequest:
        """Return a request for one attempt, with credentials of its own.

        ``deadline_at`` is the moment at which the whole fetch is given up. Both moments are seconds of ``time.monotonic()``.

        Raises:
            ConfigurationError: a parameter cannot be sent, or has an option of its own.
        """
        self._check(options)
        credentials = self.auth.apply(self.url)
        left = max(deadline_at - now, 0.0)
        parameters = [*_parameters(options), *credentials.body]
        body = json.dumps(dict(parameters)) if self.body_format == "json" else urlencode(parameters)
        # Short values are everyday words: an error may repeat them.
        secret_params = (Secret(value) for _, value in options.params if len(value) >= SHORTEST_SECRET_PARAM)
        self.recent.add(*credentials.secrets, *secret_params, *self._header_secrets())
        return TokenRequest(
            self.url,
            {**self._common_headers(), "Content-Type": _CONTENT_TYPES[self.body_format], **credentials.headers},
            body.encode(),
            timeout=min(self.timeout, left),
            total_seconds=left,
            secrets=tuple(self.recent),
        )

    def metadata_request(self, url: str, seconds: float) -> TokenRequest:
        """Return a request for the authorization server's metadata, limited to ``seconds``."""
        left = max(seconds, 0.0)
        return TokenRequest(
            url,
            self._common_headers(),
            b"",
            timeout=min(self.timeout, left),
            total_seconds=left,
            secrets=(*self.recent, *self._header_secrets()),
            method="GET",
        )

    def _common_headers(self) -> dict[str, str]:
        """Return the headers of token and metadata requests. Configured headers replace others of the same name."""
        configured = {name: value.reveal() for name, value in self.headers}
        # "identity", because a few compressed bytes can unfold to gigabytes.
        return without({"Accept": "application/json", "Accept-Encoding": "identity"}, configured) | configured

    def _header_secrets(self) -> tuple[Secret, ...]:
        """Return the values of :attr:`headers` that no error may repeat."""
        return tuple(value for _, value in self.headers if len(value.reveal()) >= SHORTEST_SECRET_PARAM)

    def read(self, response: TokenResponse, requested_at: float, request: TokenRequest) -> AccessToken | TokenError:
        """Return the token or the error in the ``response`` to ``request``, as :func:`parse_response` does."""
        outcome = parse_response(
            response, requested_at, self.expiry, request.secrets, scheme=self.token_scheme, client=self.client
        )
        if isinstance(outcome, TokenError):
            return request.explain(outcome, self.client)
        self.recent.add(outcome.value)
        return outcome

    def _check(self, options: TokenOptions) -> None:
        for name, value in _parameters(options):
            if not (name.isprintable() and value.isprintable()):
                raise self._mistake(f"The token parameter {name!r} contains a line break or another control character.")
        for name, _ in options.params:
            if name in _RESERVED_PARAMS:
                raise self._mistake(
                    f"The token parameter {name!r} cannot be among the extra parameters.",
                    "Set scope, audience, resource and the client's credentials by their own options.",
                )

    def _mistake(self, message: str, remedy: str | None = None) -> ConfigurationError:
        return ConfigurationError(message, client=self.client, url=self.url, remedy=remedy)

    def __repr__(self) -> str:
        return f"<TokenEndpoint {safe_url(self.url)} of {self.client!r}>"


def _parameters(options: TokenOptions) -> list[tuple[str, str]]:
    named = {"scope": options.scope, "audience": options.audience, "resource": options.resource}
    given = [(name, value) for name, value in named.items() if value is not None]
    return [("grant_type", "client_credentials"), *given, *options.params]


FIELD_NAME: Final = SCHEME  # A header's name. Like a scheme, it is a token of RFC 9110 §5.6.2.

LIBRARY_HEADERS: Final = ("Host", "Content-Length", "Transfer-Encoding", "Connection")  # The HTTP library writes them.
TOKEN_RESERVED: Final = ("Authorization", "Content-Type", "Accept-Encoding", *LIBRARY_HEADERS)  # No setting replaces them.
TokenHeaders = tuple[tuple[str, Secret], ...]  # A value may be a secret, such as the key of a gateway.


def headers_problem(headers: TokenHeaders, reserved: Iterable[str] = TOKEN_RESERVED) -> str | None:
    """Return the problem of ``headers``, without any of their text, or None. Headers named in ``reserved`` are a problem."""
    not_allowed = {name.lower(): name for name in reserved}
    seen: set[str] = set()
    for name, value in headers:
        if not FIELD_NAME.fullmatch(name):
            return "expected header names in letters, digits and hyphens"
        if own := not_allowed.get(name.lower()):
            return f"{own} cannot be among them: the request has its own"
        if name.lower() in seen:
            return "expected each header once: case does not count"
        if not FIELD_VALUE.fullmatch(value.reveal()):
            return "expected values of printable ASCII, without spaces around them"
        seen.add(name.lower())
    return None


def without(own: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return ``own`` without ``names``, in any case."""
    left_out = {name.lower() for name in names}
    return {name: value for name, value in own.items() if name.lower() not in left_out}


EXTENSION = "prio"  # Key in a request's ``extensions``. Its value belongs to the caller: it is read, never written.
TOKEN: Final = "token"  # Option that is False for a request without a token. Default: True.
ACCOUNT: Final = "account"  # Option with the name of the account whose token the request carries.

_OPTION_NAMES: Final = (*TokenOptions._fields, TOKEN)


def token_extensions(
    *,
    account: str | None = None,
    scope: str | None = None,
    audience: str | None = None,
    resource: str | None = None,
    params: Mapping[str, str] | None = None,
    token: bool = True,
) -> dict[str, Any]:
    """Return ``extensions`` for one request: ``client.get(url, extensions=token_extensions(account="berlin"))``.

    ``token=False`` sends the request without a token. The others are those of :class:`TokenOptions`, with the defaults of the
    client's settings; ``params`` are further parameters of the token request.
    """
    given = {ACCOUNT: account, "scope": scope, "audience": audience, "resource": resource, "params": params}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return {EXTENSION: options if token else {**options, TOKEN: False}}


def request_options(extensions: Mapping[str, Any], client: str, url: object, account: str | None = None) -> TokenOptions | None:
    """Return the options in ``extensions``, or None if the request must be sent without a token.

    The ``account`` counts unless ``extensions`` names another. Errors name ``client`` and ``url``.

    Raises:
        ConfigurationError: an option is unknown or of the wrong type, or options contradict each other.
    """
    given = extensions.get(EXTENSION)
    if given is None:
        return DEFAULT_OPTIONS if account is None else TokenOptions(account=account)
    if type(given) is dict and len(given) == 1 and type(given.get(ACCOUNT)) is str:  # The most frequent case.
        return tuple.__new__(TokenOptions, (None, None, None, (), given[ACCOUNT]))  # Without the call of a Python function.
    problem = _problem(given)
    if problem:
        raise ConfigurationError(
            f'extensions["{EXTENSION}"]: {problem}', client=client, url=url, remedy="Correct the options of this request."
        )
    if given.get(TOKEN) is False:
        return None
    params = tuple(sorted(given.get("params", {}).items()))
    return TokenOptions(given.get("scope"), given.get("audience"), given.get("resource"), params, given.get(ACCOUNT, account))


def _problem(given: object) -> str | None:
    if not isinstance(given, Mapping):
        return f"expected a dict of options, got {type(given).__name__}."
    for name, value in given.items():
        if name not in _OPTION_NAMES:
            import difflib

            near = difflib.get_close_matches(str(name), _OPTION_NAMES)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(_OPTION_NAMES)}."
            return f"there is no option {name!r}. {hint}"
        expected, fits = _expected(name, value)
        if not fits:
            return f"{name!r} is {expected}, not {type(value).__name__}."
    unused = [repr(name) for name in given if name != TOKEN]
    if unused and given.get(TOKEN) is False:
        return f"{TOKEN!r} is False, so these options have no effect: {', '.join(unused)}."
    return None


def _expected(name: str, value: object) -> tuple[str, bool]:
    """Return the expected type of an option in words, and whether ``value`` has it."""
    if name == "params":
        is_map = isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
        return "a dict of texts", is_map
    if name == TOKEN:
        return "True or False", isinstance(value, bool)
    return "a text", isinstance(value, str)
