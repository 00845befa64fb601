"""The front proxy and the sidecar, run by a real Envoy: TLS, trace headers, spans, retries."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from shop.gateway.routing import PREFIX, ROUTES
from shop.payment import payment_pb2, payment_pb2_grpc
from tests.flow.tools import requires
from tests.shop.deploy.backend import Backend, backend
from tests.shop.deploy.collector import Longpole
from tests.shop.deploy.envoys import Envoy, envoy, envoy_program, free_port, staged
from tests.shop.deploy.places import DEPLOY, ENVOY, documents

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an Envoy finds its files, with the secrets that make-secrets.sh makes."""
    envoy_program()
    requires("openssl")
    subprocess.run([DEPLOY / "make-secrets.sh", tmp_path / "secrets"], check=True)
    return tmp_path


@pytest.fixture
def gateway() -> Iterator[Backend]:
    with backend() as told:
        yield told


@pytest.fixture
def front(folder: Path, longpole: Longpole, gateway: Backend) -> Iterator[Envoy]:
    config = staged("front.yaml", folder, {"gateway": gateway.port, "longpole": longpole.port})
    with envoy(config, {"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop"}) as running:
        yield running


def ask(
    front: Envoy, folder: Path, method: str, path: str, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    """A request over TLS, whose certificate is checked."""
    context = ssl.create_default_context(cafile=str(folder / "secrets" / "front_certificate"))
    connection = http.client.HTTPSConnection(
        "localhost", front.ports["https"], context=context, timeout=15
    )
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


@pytest.mark.parametrize("file", ["front.yaml", "sidecar.yaml"])
def test_envoy_accepts_the_file_as_it_is(file: str, folder: Path) -> None:
    mesh_secrets(folder)
    for each in ENVOY.glob("*.yaml"):
        text = each.read_text().replace("/run/secrets", str(folder / "secrets"))
        (folder / each.name).write_text(text.replace("/etc/envoy", str(folder)))
    run = subprocess.run(
        [envoy_program(), "--mode", "validate", "--config-path", folder / file,
         "--service-node", "test", "--service-cluster", "shop"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    assert "eprecated" not in run.stderr


def test_the_front_ends_tls_and_continues_the_trace(
    front: Envoy, folder: Path, longpole: Longpole, gateway: Backend
) -> None:
    headers = {"traceparent": TRACEPARENT, "tracestate": "shop=1", "x-user-id": "user-7"}
    answer = ask(front, folder, "GET", "/api/v1/products?limit=2", headers)

    assert answer.status == 200
    assert answer.getheader("strict-transport-security") == "max-age=31536000"
    (seen,) = gateway.seen
    assert seen.path == "/api/v1/products?limit=2"
    assert "x-user-id" not in seen.headers, "who somebody is, only the gateway says"
    spans = {span.kind: (resource, span) for resource, span in longpole.wait_for(2, TRACE)}
    resource, server = spans[2]
    _, client = spans[3]
    assert resource["service.name"] == "front"
    assert resource["service.namespace"] == "shop"
    assert (server.name, client.name) == ("GET /api/v1/products",) * 2
    assert server.parent_span_id.hex() == "b7ad6b7169203331"
    assert client.parent_span_id == server.span_id
    assert seen.headers["traceparent"] == f"00-{TRACE}-{client.span_id.hex()}-01"
    assert seen.headers["tracestate"] == "shop=1"
    token = (folder / "secrets" / "longpole_token").read_text()
    assert longpole.authorizations == {f"Bearer {token}"}


def test_the_front_begins_a_trace_where_there_is_none(
    front: Envoy, folder: Path, longpole: Longpole, gateway: Backend
) -> None:
    ask(front, folder, "GET", "/api/v1/home")

    trace_id = gateway.seen[0].headers["traceparent"].split("-")[1]
    roots = [span for _, span in longpole.wait_for(2, trace_id) if not span.parent_span_id]
    assert [span.kind for span in roots] == [2]


def test_the_front_repeats_reading_and_never_an_order(
    front: Envoy, folder: Path, gateway: Backend
) -> None:
    gateway.answers[:] = [502, 200]
    assert ask(front, folder, "GET", "/api/v1/products/sku-1").status == 200
    assert len(gateway.seen) == 2

    gateway.seen.clear()
    gateway.answers[:] = [502, 200]
    assert ask(front, folder, "POST", "/api/v1/orders").status == 502
    assert len(gateway.seen) == 1


def test_the_front_names_its_spans_as_the_gateway_does() -> None:
    front = documents(ENVOY / "front.yaml")[0]["static_resources"]["listeners"][0]
    manager = front["filter_chains"][0]["filters"][0]["typed_config"]
    (shop,) = manager["route_config"]["virtual_hosts"]
    named = {
        ("GET" if "headers" in route["match"] else "POST", route["name"])
        for route in shop["routes"]
    }
    assert named - {("POST", "/api")} == {(route.method, PREFIX + route.path) for route in ROUTES}


def test_the_front_sends_plain_http_to_https(front: Envoy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.ports["redirect"], timeout=5)
    connection.request("GET", "/api/v1/home", headers={"host": "shop.example:80"})
    answer = connection.getresponse()
    connection.close()

    assert answer.status == 301
    assert answer.getheader("location") == "https://shop.example:443/api/v1/home"


class Till(payment_pb2_grpc.PaymentServiceServicer):
    """Takes every charge."""

    def Charge(self, request: Any, context: Any) -> Any:
        return payment_pb2.ChargeReply(charge_id=f"charge of {request.order_id}")


@dataclass
class Mesh:
    """A caller's sidecar and two others: that of a stable and that of a canary instance."""

    caller: Envoy
    stable: Envoy
    stable_service: Backend
    canary_service: Backend


@pytest.fixture
def mesh(folder: Path, longpole: Longpole) -> Iterator[Mesh]:
    mesh_secrets(folder)
    with ExitStack() as stack:
        stable, canary = (stack.enter_context(backend()) for _ in range(2))
        till = grpc.server(futures.ThreadPoolExecutor(2))
        payment_pb2_grpc.add_PaymentServiceServicer_to_server(  # type: ignore[no-untyped-call]
            Till(), till
        )
        grpc_port = till.add_insecure_port("127.0.0.1:0")
        till.start()
        stack.callback(lambda: till.stop(0).wait())

        def run(name: str, clusters: dict[str, int]) -> Envoy:
            place = folder / name
            place.mkdir()
            (place / "secrets").symlink_to(folder / "secrets")
            config = staged("sidecar.yaml", place, {"longpole": longpole.port, **clusters})
            told = f"service.name={name}-sidecar,service.namespace=shop"
            return stack.enter_context(envoy(config, {"OTEL_RESOURCE_ATTRIBUTES": told}))

        inside = {"this-service-grpc": grpc_port}
        one = run("stable", {"this-service-http": stable.port, **inside})
        other = run("canary", {"this-service-http": canary.port, **inside})
        caller = run(
            "gateway",
            {
                "recommendation-service-stable": one.ports["inbound-http"],
                "recommendation-service-canary": other.ports["inbound-http"],
                "user-service": one.ports["inbound-http"],
                "payment-service-grpc": one.ports["inbound-grpc"],
                "order-service": free_port(),
            },
        )
        yield Mesh(caller, one, stable, canary)


def mesh_secrets(folder: Path) -> None:
    """A certificate authority, and a certificate that it made for a pod."""
    place = folder / "secrets" / "mesh"
    place.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, cwd=place, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-subj", "/CN=mesh", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(
        "req", "-x509", *key, "-subj", "/CN=pod", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-addext", "subjectAltName=DNS:pod-1.shop.svc.cluster.local",
        "-keyout", "tls.key", "-out", "tls.crt",
    )  # fmt: skip


def ask_stranger(connection: http.client.HTTPSConnection) -> None:
    """A request whose answer is awaited."""
    connection.request("GET", "/v1/x")
    connection.getresponse()


def call(port: int, path: str = "/v1/x", headers: dict[str, str] | None = None) -> int:
    """The status of a GET to a loopback port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.full
def test_the_mesh_gives_the_canary_its_share_of_calls(mesh: Mesh) -> None:
    for _ in range(200):
        assert call(mesh.caller.ports["recommendation-service"]) == 200

    share = len(mesh.canary_service.seen) / 200
    assert len(mesh.stable_service.seen) + len(mesh.canary_service.seen) == 200
    # Envoy draws for every call: 20 % within four standard deviations.
    assert 0.2 - 0.115 < share < 0.2 + 0.115


@pytest.mark.full
def test_every_hop_of_the_mesh_is_a_span_of_the_trace(mesh: Mesh, longpole: Longpole) -> None:
    assert call(mesh.caller.ports["user-service"], headers={"traceparent": TRACEPARENT}) == 200

    spans = longpole.wait_for(2, TRACE)
    by_name = {resource["service.name"]: span for resource, span in spans}
    outgoing, incoming = by_name["gateway-sidecar"], by_name["stable-sidecar"]
    assert outgoing.parent_span_id.hex() == "b7ad6b7169203331"
    assert incoming.parent_span_id == outgoing.span_id
    (seen,) = mesh.stable_service.seen
    assert seen.headers["traceparent"] == f"00-{TRACE}-{incoming.span_id.hex()}-01"


@pytest.mark.full
def test_the_mesh_carries_grpc(mesh: Mesh) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{mesh.caller.ports['payment-service-grpc']}") as channel:
        till = payment_pb2_grpc.PaymentServiceStub(channel)  # type: ignore[no-untyped-call]
        reply = till.Charge(payment_pb2.ChargeRequest(order_id="order-1"), timeout=15)

    assert reply.charge_id == "charge of order-1"


@pytest.mark.full
def test_the_mesh_lets_nobody_in_without_its_certificate(mesh: Mesh, folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder / "secrets" / "mesh" / "ca.crt")
    context.check_hostname = False
    stranger = http.client.HTTPSConnection(
        "127.0.0.1", mesh.stable.ports["inbound-http"], context=context, timeout=15
    )
    with closing(stranger), pytest.raises((ssl.SSLError, ConnectionError)):
        # TLS 1.3: the refusal comes after the handshake, with the first answer.
        ask_stranger(stranger)

    assert mesh.stable_service.seen == []
    assert call(mesh.caller.ports["user-service"]) == 200


@pytest.mark.full
def test_the_mesh_gives_up_on_what_cannot_be_reached(mesh: Mesh) -> None:
    assert call(mesh.caller.ports["order-service"]) == 503
    assert mesh.caller.stat("cluster.order-service.upstream_rq_retry") == 2
