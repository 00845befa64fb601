"""The binary questions about one trace, as a browser asks them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tests.dashboards.web import HEX, Web, span

_TYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4", "i32": "<i4"}


def decoded(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and arrays of LPT1, read as its documentation says."""
    assert body[:4] == b"LPT1"
    length = int.from_bytes(body[4:8], "little")
    header = json.loads(body[8 : 8 + length])
    begin = 8 + length
    assert begin % 8 == 0
    arrays = {}
    for entry in header["arrays"]:
        assert entry["offset"] % 8 == 0
        arrays[entry["name"]] = np.frombuffer(
            body, _TYPES[entry["type"]], entry["length"], begin + entry["offset"]
        )
    return header, arrays


def shop() -> Web:
    """A root, a child with eight equal calls, and a failed one."""
    calls = [span(10 + i, 2, name=f"GET /item/{i}", service_name="cart") for i in range(8)]
    return Web([span(1), span(2, 1), *calls, span(3, 1, status_code=2)])


def columns(web: Web, query: str = "", **options: Any) -> Any:
    return web.get(f"/api/v1/traces/{HEX}/columns{query}", **options)


def test_columns_are_typed_arrays_behind_a_header() -> None:
    header, arrays = decoded(columns(shop()).content)
    assert header["span_count"] == 11
    assert header["settled"]
    assert header["tick_ns"] == 1
    assert [s["name"] for s in header["services"]] == ["svc", "cart"]
    assert arrays["parent"].tolist() == [-1, 0, *[1] * 8, 0]
    assert arrays["subtree"].tolist() == [11, 9, *[1] * 8, 1]
    [group] = header["groups"]
    assert (group["parent"], group["count"], group["label"]) == (1, 8, "GET /item/{}")
    assert arrays["group"].tolist() == [-1, -1, *[0] * 8, -1]


def test_ids_come_in_the_order_of_the_rows() -> None:
    body = shop().get(f"/api/v1/traces/{HEX}/ids").content
    assert np.frombuffer(body, "<u8").tolist() == [1, 2, *range(10, 18), 3]


def test_the_span_asked_for_is_selected() -> None:
    header, _ = decoded(columns(shop(), "?span=0000000000000003").content)
    assert header["selected"] == 10


def test_an_answer_is_sent_again_only_when_it_changed() -> None:
    web = shop()
    tag = columns(web).headers["etag"]
    again = columns(web, headers={"if-none-match": tag})
    assert again.status_code == 304
    assert not again.content
    assert columns(web, "?span=0000000000000003").headers["etag"] != tag


def test_a_settled_trace_asked_for_by_version_is_kept_for_good() -> None:
    web = shop()
    version = columns(web).headers["etag"].strip('"').rsplit("-", 1)[0]
    assert "immutable" in columns(web, f"?r={version}").headers["cache-control"]
    assert "immutable" not in columns(web, "?r=0-1-2").headers["cache-control"]
    assert "immutable" not in columns(web).headers["cache-control"]


def test_only_clients_that_accept_gzip_get_it() -> None:
    web = shop()
    plain = columns(web, headers={"accept-encoding": "identity"})
    packed = columns(web, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.content == packed.content  # the client of the test unpacks


def test_an_unknown_trace_and_a_bad_parameter_are_refused() -> None:
    web = shop()
    assert web.get(f"/api/v1/traces/{1:032x}/columns").status_code == 404
    assert columns(web, "?spam=1").status_code == 400
    assert columns(web, "?span=nonsense").status_code == 400
