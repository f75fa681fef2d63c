from __future__ import annotations

import json
from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox
from tests.cli.helpers import A_SETTING, COLOUR, ESCAPE, in_terminal, prio

pytestmark = pytest.mark.usefixtures("prio_environment")

RAW: list[list[str]] = [[], ["--json"]]


def test_an_answer_is_printed_for_people() -> None:
    result = prio("request", "get", "/products/1004")

    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["data"]
    assert result.stdout.startswith('{\n  "api_version": "3.8",\n')


def test_an_answer_is_printed_as_it_is() -> None:
    result = prio("request", "GET", "/products/1004", "--json")

    assert result.exit_code == 0
    assert result.stdout.startswith('{"api_version":"3.8",')


STATUSES = [
    ("GET", "/redirect?to=/products", 3, "302 Found: to /products"),
    ("GET", "/reports/sales", 4, "403 Forbidden: AUTHORIZATION_FAILURE, Access is not authorized, error_reference "),
    ("DELETE", "/products", 4, "405 Method Not Allowed"),
]


def test_the_exit_status_is_the_class_of_the_answers(subtests: pytest.Subtests) -> None:
    for method, path, status, said in STATUSES:
        for raw in RAW:
            with subtests.test(f"{method} {path} {raw}"):
                result = prio("request", method, path, *raw)

                assert result.exit_code == status
                assert result.stderr.startswith(said)


@pytest.mark.pitfall(id="earlier-secrets")
def test_a_token_that_the_server_echoes_is_withheld(prio_sandbox: Sandbox, subtests: pytest.Subtests) -> None:
    token = prio("token", "--reveal").stdout.strip()
    for raw in RAW:
        with subtests.test(str(raw)):
            result = prio("request", "GET", f"/redirect?to=/{token}", *raw)

            assert result.exit_code == 3
            assert "withheld" in result.stderr
            assert token not in result.stderr


def test_a_server_that_fails(prio_sandbox: Sandbox, subtests: pytest.Subtests) -> None:
    for raw in RAW:
        with subtests.test(str(raw)):
            prio_sandbox.admin.clear_faults()
            prio_sandbox.admin.fail_api("unavailable", retry_after=7)
            result = prio("request", "GET", "/products", *raw)

            assert result.exit_code == 5
            assert "retry in 7 s" in result.stderr


def test_data_from_a_file_is_json(folder: Path) -> None:
    (folder / "sale.json").write_text('{"product_id": "1004", "date": "2030-01-01", "quantity": 1}')

    assert prio("request", "POST", "/reservations", "--data", "@sale.json").exit_code == 0


def test_data_from_standard_input_with_a_header(prio_sandbox: Sandbox) -> None:
    result = prio(
        "request", "POST", "/echo", "-d", "-", "-H", "content-type: text/plain", "-H", "App-Name: kiosk", keyboard="hello"
    )
    echo = json.loads(result.stdout)

    assert echo["body_length"] == 5
    assert {name.lower(): value for name, value in echo["headers"].items()}["content-type"] == "text/plain"
    assert prio_sandbox.admin.requests()[-1].app_headers == {"app-name": "kiosk"}


WRONG_LINES: list[list[str]] = [
    ["POST", "/echo", "--data", "{}"],
    ["GET", "/echo", "--header", "Authorization: Bearer x"],
    ["G T", "/echo"],
    ["GET", "/echo", "--client", "nobody"],
    ["GET", "/echo?api_key=s3cret"],
]


def test_a_wrong_command_line_sends_nothing(prio_sandbox: Sandbox, subtests: pytest.Subtests) -> None:
    for arguments in WRONG_LINES:
        with subtests.test(str(arguments)):
            result = prio("request", *arguments)

            assert (result.exit_code, result.stdout) == (2, "")
            assert "\nremedy   " in result.stderr
            assert prio_sandbox.admin.requests() == []


UNREACHABLE: list[tuple[str, str, str]] = [
    ("https://127.0.0.1:1/x", "No response: ConnectError", "prio check"),
    ("/a\x01b", "No response: InvalidURL", "/products"),
    ("ftp://127.0.0.1/x", "", "https"),
    ("http://127.0.0.1:1/x", "https", "loopback"),
    ("/\udcff", "No response", "prio check"),
]


def test_a_call_without_an_answer(subtests: pytest.Subtests) -> None:
    for path, problem, remedy in UNREACHABLE:
        with subtests.test(repr(path)):
            result = prio("request", "GET", path)

            assert (result.exit_code, result.stdout) == (1, "")
            assert problem in result.stderr
            assert remedy in result.stderr


def test_an_answer_that_breaks_off(prio_sandbox: Sandbox, subtests: pytest.Subtests) -> None:
    for raw in RAW:
        with subtests.test(str(raw)):
            prio_sandbox.admin.clear_faults()
            prio_sandbox.admin.fail_api("truncated")
            result = prio("request", "GET", "/products", *raw)

            assert result.exit_code == 1
            assert "error    No response: RemoteProtocolError" in result.stderr


def test_no_token_is_explained(prio_sandbox: Sandbox) -> None:
    prio_sandbox.admin.configure(refuse_credentials=True)
    result = prio("request", "GET", "/products")

    assert result.exit_code == 1
    assert "invalid_client" in result.stderr


def test_a_refusal_that_is_returned_says_why(prio_sandbox: Sandbox) -> None:
    prio("token")
    prio_sandbox.admin.revoke()
    prio_sandbox.admin.configure(refuse_credentials=True)
    result = prio("request", "GET", "/products")

    assert result.exit_code == 4
    assert "no new one could be fetched" in result.stderr


def test_another_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_LIBRARY", "httpx2")

    assert prio("request", "GET", "/products").exit_code == 0
    assert "No response: ConnectError" in prio("request", "GET", "https://127.0.0.1:1/x").stderr


def test_a_pipe_gets_no_escapes_and_whole_lines() -> None:
    ended = prio("request", "GET", "/reports/sales")

    assert "\x1b" not in ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["error"] == "AUTHORIZATION_FAILURE"
    assert len(ended.stderr.splitlines()) == 1


def test_a_terminal_gets_colours_and_the_status() -> None:
    status, written = in_terminal("request", "GET", "/products/1004")

    assert status == 0
    assert COLOUR.search(written)
    assert ESCAPE.sub("", written).endswith("\n200 OK\n")


def test_no_color_turns_colour_off_in_requests_and_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    for arguments in (["request", "GET", "/products/1004"], ["check"]):
        status, written = in_terminal(*arguments)
        assert (status, COLOUR.search(written)) == (0, None)
        assert written


def test_an_examination_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_SCOPE", "nonsense")
    status, written = in_terminal("check")
    lines = ESCAPE.sub("", written).splitlines()

    assert status == 1
    assert COLOUR.search(written)
    assert [line for line in lines if len(line) > 80 and not A_SETTING.match(line)] == []
    assert any(line.startswith("  FAIL  token") for line in lines)


def test_what_an_error_says_is_broken_between_words(prio_sandbox: Sandbox) -> None:
    prio_sandbox.admin.configure(refuse_credentials=True)
    status, written = in_terminal("request", "GET", "/products", columns=60)
    lines = ESCAPE.sub("", written).splitlines()

    assert status == 1
    assert [line for line in lines if len(line) > 60 and " " in line.strip()[9:]] == []
    assert " ".join(line.strip() for line in lines).endswith("authentication method. Ask the vendor if they were revoked.")
