"""The registry over HTTP. Not traced: it is what a platform brings, not a part of the shop."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field, StringConstraints

from shop.chassis.ports import Instance
from shop.chassis.problem import install_problem_handlers
from shop.chassis.switches import MOST_NOTED
from shop.faults.catalogue import CATALOGUE
from shop.identifiers import HostPort, Identifier, Text
from shop.registry.registry import Registry
from shop.registry.switchboard import fault_named

TraceId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]


class Beat(BaseModel):
    """What an instance says of itself; `revision` is the last that it applied, `acted` are the
    traces in which faults acted on it since the beat before."""

    service: Identifier
    version: Text
    host_name: Text
    http: HostPort
    grpc: HostPort | Literal[""] = ""
    weight: int = Field(default=100, ge=0, le=10_000)
    revision: int = Field(default=0, ge=0, lt=2**63)
    acted: dict[Identifier, Annotated[list[TraceId], Field(max_length=MOST_NOTED)]] = {}


class FaultSwitch(BaseModel, extra="forbid"):
    """Parameters that differ from the fault's defaults."""

    parameters: dict[str, Any] = {}


class Rollout(BaseModel, extra="forbid"):
    """Shares of the users, in any unit: `{"on": 30, "off": 70}`."""

    variants: dict[str, Any]


def registry_app(registry: Registry) -> FastAPI:
    """The routes over a registry."""
    app = FastAPI(title="registry")
    install_problem_handlers(app)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.put("/v1/instances/{instance_id}")
    def beat(instance_id: Identifier, told: Beat) -> dict[str, Any]:
        given = told.model_dump(exclude={"revision", "acted"})
        answer = registry.beat(Instance(instance_id=instance_id, **given), told.revision)
        registry.ledger.note(told.acted)
        return {**answer, "instances": [asdict(each) for each in answer["instances"]]}

    @app.delete("/v1/instances/{instance_id}", status_code=204)
    def leave(instance_id: str) -> None:
        registry.leave(instance_id)

    @app.get("/v1/instances")
    def instances(service: str = "") -> dict[str, Any]:
        return {"instances": [asdict(each) for each in registry.instances(service)]}

    @app.get("/v1/instances/known")
    def known() -> dict[str, Any]:
        """Answers once all live instances know of each other; `missing` do not, after 3 s."""
        return {"missing": registry.wait_known()}

    @app.get("/v1/faults")
    def faults() -> dict[str, Any]:
        on = registry.faults_on()
        return {
            "catalogue": catalogue_document(),
            "active": {name: dict(each.parameters) for name, each in on.items()},
            "since_unix_nano": {name: each.start_unix_nano for name, each in on.items()},
        }

    @app.get("/v1/faults/{name}/ledger")
    def ledger(name: str) -> dict[str, Any]:
        """The traces in which the fault acted since it was last switched on. Instances tell with
        their next heartbeat, so ask a second after it was switched off."""
        return {"fault": fault_named(name).name, "trace_ids": registry.ledger.traces_of(name)}

    @app.put("/v1/faults/{name}")
    def switch_on(name: str, told: FaultSwitch | None = None) -> dict[str, Any]:
        return asdict(registry.switch_on(name, told.parameters if told else {}))

    @app.delete("/v1/faults")
    def switch_all_off() -> dict[str, Any]:
        return {"labels": [label.document() for label in registry.switch_all_off()]}

    @app.delete("/v1/faults/{name}")
    def switch_off(name: str) -> dict[str, Any]:
        return registry.switch_off(name).document()

    @app.get("/v1/flags")
    def flags() -> dict[str, Any]:
        return {"flags": registry.flags()}

    @app.get("/v1/flags/{key}")
    def flag(key: str) -> dict[str, Any]:
        return registry.flag(key)

    @app.put("/v1/flags/{key}")
    def set_flag(key: str, rollout: Rollout) -> dict[str, Any]:
        return registry.set_flag(key, rollout.variants)

    return app


def catalogue_document() -> list[dict[str, Any]]:
    """Every fault that there is, as JSON has it."""
    return [
        {
            "name": fault.name,
            "summary": fault.summary,
            "service": fault.service,
            "operation": fault.operation,
            "edge": list(fault.edge),
            "detector": fault.detector,
            "visible": fault.visible,
            "root": fault.root,
            "say": fault.say,
            "parameters": dict(fault.parameters),
        }
        for fault in CATALOGUE.values()
    ]
