"""TLS contexts of clients, from certificate options. Clients with equal options share one."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .._util.file_stamp import file_stamp
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .inner import HTTPLibrary


class CertificateNames(NamedTuple):
    """Names in error messages of the options for certificate authorities, for the client certificate, and for its password."""

    authorities: str
    certificate: str
    password: str


OPTIONS = CertificateNames("verify=", "cert=", "the third part of cert=")
SETTINGS = CertificateNames("ca_file", "cert_file and cert_key_file", "cert_key_password")

ContextT = TypeVar("ContextT", bound=ssl.SSLContext | ConfigurationError)
SHARED_CONTEXTS_LIMIT = 64  # Contexts that are kept for later clients. One takes about 25 milliseconds and 0.8 MiB.
_contexts: dict[Hashable, Any] = {}


class _NoPasswordError(Exception):
    pass


def shared_tls_context(
    key: tuple[Hashable, ...], make: Callable[[], ContextT], *, limit: int = SHARED_CONTEXTS_LIMIT
) -> ContextT:
    """Return the context of this process for ``key``, which is made once. An error is not kept.

    A forked process makes its own: another thread may hold a lock inside the context at the time of the fork. At most ``limit``
    contexts are kept. The oldest one is dropped first. :func:`context_key` returns the key.
    """
    mine = os.getpid(), *key
    known: ContextT | None = _contexts.get(mine)
    if known is not None:
        return known
    made = make()
    if isinstance(made, ConfigurationError):
        return made
    for oldest in [*_contexts][: len(_contexts) + 1 - limit]:
        _contexts.pop(oldest, None)
    kept: ContextT = _contexts.setdefault(mine, made)
    return kept


def context_key(
    library: HTTPLibrary, verify: Any, cert: tuple[Hashable, ...], *, trust_env: bool, http_versions: tuple[bool, bool]
) -> tuple[Hashable, ...]:
    """Return everything that a context depends on: options, variables and the stamps of files.

    ``verify`` is the library's option, or the path of a PEM file with certificate authorities; ``cert`` is certificate, key and
    password. ``trust_env`` reads ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``. ``http_versions`` is True for HTTP/1.1, and for
    HTTP/2: httpcore sets the ALPN protocols on the context that it is given.
    """
    named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")] if trust_env and verify is True else []
    files = [Path(file) for file in (*named, verify, *cert[:2]) if isinstance(file, str | os.PathLike)]
    # The functions are part of the key, because packages such as truststore replace them.
    functions = library.create_ssl_context, ssl.SSLContext
    stamps = tuple(map(file_stamp, files))
    return (*functions, os.environ.get("SSLKEYLOGFILE"), verify, cert, tuple(named), stamps, http_versions)


def tls_context(
    library: HTTPLibrary, verify: Any, cert: Any = None, *, trust_env: bool, names: CertificateNames = OPTIONS
) -> ssl.SSLContext | ConfigurationError:
    """Return the TLS context for all connections of a client.

    ``verify`` and ``trust_env`` are as for :func:`context_key`; ``cert`` is the library's option. OpenSSL's prompt for the
    password of a key is disabled. A returned error names a setting, an option or a variable, without its value.
    """
    name = names.authorities
    if verify is True and trust_env:
        name = next((variable for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(variable)), name)
    try:
        if isinstance(verify, Path):
            context: ssl.SSLContext = ssl.create_default_context(cafile=verify)
        else:
            context = library.create_ssl_context(verify=verify, trust_env=trust_env)
        if cert:
            name = names.certificate
            context.load_cert_chain(*_without_prompt(cert))
    except Warning:
        raise
    except _NoPasswordError:
        problem = f"the key is encrypted, and {names.password} is not set"
    except Exception as error:  # noqa: BLE001 - it may hold a path or a password, so it becomes a PrioError
        problem = f"{type(error).__name__}: {getattr(error, 'strerror', None) or 'it cannot be read'}"
    else:
        return context
    return ConfigurationError(
        f"The certificates cannot be loaded from {name}: {problem}.",
        remedy=f"Check that {name} names PEM files, and that certificate, key and password belong together.",
    )


def _without_prompt(cert: Any) -> tuple[Any, ...]:
    certificate, *more = (cert,) if isinstance(cert, str | Path) else cert
    key, password = (*more, None, None)[:2]

    def no_password() -> str:
        raise _NoPasswordError

    return certificate, key, password or no_password
