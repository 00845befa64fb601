"""Where a trace stands among the results that it was opened from: `‹ 3 of 50 ›`.

Every row of the search page links to its trace with its number (from 1) and with the parameters of
the search, so that the page of the trace can lead to the previous and the next result:

    /traces/{trace_id}?result=3&q=…&since=1h&sort=slowest&before=…&cause=…

The page of the trace calls `result_position` with all of its own parameters; it gives None when
there is no `result` or the search cannot be done any more. Its own parameters (`view`, `span`, …)
are left alone. The number in the address is only a start: traces that have come since do not
count, because the trace is looked for in the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from longpole.analyzer.reports.search_report import found_sample
from longpole.dashboards import errors
from longpole.dashboards.answers import Answers
from longpole.dashboards.search_parameters import SEARCH, address, search_of, with_default_time
from longpole.model.ids import parse_trace_id, trace_id_hex

# What the address of a trace may have besides its own parameters.
RESULT_PARAMETERS = SEARCH | {"result"}


@dataclass(frozen=True, slots=True)
class ResultPosition:
    """`number` of `count` results (`is_more`: and more); addresses of the traces beside it, None
    at an end, and of the list."""

    number: int
    count: int
    is_more: bool
    previous: str | None
    following: str | None
    list_address: str


def result_addresses(asked: Mapping[str, Sequence[str]]) -> Callable[[str, int], str]:
    """What gives the link of a row in a search with these parameters, by trace and number; the
    parameters are written out once for all rows."""
    written = address("", asked, SEARCH)
    joint = "&" if written else "?"
    return lambda trace_id, number: f"/traces/{quote(trace_id)}{written}{joint}result={number}"


def result_position(
    answers: Answers, asked: Mapping[str, Sequence[str]], trace_id: str
) -> ResultPosition | None:
    """Where that trace (hex) stands in the search that `asked` names; see above."""
    if not any(asked.get("result", ())):
        return None
    given = with_default_time({k: v for k, v in asked.items() if k in SEARCH})
    try:
        sample = found_sample(answers.store, search_of(given, answers.clock))
        identity = parse_trace_id(trace_id)
    except errors.ANSWERED:
        return None
    ids = sample.ids()
    if identity not in ids:
        return None
    at = ids.index(identity)
    address_of = result_addresses(given)

    def beside(place: int) -> str | None:
        if not 0 <= place < len(ids):
            return None
        return address_of(trace_id_hex(ids[place]), place + 1)

    return ResultPosition(
        at + 1, len(ids), sample.is_truncated, beside(at - 1), beside(at + 1),
        address("/traces", given, SEARCH),
    )  # fmt: skip
