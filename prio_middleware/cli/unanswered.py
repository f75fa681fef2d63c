"""Why there was no answer: an error of the HTTP library in plain words, with what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import PrioError
from ..transports.shell import describe

if TYPE_CHECKING:
    from ..settings import ClientSettings

_TLS_REMEDIES = {
    "unable to get local issuer certificate": "If the authority is your own, or a proxy's, set ca_file to its certificate.",
    "self-signed certificate": "Set ca_file to the server's certificate, if that is meant to be so.",
    "certificate has expired": "The server's operator has to renew the certificate. Check this machine's date, too.",
    "certificate is not yet valid": "Check this machine's date.",
    "mismatch": "The certificate is for another name: check the host in the URL of the settings.",
    "wrong version number": "That port does not speak TLS: check the port in the URL of the settings.",
}
_TLS_REMEDY = "Ask the server's operator which TLS it speaks, and whether something in between changes it."

_REMEDIES = {
    "ReadTimeout": "The server is slow: try again, or give it longer with read_timeout.",
    "ProxyError": "It was the proxy that refused: check `proxy` and its credentials, or HTTPS_PROXY.",
    "InvalidURL": "Write a path below the client's base URL, such as /products, or a whole URL.",
    "UnsupportedProtocol": "Write a path below the client's base URL, such as /products, or a whole https:// URL.",
}
_RETRY = "Try again. If it stays so, ask the server's operator, or whoever looks after the network."
_CHECK = "`prio check` finds out how far the way to the server is open."


def unanswered(error: Exception, settings: ClientSettings, url: object) -> PrioError:
    """An error to be shown for one of the HTTP library's, about a call to ``url``."""
    problem, remedy = why(error, otherwise=_CHECK)
    return PrioError(problem, client=settings.name, url=url, remedy=remedy)


def why(error: Exception, otherwise: str = _RETRY) -> tuple[str, str]:
    """Why there was no answer, and what to do about it; ``otherwise`` where nothing better is known."""
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if tls is None:
        return f"No answer: {describe(error).rstrip('.')}.", _REMEDIES.get(type(error).__name__, otherwise)
    reason = str(getattr(tls, "reason", None) or tls).replace("_", " ").lower()
    problem = str(getattr(tls, "verify_message", None) or reason).rstrip(".")
    remedy = next((remedy for words, remedy in _TLS_REMEDIES.items() if words in problem), _TLS_REMEDY)
    return f"No TLS connection: {problem}.", remedy


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
