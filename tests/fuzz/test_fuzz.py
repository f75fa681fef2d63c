"""Every target holds for its corpus, for what is near it, and for whatever Hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS

Target = Callable[[bytes], None]

EDITS = st.lists(st.tuples(st.integers(0, corpus.LONGEST), st.integers(0, 4), st.binary(max_size=6)), max_size=4)
"""Where, how much is taken away, and what is put there."""

each_target = pytest.mark.parametrize("name", TARGETS)


def near(name: str) -> st.SearchStrategy[bytes]:
    """Inputs of the corpus, with a few edits."""
    return st.builds(edited, st.sampled_from(corpus.read(name)), EDITS)


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for where, taken, put in edits:
        data = data[:where] + put + data[where + taken :]
    return data


@each_target
def test_the_corpus(name: str) -> None:
    inputs = corpus.read(name)
    assert inputs
    for data in inputs:
        TARGETS[name](data)


@each_target
def test_what_is_near_the_corpus(name: str) -> None:
    @given(near(name) | st.binary(max_size=300))
    @example(b"")
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()


def test_the_kept_corpus_is_one_that_can_be_read_and_written(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    corpus.write("any", {bytes(range(256)), b"", bytes(corpus.LONGEST + 1)})

    assert corpus.read("any") == [b"", bytes(range(256))]


@each_target
def test_what_is_kept_is_small(name: str) -> None:
    inputs = corpus.read(name)
    assert len(inputs) <= corpus.MOST
    assert max(map(len, inputs)) <= corpus.LONGEST
