"""What must not happen while a page is open, whatever a test is about."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

# Runs before every script of every page.
_TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (e) => console.error(
  `policy: ${e.violatedDirective} blocked ${e.blockedURI} in ${e.sourceFile}:${e.lineNumber}`));"""


class Watch:
    """Collects, over all pages of a context: violations of the content security policy,
    requests to other hosts, errors of scripts and on the console, answers of 500 and above."""

    def __init__(self, context: BrowserContext, own_address: str) -> None:
        self.seen: list[str] = []
        self.requests: list[str] = []
        self._own = urlsplit(own_address).netloc
        self._allowed: list[re.Pattern[str]] = []
        context.add_init_script(_TELL_VIOLATIONS)
        context.on("page", self._page)
        context.on("request", self._request)
        context.on("response", self._response)

    def allow(self, pattern: str) -> None:
        """What this test is about to provoke."""
        self._allowed.append(re.compile(pattern))

    @property
    def complaints(self) -> list[str]:
        """All that was not allowed."""
        return [text for text in self.seen if not any(p.search(text) for p in self._allowed)]

    def data_requests(self) -> list[str]:
        """Paths that were asked for, without static files."""
        paths = [address.split(self._own, 1)[-1] for address in self.requests]
        return [path for path in paths if not path.startswith(("/static/", "blob:", "data:"))]

    def _page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.seen.append(f"script: {error}"))
        page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.seen.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._own:
            self.seen.append(f"foreign: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.seen.append(f"{response.status}: {response.url}")
