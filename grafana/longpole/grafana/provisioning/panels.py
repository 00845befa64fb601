"""Pieces that all dashboards are made of: variables, queries, and panels of one look.

A `Sheet` collects panels and numbers them in their order, so that the same code always writes the
same file. Widths are of Grafana's grid of 24 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longpole.grafana.provisioning import sdk
from longpole.grafana.provisioning.data_sources import METRICS, TRACES

# Chosen by variables, so that a dashboard also works on data sources of other names.
METRICS_REF = sdk.common_model.DataSourceRef("prometheus", "${metrics}")
TRACES_REF = sdk.common_model.DataSourceRef("tempo", "${traces}")
TAG = "longpole"
_LAST = sdk.common.ReduceDataOptions().calcs(["lastNotNull"])


def query(
    expression: str, legend: str = "", ref: str = "A", is_instant: bool = False,
    is_exemplary: bool = False, is_heatmap: bool = False,
) -> Any:  # fmt: skip
    """A PromQL query; one moment as a table, or the range as lines or a heatmap."""
    formats = sdk.prometheus_model.PromQueryFormat
    built = sdk.prometheus.Dataquery().expr(expression).ref_id(ref).datasource(METRICS_REF)
    built.editor_mode(sdk.prometheus_model.QueryEditorMode.CODE)
    if is_instant:
        return built.instant().format(formats.TABLE)
    built.range().format(formats.HEATMAP if is_heatmap else formats.TIME_SERIES)
    if is_exemplary:
        built.exemplar(True)
    return built.legend_format(legend or "__auto")


def traces_query(text: str, limit: int = 20) -> Any:
    """A TraceQL search, shown as a table of traces."""
    built = sdk.tempo.Dataquery().query_type("traceql").query(text).limit(limit).ref_id("A")
    built.table_type(sdk.tempo_model.SearchTableType.TRACES)
    return built.datasource(TRACES_REF)


def service_map_query() -> Any:
    """What the Tempo data source draws of its linked metrics."""
    return sdk.tempo.Dataquery().query_type("serviceMap").ref_id("A").datasource(TRACES_REF)


def lines(title: str, unit: str, *queries: Any, words: str = "", is_stacked: bool = False) -> Any:
    """Lines over time, with the last and the greatest value in the legend."""
    legend = sdk.common.VizLegendOptions().show_legend(True).calcs(["lastNotNull", "max"])
    legend.display_mode(sdk.common_model.LegendDisplayMode.TABLE)
    legend.placement(sdk.common_model.LegendPlacement.BOTTOM)
    panel = sdk.timeseries.Panel().title(title).unit(unit).datasource(METRICS_REF).min(0)
    panel.legend(legend).fill_opacity(25 if is_stacked else 5).line_width(1).span_nulls(False)
    panel.description(words)
    if is_stacked:
        normal = sdk.common_model.StackingMode.NORMAL
        panel.stacking(sdk.common.StackingConfig().mode(normal).group("A"))
    for one in queries:
        panel.with_target(one)
    return panel


def figure(
    title: str, unit: str, expression: str, words: str = "", steps: Sequence[float] = (),
    is_more_better: bool = False, decimals: float | None = None,
) -> Any:  # fmt: skip
    """One number over the whole range; `steps` are where it turns yellow and red (or, when more
    is better, yellow and green)."""
    colors = ("red", "yellow", "green") if is_more_better else ("green", "yellow", "red")
    model = sdk.dashboard_model
    marks = [model.Threshold(None, colors[0] if steps else "blue")]
    marks += [model.Threshold(step, color) for step, color in zip(steps, colors[1:], strict=False)]
    limits = sdk.dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(marks)
    panel = sdk.stat.Panel().title(title).unit(unit).datasource(METRICS_REF).description(words)
    panel.reduce_options(_LAST).thresholds(limits).with_target(query(expression, is_instant=True))
    return panel if decimals is None else panel.decimals(decimals)


def heat(title: str, unit: str, expression: str, words: str = "") -> Any:
    """Buckets of a histogram over time."""
    axis = sdk.heatmap.YAxisConfig().unit(unit)
    panel = sdk.heatmap.Panel().title(title).datasource(METRICS_REF).calculate(False).y_axis(axis)
    return panel.description(words).with_target(query(expression, "{{le}}", is_heatmap=True))


def rows(
    title: str, labels: Sequence[str], columns: Sequence[tuple[str, str, str]], words: str = "",
    link: tuple[str, str, str] | None = None,
) -> Any:  # fmt: skip
    """A table with a row for each set of `labels` and columns (heading, unit, PromQL), the greatest
    of the first column on top. `link` is (label, tooltip, address)."""
    panel = sdk.table.Panel().title(title).datasource(METRICS_REF).description(words)
    renamed: dict[str, str] = {}
    for number, (heading, _, expression) in enumerate(columns):
        ref = chr(ord("A") + number)
        panel.with_target(query(expression, ref=ref, is_instant=True))
        renamed["Value" if len(columns) == 1 else f"Value #{ref}"] = heading
    change = sdk.dashboard_model.DataTransformerConfig
    order = {name: place for place, name in enumerate([*labels, *renamed])}
    panel.with_transformation(change(id_val="merge", options={}))
    panel.with_transformation(
        change(
            id_val="organize",
            options={
                "excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed,
            },
        )
    )  # fmt: skip
    value = sdk.dashboard_model.DynamicConfigValue
    for heading, unit, _ in columns:
        panel.override_by_name(heading, [value("unit", unit)])
    if link is not None:
        label, tooltip, address = link
        panel.override_by_name(label, [value("links", [{"title": tooltip, "url": address}])])
    sort = sdk.common.TableSortByFieldState().display_name(columns[0][0]).desc(True)
    return panel.sort_by([sort])


def trace_rows(title: str, text: str, words: str = "") -> Any:
    """A table of traces; each opens its trace view."""
    panel = sdk.table.Panel().title(title).datasource(TRACES_REF).description(words)
    return panel.with_target(traces_query(text))


def graph(title: str, words: str = "") -> Any:
    """The service map as nodes and edges."""
    panel = sdk.nodegraph.Panel().title(title).datasource(TRACES_REF).description(words)
    return panel.with_target(service_map_query())


def choice(name: str, label: str, definition: str, has_all: bool = False) -> Any:
    """A variable with the values that a query of metrics finds."""
    built = sdk.dashboard.QueryVariable(name).label(label).datasource(METRICS_REF)
    built.query({"query": definition, "refId": name}).definition(definition)
    built.refresh(sdk.dashboard_model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    built.sort(sdk.dashboard_model.VariableSort.ALPHABETICAL_ASC)
    if has_all:
        everything = sdk.dashboard_model.VariableOption(True, ["All"], ["$__all"])
        built.multi(True).include_all(True).all_value(".*").current(everything)
    return built


def fixed_choice(name: str, label: str, values: Sequence[str]) -> Any:
    """A variable with these values, the first chosen."""
    option = sdk.dashboard_model.VariableOption
    options = [option(number == 0, value, value) for number, value in enumerate(values)]
    built = sdk.dashboard.CustomVariable(name).label(label).values(",".join(values))
    return built.options(options).current(option(True, values[0], values[0]))


def _source_choice(name: str, label: str, kind: str, text: str, uid: str) -> Any:
    current = sdk.dashboard_model.VariableOption(True, text, uid)
    return sdk.dashboard.DatasourceVariable(name).label(label).type(kind).current(current)


class Sheet:
    """One dashboard in the making."""

    def __init__(self, uid: str, title: str, words: str, variables: Sequence[Any] = ()) -> None:
        board = sdk.dashboard.Dashboard(title).uid(uid).description(words).tags([TAG])
        board.editable().timezone("browser").time("now-1h", "now").refresh("30s")
        board.tooltip(sdk.dashboard_model.DashboardCursorSync.CROSSHAIR)
        others = sdk.dashboard.DashboardLink("Longpole").tags([TAG]).as_dropdown(True)
        others.type(sdk.dashboard_model.DashboardLinkType.DASHBOARDS).keep_time(True).placement("")
        board.link(others)
        board.with_variable(
            _source_choice("metrics", "Metrics", "prometheus", "Longpole metrics", METRICS)
        )
        board.with_variable(_source_choice("traces", "Traces", "tempo", "Longpole traces", TRACES))
        for one in variables:
            board.with_variable(one)
        self._board = board
        self._panels = 0

    def add(self, panel: Any, width: int, height: int = 8) -> None:
        """The next panel, to the right of the last one or below it."""
        self._panels += 1
        self._board.with_panel(panel.id(self._panels).span(width).height(height))

    def row(self, title: str) -> None:
        """A heading over what follows."""
        self._panels += 1
        self._board.with_row(sdk.dashboard.Row(title).id(self._panels))

    def built(self) -> Any:
        """The dashboard."""
        return self._board.build()
