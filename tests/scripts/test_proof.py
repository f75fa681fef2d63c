from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from scripts import proof
from scripts.proof import PARTS, Part, Result, duration, kept, main, page, printed, section

ROOT = Path(proof.__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "PAGE", ROOT / ".cache" / f"{tmp_path.name}.md")
    monkeypatch.setattr(proof, "KEPT", tmp_path)


def part(name: str, program: str) -> Part:
    return Part(name, f"The part {name}", f"python -c {shlex.quote(program)}")


def test_what_a_part_prints_is_on_the_page_with_the_commit_and_the_way_it_ended() -> None:
    fine = part("fine", "import sys; print('42 calls'); print('a warning', file=sys.stderr)")
    assert main([], [fine]) == 0
    text = proof.PAGE.read_text()
    proof.PAGE.unlink()
    assert "## The part fine" in text
    assert f"at commit `{proof.commit()}`" in text
    assert "Exit status 0" in text
    assert "```text\n42 calls\na warning\n```" in text


def test_a_part_that_finds_something_says_so_and_the_others_run_all_the_same() -> None:
    parts = [part("bad", "print('lost a call'); raise SystemExit(3)"), part("good", "print('fine')")]
    assert main([], parts) == 1
    text = proof.PAGE.read_text()
    proof.PAGE.unlink()
    assert "**Something was found: exit status 3**" in text
    assert "lost a call" in text
    assert "fine" in text


def test_one_part_can_be_run_again_alone() -> None:
    parts = [part("one", "print('first')"), part("two", "print('second')")]
    assert main(["--only", "two"], parts) == 0
    text = proof.PAGE.read_text()
    proof.PAGE.unlink()
    assert f"Not run yet: `{parts[0].command}`" in text
    assert "second" in text
    assert kept(parts[0]) is None


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "everything"])
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("\x1b[31mred\x1b[0m\n", ["red"]),
        ("10 %\r50 %\r100 %\nend\n\n", ["100 %", "end"]),
        (f"{ROOT}/tests/a.py:3\n", ["tests/a.py:3"]),
        (f"{Path.home()}/x\n", ["~/x"]),
        ("```\n", ["'''"]),
        ("1\n2\n3\n4\n", ["...", "3", "4"]),
    ],
)
def test_a_page_shows_what_a_terminal_would_in_the_end(output: str, shown: list[str]) -> None:
    assert printed(output, 3 if len(output) > 8 else 2) == shown


@pytest.mark.parametrize(("seconds", "said"), [(9.4, "9 s"), (119, "119 s"), (1800, "30 min")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_command_of_then_is_shown_not_that_of_now() -> None:
    result = Result("python old.py", "abc", "2026-01-01", "Python", 1, 0, "x")
    assert "`python old.py`, at commit `abc`" in "\n".join(section(part("a", "print(1)"), result))


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
