"""Metric requests to series and points: the definition of what is kept of a metric."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from longpole.formats import any_value, otlp_json_text
from longpole.formats.attributes import AttributeColumns, AttributeLists, warn_strindex
from longpole.formats.columnar import build_table, signed
from longpole.formats.envelope import Envelope, identity
from longpole.formats.metric_points import fault_of, values_of
from longpole.formats.tally import Tally
from longpole.model import columns

_WITH_TEMPORALITY = ("sum", "histogram", "exponential_histogram")
_POINT_COLUMNS = [name for name in columns.METRIC_POINTS.names if name not in ("row_id",)]
_SERIES_COLUMNS = [
    name for name in columns.METRIC_SERIES.names if name not in columns.ATTRIBUTE_COLUMNS
]


class MetricRows:
    """Series and points of one request, column by column."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.envelope = Envelope(tally)
        self._series: dict[int, tuple[Any, ...]] = {}
        self._series_attributes = AttributeColumns()
        self._points: dict[str, list[Any]] = {name: [] for name in _POINT_COLUMNS}

    def read(self, request: ExportMetricsServiceRequest) -> None:
        """Every point of the request; rejected points are taken out of the message."""
        for resource_metrics in request.resource_metrics:
            owner: tuple[int, str] | None = None
            for scope_metrics in resource_metrics.scope_metrics:
                scope_id = 0
                for metric in scope_metrics.metrics:
                    kind = metric.WhichOneof("data")
                    if kind is None:
                        continue
                    points = getattr(metric, kind).data_points
                    kept = self._kept(metric, kind, points)
                    if len(kept) != len(points):
                        copies = type(getattr(metric, kind))()
                        copies.data_points.extend(kept)
                        del points[:]
                        points.extend(copies.data_points)
                    if not points:
                        continue
                    if owner is None:
                        owner = self.envelope.resource(
                            resource_metrics.resource, resource_metrics.schema_url
                        )
                    if not scope_id:
                        scope_id = self.envelope.scope(
                            scope_metrics.scope, scope_metrics.schema_url
                        )
                    self._add(metric, kind, points, owner, scope_id)

    def _kept(self, metric: Any, kind: str, points: Any) -> list[Any]:
        if kind in _WITH_TEMPORALITY and not getattr(metric, kind).aggregation_temporality:
            if points:
                self.tally.reject(
                    "unspecified_temporality",
                    "A sum or histogram does not say whether it is delta or cumulative; its "
                    "points are not kept. Set the exporter's temporality preference.",
                    len(points),
                )
            return []
        kept = []
        for point in points:
            fault = fault_of(kind, point)
            if fault is None:
                kept.append(point)
            else:
                self.tally.reject(*fault)
        return kept

    def _add(
        self, metric: Any, kind: str, points: Any, owner: tuple[int, str], scope_id: int
    ) -> None:
        data = getattr(metric, kind)
        for pair in metric.metadata:
            any_value.empty_strindex(pair, self._warn_strindex)
        fields = (
            metric.name,
            metric.description,
            metric.unit,
            kind,
            getattr(data, "aggregation_temporality", 0),
            getattr(data, "is_monotonic", False),
            otlp_json_text.attributes_text(metric.metadata),
            owner[1],
            owner[0],
            scope_id,
        )
        columns_of_points = self._points
        for point in points:
            self._series_attributes.add(point.attributes, self.tally)
            series_id = self._series_of(fields, self._series_attributes.last_row())
            for exemplar in point.exemplars if kind != "summary" else ():
                self._mend_exemplar(exemplar)
            values = values_of(kind, point)
            values["series_id"] = series_id
            for name, column in columns_of_points.items():
                column.append(values.get(name))

    def _series_of(self, fields: tuple[Any, ...], attributes: AttributeLists) -> int:
        series_id = identity(fields, attributes)
        if series_id in self._series:
            self._series_attributes.forget_last_row()
        else:
            self._series[series_id] = (series_id, *fields)
        return series_id

    def _warn_strindex(self) -> None:
        warn_strindex(self.tally)

    def _mend_exemplar(self, exemplar: Any) -> None:
        for pair in exemplar.filtered_attributes:
            any_value.empty_strindex(pair, self._warn_strindex)
        if len(exemplar.trace_id) not in (0, 16) or len(exemplar.span_id) not in (0, 8):
            self.tally.warn(
                "invalid_exemplar_id",
                "An exemplar names a trace or span id of wrong length; it is kept without that id.",
            )
            if len(exemplar.trace_id) != 16:
                exemplar.ClearField("trace_id")
            if len(exemplar.span_id) != 8:
                exemplar.ClearField("span_id")

    @property
    def has_time(self) -> bool:
        """Points without a time are rejected, so whoever is kept has one."""
        return bool(self._points["time_unix_nano"])

    def tables(self) -> dict[str, pa.Table]:
        """All tables of the signal."""
        points: dict[str, Any] = dict(self._points)
        points["row_id"] = list(range(len(points["series_id"])))
        for name in ("start_unix_nano", "time_unix_nano"):
            points[name] = signed(points[name])
        rows = list(self._series.values())
        series = {name: [row[place] for row in rows] for place, name in enumerate(_SERIES_COLUMNS)}
        return {
            "metric_points": build_table(columns.METRIC_POINTS, points, None),
            "metric_series": build_table(columns.METRIC_SERIES, series, self._series_attributes),
            **self.envelope.tables(),
        }
