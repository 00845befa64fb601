"""What a run of load is: where to, how fast, how long, and what each request holds."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.model.secret import Secret
from longpole.model.signals import Signal

PROTOCOLS = ("grpc", "http/protobuf", "http/json")
COMPRESSIONS = ("none", "gzip")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. `endpoint` is `host:port`; `batch` is records (spans, log records, points) a
    request; `attributes` is attributes a record; `rate` is records per second over all
    connections, 0 for as many as are taken. Each of `workers` processes has its share of
    `connections`, each with one request under way at a time, and ends early after
    `most_requests`, if that is not 0. `seed` makes ids: two runs with one seed send equal ids.
    """

    endpoint: str
    signal: Signal = Signal.TRACES
    protocol: str = "grpc"
    compression: str = "none"
    batch: int = 512
    attributes: int = 10
    connections: int = 16
    workers: int = 2
    rate: float = 0.0
    seconds: float = 10.0
    most_requests: int = 0
    # How long a request is sent again and again, after the run is over, too.
    patience_seconds: float = 30.0
    seed: int = 1
    # What the names of its services begin with.
    service_prefix: str = "loadgen"
    token: Secret | None = None

    @property
    def id_base(self) -> int:
        """Where the counters behind ids begin: far from 0, whose mixture is no valid id."""
        return (1 << 62) + ((self.seed & (1 << 19) - 1) << 43)
