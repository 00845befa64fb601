"""`python -m shop`: the sample shop, as one command."""

from __future__ import annotations

import argparse
import sys

from shop.topology import SERVICES


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="one service, told everything by its environment")
    run.add_argument("service", choices=SERVICES)
    told = parser.parse_args(arguments)

    from shop.commands.run import run as run_service

    return run_service(told.service)


if __name__ == "__main__":
    sys.exit(main())
