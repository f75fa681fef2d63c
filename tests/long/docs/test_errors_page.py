"""The page of errors has every error of the tree, in its place, with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from prio_middleware import errors
from prio_middleware.errors import PrioError
from tests.long.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text()
SECTIONS = {
    name: (len(marks) - 2, text)
    for marks, name, text in re.findall(r"^(##+) (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


def tree(error: type[PrioError]) -> Iterator[type[PrioError]]:
    yield error
    for kind in error.__subclasses__():
        if kind.__bases__[0] is error and kind.__module__ == errors.__name__ and "_origin" not in vars(kind):
            yield from tree(kind)


TREE = list(tree(PrioError))


def test_the_tree_is_the_one_in_the_code() -> None:
    drawn = re.search(r"^    PrioError\n(?:    .*\n)+", errors.__doc__ or "", re.MULTILINE)
    assert drawn
    assert re.sub(r"^    ", "", drawn[0], flags=re.MULTILINE) in PAGE


def test_every_error_has_a_section_in_the_order_of_the_tree() -> None:
    assert list(SECTIONS) == [error.__name__ for error in TREE]


@pytest.mark.parametrize("error", TREE[1:], ids=lambda error: error.__name__)
def test_a_section_is_below_that_of_the_kind_it_is_of(error: type[PrioError]) -> None:
    depth, _ = SECTIONS[error.__name__]
    assert depth == (0 if error.__base__ is PrioError else 1)


@pytest.mark.parametrize(
    "error", [error for error in TREE[1:] if "default_remedy" in vars(error)], ids=lambda error: error.__name__
)
def test_a_section_names_the_remedy(error: type[PrioError]) -> None:
    _, text = SECTIONS[error.__name__]
    assert f"> {error.default_remedy}\n" in text


@pytest.mark.parametrize("name", [name for name in vars(PrioError("")) if not name.startswith("_")])
def test_every_attribute_is_told_of(name: str) -> None:
    assert f"`{name}`" in PAGE
