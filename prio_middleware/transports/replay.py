"""Whether a request's body can be sent a second time."""

from __future__ import annotations

from typing import Any

from .library import HTTPLibrary


def is_replayable(stream: Any, library: HTTPLibrary) -> bool:
    """True for bytes, and for the kinds of stream that are known to start anew when they are iterated again.

    Everything else counts as sendable once: an open file, for one, would silently send nothing under its old Content-Length.
    """
    if isinstance(stream, library.ByteStream):
        return True
    fields = getattr(stream, "fields", None)
    if type(stream).__name__ == "MultipartStream" and isinstance(fields, list):
        return all(_rewinds(getattr(field, "file", b"")) for field in fields)
    # `content=[b"...", b"..."]`: neither library has a public name for what its stream was made of.
    return isinstance(getattr(stream, "_stream", None), list | tuple)


def _rewinds(file: Any) -> bool:
    if isinstance(file, bytes | str):
        return True
    seekable = getattr(file, "seekable", None)
    return callable(seekable) and not getattr(file, "closed", False) and bool(seekable())
