"""Whether a call may be made with a token (RFC 6750 §3.1, with Prio's statuses)."""

from __future__ import annotations

from .options import SandboxOptions
from .problems import Problem, forbidden
from .tokens import Grant, Tokens


def authorize(
    authorization: str | None, needs: tuple[str, ...], tokens: Tokens, options: SandboxOptions, now: float
) -> Grant | Problem:
    """The grant behind the token, or why the call is refused.

    Args:
        authorization: the ``Authorization`` header.
        needs: scopes of which any one is enough.
        tokens: those that were issued.
        options: the statuses to refuse with.
        now: the sandbox's time.
    """
    if authorization is None:
        return Problem(options.missing_status, "MISSING_TOKEN", "There is no Authorization header.", challenge="")
    scheme, _, token = authorization.partition(" ")
    grant = tokens.find(token) if scheme.lower() == "bearer" else None
    if grant is None:
        return _refused(options.invalid_status, "INVALID_TOKEN", "The token is malformed or unknown.")
    if grant.revoked:
        return _refused(options.revoked_status, options.revoked_code, "Access is not authorized.")
    if grant.expires_at <= now:
        return _refused(options.expired_status, "TOKEN_EXPIRED", "The token has expired.")
    if not grant.scopes.intersection(needs):
        problem = forbidden("Access is not authorized.")
        return Problem(problem.status, problem.code, problem.message, challenge="insufficient_scope", scope=" ".join(needs))
    return grant


def _refused(status: int, code: str, message: str) -> Problem:
    return Problem(status, code, message, challenge="invalid_token")
