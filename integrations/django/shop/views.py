"""The pages: look, hold, buy. A customer's session remembers what is held and what was bought."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from .forms import WishForm


class Request(HttpRequest):
    """What a sync view gets."""

    prio: httpx.Client


class AsyncRequest(HttpRequest):
    """What an async view gets."""

    prio: httpx.AsyncClient


async def products(request: AsyncRequest) -> HttpResponse:
    """What there is."""
    answer = await request.prio.get("/products")
    return render(request, "shop/products.html", {"products": data(answer)["items"]})


def product(request: Request, product_id: int) -> HttpResponse:
    """One of them, and the form to hold tickets with."""
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
    """What is held for this customer, and the button to buy it."""
    reference = remembered(request, "reservation")
    if request.method != "POST":
        reservation = data(request.prio.get(f"/reservations/{reference}"))["reservation"]
        return render(request, "shop/checkout.html", {"reservation": reservation})
    answer = request.prio.post("/orders", json={"reservation_reference": reference})
    if answer.status_code == HTTPStatus.CONFLICT:  # It was held for too long.
        messages.error(request, answer.json()["error_message"])
        return redirect("shop:products")
    request.session["order"] = data(answer)["order"]["order_reference"]
    return redirect("shop:tickets")


def tickets(request: Request) -> HttpResponse:
    """What this customer has bought."""
    answer = request.prio.get(f"/orders/{remembered(request, 'order')}")
    return render(request, "shop/tickets.html", {"order": data(answer)["order"]})


def data(answer: httpx.Response) -> Any:
    """What Prio answered. Other refusals than these are the shop's own trouble: a page 500, and a line in the log."""
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise Http404
    return answer.raise_for_status().json()["data"]


def remembered(request: Request, name: str) -> str:
    """A reference that is kept in the customer's session."""
    try:
        reference: str = request.session[name]
    except KeyError:
        raise Http404 from None
    return reference
