"""Two ways to tell the demo: reports for people, JSON lines for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from longpole.cli.demo_shop import Fault


def trace_line(label: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """The last JSON line: the truth (`label`) beside what Longpole found (`verdict`, …)."""
    return {
        "event": "verdict",
        "label": dict(label),
        "trace_id": report["trace_id"],
        "root_operation": report["root"]["operation"],
        "start_unix_nano": report["start_unix_nano"],
        "duration_ns": report["duration_ns"],
        "verdict": report["verdict"],
        "verdict_line": report["verdict_line"],
        "findings": report["findings"],
    }


class TextNarrator:
    """Says it in words, with the commands that would show the same."""

    def __init__(self, url: str) -> None:
        self._url = url

    def started(self, addresses: Mapping[str, str]) -> None:
        """The server is there."""
        click.echo(f"demo: web on {self._url}/")
        click.echo(f"demo: OTLP gRPC on {addresses['grpc']}, OTLP HTTP on {addresses['http']}")

    def opened(self, addresses: Mapping[str, str], rate: float) -> None:
        """The shop is there."""
        click.echo(f"demo: the shop is open at {addresses['gateway']}, with {rate:g} customers")
        click.echo("demo: a second on the average; the first report comes in some seconds")

    def note(self, text: str) -> None:
        """Anything else."""
        click.echo(f"demo: {text}")

    def first_report(self, document: dict[str, Any]) -> None:
        from longpole.cli.output import print_text
        from longpole.cli.render.critical_path import critical_path_text

        self._command("critical-path")
        print_text(critical_path_text(document))

    def fault_on(self, fault: Fault, seconds: float) -> None:
        click.echo(f"\ndemo: now something breaks, for {seconds:.0f} seconds: {fault.name}")
        click.echo(f"demo: {fault.summary}")

    def fault_off(self, fault: Fault) -> None:
        click.echo(f"demo: {fault.name} is over; its last traces come in")

    def changed(self, fault: Fault, document: dict[str, Any]) -> None:
        from longpole.cli.output import print_text
        from longpole.cli.render.compare import compare_text

        click.echo(f"\ndemo: {fault.root}, before the fault (base) and during it (head)")
        print_text(compare_text(document))

    def explained(self, fault: Fault, label: dict[str, Any], report: dict[str, Any]) -> None:
        from longpole.cli.output import print_text
        from longpole.cli.render.trace import trace_text

        page = f"{self._url}/traces/{report['trace_id']}"
        self._command(f"trace {report['trace_id']}")
        print_text(trace_text(report, page))
        click.echo(f"\ndemo: what there was to find: {fault.say}")

    def _command(self, command: str) -> None:
        click.echo(f"\n$ longpole {command} --url {self._url}")


class JsonNarrator:
    """One JSON document a line; `event` says which; the verdict is the last."""

    def started(self, addresses: Mapping[str, str]) -> None:
        """`{"event": "server", "grpc", "http", "web"}`."""
        self._line("server", addresses)

    def opened(self, addresses: Mapping[str, str], rate: float) -> None:
        """`{"event": "shop", "gateway", "registry", …, "rate"}`."""
        self._line("shop", {**addresses, "rate": rate})

    def note(self, text: str) -> None:
        """For people, who read standard error."""
        click.echo(f"demo: {text}", err=True)

    def first_report(self, document: dict[str, Any]) -> None:
        self._line("critical-path", {"critical_path": document})

    def fault_on(self, fault: Fault, seconds: float) -> None:
        self._line("fault", {"fault": fault.name, "root": fault.root, "seconds": seconds})

    def fault_off(self, fault: Fault) -> None:
        pass

    def changed(self, fault: Fault, document: dict[str, Any]) -> None:
        self._line("comparison", {"root_operation": fault.root, "comparison": document})

    def explained(self, fault: Fault, label: dict[str, Any], report: dict[str, Any]) -> None:
        self._line("verdict", trace_line(label, report))

    def _line(self, event: str, document: Mapping[str, Any]) -> None:
        from longpole.cli.output import print_document

        print_document({"event": event, **document})
