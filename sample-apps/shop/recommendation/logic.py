"""What somebody may like: by what everybody buys, or by what this person bought before."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from opentelemetry import trace

from shop.chassis.errors import DependencyError
from shop.chassis.ports import Database, Faults, Flags
from shop.recommendation.contract import BESTSELLERS, RecommendationList
from shop.recommendation.model import HeldModel

FAULT_BAD_CANARY = "recommendation-bad-canary"
CANARY_VERSION = "1.5.0"
FLAG_RANKING = "recommendation-ranking"

_log = logging.getLogger("shop.recommendation")


class CanaryDefect(RuntimeError):
    """What version 1.5.0 does wrong: it is unhandled, as defects are."""


class RecommendationLogic:
    """Implements `contract.Recommendations`. `wait` takes seconds, `chance` gives 0 to 1."""

    def __init__(
        self,
        database: Database,
        faults: Faults,
        flags: Flags,
        model: HeldModel,
        version: str,
        wait: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._database = database
        self._faults = faults
        self._flags = flags
        self._model = model
        self._version = version
        self._wait = wait
        self._chance = chance or random.Random(20261).random
        self._chance_lock = threading.Lock()

    def for_user(self, user_id: str, limit: int) -> RecommendationList:
        """Best first; the bestsellers, marked as fallback, when the database has no answer."""
        self._misbehave()
        model = self._model.get()
        ranking = self._flags.variant(FLAG_RANKING, "popular", user_id)
        try:
            bought = self._bought()
            own = self._own(user_id) if ranking == "personal" else {}
        except DependencyError as error:
            trace.get_current_span().set_attribute("shop.fallback", "bestsellers")
            _log.warning("recommending bestsellers: %s", error, extra={"user.id": user_id})
            items = list(BESTSELLERS[:limit])
            return RecommendationList(items=items, model="bestsellers", is_fallback=True)
        if ranking == "personal":
            items = model.personal(bought, own, limit)
        else:
            items = model.popular(bought, limit)
        _log.info("recommended %d products by %s", len(items), ranking, extra={"user.id": user_id})
        return RecommendationList(items=items, model=f"{model.name}-{ranking}")

    def _bought(self) -> dict[str, int]:
        with self._database.transaction() as transaction:
            rows = transaction.execute("SELECT sku, bought FROM popularity")
        return {row["sku"]: row["bought"] for row in rows}

    def _own(self, user_id: str) -> dict[str, int]:
        with self._database.transaction() as transaction:
            rows = transaction.execute(
                "SELECT sku, bought FROM tastes WHERE user_id = :user_id", user_id=user_id
            )
        return {row["sku"]: row["bought"] for row in rows}

    def _misbehave(self) -> None:
        """The defects of the canary version, while the fault is on: it is slow, and raises for a
        share of its requests."""
        parameters = self._faults.active(FAULT_BAD_CANARY)
        if parameters is None or self._version != CANARY_VERSION:
            return
        self._faults.acted(FAULT_BAD_CANARY)
        self._wait(float(parameters["milliseconds"]) / 1000)
        with self._chance_lock:
            fails = self._chance() < float(parameters["failure_share"])
        if fails:
            raise CanaryDefect("the new ranking found no neighbours for this user")
