"""F-FUZZ: damaged requests of every kind are read or refused cleanly, by both decoders alike.

`python -m pytest tests/collector/test_fuzz.py --fuzz-seconds 600` for long; a failure prints the
seed and the body.
"""

from __future__ import annotations

import gzip
import random
import time
import zlib
from collections.abc import Callable

import psutil
import pytest
import zstandard

from longpole.collector.decompression import decompress
from longpole.collector.refusals import Refused
from longpole.formats import bounded_decoding, otlp
from longpole.formats.compiled.decoder import FastDecoder
from longpole.formats.compiled.readiness import load
from longpole.formats.malformed import MalformedRequest
from longpole.formats.request_weight import RequestTooHeavy
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from tests.collector import messages
from tests.formats.comparison import identical
from tests.formats.compiled.agreement import HOWEVER_SMALL, Ready
from tests.formats.compiled.test_log_tables import BODIES as LOG_BODIES
from tests.formats.compiled.test_log_tables import plain as sent_logs
from tests.formats.compiled.test_metric_tables import plain as sent_metrics

MIB = 1 << 20
LIMIT = 4 * MIB
# What one small body may take of the processor, interpreter and slow machine included.
HANG_SECONDS = 5.0
WORDS = (
    b"\xff" * 10,
    b"\x80" * 9 + b"\x01",
    b"\x00",
    b"\x0a\xff\xff\xff\xff\x07",
    b"[" * 40,
    b'{"resourceSpans":',
    b"1e999",
    b"\\ud800",
    b'"traceId":"',
    b"-0",
    b"null",
)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
}


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    seed = request.config.getoption("--fuzz-seed")
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    print(f"--fuzz-seed {seed}")
    return random.Random(seed)


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--fuzz-seconds"))


def corpus() -> list[tuple[Signal, bytes, bool]]:
    """Honest requests: signal, body, whether it is JSON."""
    found = []
    for signal in Signal:
        request = messages.any_request(signal)
        found.append((signal, request.SerializeToString(), False))
    found.append((Signal.LOGS, sent_logs(0, LOG_BODIES).SerializeToString(), False))
    found.append((Signal.METRICS, sent_metrics(0).SerializeToString(), False))
    many = messages.traces(20).SerializeToString()
    found.append((Signal.TRACES, many, False))
    found.append((Signal.TRACES, messages.json_traces(messages.json_span()), True))
    return found


def mutated(chance: random.Random, body: bytes, other: bytes) -> bytes:
    """A few of the things that go wrong: bits, cuts, repeats, numbers, pieces of another one."""
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(body) + 1)
        length = chance.choice((1, 2, 4, 8, 64))
        match chance.randrange(6):
            case 0 if at < len(body):
                body = body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]
            case 1:
                body = body[:at] + body[at + length :]
            case 2:
                body = body[:at] + chance.randbytes(length) + body[at:]
            case 3:
                body = body[:at] + chance.choice(WORDS) + body[at + chance.choice((0, length)) :]
            case 4:
                body = body[:at] + body[at : at + length] * chance.randint(2, 9) + body[at:]
            case _:
                start = chance.randrange(len(other) + 1)
                body = body[:at] + other[start : start + 4 * length] + body[at:]
    return body[: 64 * 1024]


def attempts(chance: random.Random, seconds: float, check: Callable[[], None]) -> None:
    """Repeat until the time is up; no attempt hangs, and memory stays where it was."""
    for _ in range(20):
        check()  # what is imported and cached on first use does not count
    process = psutil.Process()
    before = process.memory_info().rss
    count, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        started = time.process_time()
        check()
        assert time.process_time() - started < HANG_SECONDS
        count += 1
    grown = process.memory_info().rss - before
    print(f"{count} bodies, {grown / MIB:.1f} MiB more")
    assert grown < 64 * MIB


def outcome(decode: Callable[[], Telemetry]) -> Telemetry | str:
    """What was read, or how it was refused; any other exception is a fault."""
    try:
        return decode()
    except (MalformedRequest, RequestTooHeavy) as refusal:
        return type(refusal).__name__


@pytest.mark.timeout(7200)
def test_damaged_bodies_mean_the_same_to_both_decoders(
    chance: random.Random, seconds: float
) -> None:
    assert load()
    bodies, fast = corpus(), FastDecoder(Ready(), HOWEVER_SMALL)

    def check() -> None:
        signal, honest, is_json = chance.choice(bodies)
        body = mutated(chance, honest, chance.choice(bodies)[1])
        try:
            if is_json:
                read = outcome(lambda: bounded_decoding.decode_json(signal, body))
            else:
                read = outcome(lambda: bounded_decoding.decode(signal, body, decoder=fast))
                plain = outcome(lambda: bounded_decoding.decode(signal, body, decoder=otlp.decode))
                assert isinstance(read, str) == isinstance(plain, str)
                if isinstance(read, Telemetry) and isinstance(plain, Telemetry):
                    assert identical(read.tables, plain.tables)
                    assert read.body == plain.body
            if isinstance(read, Telemetry):  # what is journaled is read again after a crash
                again = otlp.decode(signal, read.body)
                assert again.accepted == read.accepted
                assert again.rejected == 0
        except BaseException:
            print(signal, "JSON" if is_json else "protobuf", body)
            raise

    attempts(chance, seconds, check)


@pytest.mark.timeout(7200)
def test_damaged_compression_is_undone_or_refused(chance: random.Random, seconds: float) -> None:
    bodies = [(name, pack(body)) for name, pack in PACKERS.items() for _, body, _ in corpus()]

    def check() -> None:
        name, packed = chance.choice(bodies)
        damaged = mutated(chance, packed, chance.choice(bodies)[1])
        try:
            assert len(decompress(name, damaged, LIMIT)) <= LIMIT
        except Refused:
            return
        except BaseException:
            print(name, damaged)
            raise

    attempts(chance, seconds, check)
