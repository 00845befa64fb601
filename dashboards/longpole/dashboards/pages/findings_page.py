"""The findings page: what is wrong in the chosen time, the one to mend first in front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from longpole.analyzer.findings.kinds import KINDS
from longpole.dashboards import errors, parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.pages.paging import page_number, paging
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.recent_answers import RecentAnswers
from longpole.dashboards.time_window import TIME_PARAMETERS, time_control, window_of

KNOWN_DETECTORS = frozenset(one.identifier for one in KINDS)
SEVERITIES = ("critical", "warning", "info")
_NARROWING = ("severity", "detector", "on")
_PARAMETERS = frozenset({*_NARROWING, "q", "page", *TIME_PARAMETERS})
PER_PAGE = 25
# A cause may explain hundreds of findings; those of a list are for a look, not for reading.
MOST_EFFECTS = 20


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    recent = RecentAnswers(answers)

    @router.get("/findings")
    def findings(request: Request) -> Response:
        given = asked(request)
        found = on_page(found_in(answers, recent, given), given)
        return page(request, "findings.html", place="findings", **found)

    @router.get("/findings/cause")
    def cause(request: Request) -> Response:
        return page(request, "cause.html", place="findings", **_cause(answers, asked(request)))

    return router


def found_in(
    answers: Answers, recent: RecentAnswers, given: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """What the pages of findings and of alerts show: all entries of the time, and of these the
    chosen ones as a tree of causes and effects."""
    chosen = {name: "".join(given.get(name, [])[:1]) for name in (*_NARROWING, "q")}
    found: dict[str, Any] = {
        "chosen": chosen, "refusal": "", "report": None, "times": None, "window": None,
        "detectors": KINDS,
        "severities": SEVERITIES, "made_unix_nano": 0, "cause_address": "", "kept_time": [],
        "has_time": False,
    }  # fmt: skip
    try:
        parameters.only(given, _PARAMETERS)
        _only_known(chosen)
        page_number(given)
        window = window_of(given, answers.clock, is_exact=True)
        kept = {name: [value] for name, value in chosen.items() if value}
        found["times"] = time_control(window, kept)
        # Comparing with the time before takes longest: only where somebody chose the time.
        found["has_time"] = any(any(given.get(name, ())) for name in TIME_PARAMETERS)
        found["window"] = window
        found["kept_time"] = [(name, values[0]) for name, values in window.parameters.items()]
        question = {"q": [chosen["q"]]} if chosen["q"] else {}
        with_info = {"all": ["1"]} if chosen["severity"] == "info" else {}
        key = urlencode({**question, **with_info, **window.parameters}, doseq=True)
        dated = recent.of(key, lambda: answers.findings({**question, **with_info, **window.fixed}))
        found["cause_address"] = "/findings/cause?" + urlencode(
            {**question, **window.fixed}, doseq=True
        )
    except errors.ANSWERED as error:
        found |= {"status": errors.shown_status(error), "refusal": str(error)}
        return found
    report = dated.document
    shown = [one for one in report["findings"] if _is_chosen(one, chosen)]
    found |= {
        "report": report,
        "made_unix_nano": dated.made_unix_nano,
        "entries": nested(shown),
        "counts": Counter(one["severity"] for one in report["findings"]),
        "shown_count": len(shown),
        "services": sorted({one["service"] for one in report["findings"]}),
        "found_detectors": sorted({one["detector"] for one in report["findings"]}),
    }
    return found


def on_page(found: dict[str, Any], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What `found_in` says with only the entries of one page; `entry_counts` are those of all
    pages by severity."""
    if found["report"] is None:
        return found
    entries = found["entries"]
    kept = [(name, value) for name, values in given.items() for value in values if value]
    pages = paging(page_number(given), len(entries), PER_PAGE, kept)
    return found | {
        "entries": pages.of(entries),
        "entry_counts": Counter(entry["finding"]["severity"] for entry in entries),
        "pages": pages,
        "most_effects": MOST_EFFECTS,
    }


def _only_known(chosen: Mapping[str, str]) -> None:
    """What is written wrong would find nothing, which looks like good news."""
    for name, known in (("severity", SEVERITIES), ("detector", sorted(KNOWN_DETECTORS))):
        if chosen[name] and chosen[name] not in known:
            raise errors.BadQuestion(f"{name}: choose from {', '.join(known)}")


def _is_chosen(finding: Mapping[str, Any], chosen: Mapping[str, str]) -> bool:
    return (
        chosen["severity"] in ("", finding["severity"])
        and chosen["detector"] in ("", finding["detector"])
        and chosen["on"] in ("", finding["service"])
    )


def nested(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The findings that no other shown one explains, in their order, each with all that it
    explains, directly or through others, under `effects`."""
    by_print = {one["fingerprint"]: one for one in findings}
    entries: dict[str, dict[str, Any]] = {}
    effects: list[tuple[str, Mapping[str, Any]]] = []
    for one in findings:
        cause = _first_cause(one, by_print)
        if cause == one["fingerprint"]:
            entries[cause] = {"finding": one, "effects": []}
        else:
            effects.append((cause, one))
    for cause, one in effects:
        entries[cause]["effects"].append(one)
    return list(entries.values())


def _first_cause(finding: Mapping[str, Any], by_print: Mapping[str, Mapping[str, Any]]) -> str:
    """The fingerprint at the end of the chain of causes, as far as these are shown; of a ring
    (which the ranking does not make) the first in the order of texts."""
    at = str(finding["fingerprint"])
    met = [at]
    while True:
        cause = by_print[at]["explained_by"]
        if cause is None or cause not in by_print:
            return at
        if cause in met:
            return min(met[met.index(cause) :])
        at = str(cause)
        met.append(at)


def _cause(answers: Answers, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Who is to blame for what changed in the time, against as much time right before."""
    found: dict[str, Any] = {"refusal": "", "report": None, "times": None, "links": {}}
    try:
        window = window_of(given, answers.clock, is_exact=True)
        question = {"q": list(given["q"])} if any(given.get("q", ())) else {}
        found["times"] = time_control(window, {**question, **window.parameters})
        asked_for = urlencode({**question, **window.parameters}, doseq=True)
        found["links"] = {page: f"/{page}?{asked_for}" for page in ("findings", "traces")}
        found["report"] = answers.root_cause({**question, **window.fixed})
    except errors.ANSWERED as error:
        found |= {"status": errors.shown_status(error), "refusal": str(error)}
    return found
