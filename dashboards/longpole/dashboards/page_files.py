"""Which styles and scripts a page needs: one file of each, made when the server starts.

A template names its entry with `{% set files = "trace" %}`; those that need nothing but the frame
name none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from longpole.dashboards.script_bundle import bundled

_FRAME_STYLES = ("tokens", "frame", "menus", "tables", "verdict")
_FRAME_SCRIPTS = ("frame",)


@dataclass(frozen=True, slots=True)
class PageFiles:
    """Names below `css/` and `js/`, without their ends, beside those of the frame."""

    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


PAGE_FILES: Mapping[str, PageFiles] = {
    "frame": PageFiles(),
    "alerts": PageFiles(("findings",), ("page_parts",)),
    "compare": PageFiles(("trace", "compare")),
    "findings": PageFiles(("findings",), ("page_parts",)),
    "live": PageFiles(("search",), ("live/main",)),
    "logs": PageFiles(("logs",), ("list_keys",)),
    "map": PageFiles(("map",), ("list_keys",)),
    "overview": PageFiles(("services",), ("parts",)),
    "search": PageFiles(("search",), ("search/main",)),
    "service": PageFiles(("services",), ("parts", "charts")),
    "services": PageFiles(("services",)),
    "settings": PageFiles(("status",)),
    "status": PageFiles(("status",), ("refresh",)),
    "trace": PageFiles(("trace", "viewer", "map", "trace_views"), ("trace/main", "copy_buttons")),
    "trace_part": PageFiles(("map", "trace_views")),
}


def bundles(files: Mapping[str, str]) -> dict[str, str]:
    """The texts of all bundles by path, from the texts of all single files."""
    found: dict[str, str] = {}
    for name, page in PAGE_FILES.items():
        styles = [f"css/{style}.css" for style in (*_FRAME_STYLES, *page.styles)]
        found[style_path(name)] = "\n".join(files[path] for path in styles)
        scripts = [f"js/{script}.js" for script in (*page.scripts, *_FRAME_SCRIPTS)]
        found[script_path(name)] = bundled(files, scripts, script_path(name))
    return found


def style_path(name: str) -> str:
    """Where the styles of an entry of `PAGE_FILES` are below `static/`."""
    return f"css/page.{name}.css"


def script_path(name: str) -> str:
    """The same for its script."""
    return f"js/page.{name}.js"
