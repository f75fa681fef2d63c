"""Causes of failed requests, by the error that was raised."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from prio_middleware.transports.failure_text import cause_of

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def raised_from(cause: BaseException) -> Exception:
    try:
        try:
            raise cause
        except BaseException as error:
            raise LookupError("ConnectError") from error
    except LookupError as error:
        return error


CAUSES: list[tuple[Exception, str]] = [
    (UNKNOWN, "unknown_host"),
    (raised_from(UNKNOWN), "unknown_host"),
    (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "name_server"),
    (raised_from(ssl.SSLCertVerificationError("self-signed certificate")), "untrusted_certificate"),
    (ssl.SSLError("wrong version number"), "tls"),
    (raised_from(REFUSED), "connection_refused"),
    (raised_from(ExceptionGroup("all addresses", [TimeoutError(), REFUSED])), "connection_refused"),
    (TimeoutError(), "timeout"),
    (raised_from(ConnectionResetError()), "connection"),
    (LookupError("ConnectError"), "connection"),
]


def test_the_cause(subtests: pytest.Subtests) -> None:
    for error, cause in CAUSES:
        with subtests.test(repr(error)):
            assert cause_of(error) == cause


def test_errors_that_refer_to_each_other_are_read_once() -> None:
    one, other = OSError("one"), OSError("other")
    one.__cause__, other.__cause__ = other, one

    assert cause_of(one) == "connection"
