"""The compiled core gets ready behind everybody's back, and nobody waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from longpole.analyzer.columnar.loops import compile_all
from longpole.analyzer.columnar.readiness import CompiledCore, Readiness
from longpole.model.readiness import CompiledCode

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 100.0


@pytest.fixture
def core() -> Iterator[CompiledCore]:
    made = CompiledCore()
    yield made
    made.stop()


@pytest.fixture
def uncached() -> Iterator[CompiledCode]:
    """A core that finds nothing cached."""
    made = CompiledCode("longpole.analyzer.columnar", compile_all, "lost")
    yield made
    made.stop()


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_process_of_its_own_compiles_first(uncached: CompiledCode) -> None:
    uncached.start()
    assert uncached.wait(800.0)


def test_what_is_cached_needs_no_process_of_its_own() -> None:
    assert compile_all()
    code = (
        "from longpole.analyzer.columnar.readiness import CORE\n"
        "CORE._fill_cache = None\nCORE.start()\nassert CORE.wait(100.0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_SECONDS)


def test_it_becomes_ready_in_the_background(
    core: CompiledCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    assert core.state is Readiness.IDLE
    core.start()
    core.start()
    assert [t.name for t in threading.enumerate()].count("compile") <= 1
    assert core.wait(PATIENCE_SECONDS)
    assert core.is_ready


def test_what_is_ready_stays_so_after_a_stop(
    core: CompiledCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    core.start()
    assert core.wait(PATIENCE_SECONDS)
    core.stop()
    core.stop()
    assert core.is_ready


def test_a_stop_does_not_wait_for_the_compiler(
    uncached: CompiledCode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    endless = tmp_path / "endless"
    endless.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    endless.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(endless))
    uncached.start()
    assert not uncached.wait(0.2)
    uncached.stop()
    assert uncached.state is Readiness.UNAVAILABLE
    uncached.start()
    assert uncached.state is Readiness.UNAVAILABLE


def test_without_a_working_numba_it_is_unavailable_and_says_so(
    core: CompiledCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "longpole.analyzer.columnar.loops", None)
    monkeypatch.setattr(sys, "executable", "")
    core.start()
    assert not core.wait(PATIENCE_SECONDS)
    assert core.state is Readiness.UNAVAILABLE


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["trace", "--help"],
        ["trace", "--from", "FILE", "ID"],
        ["critical-path", "--from", "FILE"],
        ["traces", "--from", "FILE"],
    ],
    ids=" ".join,
)
def test_a_small_command_never_imports_numba(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    trace_id = "5b8efff798038103d269b633813fc60c"
    spans = [
        {
            "traceId": trace_id, "spanId": f"{number:016x}", "name": "op",
            "startTimeUnixNano": str(10**18), "endTimeUnixNano": str(10**18 + 100 // number),
            **({"parentSpanId": f"{1:016x}"} if number > 1 else {}),
        }
        for number in (1, 2)
    ]  # fmt: skip
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    given = [{"FILE": str(file), "ID": trace_id}.get(word, word) for word in arguments]
    code = (
        "import sys\nfrom longpole.cli.main import main\nsys.argv = ['longpole', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'numba' not in sys.modules\nprint('small')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *given], capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("small\n")


def compile_in(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "longpole.analyzer.columnar"],
        env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.full
@pytest.mark.timeout(900)
def test_an_empty_cache_is_filled_where_the_environment_says(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run = compile_in(tmp_path, NUMBA_CACHE_DIR=str(cache))
    assert run.returncode == 0, run.stderr
    assert {file.name.split(".")[0] for file in cache.rglob("*.nbc")} == {
        "forest", "grouping", "labelling", "ordering", "retiming", "walking",
    }  # fmt: skip
    made = {file: file.stat().st_mtime_ns for file in cache.rglob("*.nb[ci]")}
    assert compile_in(tmp_path, NUMBA_CACHE_DIR=str(cache)).returncode == 0
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*.nb[ci]")} == made


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_users_cache_serves_where_the_sources_cannot_be_written(tmp_path: Path) -> None:
    run = compile_in(
        tmp_path, XDG_CACHE_HOME=str(tmp_path), NUMBA_CACHE_LOCATOR_CLASSES="UserWideCacheLocator"
    )
    assert run.returncode == 0, run.stderr
    assert any(tmp_path.rglob("walking._walk-*.nbc"))


@pytest.mark.full
@pytest.mark.timeout(900)
def test_without_any_place_to_cache_in_it_compiles_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    run = compile_in(
        tmp_path, NUMBA_CACHE_DIR=str(file), NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator"
    )
    assert run.returncode == 0, run.stderr
