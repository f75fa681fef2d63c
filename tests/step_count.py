"""Counts the steps of Python code, so that tests and fuzzing can compare work with the length of an input."""

from __future__ import annotations

import contextlib
import dis
import functools
import sys
from collections.abc import Generator
from types import CodeType, FrameType
from typing import Any


class Steps:
    """Number of steps: bytecode instructions, and the length of each text that a single instruction can read."""

    def __init__(self) -> None:
        self.count = 0

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Count an instruction. A search in a text (``part in text``) counts as the longest text of the frame."""
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if event == "opcode":
            self.count += 1
            if frame.f_lasti in _searches(frame.f_code):
                texts = (value for value in frame.f_locals.values() if isinstance(value, str | bytes))
                self.count += max(map(len, texts), default=0)
        return self.trace

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        """Count a call of a method in C as the length of its object."""
        if event == "c_call":
            owner = getattr(arg, "__self__", None)
            if isinstance(owner, str | bytes | set | frozenset | dict | list):
                self.count += len(owner)


@functools.cache
def _searches(code: CodeType) -> frozenset[int]:
    return frozenset(each.offset for each in dis.get_instructions(code) if each.opname == "CONTAINS_OP")


@contextlib.contextmanager
def counted_steps() -> Generator[Steps]:
    """Count the steps of this thread within ``with``."""
    steps, traced, profiled = Steps(), sys.gettrace(), sys.getprofile()
    sys.settrace(steps.trace)
    sys.setprofile(steps.profile)
    try:
        yield steps
    finally:
        sys.setprofile(profiled)
        sys.settrace(traced)
