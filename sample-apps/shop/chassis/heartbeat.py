"""The heartbeat: tells the registry that this instance lives, and learns from the answer what
other instances live and which flags and faults are on."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

import httpx
from opentelemetry.instrumentation.utils import suppress_instrumentation
from pydantic import BaseModel, FiniteFloat, ValidationError

from shop.chassis.discovery import RegistryDiscovery
from shop.chassis.ports import Instance
from shop.chassis.switches import HeldFaults, HeldFlags

logger = logging.getLogger("shop.heartbeat")

TIMEOUT_SECONDS = 2.0


class Rollout(BaseModel):
    """The shares of a flag's variants."""

    variants: dict[str, FiniteFloat]


class Answer(BaseModel):
    """What the registry answers. It is read whole before anything of it is believed; what another
    version adds is ignored."""

    instances: list[Instance]
    flags: dict[str, Rollout]
    faults: dict[str, dict[str, int | float | str | bool]]
    revision: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a heartbeat's answer fills."""

    discovery: RegistryDiscovery
    faults: HeldFaults
    flags: HeldFlags

    def hold(self, answer: Answer) -> None:
        """Take over the registry's answer, whole."""
        self.discovery.hold(asdict(each) for each in answer.instances)
        self.flags.hold({key: {"variants": each.variants} for key, each in answer.flags.items()})
        self.faults.hold(answer.faults)


class Heartbeat:
    """A thread that beats every `seconds` until `stop`. When the registry changes something, the
    next beat follows at once, so that it soon knows who has applied the change."""

    def __init__(self, registry_url: str, instance: Instance, held: Held, seconds: float) -> None:
        self._url = f"{registry_url.rstrip('/')}/v1/instances/{instance.instance_id}"
        self._body = {
            "service": instance.service,
            "version": instance.version,
            "host_name": instance.host_name,
            "http": instance.http,
            "grpc": instance.grpc,
            "weight": instance.weight,
        }
        self._held, self._seconds = held, seconds
        self._revision = 0
        self._is_lost = False
        self._is_confused = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Beat once before returning, if the registry can be reached, then on the thread."""
        with _client() as client:
            self._beat(client)
        self._thread.start()

    def stop(self) -> None:
        """Deregister, so that nobody calls this instance any more; stop beating."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_SECONDS + 1)
        with _client() as client:
            self._quietly(lambda: client.delete(self._url))

    def _run(self) -> None:
        with _client() as client:
            pause = self._seconds
            while not self._stopped.wait(pause):
                pause = 0.0 if self._beat(client) else self._seconds

    def _beat(self, client: httpx.Client) -> bool:
        """True when the answer brought a revision that the registry does not know we have."""
        acted = self._held.faults.take_noted()
        body = {**self._body, "revision": self._revision, "acted": acted}
        response = self._quietly(lambda: client.put(self._url, json=body))
        if response is None:
            # The registry takes an instance's word twice for the same trace.
            self._held.faults.note(acted)
            return False
        try:
            answer = Answer.model_validate_json(response.content)
        except ValidationError as error:
            # What was last heard goes on; another answer may make sense again.
            if not self._is_confused:
                logger.warning("the registry's answer makes no sense: %s", _first_words(error))
            self._is_confused = True
            return False
        self._is_confused = False
        self._held.hold(answer)
        is_new = answer.revision != self._revision
        self._revision = answer.revision
        return is_new

    def _quietly(self, call: Callable[[], httpx.Response]) -> httpx.Response | None:
        """A registry that is away is no reason to stop: what was last heard goes on."""
        try:
            with suppress_instrumentation():
                response = call()
            response.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not self._is_lost and not self._stopped.is_set():
                logger.warning("the registry does not answer: %s", error)
            self._is_lost = True
            return None
        if self._is_lost:
            logger.info("the registry answers again")
        self._is_lost = False
        return response


def _first_words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the body'}: {first['msg']}"


def _client() -> httpx.Client:
    # The registry speaks plain HTTP: a context that trusts nobody spares every process the
    # megabytes of the public certificates.
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=nobody)
