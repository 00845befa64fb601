"""Tells receivers of alerts: Alertmanagers over their API v2, and a plain webhook.

A queue and a thread for each receiver, so that one that hangs keeps nobody waiting. A queue that is
full drops its oldest; what is dropped or refused is counted. Of an answer only the status is read,
and of a refusal the beginning of its text: an answer without end costs nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from loguru import logger

from longpole.analyzer.alerting.notifications import Notice

QUEUE = 10_000
BATCH = 256
TIMEOUT_SECONDS = 10.0
# A webhook hears of news once, so it is asked again when it fails.
WEBHOOK_TRIES = 5
WEBHOOK_PAUSE_SECONDS = 2.0
REASON_LENGTH = 200

Body = Callable[[Sequence[Notice]], Any]


class Receiver:
    """One address that is told. `tries` is how often a batch is sent before it is given up."""

    def __init__(
        self,
        url: str,
        body: Body,
        *,
        tries: int,
        is_news_only: bool,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.url = url
        self._headers, self._timeout_seconds = dict(headers or {}), timeout_seconds
        self.sent = self.dropped = self.failed = 0
        self._body, self._tries, self._is_news_only = body, tries, is_news_only
        self._waiting: deque[Notice] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, notices: Sequence[Notice]) -> None:
        """Queue notices; returns at once."""
        with self._changed:
            for one in notices:
                if one.is_news or not self._is_news_only:
                    self._waiting.append(one)
            while len(self._waiting) > QUEUE:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify()

    def stop(self, seconds: float) -> None:
        """Send what waits, for so long at most."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        headers = {"Accept-Encoding": "identity", **self._headers}
        options: Any = {"timeout": self._timeout_seconds, "headers": headers}
        with httpx.Client(trust_env=False, **options) as client:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._is_stopping)
                    if not self._waiting:
                        return
                    count = min(BATCH, len(self._waiting))
                    batch = [self._waiting.popleft() for _ in range(count)]
                self._send(client, batch)

    def _send(self, client: httpx.Client, batch: list[Notice]) -> None:
        try:
            body = self._body(batch)
        except Exception:
            logger.exception("the message on {} alerts could not be made", len(batch))
            self.failed += len(batch)
            return
        for attempt in range(1, self._tries + 1):
            try:
                reason = _refusal(client, self.url, body)
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            except ValueError as error:
                # No try will turn it into JSON, and the thread has to go on.
                reason = f"the message is no JSON: {error}"
                break
            if not reason:
                self.sent += len(batch)
                return
            if attempt < self._tries:
                with self._changed:
                    if self._changed.wait_for(
                        lambda: self._is_stopping, WEBHOOK_PAUSE_SECONDS * attempt
                    ):
                        break
        self.failed += len(batch)
        logger.warning("{} alerts could not be sent to {}: {}", len(batch), self.url, reason)


def _refusal(client: httpx.Client, url: str, body: Any) -> str:
    """Why a message was not taken, in the words of the receiver; nothing if it was. Raises
    `httpx.HTTPError` when nobody answers, `ValueError` for what JSON cannot say."""
    with client.stream("POST", url, json=body) as answer:
        if answer.is_success:
            return ""
        said = next(answer.iter_raw(), b"")[: 4 * REASON_LENGTH].decode("utf-8", "replace")
        words = " ".join(said.split())[:REASON_LENGTH]
        return f"status {answer.status_code}" + (f": {words}" if words else "")
