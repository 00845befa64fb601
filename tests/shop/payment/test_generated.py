"""The generated gRPC modules are those of `payment.proto`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE_APPS = Path(__file__).parents[3] / "sample-apps"
PROTO = "shop/payment/payment.proto"
# Which release of the tools wrote a file changes nothing of what it says.
RELEASE = re.compile(
    r"# Protobuf Python Version.*|GRPC_GENERATED_VERSION = .*|_runtime_version\.Domain[^)]*"
)


@pytest.mark.parametrize("name", ["payment_pb2.py", "payment_pb2.pyi", "payment_pb2_grpc.py"])
def test_the_generated_modules_say_what_the_proto_says(name: str, tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, PROTO],
        check=True,
        cwd=SAMPLE_APPS,
    )
    kept = (SAMPLE_APPS / "shop/payment" / name).read_text()
    made = (tmp_path / "shop/payment" / name).read_text()
    assert RELEASE.sub("", kept) == RELEASE.sub("", made), (
        f"in sample-apps, run: python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. "
        f"--grpc_python_out=. {PROTO}"
    )
