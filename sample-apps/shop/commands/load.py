"""`python -m shop load`: customers for a shop that runs already."""

from __future__ import annotations

import asyncio
import json

from shop.chassis.settings import SettingsError
from shop.load.run import LoadSettings, run_until_signal


def send(settings: LoadSettings) -> int:
    """Send until the duration is over or a signal; print the summary as one line of JSON."""
    if settings.rate <= 0:
        raise SettingsError("--rate has to be above 0")
    print(json.dumps(asyncio.run(run_until_signal(settings))), flush=True)
    return 0
