from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from scripts import proof
from scripts.proof import COUNT, PARTS, Figure, Part, Result, duration, figures, load, main, page, plain, save, section

ROOT = Path(proof.__file__).resolve().parents[1]
CALLS = Figure("Calls", r"^(\d+) calls$", r"\1")


@pytest.fixture(autouse=True)
def _paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ROOT / ".cache").mkdir(exist_ok=True)
    monkeypatch.setattr(proof, "PAGE", ROOT / ".cache" / f"{tmp_path.name}.md")
    monkeypatch.setattr(proof, "RESULTS", tmp_path)


def part(name: str, program: str, *figures: Figure) -> Part:
    return Part(name, f"The claim {name}", f"python -c {shlex.quote(program)}", figures)


def written(parts: list[Part], *arguments: str) -> tuple[int, str]:
    try:
        return main(arguments, parts), proof.PAGE.read_text()
    finally:
        proof.PAGE.unlink(missing_ok=True)


def test_the_page_has_the_figures_the_commit_and_the_exit_status_of_a_part(tmp_path: Path) -> None:
    fine = part("fine", "import sys; print('42 calls'); print('a warning', file=sys.stderr)", CALLS)

    exit_code, text = written([fine])

    assert exit_code == 0
    assert "## The claim fine" in text
    assert f"commit `{proof.commit()}`" in text
    assert "exit status 0" in text
    assert "| Calls | 42 |" in text
    assert "```" not in text
    assert (tmp_path / "fine.txt").read_text() == "42 calls\na warning\n"


def test_a_part_that_fails_is_on_the_page_and_the_others_run() -> None:
    parts = [part("bad", "print('7 calls'); raise SystemExit(3)", CALLS), part("good", "print('8 calls')", CALLS)]

    exit_code, text = written(parts)

    assert exit_code == 1
    assert "**exit status 3: see .cache/proof/bad.txt**" in text
    assert "| Calls | 7 |" in text
    assert "| Calls | 8 |" in text


def test_one_part_can_be_run_again_alone() -> None:
    parts = [part("one", "print('1 calls')", CALLS), part("two", "print('2 calls')", CALLS)]

    exit_code, text = written(parts, "--only", "two")

    assert exit_code == 0
    assert f"Not run yet: `{parts[0].command}`" in text
    assert "| Calls | 2 |" in text
    assert load(parts[0]) is None


def test_a_part_without_a_result_keeps_its_section_of_the_page() -> None:
    kept, new = part("kept", "print('1 calls')", CALLS), part("new", "print('2 calls')", CALLS)
    proof.PAGE.write_text(f"# Proof\n\n## {kept.claim}\n\n| Calls | 17 |\n\n## Another\n\ntext\n")

    exit_code, text = written([kept, new], "--only", "new")

    assert exit_code == 0
    assert f"## {kept.claim}\n\n| Calls | 17 |\n\n## {new.claim}\n" in text
    assert "Another" not in text


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "everything"])
    assert "invalid choice" in capsys.readouterr().err


def test_figures_are_matches_their_number_or_a_note_that_they_are_missing(subtests: pytest.Subtests) -> None:
    for figure, rows in [
        (Figure(r"Calls of \2", r"^(\d+) calls of (\w+)$", r"\1"), [("Calls of a", "1"), ("Calls of b", "2")]),
        (Figure("Lines", r"^.+ calls", COUNT), [("Lines", "2")]),
        (Figure("Requests", r"^(\d+) requests$", r"\1"), [("Requests", "not found in the output")]),
    ]:
        with subtests.test(figure.label):
            assert list(figures(part("a", "", figure), "1 calls of a\n2 calls of b\n")) == rows


def test_plain_output_is_what_a_terminal_shows_in_the_end(subtests: pytest.Subtests) -> None:
    for output, shown in [
        ("\x1b[31mred\x1b[0m\n", "red\n"),
        ("10 %\r50 %\r100 %\nend\n", "100 %\nend\n"),
        (f"{ROOT}/tests/a.py:3\n", "tests/a.py:3\n"),
        (f"{Path.home()}/x\r\n", "~/x\n"),
    ]:
        with subtests.test(f"{output!r}"):
            assert plain(output) == shown


def test_durations(subtests: pytest.Subtests) -> None:
    for seconds, text in [(9.4, "9 s"), (119, "119 s"), (1800, "30 min")]:
        with subtests.test(f"{seconds}"):
            assert duration(seconds) == text


def test_a_renamed_command_is_shown_beside_the_one_that_ran() -> None:
    renamed = part("a", "print(1)")
    result = Result("python old.py", "abc", "2026-01-01", "Python", 1, 0, "x")
    save(renamed, result)

    assert load(renamed) == result
    assert f"`{renamed.command}` (at that commit `python old.py`), commit `abc`" in section(renamed, result)


@pytest.mark.parametrize("name", [found.name for found in PARTS])
def test_each_command_exists(name: str) -> None:
    program, *words = shlex.split(next(found.command for found in PARTS if found.name == name))
    if program == "make":
        assert f"\n{words[0]}:" in (ROOT / "Makefile").read_text()
    else:
        assert program == "python"
        path = ROOT / words[1].replace(".", "/") if words[0] == "-m" else ROOT / words[0]
        assert path.is_file() or path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), sys.path


def test_a_page_without_results_says_so() -> None:
    assert page(PARTS).count("Not run yet") == len(PARTS)


def test_the_committed_page_has_every_part_and_at_most_150_lines() -> None:
    text = (ROOT / "docs" / "proof.md").read_text()

    assert [part.claim for part in PARTS if f"\n## {part.claim}\n" not in text] == []
    assert len(text.splitlines()) <= 150
