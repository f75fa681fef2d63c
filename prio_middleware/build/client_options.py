"""Options of HTTP clients: those from settings, and the trust that a caller's options express."""

from __future__ import annotations

import hashlib
import logging
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._util.file_stamp import Stamp, file_stamp
from ..errors import ConfigurationError, PrioError
from ..settings import ClientSettings
from ..telemetry.logs import log
from ..transports.routes import given_transports
from ..transports.tls import SETTINGS, context_key, shared_tls_context, tls_context

if TYPE_CHECKING:
    from ..transports.inner import HTTPLibrary


class ReloadingSSLContext(ssl.SSLContext):
    """TLS context for clients that reloads its files when one has changed.

    Each handshake uses the context that ``load`` returned last, because certificate authorities cannot be removed from a
    context. A handshake costs one ``stat`` per file. If the files cannot be loaded, for example because certificate and key do
    not match yet, the old context stays in use, and the next handshake tries again. Open connections stay open.

    Args:
        _protocol: ``ssl.PROTOCOL_TLS_CLIENT``, the first argument of the base class.
        load: returns a context with the current content of the files.
        files: the files, or links to them.
        client: the configured name of the first client with these files, for the log.
    """

    def __init__(self, _protocol: int, load: Callable[[], ssl.SSLContext], files: Sequence[Path], client: str) -> None:
        self._load = load
        self._files = files
        self._client = client
        self._alpn_protocols: list[str] = []
        self._stamps = self._warned_of = self._read_stamps()
        self._made = load()

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """Offer these protocols (RFC 7301), also after a reload."""
        self._alpn_protocols = list(alpn_protocols)
        self._made.set_alpn_protocols(self._alpn_protocols)

    def get_ca_certs(self, binary_form: bool = False) -> Any:  # noqa: FBT001, FBT002 - signature of the base class
        """Return the trusted certificates as of the last handshake."""
        return self._made.get_ca_certs(binary_form)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Return a TLS socket with the current certificates."""
        return self._current().wrap_socket(*args, **options)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Return a TLS object with the current certificates. anyio calls this in a worker thread."""
        return self._current().wrap_bio(*args, **options)

    def _read_stamps(self) -> tuple[Stamp, ...]:
        return tuple(map(file_stamp, self._files))

    def _current(self) -> ssl.SSLContext:
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return self._made
        try:
            made = self._load()
        except (OSError, PrioError) as error:
            if stamps != self._warned_of:
                problem = getattr(error, "strerror", None) or error
                message = (
                    "The client %r, and others with its files, keep the old certificates: the new ones cannot be loaded: %s."
                )
                log(logging.WARNING, message, self._client, problem, event="certificates_kept", client=self._client)
            self._warned_of = stamps
            return self._made
        made.set_alpn_protocols(self._alpn_protocols)
        self._made, self._stamps = made, stamps
        message = "The client %r, and others with its files, use new certificates."
        log(logging.INFO, message, self._client, event="certificates_loaded", client=self._client)
        return made


def client_options(settings: ClientSettings, library: HTTPLibrary, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the options of the library's client from ``settings``.

    The HTTP versions among the user's ``own`` options decide which clients share a TLS context.
    """
    timeout = library.Timeout(
        connect=settings.connect_timeout, read=settings.read_timeout, write=settings.write_timeout, pool=settings.pool_timeout
    )
    limits = library.Limits(
        max_connections=settings.max_connections,
        max_keepalive_connections=settings.max_keepalive_connections,
        keepalive_expiry=settings.keepalive_expiry,
    )
    options: dict[str, Any] = {"timeout": timeout, "limits": limits, "trust_env": settings.trust_env, "http2": settings.http2}
    if settings.proxy:
        options["proxy"] = settings.proxy
    if settings.ca_file or settings.cert_file:
        files = [file for file in (settings.ca_file, settings.cert_file, settings.cert_key_file) if file]
        load = partial(_load_certificates, settings, library)
        chosen = {"http2": settings.http2, **(own or {})}
        key = context_key(
            library,
            settings.ca_file or True,
            (settings.cert_file, settings.cert_key_file, settings.cert_key_password),
            trust_env=settings.trust_env,
            http_versions=(bool(chosen.get("http1", True)), bool(chosen["http2"])),
        )
        options["verify"] = shared_tls_context(
            key, lambda: ReloadingSSLContext(ssl.PROTOCOL_TLS_CLIENT, load, files, settings.name)
        )
    return options


def _load_certificates(settings: ClientSettings, library: HTTPLibrary) -> ssl.SSLContext:
    password = settings.cert_key_password
    context = tls_context(
        library,
        settings.ca_file or True,
        settings.cert_file and (settings.cert_file, settings.cert_key_file, password and password.reveal()),
        trust_env=settings.trust_env,
        names=SETTINGS,
    )
    if isinstance(context, ConfigurationError):
        raise context.copy(client=settings.name)
    return context


def trust_of(options: Mapping[str, Any], configured: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the trust of a client: those of its own options that decide which server is believed to be the token endpoint.

    Clients share tokens only if their trust is equal, in this process and through a store. It is empty if the options leave the
    decision to the settings. Transports of the caller count as one kind, because a sync and an async one are never equal;
    those of the library also by their certificate checks. A client certificate inside a context cannot be seen.
    """
    contexts = (getattr(getattr(one, "_pool", None), "_ssl_context", None) for one in given_transports(options))
    trust = sorted({f"transport {_checks(context)}" for context in contexts})
    verify, cert = options.get("verify", True), options.get("cert")
    if verify is not True or ("verify" in options and "verify" in configured):
        trust.append(f"verify {_checks(verify)}")
    if cert is not None:
        parts = (cert,) if isinstance(cert, str | os.PathLike) else cert[:2]  # The third part is a password.
        trust.append(f"cert {' '.join(map(str, parts))}")
    of_settings = configured.get("trust_env", True)
    if (trust_env := options.get("trust_env", of_settings)) != of_settings:
        trust.append(f"trust_env {trust_env}")
    return tuple(trust)


def _checks(verify: object) -> str:
    if not isinstance(verify, ssl.SSLContext):
        return str(verify)
    authorities = hashlib.sha256(b"".join(sorted(verify.get_ca_certs(binary_form=True)))).hexdigest()
    return f"{verify.verify_mode} {verify.check_hostname} {authorities}"
