"""Windows of whole steps, and the links that choose another one."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.time_window import MOST_STEPS, Window, time_control, window_of
from longpole.model.clock import ManualClock

S = 10**9
NOW = ManualClock().now_unix_nano()


def window(**asked: str) -> Window:
    return window_of({name.rstrip("_"): [text] for name, text in asked.items()}, ManualClock())


def test_nothing_asked_for_is_the_last_hour() -> None:
    shown = window()
    assert shown.since == "1h"
    assert shown.parameters == {"since": ["1h"]}
    assert shown.length_ns == 3600 * S
    assert shown.time.end_unix_nano - shown.step_ns < NOW <= shown.time.end_unix_nano


@pytest.mark.parametrize("since", ["10s", "15m", "1h", "6h", "24h", "7d", "90d"])
def test_a_window_is_made_of_whole_steps_and_few(since: str) -> None:
    shown = window(since=since)
    assert len(shown.steps) <= MOST_STEPS
    assert shown.time.start_unix_nano % shown.step_ns == 0
    assert shown.length_ns % shown.step_ns == 0


def test_a_fixed_window_holds_what_was_asked_for() -> None:
    shown = window(from_="2026-01-31T12:00:07Z", to="2026-01-31T12:30:01Z")
    assert shown.since == ""
    assert shown.fixed == {"from": ["2026-01-31T12:00:00Z"], "to": ["2026-01-31T12:30:30Z"]}


@pytest.mark.parametrize("more", [{}, {"to": "now"}])
def test_a_time_up_to_now_stays_relative(more: dict[str, str]) -> None:
    shown = window(from_="now-6h", **more)
    assert shown == window(since="6h")
    assert window(from_="now-6h", to="now-5h").since == ""
    assert window(from_="now-6h", to="now-5h").length_ns // S in range(3600, 3700)


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "1h", "from_": "2026-01-31T12:00:00Z"},
        {"from_": "2026-01-31T12:00:00Z", "to": "2026-01-31T12:00:00Z"},
        {"since": "0s"},
        {"since": "365d"},
        {"since": "1h", "to": "2026-01-31T12:00:00Z"},
    ],
)
def test_a_window_that_makes_no_sense_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(BadQuestion):
        window(**asked)


def test_links_keep_the_other_parameters_of_the_page() -> None:
    asked = {"since": ["6h"], "sort": ["p95"], "q": ['{ name = "a&b" }']}
    times = time_control(window(since="6h"), asked)
    chosen = [choice for choice in times.choices if choice.is_chosen]
    assert [choice.label for choice in chosen] == ["6 h"]
    for link in (*times.choices, times.earlier, times.pin):
        assert link is not None
        parameters = parse_qs(link.address.removeprefix("?"))
        assert (parameters["sort"], parameters["q"]) == (asked["sort"], asked["q"])
    assert ("q", '{ name = "a&b" }') in times.kept


def test_pinned_time_stays_when_the_clock_goes_on() -> None:
    times = time_control(window(since="1h"), {})
    assert times.pin is not None
    pinned = {name: text[0] for name, text in parse_qs(times.pin.address[1:]).items()}
    later = ManualClock()
    later.advance(86400)
    shown = window_of({name: [text] for name, text in pinned.items()}, later)
    assert shown.time == window(since="1h").time
    assert time_control(shown, {}).pin is None
    assert time_control(shown, {}).later is not None


def test_an_exact_window_is_kept_to_the_nanosecond() -> None:
    begin, end = 1_767_319_204_687_854_533, 1_767_319_212_705_004_279
    asked = {"from": [str(begin)], "to": [str(end)]}
    exact = window_of(asked, ManualClock(), is_exact=True)
    assert (exact.time.start_unix_nano, exact.time.end_unix_nano) == (begin, end)
    assert exact.words == "2026-01-02 02:00:04.687 to 2026-01-02 02:00:12.705 UTC"
    again = window_of(exact.fixed, ManualClock(), is_exact=True)
    assert abs(again.time.start_unix_nano - begin) < 1000  # addresses are read to the microsecond
