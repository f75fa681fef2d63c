from __future__ import annotations

import io
import os
import pickle
import signal
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from prio_middleware import ConfigurationError
from prio_middleware.sandbox import Clock, Sandbox, SandboxOptions
from prio_middleware.sandbox.sandbox_options import Listen
from prio_middleware.sandbox.server import ServerProcess, run_commands

from .helpers import CLIENT_CREDENTIALS, basic, bearer


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(lifetime=90), process=True) as running:
        yield running


def test_a_sandbox_in_a_process_works_as_one_in_a_thread(sandbox: Sandbox) -> None:
    headers = basic(sandbox.client_id, sandbox.client_secret)
    with httpx.Client(verify=sandbox.ssl_context(), base_url=sandbox.base_url) as client:
        answer = client.post(sandbox.token_url, json=CLIENT_CREDENTIALS, headers=headers).json()
        before = client.get("/products", headers=bearer(answer["access_token"]))
        revoked = sandbox.admin.revoke()
        after = client.get("/products", headers=bearer(answer["access_token"]))

    assert answer["expires_in"] == 90
    assert (before.status_code, revoked, after.status_code) == (200, 1, 403)
    assert sandbox.admin.counts().calls_by_route == {"/products": {200: 1, 403: 1}}
    assert [seen.status for seen in sandbox.admin.requests()] == [200, 200, 403]
    assert [seen.client_id for seen in sandbox.admin.token_requests()] == [sandbox.client_id]


def test_a_mistake_is_an_error_of_the_parent(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="'dorp'") as refused:
        sandbox.admin.fail_api("dorp")
    with pytest.raises(TypeError):
        sandbox.admin.revoke(client="x")  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        sandbox.admin.revok()  # type: ignore[attr-defined]
    assert "'drop'" in str(refused.value.remedy)


REACHED = ("https://localhost:1", None, "")


def python(program: str) -> tuple[str, ...]:
    """The command for a program that starts quickly: without ``site``."""
    return (sys.executable, "-I", "-S", "-c", program)


def says(reply: object) -> str:
    return f"import sys; sys.stdout.buffer.write({pickle.dumps(reply)!r}); sys.stdout.flush()"


def test_the_error_is_what_the_process_says() -> None:
    with pytest.raises(ConfigurationError) as refused:
        ServerProcess(SandboxOptions(), Listen(), python(says(ConfigurationError("No port.", remedy="Choose one."))))
    assert (refused.value.message, refused.value.remedy) == ("No port.", "Choose one.")


@pytest.mark.parametrize("program", ["", "print()", "import os; os._exit(3)"])
def test_a_process_that_ends_without_output_is_an_error(program: str) -> None:
    with pytest.raises(ConfigurationError, match="process has ended"):
        ServerProcess(SandboxOptions(), Listen(), python(program))


def test_a_process_that_was_killed() -> None:
    served = ServerProcess(SandboxOptions(), Listen(), python(f"{says(REACHED)}; sys.stdin.read()"))
    os.kill(served.pid, signal.SIGKILL)

    with pytest.raises(ConfigurationError, match="process has ended"):
        served.admin.revoke()
    served.stop()


def test_a_process_that_does_not_end_by_itself() -> None:
    program = f"{says(REACHED)}; import time; time.sleep(3600)"
    served = ServerProcess(SandboxOptions(), Listen(), python(program), stop_timeout=0.1)
    served.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(served.pid, 0)


def test_a_clock_stays_in_its_process() -> None:
    with pytest.raises(ConfigurationError, match="another process"):
        Sandbox(process=True, clock=Clock())


def conversation(*messages: object) -> list[Any]:
    """Return the child's replies to the parent's messages."""
    replies = io.BytesIO()
    run_commands(io.BytesIO(b"".join(map(pickle.dumps, messages))), replies)
    replies.seek(0)
    return [pickle.load(replies) for _ in messages]


@pytest.mark.parametrize("tls", [True, False])
def test_the_childs_side_of_the_conversation(tls: bool) -> None:
    order = (SandboxOptions(), Listen("localhost", tls=tls))
    reached, revoked, mistaken = conversation(order, ("revoke", (), {}), ("fail_api", ("dorp",), {}))

    assert reached.url.startswith("https://localhost:" if tls else "http://localhost:")
    assert bool(reached.ca_pem) is tls
    assert revoked == 0
    assert "'dorp'" in mistaken.message


def test_the_child_says_why_it_cannot_serve(sandbox: Sandbox) -> None:
    port = httpx.URL(sandbox.url).port or 0
    (reply,) = conversation((SandboxOptions(), Listen(port=port)))

    assert str(port) in reply.message
