"""Which metric series count failures only."""

from __future__ import annotations

import pytest

from longpole.analyzer.correlation.error_series import is_of_errors
from longpole.analyzer.correlation.metric_series import Series


@pytest.mark.parametrize(
    ("name", "value", "is_error"),
    [
        ("rpc.response.status_code", "FAILED_PRECONDITION", True),
        ("rpc.response.status_code", "OK", False),
        ("rpc.grpc.status_code", "9", True),
        ("rpc.grpc.status_code", "0", False),
        ("http.response.status_code", "503", True),
        ("http_status_code", "200", False),
        ("error.type", "TimeoutError", True),
        ("outcome", "failure", True),
        ("outcome", "success", False),
        ("db.client.connection.state", "used", False),
        ("status", "\u00b2", False),
        ("http.route", "/error", False),
    ],
)
def test_labels_tell_failures_from_the_rest(name: str, value: str, is_error: bool) -> None:
    series = Series("calls", "rate", "1", "pay", (), (("http.route", "/"), (name, value)), ())
    assert is_of_errors(series) == is_error
