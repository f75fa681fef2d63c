"""How many connections a process may have open: operating systems count them as files, and often allow few at first."""

from __future__ import annotations


def allow_open_files(number: int) -> int | None:
    """Raise this process's limit to ``number``, if it is lower. Returns the limit where that is not allowed."""
    try:
        import resource
    except ImportError:  # Windows: its sockets are no files
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= number:
        return None
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    except ValueError:
        return soft
    return None
