"""No mistake makes a secret show: not in the error, nor in anything that can be reached from it."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import pytest

import prio_middleware
from prio_middleware import ClientSettings, ConfigurationError, Settings
from prio_middleware._util.secret import Secret
from prio_middleware.settings.values import MaskedURL

CANARY = "canary-7f3a"
OWN = {"client_id": "shop", "client_secret": "s"}
HOME = Path(prio_middleware.__file__).parent

# Every way to put a secret where it does no good: beside a mistake, or as the mistake.
MISTAKES: dict[str, dict[str, Any]] = {
    "beside an unknown key": {"client_id": "shop", "client_secret": CANARY, "scop": "x"},
    "beside a wrong type": {"client_id": "shop", "client_secret": CANARY, "read_timeout": "soon"},
    "beside a contradiction": {"client_id": "shop", "client_secret": CANARY, "client_auth": "private_key_jwt"},
    "without its id": {"client_secret": CANARY},
    "with a line break": {"client_id": "shop", "client_secret": f"{CANARY}\n"},
    "in bytes": {"client_id": "shop", "client_secret": CANARY.encode()},
    "in a list": {"client_id": "shop", "client_secret": [CANARY]},
    "as the environment": {**OWN, "environment": CANARY},
    "as a number": {**OWN, "read_timeout": CANARY},
    "as a switch": {**OWN, "http2": CANARY},
    "as a table": {**OWN, "app": CANARY},
    "as a client": {**OWN, "clients": {"berlin": CANARY}},
    "as all clients": {**OWN, "clients": CANARY},
    "in a base URL": {**OWN, "base_url": f"https://shop:{CANARY}@api.example.com"},
    "in a broken URL": {**OWN, "token_url": f"https://[{CANARY}"},
    "in a query": {**OWN, "base_url": f"https://api.example.com?key={CANARY}"},
    "in plain HTTP": {**OWN, "token_url": f"http://api.example.com?key={CANARY}"},
    "in an origin": {**OWN, "allowed_origins": [f"https://shop:{CANARY}@api.example.com"]},
    "in a proxy": {**OWN, "proxy": f"ftp://shop:{CANARY}@proxy.example.com"},
    "in parameters": {**OWN, "params": {"a": CANARY, "b": 3}},
    "in parameters of a wrong type": {**OWN, "params": CANARY},
    "in a header": {**OWN, "token_headers": {"X-Key": f"{CANARY}ü"}},
    "in a header's name": {**OWN, "token_headers": {f"{CANARY} x": "a"}},
    "in a proxy's cut password": {**OWN, "proxy": f"http://shop:{CANARY}/{CANARY}@proxy.example.com"},
    "in a store's URL": {**OWN, "token_store": {"url": f"rediss://shop:{CANARY}@store.example:x"}},
    "in a store's URL with a query": {**OWN, "token_store": {"url": f"rediss://shop:{CANARY}@store.example?a=b"}},
    "in a scope": {**OWN, "scope": f"{CANARY}\r\n"},
    "as the name of a file": {"client_id": "shop", "client_secret_file": CANARY},
    "as the name of a key's file": {"client_id": "shop", "private_key_file": f"/{CANARY}/{CANARY}"},
    "as the name of a certificate's file": {**OWN, "cert_file": CANARY, "ca_file": CANARY, "cert_key_file": CANARY},
    "as the name of the store's files": {
        **OWN,
        "token_store": {"url": "rediss://store.example", "encryption_key_file": CANARY, "ca_file": CANARY},
    },
    "in a named client": {"clients": {"berlin": {"client_secret": CANARY}}},
}


def _frames(traceback: TracebackType | None) -> Iterator[dict[str, Any]]:
    while traceback is not None:
        if Path(traceback.tb_frame.f_code.co_filename).is_relative_to(HOME):
            yield traceback.tb_frame.f_locals
        traceback = traceback.tb_next


def _everything_reachable(error: BaseException) -> Iterator[object]:
    """The error, its relatives, and the locals of our frames, with all that hangs on them but what is masked."""
    seen: dict[int, object] = {}
    todo: list[object] = [error.args, error.__dict__, error.__cause__, error.__context__, *_frames(error.__traceback__)]
    while todo:
        found = todo.pop()
        if id(found) in seen or isinstance(found, Secret | MaskedURL | type | ModuleType) or callable(found):
            continue
        seen[id(found)] = found
        yield found
        todo += gc.get_referents(found)


def _shows(found: object) -> bool:
    return isinstance(found, str | bytes) and (CANARY in found if isinstance(found, str) else CANARY.encode() in found)


@pytest.mark.pitfall(id="chained-errors")
@pytest.mark.parametrize("make", [Settings, Settings.from_values, ClientSettings])
def test_arguments(directory: Path, make: Callable[..., object], subtests: pytest.Subtests) -> None:
    for mistake, values in MISTAKES.items():
        with subtests.test(mistake):
            with pytest.raises(ConfigurationError) as caught:
                make(**values)
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None
            assert any(_frames(caught.value.__traceback__))
            assert not [found for found in _everything_reachable(caught.value) if _shows(found)]


FILES: list[tuple[str, str]] = [
    ("prio.toml", f'client_secret = "{CANARY}"\nscop = "x"\n'),
    ("prio.toml", f'client_secret = "{CANARY}\n'),
    ("prio.toml", f"client_secret = {CANARY}\n"),
    ("prio.toml", f'client_secret = ["{CANARY}"]\n'),
    (".env", f"PRIO_CLIENT_SECRET={CANARY}\nPRIO_SCOP=x\n"),
    (".env", f"PRIO_CLIENT_SECRETT={CANARY}\n"),
    ("run/prio_client_secret", f"{CANARY}\nx"),
    ("run/prio_client_secrett", CANARY),
]


@pytest.mark.pitfall(id="chained-errors")
def test_files(write: Callable[[str, str], Path], subtests: pytest.Subtests) -> None:
    for name, text in FILES:
        with subtests.test(f"{name} {text}"):
            write("run/prio_client_id", "shop")
            path = write(name, text)
            with pytest.raises(ConfigurationError) as caught:
                Settings(secrets_dir="run")
            path.unlink()
            assert not [found for found in _everything_reachable(caught.value) if _shows(found)]


def _masked() -> Settings:
    return Settings.from_values(
        client_id="shop",
        client_secret=CANARY,
        proxy=f"http://u:{CANARY}@proxy.example",
        token_url=f"https://login.example/token?key={CANARY}",
    )


@pytest.mark.pitfall(id="printed-secrets")
def test_nothing_that_is_shown_shows_it() -> None:
    settings = _masked()
    client = settings.client()
    shown = [
        settings,
        settings.clients,
        settings.provenance(),
        client,
        client.model_dump(),
        client.model_dump_json(),
        vars(client),
    ]
    assert CANARY not in "".join(f"{thing} {thing!r}" for thing in shown)


def test_a_change_is_refused_without_showing_it() -> None:
    with pytest.raises(TypeError) as caught:
        _masked().client().client_secret = CANARY  # type: ignore[assignment] # what is tested
    assert not [found for found in _everything_reachable(caught.value) if _shows(found)]


@pytest.mark.pitfall(id="chained-errors")
@pytest.mark.parametrize("thing", [_masked(), _masked().client()], ids=["all", "one"])
def test_pickling_is_refused_and_the_remedy_named(thing: object) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled.*[Ll]oad"):
        pickle.dumps(thing)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda client: client.model_copy()])
def test_copies_are_equal(copied: Callable[[ClientSettings], ClientSettings]) -> None:
    client = _masked().client()
    assert copied(client) == client


def test_settings_that_could_not_be_loaded_can_be_printed() -> None:
    """Crash reporters print them: they are in the frame that raises."""
    assert repr(Settings.__new__(Settings)) == "<Settings, not loaded>"
