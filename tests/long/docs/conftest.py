from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.long.docs.context import Context


@pytest.fixture(scope="session")
def _context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    with Context(tmp_path_factory.mktemp("secrets")) as context:
        yield context


@pytest.fixture
def context(_context: Context) -> Context:
    _context.reset()
    return _context
