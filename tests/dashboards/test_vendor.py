"""Third-party browser files are what their packages hold, with licence and hash."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from longpole.dashboards.assets import assets
from tests.flow.tools import requires

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "dashboards/vendoring/vendor.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendor", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


vendor = _script()


def test_vendored_files_have_the_hashes_of_the_lock() -> None:
    assert (ROOT / vendor.LOCK).read_text() == vendor.lock_text(ROOT)


def test_every_vendored_file_belongs_to_a_pinned_package() -> None:
    wanted = {
        library.folder / Path(name).name
        for library in vendor.libraries()
        for name in (*library.files, library.licence_file)
    }
    assert {path.relative_to(ROOT) for path in vendor.vendored(ROOT)} == wanted


def test_the_notices_hold_every_licence_text() -> None:
    assert (ROOT / vendor.NOTICES).read_text() == vendor.notices_text(vendor.libraries(), ROOT)


def test_licences_and_types_are_kept_but_not_served() -> None:
    served = [name for name in assets().files if name.startswith("vendor/")]
    assert "vendor/uplot-1.6.32/uPlot.iife.min.js" in served
    assert all(name.endswith((".js", ".css")) for name in served)


@pytest.mark.parametrize(
    ("pin", "licence", "complaint"),
    [("^1.0.0", "MIT", "range"), ("1.0.0", "GPL-3.0", "licence")],
)
def test_a_range_and_a_foreign_licence_are_refused(
    tmp_path: Path, pin: str, licence: str, complaint: str
) -> None:
    (tmp_path / "package.json").write_text(f'{{"dependencies": {{"x": "{pin}"}}}}')
    (tmp_path / "vendor.json").write_text(
        f'[{{"package": "x", "licence": "{licence}", "licence_file": "L", "files": []}}]'
    )

    with pytest.raises(ValueError, match=complaint):
        vendor.libraries(tmp_path)


def test_a_changed_a_missing_and_a_stray_file_are_differences(tmp_path: Path) -> None:
    fresh, held = tmp_path / "fresh", tmp_path / "held"
    for root, names in ((fresh, ("a.js", "b.js")), (held, ("a.js", "c.js"))):
        for name in names:
            path = root / vendor.VENDOR / "x-1" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{root.name}")
        for path in (root / vendor.LOCK, root / vendor.NOTICES):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("same")

    found = list(vendor.differences(fresh, held))

    assert [line.rpartition("/")[2] for line in found] == [
        "a.js differs", "b.js is missing", "c.js belongs to no package",
    ]  # fmt: skip


@pytest.mark.full
@pytest.mark.node
def test_a_fresh_copy_from_npm_is_the_same() -> None:
    requires("npm")
    run = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
