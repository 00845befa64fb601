"""The places of the web UI: what the header lists and which key goes there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the header. `key` follows `g` on the keyboard."""

    name: str
    address: str
    label: str
    key: str


PLACES = (
    Place("overview", "/", "Overview", "o"),
    Place("services", "/services", "Services", "s"),
    Place("traces", "/traces", "Traces", "t"),
    Place("findings", "/findings", "Findings", "f"),
    Place("map", "/map", "Map", "m"),
    Place("logs", "/logs", "Logs", "l"),
    Place("compare", "/compare", "Compare", "c"),
    Place("alerts", "/alerts", "Alerts", "a"),
    Place("live", "/live", "Live", "v"),
    Place("status", "/status", "Status", "h"),
)
