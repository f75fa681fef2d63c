"""Web frameworks: authenticated clients in their handlers, and 503 with ``Retry-After`` without a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.compat.local_api import LocalAPI
from tests.compat.serving import get, served, served_wsgi
from tests.compat.table import check

WEB = "Web frameworks"
ASGI = "`PrioMiddleware` of `prio_middleware.asgi` around the application"
WSGI = "`PrioMiddleware` of `prio_middleware.wsgi` around the application"
UNAVAILABLE = "a handler for `TokenError` that returns `unavailable(error)`"


def check_app(api: LocalAPI, make: Callable[[Any], Any], serve: Any = served) -> None:
    """Check that the application answers 200 with a token, and 503 with Retry-After once there is none."""
    with serve(make(api.settings())) as url:
        assert get(f"{url}/orders")[0] == 200
    api.is_down = True
    with serve(make(api.settings(client_id="other"))) as url:
        status, headers = get(f"{url}/orders")
        assert (status, int(headers["retry-after"]) > 0) == (503, True), (status, headers)


@check("litestar", WEB, f"{ASGI}, and {UNAVAILABLE}")
def litestar(api: LocalAPI) -> None:
    from litestar import Litestar, Request, Response
    from litestar import get as route

    from prio_middleware import TokenError
    from prio_middleware.asgi import PrioMiddleware
    from prio_middleware.web import unavailable

    @route("/orders")
    async def orders(request: Request[Any, Any, Any]) -> dict[str, str]:
        return (await request.scope["state"]["prio"].get("/orders")).json()

    def answer(_: Request[Any, Any, Any], error: TokenError) -> Response[bytes]:
        reply = unavailable(error)
        return Response(
            reply.body,
            status_code=reply.status,
            headers={"Retry-After": reply.headers["Retry-After"]},
            media_type="text/plain",
        )

    globals()["Request"], globals()["Response"] = Request, Response
    check_app(api, lambda own: PrioMiddleware(Litestar([orders], exception_handlers={TokenError: answer}), own))


@check("quart", WEB, f"{ASGI}, and {UNAVAILABLE}")
def quart(api: LocalAPI) -> None:
    from quart import Quart, request

    from prio_middleware import TokenError
    from prio_middleware.asgi import PrioMiddleware
    from prio_middleware.web import unavailable

    app = Quart("shop")

    @app.get("/orders")
    async def orders() -> Any:
        return (await request.scope["state"]["prio"].get("/orders")).json()

    @app.errorhandler(TokenError)
    async def answer(error: TokenError) -> Any:
        reply = unavailable(error)
        return reply.body, reply.status, reply.headers

    check_app(api, lambda own: PrioMiddleware(app, own))


@check("falcon", WEB, f"{WSGI}, and {UNAVAILABLE}")
def falcon(api: LocalAPI) -> None:
    import falcon

    from prio_middleware import TokenError
    from prio_middleware.web import unavailable
    from prio_middleware.wsgi import PrioMiddleware

    class Orders:
        def on_get(self, request: Any, response: Any) -> None:
            response.media = request.env["prio_middleware.client"].get("/orders").json()

    def answer(_: Any, response: Any, error: TokenError, __: Any) -> None:
        reply = unavailable(error)
        response.status, response.data = reply.status, reply.body
        response.set_headers(reply.headers)

    app = falcon.App()
    app.add_route("/orders", Orders())
    app.add_error_handler(TokenError, answer)
    check_app(api, lambda own: PrioMiddleware(app, own), served_wsgi)


@check("bottle", WEB, WSGI + ', and `app.config["catchall"] = False`: the middleware answers 503')
def bottle(api: LocalAPI) -> None:
    from bottle import Bottle, request

    from prio_middleware.wsgi import PrioMiddleware

    app = Bottle()
    app.config["catchall"] = False
    app.route("/orders", "GET", lambda: request.environ["prio_middleware.client"].get("/orders").json())
    check_app(api, lambda own: PrioMiddleware(app, own), served_wsgi)


@check("Flask-RESTful", WEB, "`Prio(app)`, and `Api.handle_error` overridden with `unavailable(error)`")
def flask_restful(api: LocalAPI) -> None:
    from flask import Flask, Response
    from flask_restful import Api, Resource

    from prio_middleware.flask import Prio, current_client
    from prio_middleware.web import unavailable

    class Orders(Resource):
        def get(self) -> Any:
            return current_client.get("/orders").json()

    class OwnApi(Api):
        def handle_error(self, e: Exception) -> Any:
            response = unavailable(e)
            return Response(response.body, response.status, response.headers) if response else super().handle_error(e)

    def make(own: Any) -> Any:
        app = Flask("shop")
        app.config["PRIO"] = own
        Prio(app)
        OwnApi(app).add_resource(Orders, "/orders")
        return app

    check_app(api, make, served_wsgi)


@check("flask-restx", WEB, "`Prio(app)`, and `@api.errorhandler(TokenError)` that returns `unavailable(error)`")
def flask_restx(api: LocalAPI) -> None:
    from flask import Flask
    from flask_restx import Api, Resource

    from prio_middleware import TokenError
    from prio_middleware.flask import Prio, current_client
    from prio_middleware.web import unavailable

    def make(own: Any) -> Any:
        app = Flask("shop")
        app.config["PRIO"] = own
        Prio(app)
        rest = Api(app)

        @rest.route("/orders")
        class Orders(Resource):
            def get(self) -> Any:
                return current_client.get("/orders").json()

        @rest.errorhandler(TokenError)
        def answer(error: TokenError) -> Any:
            reply = unavailable(error)
            return {"message": reply.body.decode().strip()}, reply.status, {"Retry-After": reply.headers["Retry-After"]}

        return app

    check_app(api, make, served_wsgi)


@check("Flask", WEB, "`Prio(app)`; outside a request `Clients()`")
def flask(api: LocalAPI) -> None:
    from flask import Flask

    from prio_middleware.flask import Prio

    def make(own: Any) -> Any:
        app = Flask("shop")
        app.config["PRIO"] = own
        prio = Prio(app)
        app.add_url_rule("/orders", view_func=lambda: prio.client.get("/orders").json())
        return app

    check_app(api, make, served_wsgi)


@check("fastapi", WEB, "`app.add_middleware(PrioMiddleware)` and `prio: PrioClient`")
def fastapi(api: LocalAPI) -> None:
    from fastapi import FastAPI

    from prio_middleware.fastapi import PrioClient, PrioMiddleware

    def make(own: Any) -> Any:
        app = FastAPI()
        app.add_middleware(PrioMiddleware, settings=own)

        async def orders(prio: Any) -> Any:
            return (await prio.get("/orders")).json()

        orders.__annotations__ = {"prio": PrioClient}
        app.get("/orders")(orders)
        return app

    check_app(api, make)


def django_app(api: LocalAPI, urls: Callable[[], list[Any]], apps: list[str], more: dict[str, Any] | None = None) -> None:
    """Check an application of Django, whose settings are those of the process."""
    import sys
    from types import ModuleType

    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    module = sys.modules["shop_urls"] = ModuleType("shop_urls")
    middleware = ["prio_middleware.django.PrioMiddleware"]
    settings.configure(
        ROOT_URLCONF="shop_urls",
        MIDDLEWARE=middleware,
        INSTALLED_APPS=apps,
        ALLOWED_HOSTS=["*"],
        **(more or {}),
    )
    django.setup()
    module.urlpatterns = urls()

    def make(own: Any) -> Any:
        settings.PRIO = own
        return get_wsgi_application()

    check_app(api, make, served_wsgi)


@check("Django", WEB, "`PrioMiddleware` and `request: PrioRequest`; in management commands `Clients()`")
def django(api: LocalAPI) -> None:
    from django.http import JsonResponse
    from django.urls import path

    django_app(api, lambda: [path("orders", lambda request: JsonResponse(request.prio.get("/orders").json()))], [])


@check("djangorestframework", WEB, "as Django, and an `EXCEPTION_HANDLER` that returns `unavailable(error)`")
def rest_framework(api: LocalAPI) -> None:
    def urls() -> list[Any]:
        from django.urls import path
        from rest_framework.decorators import api_view
        from rest_framework.response import Response

        @api_view(["GET"])
        def orders(request: Any) -> Any:
            return Response(request.prio.get("/orders").json())

        return [path("orders", orders)]

    rest = {"EXCEPTION_HANDLER": f"{__name__}.answer_rest", "DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None}
    django_app(api, urls, ["rest_framework"], {"REST_FRAMEWORK": rest})


def answer_rest(error: Exception, context: Any) -> Any:
    """Handle an exception of a view of Django REST framework."""
    from rest_framework.response import Response
    from rest_framework.views import exception_handler

    from prio_middleware.web import unavailable

    response = unavailable(error)
    if response is None:
        return exception_handler(error, context)
    return Response({"detail": "unavailable"}, response.status, headers={"Retry-After": response.headers["Retry-After"]})


@check("django-ninja", WEB, "as Django, and `@api.exception_handler(TokenError)`")
def ninja(api: LocalAPI) -> None:
    def urls() -> list[Any]:
        from django.http import HttpResponse
        from django.urls import path
        from ninja import NinjaAPI

        from prio_middleware import TokenError
        from prio_middleware.web import unavailable

        rest = NinjaAPI()

        @rest.get("/orders")
        def orders(request):  # noqa: ANN001, ANN202 - ninja reads annotations
            return request.prio.get("/orders").json()

        @rest.exception_handler(TokenError)
        def answer(request, error):  # noqa: ANN001, ANN202
            reply = unavailable(error)
            return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

        return [path("", rest.urls)]

    django_app(api, urls, [])
