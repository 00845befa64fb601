"""Attributes that storage hands over as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def object_of(text: str | None) -> Mapping[str, Any]:
    """JSON text as an object; anything else is an empty one."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
