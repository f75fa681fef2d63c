"""Credentials that change in their file while the application runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigurationError
from ..tokens.endpoint import TokenEndpoint

logger = logging.getLogger("prio_middleware")

Stamp = tuple[int, int, int] | None


class RotatingCredentials:
    """Reads a secret file again when it has changed.

    Asking costs one ``stat``. A file that cannot be used, perhaps because it is being written just now, leaves the credentials
    as they are, and is looked at again the next time.

    Args:
        path: the file, or the link to it, that holds the secret or the key.
        load: makes the endpoint from what the file holds now, or says why it cannot.
        endpoint: the endpoint as it was made last.
    """

    def __init__(self, path: Path, load: Callable[[], TokenEndpoint | ConfigurationError], endpoint: TokenEndpoint) -> None:
        self._path = path
        self._load = load
        self._fingerprint = endpoint.auth.fingerprint
        self._stamp = _stamp(path)

    def __call__(self, *, force: bool) -> TokenEndpoint | None:
        """The endpoint with new credentials, if the file holds others than before.

        Args:
            force: read the file even if it looks unchanged.
        """
        stamp = _stamp(self._path)
        if stamp == self._stamp and not force:
            return None
        loaded = self._load()
        if isinstance(loaded, ConfigurationError):
            logger.warning("The credentials stay as they are: %s", loaded)
            return None
        self._stamp = stamp
        if loaded.auth.fingerprint == self._fingerprint:
            return None
        self._fingerprint = loaded.auth.fingerprint
        logger.info("New credentials were read for the client %r.", loaded.client, extra={"client": loaded.client})
        return loaded


def _stamp(path: Path) -> Stamp:
    """What tells one state of a file from another: links that are switched, as mounted secrets do, included."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
