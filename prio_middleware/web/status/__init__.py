"""Read-only status page of the clients of this process, with ``status.json`` for programs.

Mount it with ``asgi.StatusPage`` or ``wsgi.WSGIStatusPage`` of ``prio_middleware``, or with ``status_page`` of
``prio_middleware.flask`` and ``prio_middleware.django``.
"""
