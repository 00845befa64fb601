"""The committed dashboards and data sources: what the code writes, and full of data."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.community_queries import community_queries
from tests.grafana.grafana_requests import Grafana, filled
from tests.grafana.shop_with_own_series import ROOT, grafana

PROVISIONING = ROOT / "grafana" / "provisioning"
BOARDS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((PROVISIONING / "dashboards" / "longpole").glob("*.json"))
}
SOURCES = yaml.safe_load((PROVISIONING / "datasources" / "longpole.yaml").read_text())[
    "datasources"
]
# Where somebody looks who opens the dashboard: a service with callers, callees and failures.
LOOKED_AT = {"service": "order-service"}
each_board = pytest.mark.parametrize("name", BOARDS)
# Three boards each time, those of many queries in the long run.
ASKED_LONG = ("ingest-health", "objectives", "service-map")


@pytest.fixture(scope="module")
def shop() -> Iterator[Grafana]:
    with grafana() as found:
        yield found


def chosen(shop: Grafana, board: Mapping[str, Any]) -> dict[str, str]:
    """Every variable's value as the dashboard opens; offered values have to hold it."""
    values = {}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "query":
            offered = shop.values(variable["query"]["query"])
            assert offered, f"${name} offers nothing"
            if variable.get("includeAll"):
                values[name] = variable["allValue"]
            else:
                assert LOOKED_AT[name] in offered
                values[name] = LOOKED_AT[name]
        else:
            values[name] = variable["current"]["value"]
    return values


def targets(board: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target


def test_what_is_committed_is_what_the_code_writes() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "longpole.grafana.provisioning", "--check", str(PROVISIONING)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_there_are_the_dashboards_that_the_docs_name() -> None:
    docs = (ROOT / "docs" / "grafana.md").read_text()
    assert len(BOARDS) == 6
    for board in BOARDS.values():
        assert board["title"].removeprefix("Longpole / ") in docs


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=[pytest.mark.full] if one in ASKED_LONG else []) for one in BOARDS],
)
def test_every_query_of_every_panel_brings_data(shop: Grafana, name: str) -> None:
    values = chosen(shop, BOARDS[name])
    asked = dict(targets(BOARDS[name]))
    empty = [panel for panel, target in asked.items() if not shop.frames(target, values)]
    assert asked
    assert empty == []
    for target in asked.values():
        if target.get("exemplar"):
            assert shop.exemplars(filled(target["expr"], values))


@each_board
def test_every_metric_is_in_the_docs(name: str) -> None:
    docs = "".join((ROOT / "docs" / page).read_text() for page in ("series.md", "metrics.md"))
    text = json.dumps(BOARDS[name])
    named = set(re.findall(r"\b(?:traces|longpole|process)_\w+", text))
    assert named
    for metric in named:
        family = re.sub(r"_(bucket|sum|count)$", "", metric)
        short = family.replace("traces_service_graph_", "…_")
        assert f"`{family}" in docs or f"`{short}" in docs or family.startswith("process_"), metric


@each_board
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        assert (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert one["x"] + one["w"] <= 24


@each_board
def test_links_lead_to_dashboards_that_exist(name: str) -> None:
    known = {board["uid"] for board in BOARDS.values()}
    assert known >= set(re.findall(r'"/d/([\w-]+)', json.dumps(BOARDS[name])))


@each_board
def test_a_dashboard_names_data_sources_by_variables_only(name: str) -> None:
    panels = BOARDS[name]["panels"]
    used = {one["datasource"]["uid"] for one in panels if "datasource" in one}
    used |= {target["datasource"]["uid"] for _, target in targets(BOARDS[name])}
    assert used <= {"${metrics}", "${traces}"}


def test_links_between_data_sources_lead_to_one_of_them() -> None:
    known = {source["uid"] for source in SOURCES}
    named = re.findall(r"'datasourceUid': '([^']+)'", str(SOURCES))
    assert len(named) == 6
    assert set(named) < known
    for source in SOURCES:
        assert source["url"].startswith("${LONGPOLE_URL}/")
        assert source["secureJsonData"] == {"httpHeaderValue1": "Bearer ${LONGPOLE_AUTH_TOKEN}"}


def test_from_a_span_to_its_metrics(shop: Grafana) -> None:
    (traces,) = [source for source in SOURCES if source["type"] == "tempo"]
    for one in traces["jsonData"]["tracesToMetrics"]["queries"]:
        # `$$` is a dollar once the file is read; the link then fills in the span's words.
        query = one["query"].replace("$$", "$")
        query = query.replace("${__span.tags['service.name']}", "inventory")
        query = query.replace("${__span.name}", "POST /reserve")
        assert "$" not in query
        assert shop.range(query), one["name"]


@pytest.mark.parametrize(
    "board",
    ["jaeger", "tempo-mixin", pytest.param("opentelemetry-demo", marks=pytest.mark.full)],
)
def test_dashboards_that_people_have_are_full(shop: Grafana, board: str) -> None:
    values = {"service": ".*", "span_name": ".*", "1": "$1"}
    asked = [(query, now) for name, query, now in community_queries() if name == board]
    assert asked
    for text, is_instant in asked:
        query = filled(text.replace("$$1", "${1}"), values)
        assert shop.instant(query) if is_instant else shop.range(query), query


def test_grafana_reads_the_dashboards_where_compose_puts_them() -> None:
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "longpole.yaml").read_text())
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (mount,) = [v for v in compose["services"]["grafana"]["volumes"] if "provisioning" in v]
    source, target, _ = mount.split(":")
    folder = Path(provider["providers"][0]["options"]["path"])
    assert (ROOT / source / folder.relative_to(target)).is_dir()
