"""The benchmarks run and report on every subject, in sizes too small for figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.__main__ import main
from benchmarks.peers.adapters import SUBJECTS
from benchmarks.peers.api import OPEN, Api
from benchmarks.peers.effort import TINY
from benchmarks.peers.load import load
from benchmarks.peers.place import in_memory
from benchmarks.peers.scenarios import SCENARIOS, forbidden
from benchmarks.peers.subject import COLOURS, Colour, Subject
from benchmarks.peers.table import middle

NAMES = {subject.name for subject in SUBJECTS if subject.only is None}
SUBJECTS_IN_COLOURS = [
    pytest.param(subject, colour, id=f"{subject.label} {colour}")
    for subject in SUBJECTS
    for colour in COLOURS
    if not isinstance(subject.maker(colour), str)
]


@pytest.mark.parametrize(("subject", "colour"), SUBJECTS_IN_COLOURS)
def test_a_client_of_every_subject_gets_answers_with_one_token(subject: Subject, colour: Colour) -> None:
    maker, api = subject.maker(colour), Api()
    assert not isinstance(maker, str)
    answers = load(maker, in_memory(api), colour, [[OPEN, OPEN]])
    assert (answers.lost, len(answers.calls), api.calls, api.token_requests) == (0, 2, 2, 1)


@pytest.mark.parametrize(
    "subject",
    [subject for subject in SUBJECTS if not isinstance(subject.hold, str)],
    ids=lambda subject: f"{subject.name} {subject.stack}",
)
def test_a_credential_of_every_subject_can_be_held(subject: Subject) -> None:
    assert not isinstance(subject.hold, str)
    assert subject.hold(1) is not subject.hold(2)


def test_a_run_writes_tables_numbers_and_plots_of_every_subject(tmp_path: Path) -> None:
    assert main(["steady", "--tiny", "--out", str(tmp_path)]) == 0

    report: dict[str, Any] = json.loads((tmp_path / "peers.json").read_text())
    assert [table["name"] for table in report["tables"]] == ["steady-sync", "steady-async"]
    for table in report["tables"]:
        assert {row["name"] for row in table["rows"]} == NAMES
        assert [row for row in table["rows"] if bool(row["values"]) is bool(row["why"])] == []
        assert {name for row in table["rows"] for name in row["values"]} == set(table["columns"])
    text = (tmp_path / "peers.txt").read_text()
    assert [name for name in NAMES if name not in text] == []
    forms = {f"steady-{colour}.{form}" for colour in COLOURS for form in ("svg", "png")}
    assert {path.name for path in tmp_path.glob("steady-*")} == forms


def test_at_forbidden_endpoints_this_library_asks_for_at_most_three_tokens() -> None:
    ours = [row for table in forbidden.run(TINY) for row in table.rows if row.role == "ours"]
    assert len(ours) == 8
    assert [row for row in ours if middle(row.values["token_requests"]) > 3] == []


def test_a_scenario_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such-scenario"])
    told = capsys.readouterr().err
    assert [name for name in SCENARIOS if name not in told] == []
