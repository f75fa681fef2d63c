"""One file for each package that is compared. A change to how a peer is used is a change to its file alone."""

from __future__ import annotations

from . import authlib, azure_core, floor, google_auth, httpx_auth, ours, requests_oauth2client

SUBJECTS = (
    *ours.SUBJECTS,
    *authlib.SUBJECTS,
    *httpx_auth.SUBJECTS,
    *requests_oauth2client.SUBJECTS,
    *azure_core.SUBJECTS,
    *google_auth.SUBJECTS,
    *floor.SUBJECTS,
)
