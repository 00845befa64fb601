"""Where log lines go: standard error, for people on a terminal, else as JSON lines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from longpole.cli.render.text import inert

if TYPE_CHECKING:
    from loguru import Message


def log_to_stderr(level: str, is_terminal: bool) -> None:
    """Replace loguru's default sink. Control characters in messages are made inert."""
    from loguru import logger

    logger.remove()
    sink = _for_people if is_terminal else _for_programs
    # diagnose=False: tracebacks must not print the values of variables, which hold secrets
    # and telemetry.
    logger.add(sink, level=level.upper(), format="{message}", backtrace=False, diagnose=False)


def _for_people(message: Message) -> None:
    record = message.record
    line = f"{record['time']:HH:mm:ss.SSS} {record['level'].name:<7} {inert(record['message'])}"
    print(line + _fields(record["extra"]), file=sys.stderr)
    if record["exception"] is not None:
        print(inert(_traceback(record["exception"]), keep_newlines=True), file=sys.stderr)


def _fields(extra: dict[str, Any]) -> str:
    return "".join(f" {name}={inert(str(value))}" for name, value in extra.items())


def _for_programs(message: Message) -> None:
    record = message.record
    document: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name.lower(),
        "message": record["message"],
        "module": record["name"],
        **{name: _plain(value) for name, value in record["extra"].items()},
    }
    if record["exception"] is not None:
        document["traceback"] = _traceback(record["exception"])
    print(json.dumps(document, ensure_ascii=True), file=sys.stderr, flush=True)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _traceback(exception: Any) -> str:
    import traceback

    return "".join(traceback.format_exception(exception.type, exception.value, exception.traceback))
