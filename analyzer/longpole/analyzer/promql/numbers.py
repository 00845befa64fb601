"""Numbers as Prometheus writes them: the shortest text that reads back as the same number."""

from __future__ import annotations

import math

import numpy as np


def written(value: float) -> str:
    """Go's `FormatFloat(v, 'f', -1, 64)`: never an exponent."""
    if math.isfinite(value):
        text = repr(value)
        if "e" in text:
            return np.format_float_positional(value, trim="-")
        return text.removesuffix(".0")
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def sent(value: float) -> str:
    """As the HTTP API has it: with an exponent below 1e-6 and from 1e21 on."""
    size = abs(value)
    if size == 0 or 1e-6 <= size < 1e21 or not math.isfinite(value):
        return written(value)
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        mantissa, _, exponent = f"{value:.17e}".partition("e")
        mantissa, _, exponent = np.format_float_scientific(value, trim="-").partition("e")
    mantissa = mantissa.removesuffix(".0").removesuffix(".")
    sign, digits = exponent[:1], exponent.lstrip("+-")
    return f"{mantissa}e{'-' if sign == '-' else '+'}{int(digits):02d}"
