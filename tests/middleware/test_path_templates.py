from __future__ import annotations

import pytest

from prio_middleware.middleware.revocation.memory import PathTemplates

PATHS: list[tuple[str, str]] = [
    ("/", "/"),
    ("", ""),
    ("/orders/123", "/orders/{}"),
    ("/orders/123/", "/orders/{}/"),
    ("/orders/7/lines/8", "/orders/{}/lines/{}"),
    ("/42", "/{}"),
    ("/v3.8/distributor/orders/17", "/v3.8/distributor/orders/{}"),
    ("/orders/2f1c6a52-0b1e-4c53-9d57-7d1d0f1c2b3a/lines", "/orders/{}/lines"),
    ("/files/507F1F77BCF86CD799439011", "/files/{}"),
    ("/orders/ORD-10042", "/orders/ORD-{}"),
    ("/reports/2024-05", "/reports/{}-05"),
    ("/v2/b2b/ab12", "/v2/b2b/ab12"),
    ("/feedfacefeedfacefeed", "/feedfacefeedfacefeed"),
    ("/orders/١٢٣", "/orders/١٢٣"),
]


def test_ids_are_left_out_of_a_template(subtests: pytest.Subtests) -> None:
    for path, template in PATHS:
        with subtests.test(f"{path!r}"):
            assert PathTemplates().of(path) == template


DECLARED: list[tuple[str, str]] = [
    ("/v1/products/zoo/prices", "/products/{product}/prices"),
    ("/products/zoo/prices", "/products/{product}/prices"),
    ("/v1/products/a.b/prices", "/products/{product}/prices"),
    ("/v1/products/a/b/prices", "/v1/products/a/b/prices"),
    ("/v1/products//prices", "/v1/products//prices"),
    ("/v1/products/zoo/pricesX", "/v1/products/zoo/pricesX"),
    ("/v2/products/zoo/prices", "/v2/products/zoo/prices"),
    ("/v1/a+b/7", "/a+b/{}"),
    ("/v1/aab/7", "/v1/aab/{}"),
    ("/v1/orders/7", "/v1/orders/{}"),
]


def test_declared_templates_take_precedence_and_apply_below_the_base_url(subtests: pytest.Subtests) -> None:
    for path, template in DECLARED:
        with subtests.test(f"{path}"):
            templates = PathTemplates(["/products/{product}/prices", "/a+b/{}"], prefix="/v1/")
            assert templates.of(path) == template


def test_of_the_prefix_only_slashes_at_its_end_are_left_out() -> None:
    assert PathTemplates(["/products/{product}"], prefix="/X/").of("/X/products/zoo") == "/products/{product}"


def test_a_long_path_takes_time_that_grows_with_its_length_only() -> None:
    templates = PathTemplates(["/{a}/{b}/{c}"])
    for path in ("/" * 100_000 + "1", "/" + "a" * 100_000 + "1x", "/1" * 50_000, "/" + "0123456789abcdef" * 6000 + "x"):
        assert len(templates.of(path)) <= len(path) + 2 * path.count("1")
