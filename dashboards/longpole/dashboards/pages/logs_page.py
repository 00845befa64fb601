"""The logs page: records with a histogram by level, or the patterns that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from longpole.analyzer.correlation.log_lines import SEVERITIES
from longpole.dashboards import errors, parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.log_histogram import HEIGHT, WIDTH, log_histogram
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.time_window import TIME_PARAMETERS, time_control, window_of

PAGE_RECORDS = 200
MOST_PATTERNS = 200
TABS = ("records", "patterns")
# Parameter of the page, and of the question that it stands for.
_FILTERS = {"q": "text", "severity": "level", "service": "service", "trace": "trace",
            "span": "span"}  # fmt: skip


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/logs")
    def logs(request: Request) -> Response:
        found = _found(answers, asked(request))
        return page(request, "logs.html", found.pop("status"), place="logs", **found)

    return router


def _found(answers: Answers, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    chosen = {name: "".join(given.get(name, [])[:1]).strip() for name in _FILTERS}
    asked_tab = "".join(given.get("tab", [])[:1])
    tab = "patterns" if asked_tab == "patterns" else "records"
    found: dict[str, Any] = {
        "chosen": chosen, "tab": tab, "status": 200, "refusal": "", "times": None,
        "levels": tuple(SEVERITIES),
        "report": None, "patterns": None, "histogram": None, "size": (WIDTH, HEIGHT),
        "kept_time": [], "window": None, "older": "", "services": [],
        "is_compared": False,
    }  # fmt: skip
    try:
        parameters.only(given, frozenset({*_FILTERS, "tab", "before"}), TIME_PARAMETERS)
        if asked_tab not in ("", *TABS):
            raise errors.BadQuestion(f"tab: choose from {', '.join(TABS)}")
        if chosen["severity"] and chosen["severity"] not in SEVERITIES:
            raise errors.BadQuestion(f"severity: choose from {', '.join(SEVERITIES)}")
        window = window_of(given, answers.clock)
        # A trace or a span is wanted whenever it was, unless a time was asked for.
        has_time = any(any(given.get(name, ())) for name in TIME_PARAMETERS)
        is_ever = bool(chosen["trace"] or chosen["span"]) and not has_time
        kept = {name: [value] for name, value in chosen.items() if value}
        time = {} if is_ever else window.fixed
        links = _Links(kept, {} if is_ever else window.parameters, time, tab)
        found |= {
            "links": links, "window": None if is_ever else window,
            "times": time_control(window, {**kept, **({"tab": [tab]} if tab != "records" else {})}),
            "kept_time": [(n, v[0]) for n, v in window.parameters.items()] if has_time else [],
        }  # fmt: skip
        question = {_FILTERS[name]: values for name, values in kept.items()} | time
        found["services"] = _services(answers, time)
        found["histogram"] = log_histogram(answers.log_levels(question))
        if tab == "patterns":
            found["patterns"] = answers.log_patterns(question)
            before = found["patterns"]["baseline"]
            # After silence everything is new, which tells nobody anything.
            found["is_compared"] = before is not None and before["records"] > 0
            found["most_patterns"] = MOST_PATTERNS
            return found
        more = {"limit": [str(PAGE_RECORDS)], "reverse": ["1"]}
        before = [text for text in given.get("before", ()) if text][:1]
        report = answers.logs({**question, **({"to": before} if before else {}), **more})
        found["report"] = report
        if report["is_truncated"] and report["logs"]:
            found["older"] = links.older(report["logs"])
    except errors.ANSWERED as error:
        found |= {"status": errors.shown_status(error), "refusal": str(error)}
    return found


def _services(answers: Answers, time: Mapping[str, list[str]]) -> list[str]:
    return [one["name"] for one in answers.services(time)["services"]]


class _Links:
    """Addresses of this page with something else chosen."""

    def __init__(
        self,
        kept: Mapping[str, Sequence[str]],
        time: Mapping[str, Sequence[str]],
        fixed: Mapping[str, Sequence[str]],
        tab: str,
    ) -> None:
        self._kept, self._time, self._fixed = dict(kept), dict(time), dict(fixed)
        if tab != "records":
            self._kept["tab"] = [tab]

    def _to(self, more: Mapping[str, object], *without: str) -> str:
        both = {**self._kept, **self._time, **more}
        for name in without:
            both.pop(name, None)
        return "/logs?" + urlencode(both, doseq=True)

    def with_(self, name: str, value: str) -> str:
        """The same question with another value of one filter; "" takes it away."""
        return self._to({name: value}) if value else self._to({}, name)

    def between(self, start: int, end: int) -> str:
        """The same question about one step of the histogram."""
        return self._to({"from": start, "to": end}, "since")

    def pattern(self, words: str, service: str) -> str:
        """The records in which the longest fixed words of a pattern occur."""
        return self._to({"q": words, "service": service}, "tab")

    def older(self, records: Sequence[Mapping[str, Any]]) -> str:
        """The next page, of the same time. It begins with the records of the last moment shown, of
        which some may be on this page too: a moment is not left out for being cut through."""
        last, first = records[-1]["time_unix_nano"], records[0]["time_unix_nano"]
        end = last if last == first else last + 1
        return self._to({**self._fixed, "before": end}, "since")
