"""Go's `fmt.Sprintf` and `fmt.Sprint` over the values of templates."""

from __future__ import annotations

import json
import math
import re

from longpole.analyzer.alerting.go_values import Sample, Value, printed, shortest, type_name

# A width or a precision beyond this is refused by Go as well.
WIDEST = 1_000_000
LONGEST = 65_536

_VERB = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(.)?", re.DOTALL)


def sprint(values: tuple[Value, ...]) -> str:
    """`print`: blanks between operands of which neither is a string."""
    found: list[str] = []
    for place, value in enumerate(values):
        before = values[place - 1] if place else ""
        if place and not isinstance(value, str) and not isinstance(before, str):
            found.append(" ")
        found.append(_plain(value))
    return "".join(found)


def sprintln(values: tuple[Value, ...]) -> str:
    """`println`."""
    return " ".join(map(_plain, values)) + "\n"


def _plain(value: Value) -> str:
    return "<nil>" if value is None else printed(value)


def sprintf(layout: str, values: tuple[Value, ...]) -> str:
    """`printf`; what does not fit is said in the text, as Go does."""
    left = list(values)
    used = 0

    def taken() -> Value:
        nonlocal used
        used += 1
        return left[used - 1]

    def whole(text: str | None, noun: str) -> tuple[int | None, str]:
        if text == "*":
            value = taken() if used < len(left) else None
            if isinstance(value, bool) or not isinstance(value, int) or abs(value) > WIDEST:
                return None, f"%!(BAD{noun})"
            return value, ""
        number = int(text) if text and len(text) < 8 else 0 if text == "" else None
        return (number, "") if number is None or number <= LONGEST else (None, f"%!(BAD{noun})")

    def one(match: re.Match[str]) -> str:
        flags, width_text, precision_text, verb = match.groups()
        width, bad = whole(width_text, "WIDTH")
        precision, worse = whole(precision_text, "PREC")
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        if precision is not None and precision < 0:
            precision = None
        if verb is None:
            return bad + worse + "%!(NOVERB)"
        if verb == "%":
            return "%"
        if used >= len(left):
            return f"{bad}{worse}%!{verb}(MISSING)"
        return bad + worse + _formatted(verb, taken(), flags, width or 0, precision)

    text = _VERB.sub(one, layout)
    if used < len(left):
        extra = ", ".join(
            "<nil>" if value is None else f"{type_name(value)}={printed(value)}"
            for value in left[used:]
        )
        text += f"%!(EXTRA {extra})"
    return text


def _formatted(verb: str, value: Value, flags: str, width: int, precision: int | None) -> str:
    if verb == "T":
        return _padded(type_name(value), flags.replace("0", ""), width)
    if value is None:
        return _padded("<nil>", flags, width) if verb == "v" else f"%!{verb}(<nil>)"
    body: str | None
    if isinstance(value, bool):
        body = printed(value) if verb in "vt" else None
    elif isinstance(value, int):
        return _integer(verb, value, flags, width, precision)
    elif isinstance(value, float):
        return _float(verb, value, flags, width, precision)
    elif isinstance(value, str):
        body = _string(verb, value, flags, precision)
    elif verb in "vs":
        body = f"&{printed(value)}" if isinstance(value, Sample) else printed(value)
    else:
        body = None
    if body is None:
        return f"%!{verb}({type_name(value)}={printed(value)})"
    return _padded(body, flags, width)


def _string(verb: str, value: str, flags: str, precision: int | None) -> str | None:
    if verb in "vs":
        if verb == "v" and "#" in flags:
            return json.dumps(value, ensure_ascii=False)
        return value if precision is None else value[:precision]
    if verb == "q":
        shown = value if precision is None else value[:precision]
        if "#" in flags and "`" not in shown:
            return f"`{shown}`"
        return json.dumps(shown, ensure_ascii="+" in flags)
    if verb in "xX":
        text = value.encode("utf-8", "replace").hex(" " if " " in flags else "")
        return text.upper() if verb == "X" else text
    return None


def _integer(verb: str, value: int, flags: str, width: int, precision: int | None) -> str:
    bases = {"d": "d", "v": "d", "x": "x", "X": "X", "o": "o", "b": "b", "O": "o"}
    if verb in ("c", "q", "U"):
        is_known = 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000
        character = chr(value) if is_known else "\ufffd"
        shown = {"c": character, "q": f"'{character}'", "U": f"U+{value:04X}"}[verb]
        return _padded(shown, flags.replace("0", ""), width)
    if verb not in bases:
        return f"%!{verb}(int={value})"
    digits = format(abs(value), bases[verb])
    if precision is not None:
        digits = digits.rjust(precision, "0")
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    prefix = "0o" if verb == "O" else prefix
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    if "0" in flags and "-" not in flags and precision is None:
        digits = digits.rjust(width - len(sign) - len(prefix), "0")
    return _padded(sign + prefix + digits, flags.replace("0", ""), width)


def _float(verb: str, value: float, flags: str, width: int, precision: int | None) -> str:
    if verb not in "vgGeEfFxXb" or verb in "xXb":
        return f"%!{verb}(float64={shortest(value)})"
    if not math.isfinite(value):
        text = shortest(value).lstrip("+")
        flags = flags.replace("0", "")
        if "+" in flags or (value > 0 and math.isinf(value)):
            text = text if text[0] == "-" else f"+{text}"
        return _padded(text, flags, width)
    if verb in "vgG":
        text = shortest(value) if precision is None else f"{value:.{max(precision, 1)}g}"
        text = text.upper() if verb == "G" else text
        if "#" in flags:
            text = f"{value:#.{6 if precision is None else max(precision, 1)}g}"
    else:
        text = f"{value:.{6 if precision is None else precision}{'f' if verb == 'F' else verb}}"
    if text[0] != "-":
        text = ("+" if "+" in flags else " " if " " in flags else "") + text
    return _padded(text, flags, width)


def _padded(text: str, flags: str, width: int) -> str:
    if len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    if "0" not in flags:
        return text.rjust(width)
    sign = text[0] if text[:1] in ("+", "-") else ""
    return sign + text[len(sign) :].rjust(width - len(sign), "0")
