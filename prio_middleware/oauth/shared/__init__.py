"""One token for many processes and machines: decisions in ``coordinator``, Redis commands in ``redis_store``."""
