"""A disk that stays full is told once in a while, not once for every request."""

from __future__ import annotations

from loguru import logger

from longpole.storage.ports import StorageUnavailable
from tests.collector import messages
from tests.collector.serving import Sink, serve


def test_a_hundred_refusals_by_storage_are_one_line_in_the_log() -> None:
    lines: list[str] = []
    handler = logger.add(lambda line: lines.append(str(line)), level="WARNING", format="{message}")
    try:
        with serve(Sink(failure=StorageUnavailable("the disk is full"))) as server:
            body = messages.traces().SerializeToString()
            assert {server.post(body).status_code for _ in range(100)} == {503}
    finally:
        logger.remove(handler)
    assert [line.strip() for line in lines] == ["storage refused 1 request(s): the disk is full"]
