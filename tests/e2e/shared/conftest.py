"""Private servers."""

from tests.redis_fixtures import _served, own_server, server

__all__ = ["_served", "own_server", "server"]
