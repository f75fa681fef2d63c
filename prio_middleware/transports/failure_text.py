"""Causes of failed requests in plain words, without secrets: errors of the HTTP libraries, ssl and the operating system."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final

from ..errors import PrioError
from ..oauth.token_response import Cause

_CAUSES_LIMIT: Final = 64  # Maximum causes of an error that are inspected.

# Texts of timeouts, by class name.
_WAITS: Final = {
    "ConnectTimeout": "no connection",
    "ReadTimeout": "nothing more came from the server",
    "WriteTimeout": "the server took nothing more of the request",
    "PoolTimeout": "no connection of the pool was free",
    "TimeoutException": "no whole answer",
    "TimeoutError": "no whole answer",
}

# Texts of other errors of the HTTP libraries and anyio, by class name.
_WORDS: Final = {
    "ConnectError": "no connection",
    "ReadError": "the connection broke while the answer was read",
    "WriteError": "the connection broke while the request was sent",
    "CloseError": "the connection could not be closed",
    "NetworkError": "the connection broke",
    "LocalProtocolError": "the request is not valid HTTP",
    "RemoteProtocolError": "the server's answer is not valid HTTP",
    "UnsupportedProtocol": "the URL is neither https:// nor http://",
    "ProxyError": "the proxy let nothing through",
    "DecodingError": "the answer is not encoded as its Content-Encoding says",
    "TooManyRedirects": "too many redirects",
    "InvalidURL": "the URL is not valid",
    **dict.fromkeys(
        ("BrokenResourceError", "ClosedResourceError", "EndOfStream", "IncompleteRead"), "the connection was closed"
    ),
}

_BY_ERRNO: Final = {
    errno.ECONNREFUSED: "the connection was refused",
    errno.ECONNRESET: "the connection was reset",
    **dict.fromkeys((errno.ECONNABORTED, errno.ENOTCONN, errno.EPIPE, errno.ESHUTDOWN), "the connection was closed"),
    errno.ETIMEDOUT: "the host did not answer in time",
    **dict.fromkeys((errno.EHOSTDOWN, errno.EHOSTUNREACH), "the host cannot be reached"),
    **dict.fromkeys((errno.ENETDOWN, errno.ENETUNREACH), "the network cannot be reached"),
    errno.EADDRNOTAVAIL: "this machine has no free port or address for the connection",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "this machine does not allow the connection"),
    errno.ENOENT: "a socket or file that the connection needs does not exist",
}

# Texts by OpenSSL verification code (X509_V_ERR_*).
_CERTIFICATE: Final = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "comes from a self-signed authority that is not trusted here",
    20: "comes from an authority that is not trusted here",
    21: "comes from an authority that is not trusted here",
    23: "was revoked",
    62: "is for another host name",
    64: "is for another IP address",
}

_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
_OTHER_VERSION: Final = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW", "NO_PROTOCOLS_AVAILABLE"}
)
_CLOSED: Final = frozenset({"UNEXPECTED_EOF_WHILE_READING", "SHUTDOWN_WHILE_IN_INIT"})
_REASON: Final = re.compile(r"[A-Z0-9_]{1,60}")
_ALERT: Final = re.compile(r"(?:SSL|TLS)V[0-9]+_ALERT_([A-Z_]{1,40})")
_HUNG_UP: Final = ("Server disconnected", "peer closed connection")
_STATUS: Final = re.compile(r"([1-5][0-9]{2})(?: |$)")


def failure_text(error: BaseException, seconds: float | None = None) -> str:
    """Return the class name and plain words for ``error``: ``ConnectError: the connection was refused``.

    The causes of ``error`` are inspected too. An exception that is not from an HTTP library, anyio, ssl or the operating system
    yields its class name only, because its text may contain a secret. ``seconds`` is the timeout of the failed step, if known.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    name = type(error).__name__
    own = error.message.rstrip(".") if isinstance(error, PrioError) else None
    text = own or _timeout_text(error, seconds) or _cause_text(error, seconds) or _other_text(error)
    return f"{name}: {text}" if text else name


def _timeout_text(error: BaseException, seconds: float | None) -> str | None:
    """Return the text of a timeout, or None. A timeout of the operating system has another text."""
    awaited = _by_name(error, _WAITS)
    if awaited is None or getattr(error, "errno", None) in _BY_ERRNO:
        return None
    return f"{awaited} in time" if seconds is None else f"{awaited} within {seconds:.1f} s"


def _cause_text(error: BaseException, seconds: float | None) -> str | None:
    """Return the text of the first cause that ssl or the operating system raised."""
    texts = (_system_text(cause) or (None if cause is error else _timeout_text(cause, seconds)) for cause in _causes(error))
    return next(filter(None, texts), None)


def _system_text(error: BaseException) -> str | None:
    match error:
        case ssl.SSLError():
            return _tls_text(error)
        case socket.gaierror():
            text = "the host name cannot be resolved"
            return f"{text} at present" if error.errno == socket.EAI_AGAIN else text
        case OSError() if error.errno is not None:
            return _BY_ERRNO.get(error.errno) or f"the operating system reports {errno.errorcode.get(error.errno, 'an error')}"
        case _:
            return None


def _tls_text(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate {_CERTIFICATE.get(error.verify_code, 'cannot be verified')}"
    reason = str(getattr(error, "reason", None) or "")
    reason = reason if _REASON.fullmatch(reason) else ""
    alert = _ALERT.fullmatch(reason)
    if reason in _NOT_TLS:
        return "that port does not speak TLS"
    if reason in _OTHER_VERSION:
        return "the server speaks no version of TLS that is allowed here"
    if reason in _CLOSED or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the server closed the TLS connection"
    if alert:
        return f"the server ended TLS with the alert {alert[1].lower().replace('_', ' ')}"
    return f"TLS failed ({reason.lower().replace('_', ' ')})" if reason else "TLS failed"


def _other_text(error: BaseException) -> str | None:
    text = str(error)
    if _is_named(error, "RemoteProtocolError") and text.startswith(_HUNG_UP):
        return "the server closed the connection before the whole answer was there"
    if _is_named(error, "ProxyError") and (status := _STATUS.match(text)):
        return f"the proxy answered {status[1]}"
    return _by_name(error, _WORDS) or ("the operating system reports an error" if isinstance(error, OSError) else None)


def _is_named(error: BaseException, name: str) -> bool:
    return any(cls.__name__ == name for cls in type(error).__mro__)


def _by_name(error: BaseException, texts: dict[str, str]) -> str | None:
    """Return the text for the class or its nearest base. Names, because each HTTP library has its own classes."""
    return next((texts[cls.__name__] for cls in type(error).__mro__ if cls.__name__ in texts), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and its causes, nearest first. Each only once, because causes can form a cycle."""
    seen: set[int] = set()
    ahead: list[BaseException | None] = [error]
    while ahead and len(seen) < _CAUSES_LIMIT:
        cause = ahead.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        ahead += cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        ahead.append(cause.__cause__ or cause.__context__)


# getaddrinfo codes for a host name that does not exist. Without EAI_AGAIN: the name server did not answer.
_UNKNOWN_HOST = {code for name in ("EAI_NONAME", "EAI_NODATA") if (code := getattr(socket, name, None)) is not None}

# Tests of an error and its causes. The first one that any of them passes decides.
_CAUSE_TESTS: Final[dict[Cause, Callable[[BaseException], object]]] = {
    "unknown_host": lambda error: isinstance(error, socket.gaierror) and error.errno in _UNKNOWN_HOST,
    "untrusted_certificate": lambda error: isinstance(error, ssl.SSLCertVerificationError),
    "connection_refused": lambda error: isinstance(error, ConnectionRefusedError),
    "name_server": lambda error: isinstance(error, socket.gaierror),
    "tls": lambda error: isinstance(error, ssl.SSLError),
    "timeout": lambda error: _by_name(error, _WAITS),
}


def cause_of(error: BaseException) -> Cause:
    """Return the cause of a failed request."""
    causes = list(_causes(error))
    for cause, test in _CAUSE_TESTS.items():
        if any(map(test, causes)):
            return cause
    return "connection"
