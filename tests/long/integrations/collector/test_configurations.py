"""The configurations of collector, compose and Grafana fit together. None of these is run here: see their READMEs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.long.integrations.prometheus.test_rules import needs_promtool, promtool
from tests.long.integrations.shops import INTEGRATIONS

COMPOSE = INTEGRATIONS / "compose"
KINDS = ("receivers", "processors", "exporters")


def read(*path: str) -> Any:
    return yaml.safe_load(INTEGRATIONS.joinpath(*path).read_text())


COLLECTOR = read("collector", "collector.yml")
SERVICES: dict[str, Any] = read("compose", "compose.yaml")["services"]


def mounts(service: str) -> Iterator[tuple[Path, str, str]]:
    """Return the volumes of a service: source, target and mode."""
    for mount in SERVICES[service].get("volumes", []):
        source, target, mode = mount.split(":")
        yield (COMPOSE / source).resolve(), target, mode


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_of_the_collector_is_declared_and_used(kind: str) -> None:
    pipelines = COLLECTOR["service"]["pipelines"].values()
    assert {name for pipeline in pipelines for name in pipeline[kind]} == COLLECTOR[kind].keys()


def test_the_collector_is_reachable_from_elsewhere_only_where_it_is_told_to_be() -> None:
    endpoints = re.findall(r"endpoint: (\S+)", (INTEGRATIONS / "collector" / "collector.yml").read_text())
    assert {endpoint.rpartition(":")[0] for endpoint in endpoints} == {"${env:COLLECTOR_HOST:-127.0.0.1}"}


@pytest.mark.parametrize("path", ["prometheus/prometheus.yml", "compose/prometheus.yml"])
def test_prometheus_scrapes_the_collector_and_keeps_its_labels(path: str) -> None:
    port = COLLECTOR["exporters"]["prometheus"]["endpoint"].rpartition(":")[2]
    jobs = [job for job in read(path)["scrape_configs"] if job["job_name"] == "collector"]
    assert [target.rpartition(":")[2] for target in jobs[0]["static_configs"][0]["targets"]] == [port]
    assert jobs[0]["honor_labels"] is True


@needs_promtool
def test_prometheus_takes_its_configuration() -> None:
    assert "SUCCESS" in promtool("check", "config", INTEGRATIONS / "prometheus" / "prometheus.yml")


def test_what_the_services_mount_is_there_and_stays_as_it_is() -> None:
    mounted = [(source.exists(), mode) for service in SERVICES for source, _, mode in mounts(service)]
    assert set(mounted) == {(True, "ro")}


def test_nothing_is_reachable_from_outside() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert {port.partition(":")[0] for port in ports} == {"127.0.0.1"}


def test_images_are_of_the_versions_that_the_files_are_made_for() -> None:
    """Each image is pinned, and Grafana has the version that the dashboard is generated for."""
    images = dict(service["image"].split(":") for service in SERVICES.values() if "image" in service)
    assert images.keys() == {"otel/opentelemetry-collector", "prom/prometheus", "grafana/grafana"}
    versions = {image: re.fullmatch(r"v?(\d+\.\d+\.\d+)", tag) for image, tag in images.items()}
    assert [image for image, version in versions.items() if version is None] == []

    dashboard = re.search(r"grafana-foundation-sdk==\d+!([\d.]+)", (INTEGRATIONS.parent / "pyproject.toml").read_text())
    assert dashboard
    assert images["grafana/grafana"] == dashboard[1]


def test_services_find_each_other() -> None:
    shop, grafana = SERVICES["shop"], read("grafana", "provisioning", "datasources", "prometheus.yml")
    addresses = [shop["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"], *(source["url"] for source in grafana["datasources"])]
    addresses += [
        f"http://{job['static_configs'][0]['targets'][0]}" for job in read("compose", "prometheus.yml")["scrape_configs"]
    ]
    hosts = {re.fullmatch(r"http://(\w+):\d+", address)[1] for address in addresses}  # type: ignore[index]
    assert hosts == {"collector", "prometheus"} < SERVICES.keys()


def test_grafana_is_told_where_the_dashboard_is() -> None:
    [provider] = read("grafana", "provisioning", "dashboards", "prio-middleware.yml")["providers"]
    assert provider["options"]["path"] in {str(Path(target).parent) for _, target, _ in mounts("grafana")}


def test_the_image_has_all_that_the_application_needs() -> None:
    dockerfile = (COMPOSE / "Dockerfile").read_text()
    assert (
        COMPOSE / SERVICES["shop"]["build"]["context"] / SERVICES["shop"]["build"]["dockerfile"]
    ).resolve() == COMPOSE / "Dockerfile"
    assert SERVICES["shop"]["command"][:3] == ["python", "-m", "integrations.prometheus.busy"]
    assert "[sandbox]" in dockerfile
    assert "opentelemetry-exporter-otlp-proto-http" in dockerfile
