"""Links and commands in the READMEs about monitoring."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.long.docs.blocks import ROOT, blocks
from tests.long.docs.commands import commands, problem
from tests.long.docs.test_site import local_links
from tests.long.integrations.prometheus.rules import alerts
from tests.long.integrations.shops import INTEGRATIONS

READMES = [INTEGRATIONS / folder / "README.md" for folder in ("collector", "compose", "grafana", "prometheus")]


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.parent.name)
def test_what_it_links_to_is_there(page: Path) -> None:
    targets = list(local_links(page))
    assert targets
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.parent.name)
def test_what_its_commands_name_is_there(page: Path) -> None:
    found = [words for block in blocks(page.relative_to(ROOT), "console") for words in commands(block.code)]
    assert found
    assert [answer for answer in map(problem, found) if answer] == []


@pytest.mark.parametrize("page", ["integrations/prometheus/README.md", "docs/how-to/dashboards.md", "docs/runbooks/index.md"])
def test_a_table_of_the_alerts_has_them_all(page: str) -> None:
    listed = re.findall(r"^\| \[?`(Prio\w+)`", (ROOT / page).read_text(), re.MULTILINE)
    assert listed == [alert["alert"] for alert in alerts()]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_a_runbook_says_what_it_means_how_to_confirm_it_what_to_do_and_how_to_silence_it(
    alert: dict[str, dict[str, str]],
) -> None:
    text = (ROOT / "docs" / "runbooks" / f"{Path(alert['annotations']['runbook_url']).stem}.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "What it means",
        "How to confirm",
        "What to do",
        "How to silence",
    ]
    assert f"`{alert['alert']}` ({alert['labels']['severity']})" in text
    assert f"amtool silence add alertname={alert['alert']} " in text
    assert "```promql" in text
