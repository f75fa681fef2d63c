"""Private servers."""

from tests.redis_fixtures import _redis, own_server, server

__all__ = ["_redis", "own_server", "server"]
