"""Private servers."""

from tests.redis_fixtures import _redis, cluster, own_server, server, watched

__all__ = ["_redis", "cluster", "own_server", "server", "watched"]
