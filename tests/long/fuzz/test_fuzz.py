"""Every target holds for its corpus, for what is near it, and for whatever Hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.long.fuzz import corpus
from tests.long.fuzz.targets import TARGETS

Target = Callable[[bytes], None]

EDITS = st.lists(st.tuples(st.integers(0, corpus.LONGEST), st.integers(0, 4), st.binary(max_size=6)), max_size=4)
"""Position, number of bytes removed, and bytes inserted."""

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
    @settings(deadline=None)  # Counting steps takes time.
    @given(near(name) | st.binary(max_size=300))
    @example(b"")
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()


def test_what_is_kept_beside_what_was_written_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    (tmp_path / "found").mkdir()
    (tmp_path / "any.jsonl").write_text('"by hand"\n')

    corpus.keep("any", [bytes(range(256)), b"", b"", b"by hand", bytes(corpus.LONGEST + 1)])
    assert corpus.read("any") == [b"by hand", b"", bytes(range(256))]

    corpus.keep("any", [number.to_bytes() for number in range(corpus.MOST + 1)])
    assert len(corpus.read("any")) == 1 + corpus.MOST
