"""Pages to see, hold and buy tickets. The session of a customer keeps the references of reservation and order."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from .forms import WishForm


class Request(HttpRequest):
    """Request of a sync view."""

    prio: httpx.Client


class AsyncRequest(HttpRequest):
    """Request of an async view."""

    prio: httpx.AsyncClient


async def products(request: AsyncRequest) -> HttpResponse:
    """Show the products."""
    answer = await request.prio.get("/products")
    return render(request, "shop/products.html", {"products": data(answer)["items"]})


def product(request: Request, product_id: int) -> HttpResponse:
    """Show a product, and hold tickets."""
    wanted = data(request.prio.get(f"/products/{product_id}"))["product"]
    form = WishForm(wanted["product_times"], request.POST or None)
    page = {"product": wanted, "form": form}
    if not form.is_valid():
        return render(request, "shop/product.html", page)
    answer = request.prio.post("/reservations", json={"product_id": str(product_id), **form.wish()})
    if answer.status_code == HTTPStatus.CONFLICT:
        form.add_error(None, answer.json()["error_message"])
        return render(request, "shop/product.html", page, status=HTTPStatus.CONFLICT)
    request.session["reservation"] = data(answer)["reservation"]["reservation_reference"]
    return redirect("shop:checkout")


def checkout(request: Request) -> HttpResponse:
    """Show the tickets that are held, and buy them."""
    reference = remembered(request, "reservation")
    if request.method != "POST":
        reservation = data(request.prio.get(f"/reservations/{reference}"))["reservation"]
        return render(request, "shop/checkout.html", {"reservation": reservation})
    answer = request.prio.post("/orders", json={"reservation_reference": reference})
    if answer.status_code == HTTPStatus.CONFLICT:  # The reservation has expired.
        messages.error(request, answer.json()["error_message"])
        return redirect("shop:products")
    request.session["order"] = data(answer)["order"]["order_reference"]
    return redirect("shop:tickets")


def tickets(request: Request) -> HttpResponse:
    """Show the tickets of the order."""
    answer = request.prio.get(f"/orders/{remembered(request, 'order')}")
    return render(request, "shop/tickets.html", {"order": data(answer)["order"]})


def data(answer: httpx.Response) -> Any:
    """Return the data of a response. 404 gives page 404; any other error is the fault of the shop, so it gives page 500."""
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise Http404
    return answer.raise_for_status().json()["data"]


def remembered(request: Request, name: str) -> str:
    """Return a reference of the customer's session, or raise 404."""
    try:
        reference: str = request.session[name]
    except KeyError:
        raise Http404 from None
    return reference
