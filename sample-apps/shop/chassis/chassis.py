"""The chassis of one service: its settings and ports, and the parts it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc
from fastapi import FastAPI

from shop.chassis.ports import Caller, Database, Discovery, Events, Faults, Flags, PolicySource
from shop.chassis.settings import Settings


@dataclass(frozen=True, slots=True)
class Chassis:
    """What `build(chassis)` of each service is given.

    `caller` makes the HTTP client of a dependency (its policy is a value, or a function that
    is asked for it at every call); gRPC clients build their channel with
    `shop.chassis.grpc_calls`. `database` opens the service's own database with its schema: a
    list of idempotent statements (CREATE TABLE IF NOT EXISTS …), run at start.
    """

    settings: Settings
    discovery: Discovery
    faults: Faults
    flags: Flags
    events: Events
    caller: Callable[[str, PolicySource], Caller]
    database: Callable[[Sequence[str]], Database]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service consists of: its HTTP app, its gRPC handlers, what must hold for `/readyz`
    (each check answers with what is missing, or an empty string), and what to run with it."""

    app: FastAPI
    register_grpc: Callable[[grpc.Server], None] | None = None
    ready_checks: Sequence[Callable[[], str]] = ()
    on_start: Sequence[Callable[[], None]] = field(default=())
    on_stop: Sequence[Callable[[], None]] = field(default=())
