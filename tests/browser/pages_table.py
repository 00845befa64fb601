"""Every page of the web UI with an address that has something to show."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from longpole.dashboards.pages.alert_evidence_page import evidence_address
from tests.browser.shop_rules import FIRING
from tests.browser.shop_stories import Told

# Routes that answer with a piece of a page, a file or a redirect, by their pattern.
NO_PAGES = frozenset(
    {
        "/graph",  # where links of alerts lead, to the page of alerts
        "/overview/findings",
        "/services/{service:path}/say",
        "/services/{service:path}/around",
        "/services/{service:path}/op/differs",
        "/services/{service:path}/op/runs",
        "/services/{service:path}/op/say",
        "/traces/{trace_id}/rows/{row}/panel",
        "/traces/{trace_id}/spans/{span_id}/panel",
        "/traces/{trace_id}.json",
    }
)


@dataclass(frozen=True, slots=True)
class PageCase:
    """One page. `reads_without_scripts`: its content is in the HTML, and `says` is in there."""

    name: str
    path: str
    reads_without_scripts: bool = True
    says: tuple[str, ...] = ()


def page_cases(story: Told, other: Told | None = None) -> tuple[PageCase, ...]:
    """The table for a site that has this trace; services and operations are those it names.
    `other` is what it is compared with."""
    with_what = (other or story).hex
    name = (story.service,) if story.service.isprintable() and "<" not in story.service else ()
    service = f"/services/{quote(story.service, safe='')}"
    operation = urlencode({"name": story.operation})
    return (
        PageCase("overview", "/", says=name),
        PageCase("services", "/services", says=name),
        PageCase("service", service, says=name),
        PageCase("operation", f"{service}/op?{operation}", says=name),
        PageCase("search", "/traces", says=name),
        PageCase("live", "/live"),
        PageCase("trace", f"/traces/{story.hex}", says=name),
        PageCase("trace-map", f"/traces/{story.hex}/map", says=name),
        PageCase("trace-logs", f"/traces/{story.hex}/logs"),
        PageCase("compare", f"/compare?a={story.hex}&b=typical", says=("slower than typical",)),
        PageCase("map", "/map?since=7d", says=name),
        PageCase("findings", "/findings?since=7d"),
        PageCase("cause", "/findings/cause?since=7d"),
        PageCase("logs", f"/logs?trace={story.hex}"),
        PageCase("log-patterns", "/logs?since=7d&tab=patterns"),
        PageCase("alerts", "/alerts?since=7d", says=("OrdersSlow",)),
        PageCase("alert-evidence", evidence_address(FIRING)),
        PageCase("status", "/status", says=("Coming in".upper(),)),
        PageCase("settings", "/settings", says=("Local time of this browser",)),
        PageCase("compare-two", f"/compare?a={story.hex}&b={with_what}", says=name),
    )
