"""What a stranger publishes to the embedded broker: refused with a problem, never with a defect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.shop.messaging.test_embedded_broker import RECEIVE, with_broker

MESSAGE = {"message_id": "id-1", "key": "k", "body": "{}"}


def refused(path: str, document: Any) -> None:
    async def work(client: Any, _: Any) -> None:
        headers = {"content-type": "application/json"}
        answer = await client.post(path, content=json.dumps(document), headers=headers)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "invalid"
        assert (await client.get("/v1/topics")).json() == {"messages": {}}

    with_broker(work)


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": "\ud800"},
        {"type": "\udfff"},
        {"key": "a\ud800"},
        {"body": '"\ud800"'},
        {"headers": {"\ud800": "x"}},
        {"headers": {"x": "\ud800"}},
        {"\ud800": 1},
        {"message_id": float("nan")},
        {"body": None},
    ],
)
def test_what_cannot_be_written_is_not_published(change: dict[str, Any]) -> None:
    refused("/v1/topics/t/messages", {"messages": [{**MESSAGE, **change}]})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1, 10**400, "\ud800"])
@pytest.mark.parametrize("name", ["max", "wait_seconds", "lease_seconds"])
def test_nobody_waits_for_a_number_that_is_none(name: str, number: object) -> None:
    refused(RECEIVE, {name: number})


@pytest.mark.parametrize("number", [float("nan"), float("-inf"), 10**400])
def test_a_pause_has_a_length(number: float) -> None:
    refused("/v1/topics/t/groups/g/nack", {"receipts": [], "delay_seconds": number})


def test_a_receipt_is_one() -> None:
    refused("/v1/topics/t/groups/g/ack", {"receipts": ["\ud800.1"]})
    refused("/v1/topics/t/groups/g/ack", {"receipts": ["NaN"]})
