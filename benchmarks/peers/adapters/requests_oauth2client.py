"""requests-oauth2client's ``OAuth2ClientCredentialsAuth`` on a session of requests."""

from __future__ import annotations

from typing import Any

from requests_oauth2client import BearerToken, OAuth2Client, OAuth2ClientCredentialsAuth

from ..api import TOKEN_SIZE
from ..place import CLIENT_ID, CLIENT_SECRET, ORIGIN, Place
from ..subject import Client, Subject
from ..transports import session


def _sync(place: Place) -> Client:
    asking = OAuth2Client(place.token_url, auth=(CLIENT_ID, CLIENT_SECRET), session=session(place.api, place.ca_file))
    client = session(place.api, place.ca_file)
    client.auth = OAuth2ClientCredentialsAuth(asking, leeway=0)

    def close() -> None:
        client.close()
        asking.session.close()

    return Client(lambda path: client.get(place.base_url + path).status_code, close)


_shared = session(None)


def _hold(number: int) -> Any:
    asking = OAuth2Client(f"{ORIGIN}/token", auth=(f"shop-{number}", CLIENT_SECRET), session=_shared)
    return OAuth2ClientCredentialsAuth(asking, token=BearerToken(f"{number:0{TOKEN_SIZE}}", expires_in=3600))


NO_ASYNC = "built on requests: it has no asynchronous API"
LOADS = "from requests_oauth2client import OAuth2ClientCredentialsAuth"
SUBJECTS = (Subject("requests-oauth2client", "requests", _sync, NO_ASYNC, hold=_hold, loads=LOADS),)
