"""`python -m shop`: the sample shop, as one command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from shop.chassis.errors import ShopError
from shop.chassis.settings import SettingsError
from shop.topology import MONOLITH, MONOLITH_SERVICE, PLATFORM, SERVICES

# What stops a process from starting, and is the caller's to put right.
EXIT_USAGE = 2
EXIT_FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_up, _run, _monolith, _faults, _fault, _load, _admin, _settings, _openapi):
        add(commands)
    told = parser.parse_args(arguments)
    do: Callable[[argparse.Namespace], int] = told.do
    try:
        return do(told)
    except SettingsError as error:
        print(f"shop: {error}", file=sys.stderr)
        return EXIT_USAGE
    except ValueError as error:
        # The OpenTelemetry SDK reads some of its variables as it is imported.
        if not str(error).startswith("OTEL_"):
            raise
        print(f"shop: {error}", file=sys.stderr)
        return EXIT_USAGE
    except ShopError as error:
        # A secret that is too short, a database that does not answer: no stack trace helps.
        print(f"shop: {error}", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        # `| head` has seen enough; what is left in the buffer has nowhere to go either.
        sys.stdout = sys.stderr
        return 0


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


# A command is imported when it is asked for: the whole shop takes a second.


def _up(commands: _Commands) -> None:
    about = (
        "The whole shop on this machine, a process per instance. It prints one line when it is "
        "ready, and ends on SIGTERM, on Ctrl-C, after --duration, or with the process that "
        "started it: in the background of a shell, it ends when the shell does."
    )
    parser = commands.add_parser(
        "up", help="the whole shop, here, a process per instance", description=about
    )
    parser.add_argument("--rate", type=float, default=8.0, help="customers' journeys a second")
    parser.add_argument(
        "--duration", type=float, default=0.0, metavar="SECONDS", help="0: for ever"
    )
    parser.add_argument("--labels", default="", metavar="FILE", help="where labels are written")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="default: a temporary one")
    parser.add_argument("--otlp-endpoint", default="", metavar="URL", help="OTLP over gRPC")
    parser.add_argument("--faults", nargs="*", default=[], metavar="NAME", help="on from the start")
    parser.add_argument("--no-load", action="store_true", help="no customers")

    def do(told: argparse.Namespace) -> int:
        from shop.commands.up import UpSettings, up

        return up(
            UpSettings(
                rate=told.rate,
                duration_seconds=told.duration,
                labels_file=told.labels,
                data_dir=told.data_dir,
                otlp_endpoint=told.otlp_endpoint,
                faults=told.faults,
                is_loaded=not told.no_load,
            )
        )

    parser.set_defaults(do=do)


def _run(commands: _Commands) -> None:
    parser = commands.add_parser("run", help="one process, told everything by its environment")
    parser.add_argument("program", choices=[*SERVICES, *PLATFORM])

    def do(told: argparse.Namespace) -> int:
        from shop.commands.run import run

        run(told.program)

    parser.set_defaults(do=do)


def _monolith(commands: _Commands) -> None:
    parser = commands.add_parser(MONOLITH, help="all services in one process")

    def do(_told: argparse.Namespace) -> int:
        from shop.commands.run import run

        run(MONOLITH, MONOLITH_SERVICE)

    parser.set_defaults(do=do)


def _faults(commands: _Commands) -> None:
    parser = commands.add_parser("faults", help="what can be broken")
    parser.add_argument("--json", action="store_true")

    def do(told: argparse.Namespace) -> int:
        from shop.commands.faults import list_faults

        return list_faults(told.json)

    parser.set_defaults(do=do)


def _fault(commands: _Commands) -> None:
    parser = commands.add_parser("fault", help="switch a fault on or off")
    parser.add_argument("state", choices=["on", "off"])
    parser.add_argument("name")
    parser.add_argument("parameters", nargs="*", metavar="key=value")
    parser.add_argument("--registry", required=True, metavar="URL")

    def do(told: argparse.Namespace) -> int:
        from shop.commands.faults import switch

        return switch(told.state, told.name, told.parameters, told.registry)

    parser.set_defaults(do=do)


def _load(commands: _Commands) -> None:
    parser = commands.add_parser("load", help="customers for a shop that runs already")
    from shop.load.run import add_arguments, settings_of

    add_arguments(parser)

    def do(told: argparse.Namespace) -> int:
        from shop.commands.load import send

        return send(settings_of(told))

    parser.set_defaults(do=do)


def _admin(commands: _Commands) -> None:
    parser = commands.add_parser("admin", help="a one-off task of a service")
    parser.add_argument("service")
    parser.add_argument("task")

    def do(told: argparse.Namespace) -> int:
        from shop.commands.admin import admin

        return admin(told.service, told.task)

    parser.set_defaults(do=do)


def _settings(commands: _Commands) -> None:
    parser = commands.add_parser("settings", help="every variable, its default and its meaning")
    parser.add_argument("--markdown", action="store_true")

    def do(told: argparse.Namespace) -> int:
        from shop.commands.settings import print_settings

        return print_settings(told.markdown)

    parser.set_defaults(do=do)


def _openapi(commands: _Commands) -> None:
    parser = commands.add_parser("openapi", help="the services' contracts: check or write them")
    parser.add_argument("--write", action="store_true", help="keep what was added; default: check")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="default: the checkout's")

    def do(told: argparse.Namespace) -> int:
        from shop.commands.openapi import openapi
        from shop.openapi import FOLDER

        return openapi(told.write, told.folder or FOLDER)

    parser.set_defaults(do=do)


if __name__ == "__main__":
    sys.exit(main())
