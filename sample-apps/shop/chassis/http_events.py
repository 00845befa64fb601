"""The transport to the embedded broker: plain publishing, and long polls on a loop of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

import httpx
from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.errors import DependencyError, DependencyTimeout, DependencyUnavailable
from shop.chassis.event_loop import EventLoop
from shop.chassis.message_transport import BROKER, Lag, Message, Received

WAIT_SECONDS = 5.0
LEASE_SECONDS = 30.0
TIMEOUT_SECONDS = 2.0
SEND_ATTEMPTS = 3
SEND_PAUSE_SECONDS = 0.1


class HttpTransport:
    """The embedded broker at this address. A handler has `lease_seconds` before its message goes
    to somebody else. `sleep` pauses between attempts to send."""

    system = "shop_broker"

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)
        self._url = url
        self._lease_seconds = lease_seconds
        self._sleep = sleep
        self._loop = EventLoop("broker polls")
        self._polls: httpx.AsyncClient | None = None
        self._lock = threading.Lock()

    def send(self, topic: str, message: Message) -> None:
        wanted = {
            "messages": [
                {
                    "message_id": message.message_id,
                    "type": message.type,
                    "key": message.key,
                    "body": message.body,
                    "headers": dict(message.headers),
                }
            ]
        }
        for attempt in range(1, SEND_ATTEMPTS + 1):
            try:
                self._ask("POST", f"/v1/topics/{topic}/messages", wanted)
            except (DependencyUnavailable, DependencyTimeout):
                # Sending twice is harmless: the broker knows the id of the message.
                if attempt == SEND_ATTEMPTS:
                    raise
                self._sleep(SEND_PAUSE_SECONDS * attempt)
            else:
                return

    def receive(self, topic: str, group: str, max_messages: int) -> Sequence[Received]:
        wanted = {
            "max": max_messages,
            "wait_seconds": WAIT_SECONDS,
            "lease_seconds": self._lease_seconds,
        }
        path = f"/v1/topics/{topic}/groups/{group}/receive"
        try:
            answer = self._loop.run_until_cancelled(lambda: self._poll(path, wanted))
        except CancelledError:
            return []
        return [
            Received(
                Message(one["message_id"], one["type"], one["key"], one["body"], one["headers"]),
                one["receipt"],
                one["attempt"],
                one["published_unix_nano"],
            )
            for one in answer["messages"]
        ]

    def acknowledge(self, topic: str, group: str, received: Sequence[Received]) -> None:
        self._settle(topic, group, "ack", received, {})

    def retry(
        self, topic: str, group: str, received: Sequence[Received], delay_seconds: float
    ) -> None:
        self._settle(topic, group, "nack", received, {"delay_seconds": delay_seconds})

    def give_back(self, topic: str, group: str, received: Sequence[Received]) -> None:
        self._settle(topic, group, "nack", received, {"is_attempt": False})

    def lags(self, groups: Sequence[tuple[str, str]]) -> Sequence[Lag]:
        known = {
            (one["topic"], one["group"]): Lag(
                one["waiting"], one["in_flight"], one["oldest_age_seconds"]
            )
            for one in self._ask("GET", "/v1/lag", None)["groups"]
        }
        return [known.get(group, Lag(0, 0, 0.0)) for group in groups]

    def interrupt(self) -> None:
        self._loop.cancel()

    def close(self) -> None:
        self._loop.cancel()
        with self._lock:
            polls, self._polls = self._polls, None
        self._loop.stop(polls.aclose if polls is not None else None)
        self._client.close()

    def _settle(
        self,
        topic: str,
        group: str,
        how: str,
        received: Sequence[Received],
        more: Mapping[str, Any],
    ) -> None:
        receipts = [one.receipt for one in received]
        self._ask(
            "POST", f"/v1/topics/{topic}/groups/{group}/{how}", {"receipts": receipts, **more}
        )

    def _ask(self, method: str, path: str, wanted: Mapping[str, Any] | None) -> Any:
        with suppress_instrumentation():
            try:
                return _answer(self._client.request(method, path, json=wanted))
            except httpx.TimeoutException as error:
                raise DependencyTimeout(BROKER, "the broker does not answer") from error
            except (httpx.HTTPError, RuntimeError) as error:
                # RuntimeError: the client is closed.
                raise DependencyUnavailable(BROKER, f"no way to the broker: {error}") from error

    async def _poll(self, path: str, wanted: Mapping[str, Any]) -> Any:
        with suppress_instrumentation():
            try:
                if self._polls is None:
                    self._polls = httpx.AsyncClient(
                        base_url=self._url, timeout=WAIT_SECONDS + TIMEOUT_SECONDS
                    )
                return _answer(await self._polls.post(path, json=wanted))
            except httpx.TimeoutException as error:
                raise DependencyTimeout(BROKER, "the broker does not answer") from error
            except httpx.HTTPError as error:
                raise DependencyUnavailable(BROKER, f"no way to the broker: {error}") from error


def _answer(response: httpx.Response) -> Any:
    if response.status_code < 400:
        return response.json()
    is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
    detail = response.json()["detail"] if is_problem else response.text[:200]
    if response.status_code in (502, 503, 504):
        raise DependencyUnavailable(BROKER, f"the broker is unavailable: {detail}")
    raise DependencyError(BROKER, f"the broker refuses: {detail}")
