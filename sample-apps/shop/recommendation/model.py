"""The model: what the shop's products have in common, and how a person's list is ranked by it.

It is loaded when the instance starts and held in memory. An instance without it, a cold one,
loads it in the span `load model`, and every request that comes meanwhile waits in that span too.

    fault goes on ─▶ a warm instance has itself restarted, once ─▶ its successor is cold
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from opentelemetry import trace

from shop.chassis.ports import Faults
from shop.recommendation.contract import Recommendation

FAULT_COLD_START = "recommendation-cold-start"
FILE = Path(__file__).with_name("model.json")

_tracer = trace.get_tracer("shop.recommendation")


@dataclass(frozen=True, slots=True)
class Item:
    """A product as the model knows it. `prior` (0 to 1) ranks what nobody has bought yet."""

    sku: str
    name: str
    traits: frozenset[str]
    prior: float


@dataclass(frozen=True, slots=True)
class Model:
    """The items by sku, and the name of what ranks them."""

    name: str
    items: Mapping[str, Item]

    def popular(self, bought: Mapping[str, int], limit: int) -> list[Recommendation]:
        """Best first: half the prior, half the share of the most bought product (`bought` by
        sku, unknown ones are left out)."""
        return _best(self.items, self._popularity(bought), limit)

    def personal(
        self, bought: Mapping[str, int], own: Mapping[str, int], limit: int
    ) -> list[Recommendation]:
        """As `popular`, but what shares traits with a person's `own` purchases counts double."""
        weights: dict[str, int] = {}
        for sku, count in own.items():
            for trait in self.items[sku].traits if sku in self.items else ():
                weights[trait] = weights.get(trait, 0) + count
        most = max(weights.values(), default=1)
        scores = self._popularity(bought)
        for sku, item in self.items.items():
            liking = sum(weights.get(trait, 0) for trait in item.traits)
            scores[sku] = scores[sku] / 2 + liking / most / max(1, len(item.traits))
        return _best(self.items, scores, limit)

    def _popularity(self, bought: Mapping[str, int]) -> dict[str, float]:
        most = max(bought.values(), default=0) or 1
        return {
            sku: item.prior / 2 + bought.get(sku, 0) / most / 2 for sku, item in self.items.items()
        }


def read_model(file: Path = FILE) -> Model:
    """The model in that file. Raises OSError or ValueError."""
    document = json.loads(file.read_text())
    items = (
        Item(each["sku"], each["name"], frozenset(each["traits"]), float(each["prior"]))
        for each in document["items"]
    )
    return Model(document["model"], {item.sku: item for item in items})


class HeldModel:
    """The model of one instance. `restart` asks for the end of this process, which whoever
    supervises it starts again; `wait` takes seconds."""

    def __init__(
        self,
        faults: Faults,
        restart: Callable[[], None] = lambda: None,
        read: Callable[[], Model] = read_model,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._faults = faults
        self._restart = restart
        self._read = read
        self._wait = wait
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._model: Model | None = None
        self._was_warm = False
        self._has_restarted = False
        self._load_seconds = 0.0

    def warm_up(self) -> None:
        """Load it before the first request, in no span: nobody waits for it."""
        self._model = self._read()

    def get(self) -> Model:
        """The model; loaded first when this instance is cold."""
        self._follow_the_fault()
        model = self._model
        if model is not None:
            return model
        with _tracer.start_as_current_span("load model") as span, self._loading:
            model = self._model
            span.set_attribute("shop.model.waited_for_another", model is not None)
            if self._load_seconds:
                # Who finds it loaded by another has waited for that one.
                self._faults.acted(FAULT_COLD_START)
            if model is None:
                # The artefact comes from a store far away, which is what takes the time in life.
                self._wait(self._load_seconds)
                model = self._read()
                self._model = model
            span.set_attribute("shop.model.name", model.name)
            span.set_attribute("shop.model.items", len(model.items))
            return model

    def _follow_the_fault(self) -> None:
        """With the fault on: a warm instance is restarted, and goes on answering until it ends.
        One whose very first request finds the fault on is the successor. The copy of the model
        that it began with is of no use then."""
        parameters = self._faults.active(FAULT_COLD_START)
        with self._lock:
            if parameters is None:
                self._was_warm, self._has_restarted = True, False
                return
            if not self._was_warm:
                self._was_warm = self._has_restarted = True
                self._load_seconds = float(parameters["seconds"])
                self._model = None
            if self._has_restarted:
                return
            self._has_restarted = True
        self._restart()


def _best(
    items: Mapping[str, Item], scores: Mapping[str, float], limit: int
) -> list[Recommendation]:
    order = sorted(scores, key=lambda sku: (-scores[sku], sku))
    return [
        Recommendation(sku=sku, name=items[sku].name, score=round(scores[sku], 4))
        for sku in order[:limit]
    ]
