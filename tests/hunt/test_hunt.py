"""No secret and no token is seen anywhere; and one that is put anywhere is found."""

from __future__ import annotations

import io
import logging
import ssl
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest
from opentelemetry import metrics, trace
from rich.console import Console

from prio_middleware import AccessToken, PrioError, Secret
from prio_middleware.refusal import Refusal
from prio_middleware.status import look
from tests.e2e.leak import OURS
from tests.hunt import around
from tests.hunt.canaries import PRIVATE_KEY, SECRET, traces_of
from tests.hunt.features import FEATURES, Feature, hunt
from tests.hunt.ground import Ground, Leak
from tests.hunt.places import PLACES
from tests.hunt.sheet import Sheet
from tests.redis_servers import BINARIES, serve
from tests.secret_forms import FORMS
from tests.transports.world import World

HUNTS = [pytest.param(feature, world, id=f"{feature}-{world}") for feature in FEATURES for world in feature.worlds]


@pytest.mark.parametrize(("feature", "world"), HUNTS)
def test_nothing_is_seen(feature: Feature, world: str) -> None:
    ground = hunt(feature, world)
    assert ground.leaks() == []
    assert feature.places <= ground.searched().keys()


def test_every_place_is_looked_at() -> None:
    assert set().union(*(feature.places for feature in FEATURES)) | {"output"} == PLACES.keys()


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", [SECRET, max(PRIVATE_KEY.splitlines(), key=len)], ids=["secret", "key"])
def test_every_form_is_found(secret: str, write: Callable[[str], str]) -> None:
    assert traces_of([SECRET, PRIVATE_KEY]).find(f"<{write(secret)}>")


def in_a_log(ground: Ground) -> None:
    logging.getLogger("anybody").debug("said", extra={"more": SECRET})


def in_a_span(ground: Ground) -> None:
    trace.get_tracer("planted").start_span("call", attributes={"more": SECRET}).end()


def in_a_metric(ground: Ground) -> None:
    metrics.get_meter("planted").create_counter("calls").add(1, {"more": SECRET})


def in_a_repr(ground: Ground) -> None:
    token = AccessToken(Secret("t"), token_type=SECRET)
    ground.look()
    del token


def in_a_dump(ground: Ground) -> None:
    error = Refusal(401, code=SECRET)
    ground.look()
    del error


def in_a_cause(ground: Ground) -> None:
    error = PrioError("outside")
    error.__cause__ = PrioError("in between")
    error.__cause__.__context__ = ValueError(SECRET)
    ground.note_error(error)


def in_a_hidden_context(ground: Ground) -> None:
    error = PrioError("outside")
    error.__context__ = ValueError(SECRET)
    error.__cause__ = PrioError("another")
    ground.note_error(error)


def in_a_note(ground: Ground) -> None:
    error = PrioError("outside")
    error.add_note(f"It was {SECRET}.")
    ground.note_error(error)


def in_a_group(ground: Ground) -> None:
    ground.note_error(ExceptionGroup("two", [ValueError("one"), ValueError(SECRET)]))


def in_an_attribute(ground: Ground) -> None:
    error = PrioError("outside")
    error.__dict__["_request"] = httpx.Request("GET", "https://api.example", headers={"Authorization": SECRET})
    ground.note_error(error)


def in_a_frame_of_ours(ground: Ground) -> None:
    """As if a file of the library held it in a variable."""
    source = "def leaking(text):\n    kept = [text]\n    raise ValueError('elsewhere')\n"
    names: dict[str, Callable[[str], None]] = {}
    exec(compile(source, str(OURS / "planted.py"), "exec"), names)
    with pytest.raises(ValueError, match="elsewhere") as caught:
        names["leaking"](SECRET)
    ground.note_error(caught.value)


def in_the_output(ground: Ground) -> None:
    sys.stdout.write(SECRET)


def on_a_command_line(ground: Ground) -> None:
    _run_beside(ground, [sys.executable, "-c", "input()", SECRET], {})


def in_an_environment(ground: Ground) -> None:
    _run_beside(ground, [sys.executable, "-c", "input()"], {"MORE": SECRET})


def _run_beside(ground: Ground, command: list[str], environment: dict[str, str]) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as child:
        ground.look()
        child.communicate(b"\n")


def at_another_origin(ground: Ground) -> None:
    trusted = ssl.create_default_context(cafile=str(ground.ca_file))
    httpx.get(ground.elsewhere.url, headers={"More": SECRET.encode().hex()}, verify=trusted)


def in_redis(ground: Ground) -> None:
    with serve(BINARIES[0], ground.folder) as redis:
        redis.admin().set("key", SECRET)
        around._note_redis(ground, redis.admin())


PLANTS = {
    in_a_log: "logs",
    in_a_span: "spans",
    in_a_metric: "metrics",
    in_a_repr: "repr",
    in_a_dump: "dumps",
    in_a_cause: "errors",
    in_a_hidden_context: "errors",
    in_a_note: "errors",
    in_a_group: "errors",
    in_an_attribute: "errors",
    in_a_frame_of_ours: "errors",
    in_the_output: "output",
    on_a_command_line: "processes",
    in_an_environment: "processes",
    at_another_origin: "elsewhere",
    in_redis: "redis",
}


@pytest.mark.parametrize(("plant", "place"), PLANTS.items(), ids=[plant.__name__ for plant in PLANTS])
def test_what_is_planted_is_found(plant: Callable[[Ground], None], place: str) -> None:
    with Ground(World("httpx-sync")) as ground:
        plant(ground)
    assert place in {leak.place for leak in ground.leaks()}


def test_what_is_planted_on_a_page_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "safe_url", lambda _: SECRET)
    feature = Feature("planted", around.wsgi_app, frozenset({"pages"}))
    assert ("pages", "/status/status.json") in {leak[:2] for leak in hunt(feature, "httpx-sync").leaks()}


def test_the_table_says_what_was_found() -> None:
    said = io.StringIO()
    sheet = Sheet(Console(file=said, width=200))
    sheet.add("one", "httpx-sync", {"logs": 3}, [])
    sheet.add("two", "httpx-sync", {"pages": 2}, [Leak("pages", "/ready", "in base64")])
    assert sheet.close() == 1
    assert "LEAK  two, httpx-sync: in pages, /ready, in base64" in said.getvalue()
    assert "1 leak." in said.getvalue()
    assert Sheet(Console(file=io.StringIO())).close() == 0
