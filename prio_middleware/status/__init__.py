"""The status page: what this process knows of its clients' tokens, for people and for programs. Nothing can be changed with it.

It is mounted by ``StatusPage`` of ``prio_middleware.asgi`` and ``prio_middleware.wsgi``, and by ``status_page`` of
``prio_middleware.flask`` and ``prio_middleware.django``.
"""
