"""``python -m prio_middleware.demo``: ordinary clients against an API that expires, revokes and rejects tokens."""
