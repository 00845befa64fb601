"""Templates to HTML: one environment, its filters, and what every page needs to know.

`x | colour` is the colour of a service in this store (`service_colours`), for a class:
`class="key c{{ x | colour }}"`.

Names and sentences come from telemetry. The filters `name`, `sentence` and `plain` make them
inert and short; nothing else may put telemetry on a page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from longpole.analyzer.findings.kinds import KINDS
from longpole.analyzer.verdict_cause import with_title
from longpole.analyzer.wording import first_sentence
from longpole.dashboards import figures
from longpole.dashboards.assets import assets
from longpole.dashboards.inert_text import NAMELESS, inert
from longpole.dashboards.log_histogram import fixed_words
from longpole.dashboards.mended_address import mended_address
from longpole.dashboards.page_files import script_path, style_path
from longpole.dashboards.pages.navigation import PLACES
from longpole.dashboards.run_words import slower_words
from longpole.dashboards.service_colours import colour_class
from longpole.dashboards.sparkline import spark_area, spark_line

# In characters. A name beyond that says nothing more to a reader; the JSON has all of it.
LONGEST_NAME, LONGEST_SENTENCE, LONGEST_TITLE = 160, 1_000, 10_000
THEME_COOKIE, KEYS_COOKIE, ZONE_COOKIE = "longpole_theme", "longpole_keys", "longpole_zone"
THEMES = ("light", "dark")
_FAULTS = {one.identifier: one.title for one in KINDS}
_BEGIN, _END = Markup("<bdi>"), Markup("</bdi>")

# The numbers of services in the store whose page is being made.
_numbers: ContextVar[Callable[[], Mapping[str, int]]] = ContextVar("numbers", default=dict)

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    request: Request, template: str, status: int = 200, *, place: str = "", **values: Any
) -> HTMLResponse:
    """A template as an answer; `place` is the entry of the header that it belongs to. Every
    template may also use `theme` ("" for the system's), `with_keys`, `zone` ("local" for the
    reader's time zone) and `path_and_query`."""
    theme = request.cookies.get(THEME_COOKIE, "")
    query = request.scope.get("query_string", b"").decode("latin-1")
    if isinstance(refusal := values.get("refusal"), str) and refusal:
        values["mended"] = mended_address(
            request.scope["path"], list(request.query_params.multi_items()), refusal
        )
    # Asked for only where a page has colours, and then once.
    token = _numbers.set(cache(getattr(request.app.state, "service_colours", dict)))
    try:
        text = _templates.get_template(template).render(
            place=place,
            theme=theme if theme in THEMES else "",
            with_keys=request.cookies.get(KEYS_COOKIE, "on") != "off",
            zone=request.cookies.get(ZONE_COOKIE, ""),
            path_and_query=request.scope["path"] + (f"?{query}" if query else ""),
            **values,
        )
    finally:
        _numbers.reset(token)
    return HTMLResponse(text, status_code=status)


def template_names() -> list[str]:
    """Every template, those that others include as well."""
    return _templates.list_templates(["html"])


def compile_template(name: str) -> None:
    """Have the template ready; it stays compiled."""
    _templates.get_template(name)


def macro(template: str, name: str) -> Callable[..., str]:
    """A macro of a template, for fragments and tests."""
    found: Callable[..., str] = getattr(_templates.get_template(template).module, name)
    return found


def error_page(
    request: Request, status: int, code: str, message: str, reasons: tuple[str, ...]
) -> HTMLResponse:
    """Why there is no page here; what is missing is told by the `code` of the refusal."""
    template = "trace_not_found.html" if reasons else "refused.html"
    path = request.scope["path"]
    given = list(request.query_params.multi_items())
    return page(
        request, template, status, code=status, message=message, reasons=reasons,
        missing=code.removeprefix("unknown_"),
        mended=mended_address(path, given, message) if status == 400 else ("", ""),
        bare=path if status == 400 and given and path.startswith("/") else "",
    )  # fmt: skip


def shown_name(text: str | None) -> Markup:
    """The name of a service or an operation as an element: cut when it is so long that it
    hides the rest, the whole of it as its tooltip then."""
    if not text or text.isspace():
        return Markup("<i>{}</i>").format(NAMELESS)
    return _element(text, LONGEST_NAME)


def shown_sentence(text: str) -> Markup:
    """The same for a sentence that quotes telemetry."""
    return _element(text, LONGEST_SENTENCE)


def shown_colour(service: str) -> str:
    """What follows the `c` in the class of whatever has the colour of a service."""
    return colour_class(service, _numbers.get()())


def plain_name(text: str | None) -> str:
    """The same where no element may stand: in titles."""
    name = inert((text or "")[: LONGEST_NAME + 1])
    name = name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…"
    return NAMELESS if not name or name.isspace() else name


def fault_title(detector: str) -> str:
    """What a detector looks for in a few words: `N+1 queries`."""
    return _FAULTS.get(detector, detector)


def told_verdict(line: str | None) -> str:
    """A verdict line for readers: its detector in words."""
    return with_title(line or "", fault_title)


def shown_moment(unix_nano: int, part: str = "") -> Markup:
    """A moment that the reader's settings may turn into their own time zone. `part` is "clock"
    for the time of the day alone, "seconds" for no fractions. Headings that say UTC put it into
    `<span class="zone">`."""
    text = figures.moment(unix_nano)
    if "-" not in text[1:]:  # outside of the calendar
        return Markup("{}").format(text)
    shown = {"clock": text[11:], "seconds": text[:19]}.get(part, text)
    look = Markup(' class="clock"') if part == "clock" else ""
    sent = Markup('<time{} datetime="{}Z">{}</time>')
    return sent.format(look, text.replace(" ", "T"), shown)


def plain_sentence(text: str) -> str:
    """A sentence where no element may stand: in the titles of a drawing."""
    shown = inert(text[: LONGEST_SENTENCE + 1])
    return shown if len(shown) <= LONGEST_SENTENCE else shown[:LONGEST_SENTENCE] + "…"


def _element(text: str, longest: int) -> Markup:
    # Isolation alone would let a mark in a quoted name turn the rest of its sentence around.
    shown = inert(text[:LONGEST_TITLE])
    if len(text) <= longest:
        # Hundreds of these are on a page: adding up takes a fraction of what formatting takes.
        return _BEGIN + shown + _END
    return Markup('<bdi title="{}">{}…</bdi>').format(shown, shown[:longest])


_templates.filters.update(
    duration=figures.duration, share=figures.share, moment=figures.moment, when=shown_moment,
    rate=figures.rate, size=figures.size,
    colour=shown_colour, spark_line=spark_line, spark_area=spark_area,
    quantile=figures.quantile, delta=figures.delta, points=figures.points,
    ago=figures.ago, first_sentence=first_sentence, kind=figures.kind,
    name=shown_name, plain=plain_name, sentence=shown_sentence, plain_sentence=plain_sentence,
    signed=figures.signed_duration, count_text=figures.count,
    slower_words=slower_words, fault=fault_title, told_verdict=told_verdict,
    plain_text=lambda text: inert(text, keep_newlines=True), fixed_words=fixed_words,
)  # fmt: skip
_templates.globals.update(
    plural=figures.plural,
    asset=lambda path: assets().address(path),
    page_style=lambda name: assets().address(style_path(name)),
    page_script=lambda name: assets().address(script_path(name)),
    places=PLACES,
)
