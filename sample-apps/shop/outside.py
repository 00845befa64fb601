"""Outside: the third parties that the shop depends on and cannot change, on one server.

They are not instrumented: of a card network one sees only the call and the wait. An answer is
remembered by its idempotency key, as such parties do, so that a repeated request does nothing.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from shop.chassis.process import Endpoints, serve_app
from shop.chassis.settings import Settings

REMEMBERED = 10_000


class Authorisation(BaseModel):
    """A card to be charged; other fields are taken and not looked at."""

    card_token: str
    amount_cents: int = 0
    currency: str = "EUR"


class Void(BaseModel):
    """An authorisation to be undone by the key it was asked for with, made or not."""

    authorisation_key: str


class Patience:
    """Waits as a party would: an even spread between two times, from a seeded source."""

    def __init__(self, seed: int, wait: Callable[[float], None]) -> None:
        self._chance = random.Random(seed)
        self._wait = wait
        self._lock = threading.Lock()

    def milliseconds(self, least: float, most: float) -> None:
        """Wait that long."""
        with self._lock:
            seconds = self._chance.uniform(least, most) / 1000
        self._wait(seconds)


class Answers:
    """The answers already given, by idempotency key; the oldest are forgotten."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._count = 0

    def once(
        self, key: str, prefix: str, answer: dict[str, Any], unless: str = ""
    ) -> dict[str, Any]:
        """The answer under the key: this one with a fresh `id`, or the one from before. Where the
        prefix `unless` has one under the same key, that."""
        with self._lock:
            if key and unless and f"{unless}/{key}" in self._answers:
                return self._answers[f"{unless}/{key}"]
            if key and f"{prefix}/{key}" in self._answers:
                return self._answers[f"{prefix}/{key}"]
            self._count += 1
            made = {"id": f"{prefix}-{self._count}", **answer}
            if key:
                self._answers[f"{prefix}/{key}"] = made
                if len(self._answers) > REMEMBERED:
                    self._answers.popitem(last=False)
            return made


def outside_app(seed: int = 1, wait: Callable[[float], None] = time.sleep) -> FastAPI:
    """The routes of all third parties. Same seed, same waits; `wait` takes seconds."""
    app = FastAPI(title="outside")
    patience, answers = Patience(seed, wait), Answers()

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/card-network/authorisations", status_code=201)
    def authorise(told: Authorisation, idempotency_key: str = Header("")) -> JSONResponse:
        patience.milliseconds(20, 40)
        if told.card_token.startswith("declined"):
            return JSONResponse({"status": "declined", "reason": "do not honour"}, status_code=402)
        answer = answers.once(
            idempotency_key, "authorisation", {"status": "approved"}, unless="void"
        )
        if answer["status"] == "voided":
            return JSONResponse({"status": "declined", "reason": "voided"}, status_code=402)
        return JSONResponse(answer, status_code=201)

    @app.post("/card-network/refunds", status_code=201)
    def refund(_told: dict[str, Any], idempotency_key: str = Header("")) -> dict[str, Any]:
        patience.milliseconds(20, 40)
        return answers.once(idempotency_key, "refund", {"status": "refunded"})

    @app.post("/card-network/voids", status_code=201)
    def void(told: Void) -> dict[str, Any]:
        patience.milliseconds(20, 40)
        return answers.once(told.authorisation_key, "void", {"status": "voided"})

    @app.post("/carrier/parcels", status_code=201)
    def parcel(_told: dict[str, Any], idempotency_key: str = Header("")) -> dict[str, Any]:
        patience.milliseconds(15, 30)
        answer = answers.once(idempotency_key, "parcel", {"carrier": "Longhaul"})
        return {**answer, "tracking_code": answer["id"].upper()}

    @app.post("/mail-relay/messages", status_code=202)
    def message(_told: dict[str, Any], idempotency_key: str = Header("")) -> dict[str, Any]:
        patience.milliseconds(10, 20)
        return answers.once(idempotency_key, "message", {"status": "queued"})

    return app


def serve_outside(
    settings: Settings,
    listener: socket.socket,
    stop: threading.Event,
    announce: Callable[[Endpoints], None],
) -> None:
    """Serve until `stop`."""
    serve_app(outside_app(), listener, stop, announce, settings.drain_seconds)
