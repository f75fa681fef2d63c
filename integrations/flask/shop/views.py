"""The pages: look, hold, buy. A customer's session remembers what is held and what was bought."""

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
    """What there is."""
    answer = current_client.get("/products")
    return render_template("products.html", products=data(answer)["items"])


@shop.get("/products/<int:product_id>")
def product(product_id: int) -> str:
    """One of them, and the form to hold tickets with."""
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
    """What is held for this customer."""
    answer = current_client.get(f"/reservations/{remembered('reservation')}")
    return render_template("checkout.html", reservation=data(answer)["reservation"])


@shop.post("/checkout")
def order() -> ResponseReturnValue:
    """Buy it."""
    answer = current_client.post("/orders", json={"reservation_reference": remembered("reservation")})
    if answer.status_code == HTTPStatus.CONFLICT:  # It was held for too long.
        flash(answer.json()["error_message"])
        return redirect(url_for(".products"))
    session["order"] = data(answer)["order"]["order_reference"]
    return redirect(url_for(".tickets"))


@shop.get("/tickets")
def tickets() -> str:
    """What this customer has bought."""
    answer = current_client.get(f"/orders/{remembered('order')}")
    return render_template("tickets.html", order=data(answer)["order"])


@shop.app_errorhandler(httpx.HTTPStatusError)
def refused(error: httpx.HTTPStatusError) -> ResponseReturnValue:
    """Tell what is the customer's to know, and keep the rest to the log."""
    if error.response.status_code == HTTPStatus.NOT_FOUND:
        return apology("There is no such thing.", HTTPStatus.NOT_FOUND)
    return unanswered(error)


@shop.app_errorhandler(httpx.TransportError)
def unanswered(error: httpx.HTTPError) -> ResponseReturnValue:
    """Prio is not there. A TokenError does not come here: the extension answers that with 503 and Retry-After."""
    current_app.logger.error("%s", error)
    return apology("The ticket office does not answer as it should.", HTTPStatus.BAD_GATEWAY)


def apology(message: str, status: HTTPStatus) -> ResponseReturnValue:
    """A page that says what is wrong."""
    return render_template("apology.html", message=message), status


def data(answer: httpx.Response) -> Any:
    """What Prio answered."""
    return answer.raise_for_status().json()["data"]


def read_wish() -> dict[str, object]:
    """What the form says. Mistakes end here: Prio counts every 4xx, and blocks who has too many."""
    try:
        date = datetime.date.fromisoformat(request.form["date"])
        quantity = int(request.form["quantity"])
    except ValueError:
        abort(HTTPStatus.BAD_REQUEST)
    if not 1 <= quantity <= 10:
        abort(HTTPStatus.BAD_REQUEST)
    return {"date": date.isoformat(), "time": request.form["time"], "quantity": quantity}


def remembered(name: str) -> str:
    """A reference that is kept in the customer's session."""
    reference: str = session.get(name) or abort(HTTPStatus.NOT_FOUND)
    return reference
