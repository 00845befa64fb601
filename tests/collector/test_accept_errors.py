"""Without file handles new connections wait; a server says so now and then, in one line."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator

import pytest
from loguru import logger

from longpole.collector.accept_errors import wait_quietly_for_file_handles


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def _meet(loop: asyncio.AbstractEventLoop, number: int) -> None:
    problem = OSError(number, os.strerror(number))
    loop.call_exception_handler(
        {"message": "socket.accept() out of system resource", "exception": problem}
    )


def test_thousands_of_failures_are_one_line_each_ten_seconds(
    loop: asyncio.AbstractEventLoop,
) -> None:
    clock = {"now": 100.0}
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]))
    wait_quietly_for_file_handles(loop, lambda: clock["now"])

    for clock["now"] in (100.0, 101.0, 109.9, 110.0, 119.0):
        for _ in range(2_000):
            _meet(loop, errno.EMFILE)
    logger.remove(sink)

    assert len(lines) == 2
    assert all("Too many open files" in line and "ulimit -n" in line for line in lines)


def test_other_failures_are_told_as_before(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    wait_quietly_for_file_handles(loop)

    _meet(loop, errno.EBADF)
    loop.call_exception_handler({"message": "something else"})

    assert [record.name for record in caplog.records] == ["asyncio", "asyncio"]
    assert "something else" in caplog.text
