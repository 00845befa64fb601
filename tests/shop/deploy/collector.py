"""A collector that notes who sends what: the spans, and the authorization that came with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass
class Longpole:
    """What an Envoy exported: spans with their resource, and the authorization it gave."""

    port: int = 0
    spans: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    heard: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, trace_id: str) -> list[tuple[dict[str, str], Any]]:
        """The spans of a trace, once there are so many."""

        def found() -> list[tuple[dict[str, str], Any]]:
            return [each for each in self.spans if each[1].trace_id.hex() == trace_id]

        with self.heard:
            assert self.heard.wait_for(lambda: len(found()) >= count, 15), self.spans
            return found()


@contextmanager
def collector() -> Iterator[Longpole]:
    """An OTLP server on a free port for the time of the block."""
    told = Longpole()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            with told.heard:
                for key, value in context.invocation_metadata():
                    if key == "authorization":
                        told.authorizations.add(value)
                for group in request.resource_spans:
                    resource = {
                        each.key: each.value.string_value for each in group.resource.attributes
                    }
                    for scope in group.scope_spans:
                        told.spans += [(resource, span) for span in scope.spans]
                told.heard.notify_all()
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call]
        Traces(), server
    )
    told.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield told
    finally:
        server.stop(0).wait()
