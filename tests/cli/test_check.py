from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from prio_middleware.sandbox import Sandbox
from tests.cli.helpers import prio

pytestmark = pytest.mark.usefixtures("prio_environment")

STEPS = ["settings", "dns", "tcp", "tls", "clock", "token", "call"]


def check(*arguments: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Return the exit status and each client's steps."""
    result = prio("check", "--json", *arguments)
    report = json.loads(result.stdout)
    assert report["ok"] is (result.exit_code == 0)
    return result.exit_code, report["clients"]


def statuses(steps: list[dict[str, Any]]) -> dict[str, str]:
    return {step["step"]: step["status"] for step in steps}


def ended(steps: list[dict[str, Any]], failed: str) -> bool:
    """Return True if all steps before ``failed`` passed, and all after it were skipped."""
    at = STEPS.index(failed)
    return statuses(steps) == dict(zip(STEPS, ["ok"] * at + ["fail"] + ["skip"] * (len(STEPS) - at), strict=False))


def test_a_check_without_problems_succeeds(prio_sandbox: Sandbox) -> None:
    result = prio("check")

    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines() if line.startswith("  ok ")] == [
        ["ok", step] for step in STEPS
    ]
    assert result.stdout.endswith("\nAll checks passed.\n")
    assert result.stderr == ""
    assert 'client_secret = "**"' in result.stdout
    assert "# PRIO_CLIENT_SECRET" in result.stdout
    assert prio_sandbox.client_secret not in result.stdout
    assert prio_sandbox.admin.counts().token_requests == 1


def test_for_programs() -> None:
    status, clients = check()

    assert status == 0
    assert statuses(clients["default"]) == dict.fromkeys(STEPS, "ok")
    assert clients["default"][0]["facts"]["client_secret"] == {"value": "**", "from": "PRIO_CLIENT_SECRET"}
    assert clients["default"][3]["facts"]["tls"] == "TLSv1.3"
    assert clients["default"][5]["facts"]["lifetime"] == 3600


def test_a_client_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_PROVIDER", "none")
    monkeypatch.setenv("PRIO_HEADERS", '{"X-Api-Key": "s3cret-key"}')
    for name in ("PRIO_CLIENT_ID", "PRIO_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    status, clients = check()

    assert status == 1  # The sandbox's API wants a token.
    assert statuses(clients["default"])["token"] == "ok"
    assert statuses(clients["default"])["call"] == "fail"
    assert "s3cret-key" not in json.dumps(clients)


FAILURES: list[tuple[dict[str, str | None], str, str]] = [
    ({"PRIO_CLIENT_SECRET": "not-the-s3cret"}, "token", "Check client id, secret"),
    ({"PRIO_BASIC_ENCODING": "form"}, "token", 'set basic_encoding = "raw"'),
    ({"PRIO_CLIENT_AUTH": "client_secret_post", "PRIO_CLIENT_SECRET": "wrong"}, "token", "Check client id, secret"),
    ({"PRIO_SCOPE": "nonsense"}, "token", "Compare scope"),
    ({"PRIO_CA_FILE": "/absent.pem"}, "settings", "Correct the configuration"),
    ({"PRIO_CLIENT_AUTH": "private_key_jwt", "PRIO_PRIVATE_KEY": "no key", "PRIO_CLIENT_SECRET": None}, "settings", ""),
    ({"PRIO_BASE_URL": "https://127.0.0.1:1/v1"}, "tcp", "firewall"),
]


def test_what_fails_says_what_to_do(subtests: pytest.Subtests) -> None:
    for variables, failed, remedy in FAILURES:
        with subtests.test(str(variables)), pytest.MonkeyPatch.context() as monkeypatch:
            for name, value in variables.items():
                if value is None:
                    monkeypatch.delenv(name)
                else:
                    monkeypatch.setenv(name, value)

            status, clients = check()

            assert status == 1
            assert ended(clients["default"], failed)
            assert remedy in clients["default"][STEPS.index(failed)]["remedy"]
            text = prio("check").stdout
            assert "  FAIL  " in text
            assert "To do: " in text
            assert "\n1 failed.\n" in text


def test_an_unknown_client_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert ended(check()[1]["default"], "dns")


def test_a_name_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait() and [])

    assert ended(check("--timeout", "0.2")[1]["default"], "dns")
    released.set()


def test_a_server_that_accepts_connections_and_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("PRIO_BASE_URL", f"https://{host}/v1")
        started = time.monotonic()
        steps = check("--timeout", "0.2")[1]["default"]

        assert time.monotonic() - started < 5
        assert ended(steps, "tls")
        assert host in steps[3]["summary"]


def test_an_address_without_a_host_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(3):  # The kernel then drops further connections, as a firewall does.
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        monkeypatch.setenv("PRIO_BASE_URL", f"https://127.0.0.1:{full.getsockname()[1]}/v1")

        assert ended(check("--timeout", "0.2")[1]["default"], "tcp")


@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_a_token_endpoint_that_is_silent_is_given_up(prio_sandbox: Sandbox, fault: str) -> None:
    prio_sandbox.admin.fail_tokens(fault, times=None)

    assert ended(check("--timeout", "0.4")[1]["default"], "token")


def test_a_certificate_that_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRIO_CA_FILE")
    steps = check()[1]["default"]

    assert ended(steps, "tls")
    assert "ca_file" in steps[3]["remedy"]


CALLS: list[tuple[str, str, str]] = [
    ("/products/1004", "ok", "200 OK"),
    ("/reports/sales", "fail", "AUTHORIZATION_FAILURE"),
    ("/nowhere", "fail", "404"),
    ("/redirect?to=/products", "warn", "302"),
    ("/a\x01b", "fail", "InvalidURL"),
    ("http://api.example/", "fail", "https"),
]


def test_another_call_can_be_tried(subtests: pytest.Subtests) -> None:
    for path, status, words in CALLS:
        with subtests.test(repr(path)):
            call = check("--path", path)[1]["default"][-1]

            assert (call["status"], words in call["summary"]) == (status, True)
            assert (call["remedy"] is None) == (status == "ok")


def test_a_call_with_a_credential_in_it_is_not_tried(prio_sandbox: Sandbox) -> None:
    result = prio("check", "--path", "https://me:s3cret@127.0.0.1/x")

    assert result.exit_code == 2
    assert "s3cret" not in result.output
    assert prio_sandbox.admin.requests() == []


FAULTS: list[tuple[str, str]] = [("unavailable", "503"), ("drop", "No response"), ("endless_refusal", "403")]


def test_a_call_that_fails(prio_sandbox: Sandbox, subtests: pytest.Subtests) -> None:
    for fault, words in FAULTS:
        with subtests.test(fault):
            prio_sandbox.admin.clear_faults()
            prio_sandbox.admin.fail_api(fault, path="/products", times=None)
            call = check()[1]["default"][-1]

            assert (call["status"], words in call["summary"]) == ("fail", True)


def test_a_warning_is_no_failure(prio_environment: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = folder / "secret"
    secret.write_text(prio_environment["PRIO_CLIENT_SECRET"])
    secret.chmod(0o644)
    monkeypatch.delenv("PRIO_CLIENT_SECRET")
    monkeypatch.setenv("PRIO_CLIENT_SECRET_FILE", str(secret))

    result = prio("check")

    assert result.exit_code == 0
    assert "warn  settings" in result.stdout
    assert "chmod 600" in result.stdout
    assert result.stdout.endswith("\nPassed, with 1 warning.\n")
    assert f'client_secret_file = "{secret}"' in result.stdout


def test_a_secret_too_short_to_be_masked_is_a_warning_and_messages_stay_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_CLIENT_SECRET", "i")
    settings, *_, token, _ = check()[1]["default"]

    assert settings["status"] == "warn"
    assert "The client_secret of the client 'default' has fewer than 4 characters" in settings["summary"]
    assert token["status"] == "fail"
    assert token["facts"]["code"] == "invalid_client"
    assert "withheld" not in token["summary"]


def test_the_check_covers_every_client_or_the_named_one(prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    berlin = prio_sandbox.options.accounts[1]
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN__CLIENT_ID", berlin.client_id)
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN__CLIENT_SECRET", berlin.client_secret)

    assert list(check()[1]) == ["default", "berlin"]
    assert list(check("--client", "berlin")[1]) == ["berlin"]

    status, clients = check("-c", "berln")
    assert status == 1
    assert ended(clients["berln"], "settings")
    assert "'berlin'" in clients["berln"][0]["summary"]


def test_missing_settings_fail_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRIO_CLIENT_ID", "PRIO_CLIENT_SECRET"):
        monkeypatch.delenv(name)

    status, clients = check()

    assert status == 1
    assert ended(clients["default"], "settings")
    assert "PRIO_CLIENT_ID" in clients["default"][0]["summary"]


def test_the_secret_may_be_typed(
    prio_environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, prio_sandbox: Sandbox
) -> None:
    monkeypatch.delenv("PRIO_CLIENT_SECRET")
    result = prio("check", "--ask-secret", keyboard=f"{prio_environment['PRIO_CLIENT_SECRET']}\n")

    assert result.exit_code == 0
    assert prio_sandbox.client_secret not in result.output

    berlin = prio_sandbox.options.accounts[1]
    monkeypatch.setenv("PRIO_CLIENT_SECRET", prio_sandbox.client_secret)
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN__CLIENT_ID", berlin.client_id)
    assert prio("check", "--client", "berlin", "--ask-secret", keyboard=f"{berlin.client_secret}\n").exit_code == 0


def test_a_server_of_which_no_call_is_known(prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"PRESET": "rfc6749", "TOKEN_URL": prio_sandbox.token_url, "BODY_FORMAT": "json", "BASIC_ENCODING": "raw"}
    for name, value in other.items():
        monkeypatch.setenv(f"PRIO_{name}", value)

    status, clients = check()
    assert status == 0
    assert statuses(clients["default"]) == {**dict.fromkeys(STEPS, "ok"), "call": "skip"}
    assert "--path" in clients["default"][-1]["summary"]
    assert check("--path", "/products")[1]["default"][-1]["status"] == "ok"


def test_a_token_endpoint_on_another_server_is_checked(prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = urlsplit(prio_sandbox.token_url.replace("127.0.0.1", "localhost"))
    monkeypatch.setenv("PRIO_TOKEN_URL", issuer.geturl())
    status, clients = check()
    steps = clients["default"]

    assert status == 0
    assert [(step["step"], step["status"]) for step in steps] == [(name, "ok") for name in (*STEPS[:4], *STEPS[1:])]
    assert [step["facts"]["host"] for step in steps if step["step"] in {"dns", "tcp"}] == ["127.0.0.1"] * 2 + ["localhost"] * 2


def test_an_outage_of_another_servers_token_endpoint_leaves_the_api_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_TOKEN_URL", "https://127.0.0.1:1/token")
    status, clients = check()

    assert status == 1
    assert [(step["step"], step["status"]) for step in clients["default"]] == [
        *((name, "ok") for name in (*STEPS[:4], "dns")),
        ("tcp", "fail"),
        *((name, "skip") for name in ("tls", "clock", "token", "call")),
    ]
