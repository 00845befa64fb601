"""deploy/kubernetes: valid by the schemas of Kubernetes, and true to the shop."""

from __future__ import annotations

import copy
import importlib
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop.chassis.telemetry import FLUSH_SECONDS
from shop.topology import CANARY_VERSION, PLATFORM, SERVICES
from tests.shop.deploy.places import (
    DEPLOY,
    ENVOY,
    KUBERNETES,
    MESH,
    Document,
    documents,
    is_well_told,
    manifests,
)
from tests.shop.deploy.test_secrets import make_secrets


def name_of(document: Document) -> str:
    """The name of an object, or how it begins."""
    metadata = document["metadata"]
    return str(metadata.get("name") or metadata["generateName"])


OBJECTS = {(each["kind"], name_of(each)): each for _, each in manifests()}
KUSTOMIZATION = documents(KUBERNETES / "kustomization.yaml")[0]
DEPLOYMENTS = {
    name: each
    for (kind, name), each in OBJECTS.items()
    if kind == "Deployment" and "track" in each["metadata"]["labels"]
}
APP = "app.kubernetes.io/name"
SETTINGS: Mapping[str, str] = OBJECTS["ConfigMap", "shop-settings"]["data"]


def pod_of(deployment: Document) -> Document:
    """The pod's spec of a workload."""
    pod: Document = deployment["spec"]["template"]["spec"]
    return pod


def validate(document: Document) -> None:
    """By the schema of Kubernetes 1.34, where unknown fields are errors."""
    try:
        schemas = importlib.import_module("kubernetes_validate")
    except ModuleNotFoundError:
        pytest.skip("the PyPI package kubernetes-validate is missing")
    schemas.validate(document, "1.34", strict=True)


@pytest.mark.parametrize(
    ("kind", "name"), OBJECTS, ids=[f"{kind}-{name}" for kind, name in OBJECTS]
)
def test_an_object_is_what_kubernetes_takes(kind: str, name: str) -> None:
    validate(OBJECTS[kind, name])


def test_every_service_can_be_found_scaled_and_drained() -> None:
    assert {pod_of(each)["containers"][0]["args"][1] for each in DEPLOYMENTS.values()} == set(
        SERVICES
    )
    for service in SERVICES:
        labels = OBJECTS["Deployment", service]["spec"]["template"]["metadata"]["labels"]
        assert OBJECTS["Service", service]["spec"]["selector"] == {APP: service}
        assert labels[APP] == service
        budget = OBJECTS["PodDisruptionBudget", service]["spec"]
        assert budget["selector"]["matchLabels"] == {APP: service}
        scaler = OBJECTS["HorizontalPodAutoscaler", service]["spec"]
        assert scaler["scaleTargetRef"]["name"] == service
        assert scaler["minReplicas"] == OBJECTS["Deployment", service]["spec"]["replicas"]


def test_callers_find_every_pod_but_the_gateway_has_one_address() -> None:
    for service in SERVICES:
        is_headless = OBJECTS["Service", service]["spec"].get("clusterIP") == "None"
        assert is_headless == (service != "gateway")
    domain = f"{KUSTOMIZATION['namespace']}.svc.cluster.local"
    assert SETTINGS["SHOP_DNS_DOMAIN"] == domain
    for name in PLATFORM:
        assert ("Service", name) in OBJECTS or name == "broker"


def test_a_port_of_a_service_is_a_port_of_its_pods() -> None:
    for (kind, name), service in OBJECTS.items():
        if kind != "Service":
            continue
        workloads = [
            each
            for (what, _), each in OBJECTS.items()
            if what in ("Deployment", "StatefulSet")
            and service["spec"]["selector"].items()
            <= each["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert workloads, name
        for workload in workloads:
            ports = {port["name"] for port in pod_of(workload)["containers"][0]["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name


def test_all_services_are_run_alike() -> None:
    def alike(deployment: Document) -> Document:
        pod = copy.deepcopy(pod_of(deployment))
        container = pod["containers"][0]
        for key in ("args", "ports"):
            del container[key]
        container["env"] = [each["name"] for each in container["env"] if "valueFrom" in each]
        pod["volumes"] = [each["name"] for each in pod["volumes"]]
        del pod["topologySpreadConstraints"]
        return pod

    first, *others = (alike(each) for each in DEPLOYMENTS.values())
    assert all(each == first for each in others)


def test_a_pod_is_given_the_time_to_drain() -> None:
    for name, deployment in DEPLOYMENTS.items():
        pod = pod_of(deployment)
        pause = float(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
        drain = float(SETTINGS["SHOP_DRAIN_SECONDS"])
        # DNS answers are held for two seconds.
        assert pause > 2, name
        assert pod["terminationGracePeriodSeconds"] > pause + drain + FLUSH_SECONDS + 5, name


def test_readiness_asks_for_more_than_life() -> None:
    for name, deployment in DEPLOYMENTS.items():
        container = pod_of(deployment)["containers"][0]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz", name
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", name


def test_the_canary_is_a_fifth_of_the_pods_behind_one_service() -> None:
    stable = OBJECTS["Deployment", "recommendation-service"]
    canary = OBJECTS["Deployment", "recommendation-canary"]
    told = {each["name"]: each.get("value") for each in pod_of(canary)["containers"][0]["env"]}
    assert told["SHOP_VERSION"] == CANARY_VERSION
    assert canary["spec"]["template"]["metadata"]["labels"][APP] == "recommendation-service"
    assert (stable["spec"]["replicas"], canary["spec"]["replicas"]) == (4, 1)
    # Otherwise each of the two would count the other's pods as its own.
    assert stable["spec"]["selector"] != canary["spec"]["selector"]


def test_every_variable_is_a_setting() -> None:
    names = set(SETTINGS)
    for each in (*DEPLOYMENTS.values(), OBJECTS["Job", "inventory-restock-"]):
        names |= {variable["name"] for variable in pod_of(each)["containers"][0]["env"]}
    assert [name for name in sorted(names) if not is_well_told(name)] == []


def test_every_secret_is_made_and_used_by_its_owner(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    made = {
        generator["name"]: [file.split("=")[-1] for file in generator["files"]]
        for generator in KUSTOMIZATION["secretGenerator"]
    }
    for files in made.values():
        assert all((tmp_path / Path(file).name).exists() for file in files)
    for name, deployment in DEPLOYMENTS.items():
        container = pod_of(deployment)["containers"][0]
        (volume,) = (each for each in pod_of(deployment)["volumes"] if each["name"] == "secrets")
        mounted = {source["secret"]["name"] for source in volume["projected"]["sources"]}
        assert mounted <= set(made), name
        given = {Path(file).name for secret in mounted for file in made[secret]}
        read = {
            Path(each["value"]).name for each in container["env"] if each["name"].endswith("_FILE")
        }
        assert given == read | {Path(SETTINGS["OTEL_EXPORTER_OTLP_HEADERS_FILE"]).name}, name


def test_the_kustomization_lists_every_file_but_the_job() -> None:
    files = {path.name for path in KUBERNETES.glob("*.yaml")}
    assert set(KUSTOMIZATION["resources"]) == files - {"kustomization.yaml", "admin-job.yaml"}


@pytest.fixture(scope="module")
def meshed() -> Mapping[str, Document]:
    """The Deployments of the services with the patch of the mesh."""
    operations: Any = documents(MESH / "sidecar-patch.yaml")[0]
    patched = copy.deepcopy(DEPLOYMENTS)
    for deployment in patched.values():
        for operation in operations:
            add(deployment, operation["path"], copy.deepcopy(operation["value"]))
    return patched


def add(document: Any, path: str, value: Any) -> None:
    """The operation `add` of a JSON patch (RFC 6902)."""
    *way, last = path.strip("/").split("/")
    for step in way:
        document = document[step]
    if last == "-":
        document.append(value)
    else:
        document[last] = value


def test_a_pod_with_its_sidecar_is_what_kubernetes_takes(meshed: Mapping[str, Document]) -> None:
    for deployment in meshed.values():
        validate(deployment)


def test_what_the_mesh_reads_is_mounted(meshed: Mapping[str, Document]) -> None:
    overlay = documents(MESH / "kustomization.yaml")[0]
    (generator,) = overlay["configMapGenerator"]
    sources = {entry.split("=")[0]: entry.split("=")[1] for entry in generator["files"]}
    for file, source in sources.items():
        assert (MESH / source).resolve() == (ENVOY / file).resolve()
        assert (ENVOY / file).exists()
    for file in (path.name for path in ENVOY.glob("*.yaml")):
        assert (f"/etc/envoy/{file}" in (ENVOY / "sidecar.yaml").read_text()) <= (file in sources)
    for deployment in meshed.values():
        pod = pod_of(deployment)
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in pod["initContainers"][0]["volumeMounts"]} <= volumes


def test_the_names_a_meshed_service_calls_are_where_its_sidecar_listens(
    meshed: Mapping[str, Document],
) -> None:
    overlay = documents(MESH / "kustomization.yaml")[0]
    settings = dict(SETTINGS)
    for patch in overlay["patches"]:
        if patch["target"]["kind"] == "ConfigMap":
            for operation in yaml.safe_load(patch["patch"]):
                settings[operation["path"].rsplit("/", 1)[1]] = operation["value"]
    listeners = documents(ENVOY / "sidecar.yaml")[0]["static_resources"]["listeners"]
    places = {
        each["name"]: (
            each["address"]["socket_address"]["address"],
            each["address"]["socket_address"]["port_value"],
        )
        for each in listeners
    }
    for deployment in meshed.values():
        hosts = {
            name: alias["ip"]
            for alias in pod_of(deployment)["hostAliases"]
            for name in alias["hostnames"]
        }
        for service in set(SERVICES) - {"gateway"}:
            ip = hosts[f"{service}.{settings['SHOP_DNS_DOMAIN']}"]
            assert places[service] == (ip, int(settings["SHOP_DNS_HTTP_PORT"]))
        payment = hosts[f"payment-service.{settings['SHOP_DNS_DOMAIN']}"]
        assert places["payment-service-grpc"] == (payment, int(settings["SHOP_DNS_GRPC_PORT"]))


@pytest.mark.full
@pytest.mark.parametrize("folder", ["kubernetes", "mesh"])
def test_kustomize_puts_it_together(folder: str, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is missing")
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    make_secrets(tmp_path / "deploy" / "kubernetes" / "secrets")
    run = subprocess.run(
        ["kubectl", "kustomize", "--load-restrictor", "LoadRestrictionsNone",
         tmp_path / "deploy" / folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    made = list(yaml.safe_load_all(run.stdout))
    there = {(each["kind"], each["metadata"]["name"]) for each in made}
    for each in (*made, OBJECTS["Job", "inventory-restock-"]):
        if each["kind"] in ("Deployment", "StatefulSet", "Job"):
            assert set(mounted_by(each)) <= there, each["metadata"]
        if "cert-manager" not in each["apiVersion"]:
            validate(each)
    side = [len(pod_of(each).get("initContainers", [])) for each in made
            if each["kind"] == "Deployment" and "track" in each["metadata"]["labels"]]  # fmt: skip
    assert side == [int(folder == "mesh")] * len(DEPLOYMENTS)


def mounted_by(workload: Document) -> Iterator[tuple[str, str]]:
    """The Secrets and ConfigMaps that a workload's pods need."""
    pod = pod_of(workload)
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        for source in volume.get("projected", {}).get("sources", []):
            yield "Secret", source["secret"]["name"]
    for reference in pod["containers"][0].get("envFrom", []):
        yield "ConfigMap", reference["configMapRef"]["name"]


def test_the_sidecar_reaches_services_that_kubernetes_has() -> None:
    clusters = documents(ENVOY / "sidecar.yaml")[0]["static_resources"]["clusters"]
    suffix = f".{SETTINGS['SHOP_DNS_DOMAIN']}"
    asked = set()
    for cluster in clusters:
        (locality,) = cluster["load_assignment"]["endpoints"]
        address = locality["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["address"]
        if address != "127.0.0.1":
            assert address.endswith(suffix), address
            asked.add(address.removesuffix(suffix))
    assert {name for name in asked if ("Service", name) not in OBJECTS} == set()
