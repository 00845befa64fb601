"""Messages about parameters of the API, told in flags: who typed `--from-time` knows no `from`."""

from __future__ import annotations

import re

# Parameters that the command line spells otherwise than `--name-with-dashes`.
_OTHERWISE = {
    "q": "QUERY",
    "from": "--from-time",
    "to": "--to-time",
    "group_by": "--by",
    "timeout_seconds": "--timeout",
    "base_q": "--base",
    "head_q": "--head",
    "base_attr": "--by-attr",
    "head_attr": "--by-attr",
}
_ALIKE = frozenset(
    {"service", "operation", "min_duration", "max_duration", "error", "attr", "since", "limit",
     "trace", "span", "level", "text", "baseline", "baseline_from", "baseline_to", "overflow",
     "eps", "tau", "root", "at", "window", "statistic", "sample", "fail_on", "base_from",
     "base_to", "head_from", "head_to", "change", "explain", "tree", "end", "max_rows", "signal",
     "format"}
)  # fmt: skip
FLAGS = {**{name: "--" + name.replace("_", "-") for name in _ALIKE}, **_OTHERWISE}
_AT_START = re.compile(r"([a-z_]+)(?=: | is given | is longer than )")
# Beginnings of messages that name several parameters, or one in the middle.
_SENTENCES = {
    "which window? since, or from and to, choose it": (
        "which window? --since, or --from-time and --to-time, choose it"
    ),
    "baseline: before which window? Give since or from": (
        "--baseline: before which window? Give --since or --from-time"
    ),
    "since and from both say": "--since and --from-time both say",
    "baseline_from and baseline_to belong": "--baseline-from and --baseline-to belong",
    "at needs window:": "--at needs --window:",
    "base has a time of its own, so at and window": (
        "base has a time of its own, so --at and --window"
    ),
    "head has a time of its own, so at and window": (
        "head has a time of its own, so --at and --window"
    ),
    "tree=1 shows call paths; leave out group_by and explain": (
        "--tree shows call paths; leave out --by and --explain"
    ),
}


def in_flags(message: str) -> str:
    """The message of a `BadQuestion` for a person at the command line. What does not begin with a
    parameter stays as it is, so values are never touched."""
    for begin, told in _SENTENCES.items():
        if message.startswith(begin):
            return told + message[len(begin) :]
    match = _AT_START.match(message)
    if match is None or match[1] not in FLAGS:
        return message
    return FLAGS[match[1]] + message[match.end() :]
