"""Finding the token endpoint through the authorization server's metadata (RFC 8414), as steps."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable

from ..errors import DiscoveryError, TokenEndpointUnavailableError, TokenError, TokenRequestRefusedError
from ..plain_http import insecure_url
from ..retry_after import retry_after
from ..text import safe_url, server_text
from .attempt import request_token
from .effects import Get, Steps
from .endpoint import TokenAnswer, TokenEndpoint, TokenRequest
from .metadata import Issuer, Unusable, find_token_url, well_known_urls
from .retrying import Result
from .token import TokenOptions

logger = logging.getLogger("prio_middleware")

SECOND_LOOK_PAUSE = 10.0
"""Seconds from one reading of metadata to the next, at least, once a token URL is known."""

_NOT_THERE = frozenset({404, 405, 410})


class Discovery:
    """Where the token endpoint of one issuer is: read from its metadata before the first token request, and kept.

    When a token request ends as if the endpoint had moved, they are read again, at most once in ``SECOND_LOOK_PAUSE``. Where
    that fails, what they said before goes on to hold.

    Args:
        issuer: the authorization server.

    Attributes:
        token_url: the token endpoint, as soon as it is known.

    Raises:
        InsecureTransportError: the issuer identifier is plain HTTP.
    """

    def __init__(self, issuer: Issuer) -> None:
        problem = insecure_url(issuer.identifier, issuer.loopback_http_hosts)
        if problem:
            raise problem
        self._issuer = issuer
        self._doubted = False
        self._looked_at = -math.inf
        self.token_url: str | None = None

    def request_token(
        self, endpoint: TokenEndpoint, key: TokenOptions, until: float, clock: Callable[[], float]
    ) -> Steps[Result]:
        """One attempt at a token, at the token endpoint as it is found.

        Args:
            endpoint: everything about it but its URL.
            key: what to ask for.
            until: the moment of ``clock`` at which the whole fetch is given up.
            clock: seconds of a monotonic clock.
        """
        url = yield from self._locate(endpoint, until, clock)
        if isinstance(url, TokenError):
            return url
        result = yield from request_token(dataclasses.replace(endpoint, url=url), key, until, clock)
        self._doubted = isinstance(result, TokenError) and may_have_moved(result)
        if not self._doubted:
            return result
        new_url = yield from self._locate(endpoint, until, clock)
        if isinstance(new_url, TokenError) or new_url == url:
            return result
        return (yield from request_token(dataclasses.replace(endpoint, url=new_url), key, until, clock))

    def _locate(self, endpoint: TokenEndpoint, until: float, clock: Callable[[], float]) -> Steps[str | TokenError]:
        """The token URL: the one that is known, unless it is in doubt and there is time to look again."""
        known, now = self.token_url, clock()
        if known and not (self._doubted and self._looked_at + SECOND_LOOK_PAUSE <= now < until):
            return known
        self._looked_at = now  # Before the look, so that other fetches do not look too.
        found = yield from self._look(endpoint, until, clock)
        if isinstance(found, TokenError):
            return known or found
        self.token_url, self._doubted = found, False
        if found != known:
            logger.info("The token endpoint of the client %r is %s.", endpoint.client, safe_url(found))
        return found

    def _look(self, endpoint: TokenEndpoint, until: float, clock: Callable[[], float]) -> Steps[str | TokenError]:
        """Ask where the metadata may be, until they are found. A server that cannot answer now is not asked elsewhere."""
        failures: list[tuple[str, Unusable]] = []
        for url in well_known_urls(self._issuer.identifier):
            answer: TokenAnswer = yield Get(_metadata_request(url, endpoint.timeout, until - clock()))
            if answer.is_unavailable:
                return _unavailable(answer, url, endpoint.client)
            found = find_token_url(answer, self._issuer, endpoint.auth.method)
            if not isinstance(found, Unusable):
                return found
            failures.append((url, found))
        return _unusable(failures, self._issuer.identifier, endpoint.client)


def may_have_moved(error: TokenError) -> bool:
    """Whether a token request may have failed because the token endpoint is somewhere else by now.

    A refusal, or a 429, comes from a token endpoint that is where it was said to be.
    """
    if isinstance(error, TokenRequestRefusedError):
        return error.status_code in _NOT_THERE
    return error.status_code != 429


def _metadata_request(url: str, timeout: float, left: float) -> TokenRequest:
    budget = max(left, 0.0)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    return TokenRequest(url, headers, b"", timeout=min(timeout, budget), budget=budget, method="GET")


def _unavailable(answer: TokenAnswer, url: str, client: str) -> TokenError:
    said = f"status {answer.status_code}" if answer.failure is None else server_text(answer.failure, ()) or "nobody said why"
    return TokenEndpointUnavailableError(
        f"The authorization server's metadata cannot be had now: {said}.",
        client=client,
        url=url,
        remedy="Check that this URL can be reached from here, then try again: nothing needs a restart.",
        retry_after=retry_after(answer.header("retry-after"), answer.header("date")),
        status_code=answer.status_code or None,
    )


def _unusable(failures: list[tuple[str, Unusable]], issuer: str, client: str) -> TokenError:
    said = "; ".join(f"at {safe_url(url)}, {failure.problem}" for url, failure in failures)
    remedies = [failure.remedy for _, failure in failures if failure.remedy]
    return DiscoveryError(
        f"The authorization server's metadata do not tell where its token endpoint is: {said}.",
        client=client,
        url=issuer,
        remedy=remedies[0] if remedies else None,
    )
