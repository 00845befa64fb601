"""Static files: for good at their own address, packed on request, and nothing else."""

from __future__ import annotations

import pytest

from longpole.dashboards.assets import assets
from tests.dashboards.web import Web


@pytest.fixture(scope="module")
def web() -> Web:
    return Web()


@pytest.mark.parametrize("path", sorted(assets().files))
def test_every_file_is_kept_for_a_year_at_its_own_address(web: Web, path: str) -> None:
    answer = web.get(assets().address(path))
    assert answer.status_code == 200
    assert answer.content == assets().files[path].content
    assert "immutable" in answer.headers["cache-control"]


def test_an_address_of_another_build_is_served_but_not_kept(web: Web) -> None:
    answer = web.get("/static/0123456789ab/css/frame.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("wish", ["gzip", "identity"])
def test_a_file_is_packed_for_those_who_ask(web: Web, wish: str) -> None:
    address = assets().address("css/frame.css")
    answer = web.get(address, headers={"accept-encoding": wish})
    assert answer.headers.get("content-encoding") == ("gzip" if wish == "gzip" else None)
    assert answer.content == assets().files["css/frame.css"].content


@pytest.mark.parametrize("path", ["app.py", "css", "css/", "css/%2e%2e/app.py", "//etc/passwd"])
def test_nothing_else_is_served(web: Web, path: str) -> None:
    assert web.get(f"/static/{assets().build}/{path}").status_code == 404
