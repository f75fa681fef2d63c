"""A shop for tickets as a Flask application: ``flask --app shop run``."""

from __future__ import annotations

import secrets

from flask import Flask

from prio_middleware.flask import Prio, ready

from .views import shop


def create_app() -> Flask:
    """Make the application, with settings from ``FLASK_...`` and ``PRIO_...`` variables."""
    app = Flask(__name__)
    # SameSite stops other sites from sending forms in a customer's name. A fixed key keeps carts across a restart.
    app.config.from_mapping(SESSION_COOKIE_SAMESITE="Lax", SECRET_KEY=secrets.token_hex())
    app.config.from_prefixed_env()
    Prio(app, warm_up=True)
    app.register_blueprint(shop)
    app.add_url_rule("/ready", view_func=ready)
    return app
