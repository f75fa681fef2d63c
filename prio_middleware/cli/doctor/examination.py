"""What there is to look at for one client, in the order in which the steps need each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import PrioError
from ..answer import beginning, listen
from ..unanswered import why
from .judgement import judge_call, judge_error, judge_token
from .server import Server, origin_of
from .steps import Finding, Status, Step

if TYPE_CHECKING:
    from ...settings import ClientSettings
    from ..route import Route

LATER = ("dns", "tcp", "tls", "clock", "token", "call")
"""The names of the steps after the settings."""

CALLS = {"prio": "/products"}
"""A call that needs a token, for each preset that knows one. The data it answers with is not read."""

OPEN_CALLS = {"prio": "/system/ping"}
"""A call that needs no token, for each preset that knows one."""


class Examination:
    """The steps for one client.

    Args:
        route: the client.
        settings: the client's.
        path: what to call with a token; the preset's own choice if left out.
    """

    def __init__(self, route: Route, settings: ClientSettings, path: str | None = None) -> None:
        self._route = route
        self._settings = settings
        self._path = path or CALLS.get(settings.preset)
        self._secrets = [secret for secret in (settings.client_secret, settings.private_key) if secret]

    def steps(self, settled: Step) -> list[Step]:
        """The steps after ``settled``, which looked at the settings."""
        api = Server(self._route, self._settings, self._open_url(), settled)
        issuer = api if self._is_one_server() else Server(self._route, self._settings, self._issuer_url(), settled)
        token = Step("token", self._ask_for_token, issuer.tls.about, (issuer.tls,))
        call = Step("call", self._call, api.tls.about, (api.tls, token))
        looked_at = [step for server in dict.fromkeys((api, issuer)) for step in (server.dns, server.tcp, server.tls)]
        return [*looked_at, issuer.clock, token, call]

    def _is_one_server(self) -> bool:
        return origin_of(self._settings.base_url) == origin_of(self._issuer_url())

    def _open_url(self) -> str:
        return f"{self._settings.base_url}{OPEN_CALLS.get(self._settings.preset, '')}"

    def _issuer_url(self) -> str:
        """The root of the token server: a GET of the token URL itself would be counted as a mistake."""
        scheme, _, rest = (self._settings.discovery or self._settings.token_url).partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/"

    def _ask_for_token(self) -> Finding:
        try:
            token = self._route.authenticate()
        except PrioError as error:
            return judge_error(error)
        self._secrets.append(token.value)
        return judge_token(token, self._settings.scope)

    def _call(self) -> Finding:
        if self._path is None:
            preset = self._settings.preset
            return Finding(Status.SKIP, f"Not tried: no call is known for preset {preset!r}. Name one with --path.")
        client, library = self._route.client, self._route.library
        try:
            with client.stream("GET", self._path) as response:
                return judge_call(listen(response, beginning(response) if response.status_code >= 300 else b"", self._secrets))
        except PrioError as error:
            return judge_error(error)
        except (library.HTTPError, library.InvalidURL) as error:
            return Finding(Status.FAIL, *why(error))


def no_examination(error: PrioError) -> list[Step]:
    """The steps where the settings cannot be used."""

    def look() -> Finding:
        return judge_error(error)

    settings = Step("settings", look)
    return [settings, *(Step(name, look, needs=(settings,)) for name in LATER)]
