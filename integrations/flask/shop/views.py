"""Pages to see, hold and buy tickets. The session of a customer keeps the references of reservation and order."""

from __future__ import annotations

import datetime
from http import HTTPStatus
from typing import Any

import httpx
from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from prio_middleware.flask import current_client

shop = Blueprint("shop", __name__)


@shop.get("/")
def products() -> str:
    """Show the products."""
    answer = current_client.get("/products")
    return render_template("products.html", products=data(answer)["items"])


@shop.get("/products/<int:product_id>")
def product(product_id: int) -> str:
    """Show a product, with a form to hold tickets."""
    answer = current_client.get(f"/products/{product_id}")
    return render_template("product.html", product=data(answer)["product"])


@shop.post("/products/<int:product_id>")
def reserve(product_id: int) -> ResponseReturnValue:
    """Hold tickets."""
    answer = current_client.post("/reservations", json={"product_id": str(product_id), **read_wish()})
    if answer.status_code == HTTPStatus.CONFLICT:
        flash(answer.json()["error_message"])
        return product(product_id), HTTPStatus.CONFLICT
    session["reservation"] = data(answer)["reservation"]["reservation_reference"]
    return redirect(url_for(".checkout"))


@shop.get("/checkout")
def checkout() -> str:
    """Show the tickets that are held."""
    answer = current_client.get(f"/reservations/{remembered('reservation')}")
    return render_template("checkout.html", reservation=data(answer)["reservation"])


@shop.post("/checkout")
def order() -> ResponseReturnValue:
    """Buy the tickets that are held."""
    answer = current_client.post("/orders", json={"reservation_reference": remembered("reservation")})
    if answer.status_code == HTTPStatus.CONFLICT:  # The reservation has expired.
        flash(answer.json()["error_message"])
        return redirect(url_for(".products"))
    session["order"] = data(answer)["order"]["order_reference"]
    return redirect(url_for(".tickets"))


@shop.get("/tickets")
def tickets() -> str:
    """Show the tickets of the order."""
    answer = current_client.get(f"/orders/{remembered('order')}")
    return render_template("tickets.html", order=data(answer)["order"])


@shop.app_errorhandler(httpx.HTTPStatusError)
def rejected(error: httpx.HTTPStatusError) -> ResponseReturnValue:
    """Show a page for 404. Log any other error."""
    if error.response.status_code == HTTPStatus.NOT_FOUND:
        return apology("There is no such thing.", HTTPStatus.NOT_FOUND)
    return unanswered(error)


@shop.app_errorhandler(httpx.TransportError)
def unanswered(error: httpx.HTTPError) -> ResponseReturnValue:
    """Show a page with status 502. A TokenError does not reach this handler: the extension returns 503 with Retry-After."""
    current_app.logger.error("%s", error)
    return apology("The ticket office does not answer as it should.", HTTPStatus.BAD_GATEWAY)


def apology(message: str, status: HTTPStatus) -> ResponseReturnValue:
    """Return a page with an error message."""
    return render_template("apology.html", message=message), status


def data(answer: httpx.Response) -> Any:
    """Return the data of a response, or raise `httpx.HTTPStatusError`."""
    return answer.raise_for_status().json()["data"]


def read_wish() -> dict[str, object]:
    """Return the values of the form, or abort with 400: Prio counts every 4xx and blocks a client that has too many."""
    try:
        date = datetime.date.fromisoformat(request.form["date"])
        quantity = int(request.form["quantity"])
    except ValueError:
        abort(HTTPStatus.BAD_REQUEST)
    if not 1 <= quantity <= 10:
        abort(HTTPStatus.BAD_REQUEST)
    return {"date": date.isoformat(), "time": request.form["time"], "quantity": quantity}


def remembered(name: str) -> str:
    """Return a reference of the customer's session, or abort with 404."""
    reference: str = session.get(name) or abort(HTTPStatus.NOT_FOUND)
    return reference
