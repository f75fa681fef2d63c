"""One token for many processes and machines: the decisions here, the commands to Redis in ``redis_store``."""
