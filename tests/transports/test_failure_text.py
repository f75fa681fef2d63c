"""Failures in plain words: equal with all libraries, without addresses, paths or secrets."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from prio_middleware import PolicyError, TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox
from prio_middleware.transports.failure_text import failure_text
from tests.transports.matrix import Caller, MatrixClient, settings

SECRET = "Basic c2hvcDpzM2NyZXQ="
ADDRESS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{9,}|/\w+/", re.IGNORECASE)


@contextmanager
def listening() -> Generator[str]:
    """Port that accepts connections and never sends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


WAIT = 0.05
"""Seconds."""


async def failure(matrix: MatrixClient, url: str, **options: Any) -> Exception:
    make = matrix.library.Client if matrix.is_sync else matrix.library.AsyncClient
    caller = Caller(make(**{"timeout": WAIT, "verify": False, "trust_env": False, **options}))
    with pytest.raises((matrix.library.TransportError, OSError)) as caught:
        await caller.get(url)
    await caller.close()
    error: Exception = caught.value
    return error


@pytest.mark.anyio
class TestRealOnes:
    """Compare the libraries' own errors with hand-made ones, whose texts are pinned below."""

    async def test_a_silent_server(self, matrix: MatrixClient) -> None:
        with listening() as server:
            error = await failure(matrix, f"http://{server}/", timeout=matrix.library.Timeout(20.0, read=WAIT))
        assert failure_text(error, 0.2) == failure_text(httpx.ReadTimeout(SECRET), 0.2)

    async def test_silence_in_the_handshake(self, matrix: MatrixClient) -> None:
        with listening() as server:
            error = await failure(matrix, f"https://{server}/")
        assert failure_text(error, 0.2) == failure_text(httpx.ConnectTimeout(SECRET), 0.2)

    async def test_a_closed_port(self, matrix: MatrixClient) -> None:
        with listening() as server:
            pass
        assert failure_text(await failure(matrix, f"http://{server}/", timeout=20.0)) == failure_text(
            caused(httpx.ConnectError(SECRET), REFUSED)
        )

    async def test_a_port_that_speaks_no_tls(self, matrix: MatrixClient, plain: Sandbox) -> None:
        error = await failure(matrix, plain.base_url.replace("http:", "https:"), timeout=20.0)
        assert failure_text(error) == failure_text(caused(httpx.ConnectError(SECRET), tls("WRONG_VERSION_NUMBER")))

    async def test_a_certificate_that_has_expired(self, matrix: MatrixClient, expired: Sandbox) -> None:
        error = await failure(matrix, expired.base_url, verify=expired.ssl_context(), timeout=20.0)
        assert failure_text(error) == failure_text(caused(httpx.ConnectError(SECRET), unverified(10)))

    @pytest.mark.pitfall(id="foreign-text")
    async def test_the_token_endpoint_is_silent(self, matrix: MatrixClient) -> None:
        """The libraries' own text is empty here, or contains a memory address."""
        with listening() as server:
            token_url = f"http://{server}/token"
            own = settings(token_url=token_url, loopback_http_hosts=["127.0.0.1"], token_timeout=0.2, token_deadline=0.25)
            make = matrix.module.client if matrix.is_sync else matrix.module.async_client
            client = Caller(make(settings=own, trust_env=False, verify=False))
            with pytest.raises(TokenEndpointUnavailableError) as caught:
                await client.get()
            await client.close()

        assert failure_text(httpx.ReadTimeout(""), 0.2) in caught.value.message
        assert not ADDRESS.search(caught.value.message)


@pytest.fixture(scope="module")
def plain() -> Generator[Sandbox]:
    with Sandbox(tls=False) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def expired() -> Generator[Sandbox]:
    with Sandbox(certificate="expired") as sandbox:
        yield sandbox


@pytest.mark.anyio
async def test_a_token_answer_that_stops_half_way_says_how_long_was_waited(matrix: MatrixClient) -> None:
    broken = matrix.library.ReadTimeout("timed out")

    def answer(_: Any) -> Any:
        return matrix.library.Response(200, stream=matrix.bodies(b"{", error=broken))

    with pytest.raises(TokenEndpointUnavailableError, match=r"ReadTimeout: .* within \d\.\d s"):
        await matrix.client(answer, settings=settings(token_deadline=0.1, token_timeout=0.1)).get()


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def tls(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] at /usr/lib/ssl (_ssl.c:1007) for {SECRET}")
    error.reason = reason  # type: ignore[assignment]  # OpenSSL gives none at times
    return error


def unverified(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, SECRET)
    error.verify_code = code
    return error


def in_a_circle() -> BaseException:
    first, second = httpx.ConnectError(SECRET), RuntimeError(SECRET)
    first.__cause__, second.__cause__ = second, first
    return first


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, SECRET)


WORDS: list[tuple[BaseException, str]] = [
    (httpx2.ReadTimeout(SECRET), "ReadTimeout: nothing more came from the server in time"),
    (httpx.ConnectTimeout(SECRET), "ConnectTimeout: no connection in time"),
    (tls("WRONG_VERSION_NUMBER"), "SSLError: that port does not speak TLS"),
    (httpx.ConnectError(SECRET), "ConnectError: no connection"),
    (httpx2.ReadError(SECRET), "ReadError: the connection broke while the answer was read"),
    (httpx.PoolTimeout(SECRET), "PoolTimeout: no connection of the pool was free in time"),
    (httpx2.WriteTimeout(""), "WriteTimeout: the server took nothing more of the request in time"),
    (httpx.LocalProtocolError(f"Illegal header value b'{SECRET}'"), "LocalProtocolError: the request is not valid HTTP"),
    (httpx2.RemoteProtocolError(f"illegal line {SECRET}"), "RemoteProtocolError: the server's answer is not valid HTTP"),
    (
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        "RemoteProtocolError: the server closed the connection before the whole answer was there",
    ),
    (httpx.ProxyError("407 Proxy Authentication Required"), "ProxyError: the proxy answered 407"),
    (httpx2.ProxyError(f"cannot reach {SECRET}"), "ProxyError: the proxy let nothing through"),
    (anyio.BrokenResourceError(), "BrokenResourceError: the connection was closed"),
    (
        caused(TimeoutError(), asyncio.CancelledError("Cancelled via cancel scope 7f9512ab40d0; reason: deadline exceeded")),
        "TimeoutError: no whole answer in time",
    ),
    (TimeoutError(errno.ETIMEDOUT, "timed out"), "TimeoutError: the host did not answer in time"),
    (REFUSED, "ConnectionRefusedError: the connection was refused"),
    (OSError(SECRET), "OSError: the operating system reports an error"),
    (OSError(errno.ENOSPC, "no space", "/var/lib/x"), "OSError: the operating system reports ENOSPC"),
    (OSError(987654, SECRET), "OSError: the operating system reports an error"),
    (socket.gaierror(socket.EAI_NONAME, SECRET), "gaierror: the host name cannot be resolved"),
    (
        caused(httpx.ConnectError(""), socket.gaierror(socket.EAI_AGAIN, SECRET)),
        "ConnectError: the host name cannot be resolved at present",
    ),
    (
        caused(httpx.ConnectError(""), tls("TLSV1_ALERT_PROTOCOL_VERSION")),
        "ConnectError: the server speaks no version of TLS that is allowed here",
    ),
    (tls("SSLV3_ALERT_HANDSHAKE_FAILURE"), "SSLError: the server ended TLS with the alert handshake failure"),
    (tls("UNEXPECTED_EOF_WHILE_READING"), "SSLError: the server closed the TLS connection"),
    (ssl.SSLZeroReturnError(6, SECRET), "SSLZeroReturnError: the server closed the TLS connection"),
    (tls("BAD_ECPOINT"), "SSLError: TLS failed (bad ecpoint)"),
    (tls(f"at {SECRET}"), "SSLError: TLS failed"),
    (tls(None), "SSLError: TLS failed"),
    (unverified(10), "SSLCertVerificationError: the server's certificate has expired"),
    (unverified(20), "SSLCertVerificationError: the server's certificate comes from an authority that is not trusted here"),
    (unverified(64), "SSLCertVerificationError: the server's certificate is for another IP address"),
    (unverified(7), "SSLCertVerificationError: the server's certificate cannot be verified"),
    (
        caused(httpx.ConnectError("All connection attempts failed"), caused(OSError("all"), ExceptionGroup("", [REFUSED]))),
        "ConnectError: the connection was refused",
    ),
    (ExceptionGroup("many", [ExceptionGroup("", [REFUSED])]), "ConnectionRefusedError: the connection was refused"),
    (caused(httpx.ReadError(""), TimeoutError()), "ReadError: no whole answer in time"),
    (RuntimeError(f"<object at 0x7f95> {SECRET}"), "RuntimeError"),
    (PolicyError("The request was refused here."), "PolicyError: The request was refused here"),
    (in_a_circle(), "ConnectError: no connection"),
]


@pytest.mark.pitfall(id="foreign-text")
def test_the_words(subtests: pytest.Subtests) -> None:
    for error, text in WORDS:
        with subtests.test(text):
            assert failure_text(error) == text


def test_a_timeout_says_how_long_was_waited() -> None:
    assert failure_text(httpx.ReadTimeout(SECRET), 0.25).endswith("within 0.2 s")


def test_a_chain_without_end_is_cut_off() -> None:
    error: BaseException = REFUSED
    for _ in range(1000):
        error = caused(RuntimeError(), error)

    assert failure_text(error) == "RuntimeError"
