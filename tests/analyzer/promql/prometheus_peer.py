"""A real Prometheus, started for a test: remote write in, its HTTP API out."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from longpole.analyzer.promql.histograms import Hint, Histogram
from longpole.analyzer.promql.series import Series, are_histograms
from tests.flow.server_process import eventually

READY_SECONDS = 30.0
PROGRAM = Path(__file__).parents[3] / ".tools/prometheus/usr/bin/prometheus"


class Prometheus:
    """One running server."""

    def __init__(self, url: str, pid: int = 0) -> None:
        self.url, self.pid = url, pid
        self._client = httpx.Client(base_url=url, timeout=30)

    def is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def write(self, series: Sequence[Series]) -> None:
        """Store series; their times have to be near to now. Of a series that changes between
        floats and histograms each part is a request, since those of one are stored by kind."""
        for runs in zip_longest(*map(_runs, series)):
            self._write([run for run in runs if run is not None])

    def _write(self, series: Sequence[Series]) -> None:
        body = _snappy(b"".join(_field(1, _time_series(one)) for one in series))
        answer = self._client.post("/api/v1/write", content=body, headers={
            "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        })  # fmt: skip
        assert answer.status_code in (200, 204), answer.text

    def ask(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The document of an API endpoint, errors too."""
        answer = self._client.post(f"/api/v1/{path}", data=parameters)
        document: dict[str, Any] = answer.json()
        return document

    def post(self, path: str, form: dict[str, str]) -> bytes:
        """The bytes of an answer, read to the end."""
        return self._client.post(f"/api/v1/{path}", data=form).content

    def get(self, url: str) -> httpx.Response:
        """Whatever is at a URL, as it comes."""
        return self._client.get(url)

    def close(self) -> None:
        self._client.close()


@contextmanager
def running(
    program: Path, folder: Path, configuration: str = "global: {scrape_interval: 1h}\n"
) -> Iterator[Prometheus]:
    """A server with an empty database."""
    settings = folder / "prometheus.yml"
    settings.write_text(configuration)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={settings}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
             "--enable-feature=exemplar-storage,native-histograms"],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    server = Prometheus(f"http://127.0.0.1:{port}", process.pid)
    try:
        eventually(server.is_ready, READY_SECONDS)
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(20)


def _time_series(series: Series) -> bytes:
    labels = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in series.labels
    )
    if series.histograms is None:
        return labels + _samples(series)
    held = zip(series.times_ms.tolist(), series.histograms.tolist(), strict=True)
    return labels + b"".join(_field(4, _histogram(one, at)) for at, one in held)


def _runs(series: Series) -> Iterator[Series]:
    """Parts in the order of time that hold floats or histograms only."""
    if series.histograms is None:
        yield series
        return
    are_held = are_histograms(series.histograms)
    ends = [*(np.flatnonzero(are_held[1:] != are_held[:-1]) + 1).tolist(), are_held.size]
    for begin, end in zip([0, *ends], ends, strict=False):
        part = series.part(slice(begin, end))
        yield part if are_held[begin] else replace(part, histograms=None)


_HINTS = {Hint.UNKNOWN: 0, Hint.RESET: 1, Hint.NOT_RESET: 2, Hint.GAUGE: 3}


def _histogram(held: Histogram, at_ms: int) -> bytes:
    """`prometheus.Histogram` of remote write, with integer counts."""
    message = b"\x08" + _varint(int(held.count)) + b"\x19" + struct.pack("<d", held.total)
    message += b"\x20" + _zigzag(held.schema) + b"\x29" + struct.pack("<d", held.zero_threshold)
    message += b"\x30" + _varint(int(held.zero_count))
    for spans, deltas, side in ((8, 9, held.negative), (11, 12, held.positive)):
        counts = side.counts.astype(int).tolist()
        before, end = 0, 0
        for at in side.at.tolist():
            message += _field(spans, b"\x08" + _zigzag(at - end) + b"\x10\x01")
            end = at + 1
        packed = b""
        for count in counts:
            packed += _zigzag(count - before)
            before = count
        message += _field(deltas, packed) if counts else b""
    return message + b"\x70" + _varint(_HINTS[held.hint]) + b"\x78" + _varint(at_ms)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


# A sample whose time is 6 bytes long, from 1971 to 2109: its own length, value and time.
_SAMPLE = np.dtype([("head", "S3"), ("value", "<f8"), ("mark", "u1"), ("time", "u1", (6,))])


def _samples(series: Series) -> bytes:
    times = series.times_ms
    assert times.size == 0 or (times.min() >= 2**35 and times.max() < 2**42)
    rows = np.empty(times.size, _SAMPLE)
    rows["head"], rows["value"], rows["mark"] = b"\x12\x10\x09", series.values, 0x10
    rows["time"] = times[:, None] >> np.arange(0, 42, 7) & 127
    rows["time"][:, :5] |= 128
    return rows.tobytes()


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _snappy(body: bytes) -> bytes:
    """Snappy's format with literals only: valid, and nothing to install."""
    pieces = [_varint(len(body))]
    for at in range(0, len(body), 65_536):
        piece = body[at : at + 65_536]
        pieces.append(b"\xf4" + struct.pack("<H", len(piece) - 1) + piece)
    return b"".join(pieces)
