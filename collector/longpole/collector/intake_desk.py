"""What happens to a request body, whichever transport brought it: room, bytes, rows, receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from loguru import logger

from longpole.collector import refusals
from longpole.collector.admission import ByteBudget, Lease
from longpole.collector.answers import explanation, export_response
from longpole.collector.decompression import decompress
from longpole.collector.fair_turns import FairTurns
from longpole.collector.memory_release import MemoryRelease
from longpole.collector.metrics import CollectorMetrics
from longpole.collector.refusals import Refused
from longpole.collector.settings import CollectorSettings
from longpole.formats import bounded_decoding, otlp
from longpole.formats.malformed import MalformedRequest
from longpole.formats.request_weight import RequestTooHeavy
from longpole.formats.sender_name import sender_name
from longpole.model.clock import Clock
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from longpole.storage.ports import DiskFull, Intake, Overloaded, Receipt, StorageUnavailable

_T = TypeVar("_T")
# Bodies that are being decompressed or decoded at one moment. Decoding needs several times
# the size of the body, so this, not the bytes in flight, bounds the peak. Small enough that who
# comes next is decided here, and large enough that the decoding threads never wait.
_DECODING_BYTES = 8 << 20
# A store that is behind is asked again so often while there is patience.
_ASK_AGAIN_SECONDS = 0.05
# What compressed bytes turn into is unknown until they are unpacked; up to here is tried
# without reserving room for the largest allowed body.
_SMALL_BYTES = 1 << 20
_REPEAT_LOG_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request as a transport hands it over; `encoding` comes from `encoding_of`."""

    transport: str
    signal: Signal
    body: bytes
    is_json: bool = False
    encoding: str = ""


class IntakeDesk:
    """Turns parcels into answers. Lives on one event loop; the heavy steps run in `pool`."""

    def __init__(
        self,
        settings: CollectorSettings,
        intake: Intake,
        clock: Clock,
        metrics: CollectorMetrics,
        pool: Executor,
        decoder: otlp.Decoder = otlp.decode,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self._intake = intake
        self._pool = pool
        self._decoder = decoder
        wait = settings.admission_wait_seconds
        self._in_flight = ByteBudget(settings.max_in_flight_bytes, wait)
        self._decoding = FairTurns(_DECODING_BYTES, wait)
        self._release = MemoryRelease(pool)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._told_refusal_ns = 0  # 0: not yet
        self._unsaid_refusals = 0
        metrics.watch_in_flight(lambda: float(self._in_flight.used))

    def lease(self) -> Lease:
        """Room for a body that is about to be read; the reader grows it as bytes come."""
        return self._in_flight.lease()

    async def take(self, parcel: Parcel, lease: Lease) -> bytes:
        """Keep one request and return the bytes of its success answer.

        Raises `Refused` for every other outcome. The lease is released when the work is
        over, which may be after the caller was cancelled: a sender that hangs up does not
        stop what is already under way, so its data is kept and its memory accounted for.
        """
        started = self.clock.monotonic_ns()
        m, label = self.metrics, (parcel.transport, parcel.signal.value)
        m.received_bytes.labels(*label).inc(len(parcel.body))
        outcome = "abandoned"
        try:
            answer, is_whole = await self.keep_going(self._work(parcel, lease))
            outcome = "accepted" if is_whole else "partial"
            return answer
        except Refused as refused:
            outcome = outcome_of(refused)
            raise
        finally:
            m.requests.labels(*label, outcome).inc()
            m.duration.labels(*label).observe((self.clock.monotonic_ns() - started) / 1e9)

    def refuse(
        self, refused: Refused, transport: str, signal: Signal | None, counted: bool
    ) -> None:
        """Count a refusal; `counted` says that `take` already counted the request."""
        self.metrics.refusals.labels(transport, refused.refusal.code).inc()
        if refused.refusal in (refusals.TOO_LARGE, refusals.NO_MESSAGE, refusals.BUSY):
            # What was read or unpacked up to the limit is garbage now.
            self._release.after(self.settings.max_request_bytes)
        if not counted:
            label = signal.value if signal else "none"
            self.metrics.requests.labels(transport, label, outcome_of(refused)).inc()

    async def keep_going(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await `work`, which goes on when the one who waits is cancelled."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        finally:
            # Else task, exception, traceback and this frame hold each other, and with them
            # the body, until the collector of cycles comes by.
            del task

    async def drained(self, grace_seconds: float) -> None:
        """Wait until all work is over, at most `grace_seconds`."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace_seconds)
        self._release.cancel()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits has it; nobody else needs to hear of it

    async def _work(self, parcel: Parcel, lease: Lease) -> tuple[bytes, bool]:
        size = len(parcel.body)
        try:
            telemetry, size = await self._decode(parcel, lease)
            receipt = await self._keep(telemetry)
            self._count(telemetry, receipt)
            answer = export_response(
                parcel.signal,
                parcel.is_json,
                telemetry.rejected,
                explanation(telemetry),
                self.settings.max_response_bytes,
            )
            return answer, not telemetry.rejected
        except Refused as refused:
            # The decoder's exception behind it holds frames, and these the body.
            refused.__context__ = None
            if refused.refusal.is_retryable and refused.retry_after_seconds is None:
                refused.retry_after_seconds = self.settings.retry_after_seconds
            raise
        except Exception as error:
            # Ours, not the sender's: told once, in full, in the log and nowhere else.
            logger.opt(exception=error).error(
                "a {} request over {} failed", parcel.signal.value, parcel.transport
            )
            raise Refused(refusals.INTERNAL) from None
        finally:
            lease.release()
            self._release.after(size)

    async def _decode(self, parcel: Parcel, lease: Lease) -> tuple[Telemetry, int]:
        loop = asyncio.get_running_loop()
        limit = self.settings.max_request_bytes
        body, is_unpacked = parcel.body, not parcel.encoding
        if len(body) > limit:
            raise Refused(refusals.TOO_LARGE, f"{len(body)} bytes, the limit is {limit}")
        if not is_unpacked:
            small = min(_SMALL_BYTES, limit)
            try:
                body = await loop.run_in_executor(
                    self._pool, decompress, parcel.encoding, body, small
                )
                is_unpacked = True
            except Refused as refused:
                if refused.refusal is not refusals.TOO_LARGE or small == limit:
                    raise
        packed = not is_unpacked

        def sender() -> str:
            return "" if packed else sender_name(body, parcel.is_json)

        async with self._decoding.turn(len(body) if is_unpacked else limit, sender):
            if not is_unpacked:
                body = await loop.run_in_executor(
                    self._pool, decompress, parcel.encoding, body, limit
                )
            await lease.grow(len(body) - len(parcel.body))
            label = (parcel.transport, parcel.signal.value)
            self.metrics.decoded_bytes.labels(*label).inc(len(body))
            read = bounded_decoding.decode_json if parcel.is_json else bounded_decoding.decode
            decode = partial(read, decoder=self._decoder)
            try:
                telemetry = await loop.run_in_executor(self._pool, decode, parcel.signal, body)
            except RequestTooHeavy as error:
                raise Refused(refusals.TOO_LARGE, str(error)) from None
            except MalformedRequest as error:
                raise Refused(refusals.MALFORMED, str(error)) from None
        return telemetry, len(body)

    async def _keep(self, telemetry: Telemetry) -> Receipt:
        """Hand over to the store; one that is behind is asked again for a while."""
        patience = round(self.settings.admission_wait_seconds * 1e9)
        started = self.clock.monotonic_ns()
        while True:
            try:
                return await self._submit(telemetry)
            except Overloaded as error:
                if self.clock.monotonic_ns() - started >= patience:
                    refusal = refusals.REFUSALS.get(error.reason, refusals.OVERLOADED)
                    raise Refused(refusal, str(error), error.retry_after_seconds) from None
            except StorageUnavailable as error:
                self._tell_refusal(str(error))
                is_full = isinstance(error, DiskFull)
                refusal = refusals.DISK_FULL if is_full else refusals.STORAGE_UNAVAILABLE
                raise Refused(refusal, str(error), error.retry_after_seconds) from None
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _submit(self, telemetry: Telemetry) -> Receipt:
        # In the pool: a store promises to return at once, and hashes the body first.
        now = self.clock.now_unix_nano()
        loop = asyncio.get_running_loop()
        future = await loop.run_in_executor(self._pool, self._intake.submit, telemetry, now)
        return await asyncio.wrap_future(future)

    def _tell_refusal(self, reason: str) -> None:
        """Log that storage refuses, but not once for each request: a full disk lasts."""
        now = self.clock.monotonic_ns()
        self._unsaid_refusals += 1
        if self._told_refusal_ns and now - self._told_refusal_ns < _REPEAT_LOG_NS:
            return
        logger.warning("storage refused {} request(s): {}", self._unsaid_refusals, reason)
        self._told_refusal_ns, self._unsaid_refusals = now or 1, 0

    def _count(self, telemetry: Telemetry, receipt: Receipt) -> None:
        signal = telemetry.signal.value
        kept = "repeated" if receipt.is_repeat else "accepted"
        self.metrics.records.labels(signal, kept).inc(telemetry.accepted)
        if telemetry.rejected:
            self.metrics.records.labels(signal, "rejected").inc(telemetry.rejected)
        for problem in telemetry.problems:
            self.metrics.problems.labels(signal, problem.code).inc(problem.count)


def outcome_of(refused: Refused) -> str:
    """The `outcome` label of a refused request."""
    if refused.refusal is refusals.INTERNAL:
        return "failed"
    return "unavailable" if refused.refusal.is_retryable else "refused"
