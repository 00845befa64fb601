"""Pauses: requests of different traces that stand still together and go on at one instant."""

from __future__ import annotations

from longpole.analyzer.findings.window.pauses import DETECTOR
from tests.analyzer.findings.window.scenes import CLIENT, MS, SERVER, Scene

SHIP = {"service.instance.id": "ship-1"}


def shop(pauses: list[tuple[float, float]], *, until_ms: float = 20_000) -> Scene:
    """Four services; every 200 ms a request goes a > ship, b and c work on their own. In each of
    the pauses `ship` takes nothing up before its end."""
    scene = Scene()
    for number, at in enumerate(range(0, round(until_ms), 200)):
        taken = next((end for begin, end in pauses if begin <= at < end), at)
        own = taken + 1 + number % 3
        root = scene.add(4 * number + 1, at - 5, own + 25, "a", "GET /a")
        call = scene.add(4 * number + 1, at, own + 21, "a", "ship", CLIENT, parent=root)
        scene.add(
            4 * number + 1, own, own + 20, "ship", "POST /ship", SERVER, parent=call, resource=SHIP
        )
        for place, service in enumerate(("b", "c", "d")):
            scene.add(4 * number + 2 + place, at + 7, at + 30, service, f"GET /{service}")
    return scene


def test_a_process_that_stops_twice_is_found() -> None:
    found = shop([(2_010, 3_210), (6_010, 7_210)]).only(DETECTOR)
    assert (found.service, found.operation, found.severity) == ("ship", "POST /ship", "warning")
    assert "2 times" in found.reason
    assert "10 requests" in found.reason
    # What came 190 ms after the beginning waited longest; what came 10 ms before the end hardly.
    assert max(found.excess_ns) == 1_011 * MS
    assert len(found.rows) == len(found.losers) == 10


def test_services_that_go_on_are_not_paused() -> None:
    assert shop([]).findings(DETECTOR) == []


def test_a_machine_that_stalls_is_no_pause_of_one_process() -> None:
    scene = Scene()
    for number, at in enumerate(range(0, 20_000, 200)):
        for place, service in enumerate(("a", "b", "c", "d", "e")):
            taken = 3_210 + place if 2_010 <= at < 3_210 else at
            trace = 5 * number + place + 1
            root = scene.add(trace, at, taken + 25, "client", f"call {service}", CLIENT)
            scene.add(trace, taken + 1, taken + 20, service, f"GET /{service}", SERVER, parent=root)
    scene.spans = [s for s in scene.spans if s.service_name != "client"] + [
        s for s in scene.spans if s.service_name == "client" and not s.start_unix_nano % 7
    ]
    assert [f for f in scene.findings(DETECTOR) if f.service != "client"] == []


def test_requests_that_are_all_slow_by_themselves_are_no_pause() -> None:
    """Each sleeps 3 s of its own, and others are taken up meanwhile."""
    scene = Scene()
    for number, at in enumerate(range(0, 20_000, 500)):
        root = scene.add(number + 1, at, at + 3_010, "a", "pay", CLIENT)
        scene.add(number + 1, at + 3, at + 3_005, "pay", "Charge", SERVER, parent=root)
        scene.add(1_000 + number, at + 100, at + 120, "b", "GET /b")
    assert scene.findings(DETECTOR) == []


def test_a_service_that_is_rarely_asked_is_not_paused() -> None:
    scene = Scene()
    for number, at in enumerate(range(0, 50_000, 5_000)):
        root = scene.add(number + 1, at, at + 40, "a", "rare", CLIENT)
        scene.add(number + 1, at + 2, at + 35, "rare", "GET /rare", SERVER, parent=root)
    assert scene.findings(DETECTOR) == []


def test_a_clock_that_is_put_forward_is_no_pause() -> None:
    """From 4 s on the clock of `ship` is 700 ms ahead, so that nothing seems to happen there for
    as long, and every request seems to be taken up late."""
    scene = shop([])
    for number, at in enumerate(range(0, 20_000, 200)):
        ahead = 700 if at >= 4_000 else 0
        for beside in range(6):
            trace, begin = 1_000 + 6 * number + beside, at + 2 * beside
            call = scene.add(trace, begin, begin + 20, "a", "ship", CLIENT)
            scene.add(
                trace, begin + 1 + ahead, begin + 19 + ahead, "ship", "GET /ship", SERVER,
                parent=call, resource={"service.instance.id": "ship-2"},
            )  # fmt: skip
    assert scene.findings(DETECTOR) == []
