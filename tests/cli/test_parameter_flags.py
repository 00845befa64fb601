"""What is wrong with a flag is said of the flag, not of the API's parameter behind it."""

from __future__ import annotations

import httpx
import pytest

from longpole.cli.http_source import HttpSource
from longpole.cli.parameter_flags import in_flags
from tests.cli.command import CHECKOUT, run


@pytest.mark.parametrize(
    ("arguments", "begin"),
    [
        (["root-cause"], "which window? --since, or --from-time and --to-time, choose it"),
        (["traces", "--min-duration", "5"], "--min-duration: '5' is no duration"),
        (["traces", "--from-time", "noon"], "--from-time: 'noon' is no time"),
        (["traces", "--to-time", "noon"], "--to-time: 'noon' is no time"),
        (["traces", "--attr", "x"], "--attr: 'x' is not key=value"),
        (["traces", "--since", "1h", "--from-time", "1"], "--since and --from-time both say"),
        (["critical-path", "--by", "moon"], "--by: choose from"),
        (["root-cause", "--since", "1h", "--baseline-from", "1"],
         "--baseline-from and --baseline-to belong together"),
        (["compare", "--at", "1767323000"], "--at needs --window: how much"),
        (["compare", "--base-from", "noon"], "--base-from: 'noon' is no time"),
        (["compare", "--window", "1h", "--base-from", "1767323000"],
         "base has a time of its own, so --at and --window say nothing"),
        (["logs", "--patterns", "--baseline", "1h"],
         "--baseline: before which window? Give --since"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_flag(arguments: list[str], begin: str) -> None:
    refused = run(*arguments, "--from", CHECKOUT)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"Error: {begin}")


@pytest.mark.parametrize(
    "message",
    ["there is no parameter 'from' here", "the time range is empty", "error", "other: from: x"],
)
def test_what_does_not_begin_with_a_parameter_stays(message: str) -> None:
    assert in_flags(message) == message


@pytest.mark.parametrize(
    ("code", "told"), [("bad_question", "--from-time: x"), ("query_syntax", "from: x")]
)
def test_a_servers_refusal_is_told_in_flags_too(code: str, told: str) -> None:
    answer = httpx.Response(400, json={"error": {"code": code, "message": "from: x"}})
    assert HttpSource("http://localhost:1", None)._failure(answer).message == told
