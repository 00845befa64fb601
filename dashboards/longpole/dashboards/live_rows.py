"""Rows of the live tail in words, ready to be put on a page as text by a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longpole.dashboards import figures
from longpole.dashboards.mini_ribbon import mini_ribbon
from longpole.dashboards.pages.rendering import plain_name, plain_sentence, told_verdict
from longpole.dashboards.service_colours import colour_class


def live_row(row: Mapping[str, Any], colours: Mapping[str, int]) -> dict[str, Any]:
    """One row: names are inert and short; `colour` and those in `ribbon` follow the `c` of a
    class; `ribbon` has [colour, x, width] of `mini_ribbon.SLOTS` units."""
    drawn = mini_ribbon(row["path"], row["start_unix_nano"], row["duration_ns"])
    return {
        "trace_id": row["trace_id"],
        "start_ms": row["start_unix_nano"] // 10**6,
        "start": figures.moment(row["start_unix_nano"])[11:],
        "root": f"{plain_name(row['root_service'])} · {plain_name(row['root_operation'])}",
        "colour": colour_class(row["root_service"], colours),
        "duration": figures.duration(row["duration_ns"]),
        "spans": row["span_count"],
        "services": row["service_count"],
        "errors": row["error_count"],
        "why": plain_sentence(told_verdict(row["verdict"])),
        "is_settled": row["is_settled"],
        "path": ", ".join(
            f"{plain_name(name)} {figures.share(part)}" for name, part in drawn.shares
        ),
        "ribbon": [[colour_class(run.service, colours), run.x, run.width] for run in drawn.runs],
    }
