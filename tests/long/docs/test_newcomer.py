"""The run of a newcomer: an empty folder, a fresh environment, and the blocks of README and docs as they stand there.

The environment gets the project as a wheel of this checkout, and everything else from the registry, as constraints.txt pins it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

import pytest

from tests.long.docs.blocks import ROOT, Block, all_blocks

INSTALL, *PARTNERS = itertools.takewhile(
    lambda block: "prio check" not in block.code, all_blocks(Path("docs/how-to/partners.md"))
)
"""The blocks of the page. The last one, for an account at real partners, is left out."""

README = list(all_blocks(Path("README.md")))

PINS = ROOT / "constraints.txt"

SECONDS = 120
"""Limit of a command. The slowest one installs some thirty packages."""

PORT = "8000"
"""The port on the pages. It may be in use on this machine, so the servers get a free one in its place."""

LOG = "servers.log"

T = TypeVar("T")


class Newcomer:
    """Folder in which the files of a page are written, and its commands run, from top to bottom.

    Args:
        folder: the working directory. Its ``.venv`` counts as activated.

    Attributes:
        answers: what each ``curl`` printed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: list[str] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = str(free.getsockname()[1])
        self._variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PRIO_", "PYTHON", "VIRTUAL_ENV"))},
            "PIP_CONSTRAINT": str(PINS),
            "PIP_RETRIES": "1",
            "PIP_NO_COMPILE": "1",  # most modules are never imported
            "PORT": self._port,
            "UVICORN_PORT": self._port,
        }
        self._servers: list[subprocess.Popen[bytes]] = []
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def follow(self, blocks: Iterable[Block]) -> None:
        """Write each block with a title to that file, and run each command."""
        for block in blocks:
            if block.title:
                (self.folder / block.title).write_text(block.code)
            elif block.language == "console":
                for line in block.code.splitlines():
                    self.type(line.removeprefix("$ "))

    def type(self, line: str) -> None:
        """Run one command: a server in the background, any other one to its end.

        Raises:
            subprocess.CalledProcessError: it failed. The notes of the error have its output.
        """
        words = shlex.split(line, comments=True)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._variables[name] = value
        elif words[0] == "curl":
            self.answers.append(self._until(lambda: _fetch(words[1].replace(PORT, self._port))))
        elif {"serve.py", "uvicorn", "prio_middleware.sandbox"} & {Path(word).name for word in words[:3]}:
            self._start(words)
        else:
            self._run(words)

    def _run(self, words: list[str]) -> None:
        try:
            subprocess.run(
                self._found(words),
                cwd=self.folder,
                env=self._variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            error.add_note(error.stdout)
            raise

    def _start(self, words: list[str]) -> None:
        """Start a server. It runs until the context ends, and has written its file when this returns."""
        log = self._ends.enter_context((self.folder / LOG).open("ab"))
        server = subprocess.Popen(self._found(words), cwd=self.folder, env=self._variables, stdout=log, stderr=log)
        self._ends.callback(server.wait, timeout=20)
        self._ends.callback(server.terminate)
        self._servers.append(server)
        if "--write" in words:
            written = self.folder / words[words.index("--write") + 1]
            self._until(lambda: written.read_text() or None)

    def _until(self, probe: Callable[[], T | None]) -> T:
        """Return the first result of a probe that is not None. It may also find no file.

        Raises:
            AssertionError: a server has ended, or there is no result within 30 seconds. The message has the servers' output.
        """
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and all(server.poll() is None for server in self._servers):
            with contextlib.suppress(FileNotFoundError):
                if (result := probe()) is not None:
                    return result
            time.sleep(0.1)
        raise AssertionError((self.folder / LOG).read_text())

    def _found(self, words: list[str]) -> list[str]:
        command, *arguments = words
        activated = self.folder / ".venv" / "bin" / command
        return [str(activated) if activated.exists() else {"python": sys.executable}.get(command, command), *arguments]


def _fetch(url: str) -> str | None:
    """Return the answer of a server, or None while it starts."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError:
        raise
    except OSError:
        return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--retries", "1"]
    [backend] = re.findall(r"^hatchling==.*$", PINS.read_text(), re.MULTILINE)
    asked = [*pip, "download", "--no-deps", "--dest", str(folder), backend]
    if subprocess.run(asked, capture_output=True, timeout=SECONDS, check=False).returncode:
        pytest.skip("there is no registry to install packages from")
    build = ["wheel", "--no-deps", "--build-constraint", str(PINS), "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], timeout=SECONDS, check=True)
    [built] = folder.glob("prio_middleware-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the first block of the page sets up. pip finds the project there: it is in no registry."""
    with Newcomer(tmp_path_factory.mktemp("environment")) as newcomer:
        make, install = (line.removeprefix("$ ") for line in INSTALL.code.splitlines())
        newcomer.type(make)
        newcomer.type(f".venv/bin/pip install --no-deps {wheel}")
        newcomer.type(install)
    return newcomer.folder / ".venv"


@pytest.fixture
def newcomer(environment: Path, tmp_path: Path) -> Iterator[Newcomer]:
    """The newcomer in an empty folder, with that environment."""
    (tmp_path / ".venv").symlink_to(environment)
    with Newcomer(tmp_path) as newcomer:
        yield newcomer


def test_two_partners_in_an_application_with_green_tests(newcomer: Newcomer) -> None:
    newcomer.follow(PARTNERS)

    [answer] = newcomer.answers
    offers = json.loads(answer)
    assert offers["tours"]
    assert offers["hotels"]


def test_a_broken_block_is_noticed(newcomer: Newcomer, subtests: pytest.Subtests) -> None:
    """Without a line that counts, the tests of the page fail."""
    for file, line in [
        ("prio.toml", "[clients.hotels]"),
        ("app.py", "app.add_middleware(PrioMiddleware)"),
    ]:
        with subtests.test(file):
            broken = [
                dataclasses.replace(block, code=block.code.replace(line, "")) if block.title == file else block
                for block in PARTNERS
            ]
            assert broken != PARTNERS
            until_tested = itertools.takewhile(lambda block: block.title != "serve.py", broken)
            with pytest.raises(subprocess.CalledProcessError):
                newcomer.follow(until_tested)


def test_the_application_of_the_readme_without_an_account(newcomer: Newcomer) -> None:
    application = next(number for number, block in enumerate(README) if "FastAPI()" in block.code)
    file, commands = README[application : application + 2]
    newcomer.follow([dataclasses.replace(file, title="app.py"), commands])

    [answer] = newcomer.answers
    assert json.loads(answer)["data"]["items"]
