from __future__ import annotations

import io
import json
import os
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
    assert "'drop'" in str(refused.value.remedy)


REACHED = {"result": {"url": "https://localhost:1", "ca_pem": None, "admin_key": ""}}


def python(program: str) -> tuple[str, ...]:
    """The command for a program that starts quickly: without ``site``."""
    return (sys.executable, "-I", "-S", "-c", program)


def says(reply: object) -> str:
    return f"print({json.dumps(json.dumps(reply))}, flush=True)"


def test_the_error_is_what_the_process_says() -> None:
    reply = {"message": "No port.", "remedy": "Choose one."}
    with pytest.raises(ConfigurationError) as refused:
        ServerProcess(SandboxOptions(), Listen(), python(says(reply)))
    assert (refused.value.message, refused.value.remedy) == ("No port.", "Choose one.")


@pytest.mark.parametrize("program", ["", "print()", "import os; os._exit(3)"])
def test_a_process_that_ends_without_output_is_an_error(program: str) -> None:
    with pytest.raises(ConfigurationError, match="process has ended"):
        ServerProcess(SandboxOptions(), Listen(), python(program))


def test_a_process_that_was_killed() -> None:
    served = ServerProcess(SandboxOptions(), Listen(), python(f"{says(REACHED)}; import sys; sys.stdin.read()"))
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


def conversation(*lines: object) -> list[dict[str, Any]]:
    """Return the child's replies to the parent's lines."""
    replies = io.StringIO()
    run_commands(io.StringIO("".join(f"{json.dumps(line)}\n" for line in lines)), replies)
    return [json.loads(line) for line in replies.getvalue().splitlines()]


@pytest.mark.parametrize("tls", [True, False])
def test_the_childs_side_of_the_conversation(tls: bool) -> None:
    order = {"options": SandboxOptions().to_json(), "listen": {"host": "localhost", "tls": tls}}
    reached, revoked, mistaken = conversation(
        order, {"name": "revoke", "arguments": {}}, {"name": "revoke", "arguments": {"x": 1}}
    )

    assert reached["result"]["url"].startswith("https://localhost:" if tls else "http://localhost:")
    assert bool(reached["result"]["ca_pem"]) is tls
    assert revoked == {"result": 0}
    assert "'revoke'" in mistaken["message"]


def test_the_child_says_why_it_cannot_serve() -> None:
    (reply,) = conversation({"options": SandboxOptions().to_json(), "listen": {"host": "0.0.0.0"}})

    assert "'0.0.0.0'" in reply["message"]
