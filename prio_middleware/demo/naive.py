"""How not to do it: the client that many write first."""

from __future__ import annotations

from collections.abc import Generator

import httpx


class NaiveAuth(httpx.Auth):
    """Takes every 403 for a dead token: asks for a new one, and calls again.

    Args:
        token_url: the token endpoint.
        client_id: whose tokens.
        client_secret: the client's secret.
    """

    requires_response_body = True

    def __init__(self, token_url: str, client_id: str, client_secret: str) -> None:
        self._token_url = token_url
        self._credentials = httpx.BasicAuth(client_id, client_secret)
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's protocol: yields what is to be sent, and is sent what came back."""
        if not self._token:
            yield from self._fetch()
        response = yield self._with_token(request)
        if response.status_code == 403:
            yield from self._fetch()
            yield self._with_token(request)

    def _fetch(self) -> Generator[httpx.Request, httpx.Response, None]:
        request = httpx.Request("POST", self._token_url, json={"grant_type": "client_credentials"})
        answer = yield next(self._credentials.auth_flow(request))
        if answer.is_success:
            self._token = answer.json()["access_token"]

    def _with_token(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
