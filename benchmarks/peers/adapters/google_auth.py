"""google-auth's ``AuthorizedSession``, with its retry after refusals.

It brings no client credentials grant for servers at large: a subclass of its ``Credentials`` is what a user writes.
"""

from __future__ import annotations

import datetime
import json
from typing import Any
from urllib.parse import urlencode

from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession, Request

from ..api import TOKEN_SIZE, Style
from ..place import CLIENT_ID, CLIENT_SECRET, Place
from ..subject import Client, Subject
from ..transports import MemoryAdapter, session

THRESHOLD = 225.0
"""Seconds before a token's end at which it renews; not configurable."""

STATUSES: dict[Style, tuple[int, ...]] = {"rfc6749": (401,), "prio": (401, 403)}
"""Statuses that it takes for a refused token. Prio answers 403."""

FORM = {"content-type": "application/x-www-form-urlencoded"}


class ClientCredentials(Credentials):
    """The client credentials grant."""

    def __init__(self, token_url: str, client_id: str = CLIENT_ID) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._token_url = token_url
        self._client_id = client_id

    def refresh(self, request: Any) -> None:
        """Ask for a token."""
        grant = {"grant_type": "client_credentials", "client_id": self._client_id, "client_secret": CLIENT_SECRET}
        answer = json.loads(request(self._token_url, method="POST", body=urlencode(grant).encode(), headers=FORM).data)
        self.token = answer["access_token"]
        self.expiry = _now() + datetime.timedelta(seconds=answer["expires_in"])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)  # It reckons in naive UTC.


def _sync(place: Place) -> Client:
    asking = session(place.api, place.ca_file)
    credentials = ClientCredentials(place.token_url)
    statuses = STATUSES[place.style]
    client: Any = AuthorizedSession(credentials, refresh_status_codes=statuses, auth_request=Request(asking))  # type: ignore[no-untyped-call]
    if place.api:
        client.mount("https://", MemoryAdapter(place.api))
    client.trust_env = False
    client.verify = place.ca_file or True

    def close() -> None:
        client.close()
        asking.close()

    return Client(lambda path: client.get(place.base_url + path).status_code, close)


def _hold(number: int) -> Any:
    credentials = ClientCredentials("https://api.example.com/token", f"shop-{number}")
    credentials.token = f"{number:0{TOKEN_SIZE}}"
    credentials.expiry = _now() + datetime.timedelta(hours=1)
    return credentials


NO_ASYNC = "its public asynchronous credentials never renew a token"
LOADS = "from google.auth.transport.requests import AuthorizedSession"
REACTS = frozenset(STATUSES)
SUBJECTS = (Subject("google-auth", "requests", _sync, NO_ASYNC, hold=_hold, loads=LOADS, leeway=THRESHOLD, reacts_to=REACTS),)
