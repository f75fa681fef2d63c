from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from prio_middleware import Settings
from prio_middleware.cli.commands import EnvironmentChoice, PresetChoice
from prio_middleware.cli.settings_shown import next_steps, rfc6749
from prio_middleware.cli.settings_shown import prio as prio_file
from tests.cli.helpers import prio

FILES = {"prio": prio_file("sandbox", 'we "say"@example.com', "secret"), "rfc6749": rfc6749("shop", "secret")}
COMMENTED = re.compile(r"^# ?(?P<line>\[[\w.]+\].*|(?P<key>\w+) = .*)$", re.MULTILINE)


@pytest.fixture
def _secret(folder: Path) -> None:
    (folder / "secret").write_text("s3cret")
    (folder / "secret").chmod(0o600)


def written(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "prio.toml").read_text())


def test_init_writes_a_file_and_names_the_next_command(folder: Path) -> None:
    result = prio("init")

    assert result.exit_code == 0
    assert written(folder) == {
        "environment": "sandbox",
        "client_id": "you@example.com",
        "client_secret_file": "~/.config/prio/client_secret",
    }
    assert "Wrote prio.toml." in result.stdout
    assert "prio check" in result.stdout


def test_init_writes_the_given_options(folder: Path) -> None:
    prio("init", "--client-id", "shop", "--environment", "staging", "--secret-file", "secret")

    assert written(folder) == {"environment": "staging", "client_id": "shop", "client_secret_file": "secret"}


def test_another_server(folder: Path) -> None:
    prio("init", "--preset", "rfc6749")

    assert written(folder)["preset"] == "rfc6749"


def test_init_overwrites_a_file_only_with_force(folder: Path) -> None:
    (folder / "prio.toml").write_text("# mine\n")
    result = prio("init")

    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (folder / "prio.toml").read_text() == "# mine\n"
    assert prio("init", "--force").exit_code == 0
    assert written(folder)["environment"] == "sandbox"


def test_a_file_that_cannot_be_written() -> None:
    result = prio("init", "no/such/folder/prio.toml")

    assert result.exit_code == 2
    assert "cannot be written: No such file or directory." in result.stderr


@pytest.mark.usefixtures("_secret")
@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_file_is_right_as_it_is(text: str, folder: Path) -> None:
    (folder / "prio.toml").write_text(text)

    assert Settings().client().client_id


def test_nothing_but_strings_of_toml_comes_from_outside() -> None:
    assert tomllib.loads(FILES["prio"])["client_id"] == 'we "say"@example.com'


@pytest.mark.usefixtures("_secret")
@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_commented_out_settings_are_valid(text: str, folder: Path) -> None:
    (folder / "prio.toml").write_text(COMMENTED.sub(_uncommented, text))
    for name in ("ca.pem", "berlin_secret"):
        (folder / name).write_text("s3cret")
        (folder / name).chmod(0o600)

    assert {"default", "berlin"} == set(Settings().clients)


def _uncommented(match: re.Match[str]) -> str:
    """The line, where it does not say the same as another one in another way."""
    if match["key"] in {"issuer", "private_key_file"}:
        return match[0]
    return match["line"].replace("~/.config/prio/berlin_secret", "berlin_secret")


@pytest.mark.parametrize(("name", "choices"), [("preset", PresetChoice), ("environment", EnvironmentChoice)])
def test_the_choices_are_those_of_the_settings(name: str, choices: Any) -> None:
    for choice in get_args(choices):
        values = {"base_url": "https://a.example", "token_url": "https://a.example/t"} if choice == "rfc6749" else {}
        settings = Settings.from_values(client_id="shop", client_secret="s3cret", **{name: choice}, **values)
        assert getattr(settings.client(), name) == choice


SECRET_FILES: list[str] = ["~/.config/prio/client_secret", "with a space/secret", "secret"]


def test_the_steps_that_come_next_can_be_followed(folder: Path, subtests: pytest.Subtests) -> None:
    for secret_file in SECRET_FILES:
        with subtests.test(secret_file):
            [command] = [line.strip() for line in next_steps(Path("prio.toml"), secret_file).splitlines() if "umask" in line]
            subprocess.run(["sh", "-c", command], input="s3cret\n", text=True, check=True)

            secret = folder / secret_file.removeprefix("~/")
            assert secret.read_text() == "s3cret\n"
            assert secret.stat().st_mode & 0o777 == 0o600
