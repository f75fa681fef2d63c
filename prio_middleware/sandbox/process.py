"""The sandbox served from a process of its own.

Parent and child exchange lines of JSON over the child's standard input and output: first options and address, answered by
how the sandbox is reached; then the admin interface's operations. The child ends when its input does, so it never outlives
its parent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, cast

from ..errors import ConfigurationError
from .admin import Admin
from .listen import Listen
from .operations import answer, refusal
from .options import SandboxOptions
from .start import start_thread

if TYPE_CHECKING:
    from .thread import ServerThread

COMMAND = (sys.executable, "-m", "prio_middleware.sandbox", "--control")

_STOP_TIMEOUT = 10.0


class ServerProcess:
    """A sandbox that is being served.

    Args:
        options: how it behaves.
        listen: where, and how.
        command: what to start.

    Raises:
        ConfigurationError: the process cannot serve, or ended at once.
    """

    def __init__(self, options: SandboxOptions, listen: Listen, command: Sequence[str] = COMMAND) -> None:
        # In a group of its own, Ctrl-C goes to the parent alone, which then ends it.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        self._lock = threading.Lock()
        self.pid = self._process.pid
        self.admin = Admin(self._perform)
        try:
            reached = self._exchange({"options": options.to_json(), "listen": dataclasses.asdict(listen)})
        except BaseException:
            self.stop()
            raise
        self.url: str = reached["url"]
        self.ca_pem: bytes | None = reached["ca_pem"].encode() if reached["ca_pem"] else None
        self.admin_key: str = reached["admin_key"]

    def stop(self) -> None:
        """End the process: kindly first, and in any case within seconds."""
        with contextlib.suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    def _perform(self, name: str, arguments: Mapping[str, Any]) -> Any:
        return self._exchange({"name": name, "arguments": arguments})

    def _exchange(self, message: Mapping[str, Any]) -> Any:
        with self._lock:
            reply = _ask(self._process, json.dumps(message).encode())
        if reply is None:
            raise ConfigurationError("The sandbox's process has ended.", remedy="Its standard error output says why.")
        if "result" not in reply:
            raise ConfigurationError(reply["message"], remedy=reply["remedy"])
        return reply["result"]


def obey(commands: IO[str], replies: IO[str]) -> None:
    """What the child does: serve as the first line says, then do what each further line says, until there are no more."""
    reply, served = _serve(json.loads(commands.readline()))
    _write(replies, reply)
    if served is None:
        return
    for line in commands:
        command = json.loads(line)
        _write(replies, answer(served.operations, command["name"], command["arguments"]))
    served.stop()


def _serve(order: Mapping[str, Any]) -> tuple[dict[str, Any], ServerThread | None]:
    try:
        served = start_thread(SandboxOptions.from_json(order["options"]), Listen(**order["listen"]))
    except ConfigurationError as error:
        return refusal(error), None
    ca_pem = served.ca_pem.decode() if served.ca_pem else None
    return {"result": {"url": served.url, "ca_pem": ca_pem, "admin_key": served.admin_key}}, served


def _write(replies: IO[str], document: Mapping[str, Any]) -> None:
    replies.write(json.dumps(document) + "\n")
    replies.flush()


def _ask(process: subprocess.Popen[bytes], line: bytes) -> Mapping[str, Any] | None:
    """The process's reply to a line; None where it has ended, or is not what it should be."""
    try:
        _pipe(process.stdin).write(line + b"\n")
        _pipe(process.stdin).flush()
        reply: Mapping[str, Any] = json.loads(_pipe(process.stdout).readline())
    except (OSError, ValueError):
        return None
    return reply


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", pipe)
