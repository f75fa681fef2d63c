from __future__ import annotations

from pathlib import Path

import pytest

from scripts import pictures


@pytest.mark.parametrize("missing", pictures.PROGRAMS)
def test_without_a_program_the_pictures_stay_as_they_are_and_one_line_says_so(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name == missing else f"/usr/bin/{name}")
    picture = tmp_path / "dashboard.png"
    picture.write_bytes(b"committed")

    assert pictures.main([str(tmp_path)]) == 0
    assert picture.read_bytes() == b"committed"
    assert len(capsys.readouterr().out.splitlines()) == 1
