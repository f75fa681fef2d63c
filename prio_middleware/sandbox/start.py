"""Starting the server, where what it needs is installed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .clock import Clock
    from .listen import Listen
    from .options import SandboxOptions
    from .thread import ServerThread


def start_thread(options: SandboxOptions, listen: Listen, clock: Clock | None = None) -> ServerThread:
    """Serve from a thread.

    Raises:
        ConfigurationError: the extra is not installed, or the port is taken.
    """
    missing = [name for name in ("uvicorn", "trustme") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The sandbox cannot serve without {' and '.join(missing)}.",
            remedy="Install it: pip install 'prio-middleware[sandbox]'",
        )
    from .thread import ServerThread

    return ServerThread(options, listen, clock)
