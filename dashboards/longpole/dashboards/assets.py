"""Static files at addresses that change with the content, so that a browser keeps them for a year.

`/static/<build>/css/frame.css`: the build is a hash over all files, in a directory of its own, so
that relative imports between our scripts stay valid. A page loads one file of styles and one of
scripts, which are put together here from the single ones (`page_files`). What is served is a fixed
table made at the start; nothing of a request ever becomes a path on disk.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from longpole.dashboards.page_files import bundles

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
# An address of another build: right now it is this file, tomorrow perhaps not.
_FOR_NOW = "no-cache"
_WORTH_PACKING_BYTES = 512


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and packed."""

    content: bytes
    packed: bytes | None
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files by their path below `static/`."""

    build: str
    files: Mapping[str, Asset]

    def address(self, path: str) -> str:
        """Where a page finds a file; KeyError for one that does not exist."""
        if path not in self.files:
            raise KeyError(f"there is no static file {path}")
        return f"/static/{self.build}/{path}"


@cache
def assets() -> Assets:
    """The files of this installation, read once."""
    root = Path(__file__).parent / "static"
    digest = hashlib.sha256()
    files: dict[str, Asset] = {}
    single = {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(p for p in root.rglob("*") if p.suffix in _TYPES)
    }
    for name, text in {**single, **bundles(single)}.items():
        content = text.encode()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
        packed = gzip.compress(content, mtime=0) if len(content) > _WORTH_PACKING_BYTES else None
        files[name] = Asset(content, packed, _TYPES[Path(name).suffix])
    return Assets(digest.hexdigest()[:12], files)


def assets_router() -> APIRouter:
    """The route of all static files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{build}/{path:path}")
    async def static(build: str, path: str, request: Request) -> Response:
        held = assets()
        asset = held.files.get(path)
        if asset is None:
            raise HTTPException(404)
        headers = {
            "Cache-Control": _FOR_GOOD if build == held.build else _FOR_NOW,
            "Vary": "Accept-Encoding",
        }
        if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.packed, media_type=asset.media_type, headers=headers)
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    return router
