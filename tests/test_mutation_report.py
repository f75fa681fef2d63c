"""What came of mutation testing, as the report reads it; and the explanations, which must be about code that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.mutation import ROOT
from scripts.mutation_report import EXPLAINED, Change, as_toml, change_in, kind_of, read_explanations, stale

DIFF = """\
--- a/expiry.py
+++ b/expiry.py
@@ -1,4 +1,4 @@
 def left(self) -> float:
-    return max(
-        0.0, self.until)
+    return max(
+        1.0, self.until)
"""
CHANGE = Change("tokens/expiry.py", "left", "return max( 0.0, self.until)", "return max( 1.0, self.until)")


def test_a_change_is_known_by_its_lines_wherever_they_stand() -> None:
    assert change_in(DIFF, "tokens/expiry.py", "left") == CHANGE


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1, "killed"), (0, "survived"), (33, "survived"), (36, "timed out"), (None, "not tried"), (-11, "killed")],
)
def test_what_an_exit_code_means(code: int | None, kind: str) -> None:
    assert kind_of(code) == kind


@pytest.mark.parametrize(
    ("survivors", "outcomes", "expected"),
    [
        ([], {"tokens.expiry.x_left__mutmut_1": 1}, [CHANGE]),
        ([CHANGE], {"tokens.expiry.x_left__mutmut_1": 0}, []),
        ([], {"tokens.expiry.x_left__mutmut_1": 1, "tokens.expiry.x_left__mutmut_2": None}, []),
        ([], {"tokens.flight.x_left__mutmut_1": 1}, []),
    ],
    ids=["killed", "needed", "file not done", "another file"],
)
def test_an_explanation_is_stale_once_its_file_was_tried_and_it_is_not_needed(
    survivors: list[Change], outcomes: dict[str, int | None], expected: list[Change]
) -> None:
    assert list(stale([CHANGE], survivors, outcomes)) == expected


def test_what_is_printed_can_be_read_once_it_has_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "survivors.toml"
    file.write_text(as_toml(CHANGE))
    with pytest.raises(ValueError, match="no reason"):
        read_explanations(file)
    file.write_text(as_toml(CHANGE).replace('reason = ""', 'reason = "It is the same."'))
    assert read_explanations(file) == {CHANGE: "It is the same."}


def test_what_is_explained_is_there() -> None:
    texts: dict[str, str] = {}
    gone = []
    for change in read_explanations(EXPLAINED):
        text = texts.setdefault(change.file, " ".join((ROOT / change.file).read_text().split()))
        if change.old not in text:
            gone.append(change)
    assert gone == []
