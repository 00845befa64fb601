"""The `longpole` command: a group whose commands are imported when they are called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

from longpole.cli.exit_codes import Exit, is_bad_news
from longpole.model.problem import LongpoleError

# Command, module in `commands`, and the line that `longpole --help` prints. The help must not
# import the modules: a start of the server counts milliseconds.
COMMANDS = {
    "serve": ("serve", "receive OpenTelemetry data, keep it and explain it"),
    "demo": ("demo", "a server and the sample shop: something breaks and is explained"),
    "traces": ("traces", "find traces, newest first"),
    "trace": ("trace", "one trace: where the time went, why, and what to do"),
    "critical-path": ("critical_path", "where the time of all matching traces went"),
    "findings": ("findings", "what is wrong in matching traces, and what to do about it"),
    "gaps": ("gaps", "where the critical path has no span to explain it"),
    "root-cause": ("root_cause", "which service or call is to blame for what changed"),
    "what-if": ("what_if", "what a change of an operation would do, and which would do most"),
    "logs": ("logs", "log records, and the patterns that they come from"),
    "compare": ("compare", "what changed between two times, versions, filters or files, and why"),
    "diff": ("diff", "compare as a check for CI: --fail-on 'p95 path > +5%'"),
    "map": ("service_map", "who calls whom, what fails, and where the time goes"),
    "services": ("services", "services and their operations"),
    "alerts": ("alerts", "which alerts are pending or firing"),
    "rules": ("rules", "check, test and evaluate Prometheus rule files"),
    "sql": ("sql", "read-only SQL over spans, logs, metrics and derived rows"),
    "import": ("import_", "bring in OTLP, Jaeger or Zipkin files"),
    "export": ("export", "write telemetry out again"),
    "loadgen": ("loadgen", "send made telemetry at a rate, to this or any OTLP endpoint"),
    "status": ("status", "what is kept and how it is doing"),
    "doctor": ("doctor", "check every stored byte; with --repair, keep all that can be read"),
}


# What a full disk says, also to somebody who redirects an answer onto it.
_FULL = (errno.ENOSPC, errno.EDQUOT)


def _drop_output() -> None:
    """Nothing that is left for standard output is written any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class CommandGroup(click.Group):
    """Imports a command's module when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"longpole.cli.commands.{COMMANDS[cmd_name][0]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader (`head`, a pager) has seen enough, which is no failure. What Python
            # would still flush at its end goes nowhere, so that it does not complain.
            _drop_output()
            ctx.exit(Exit.DONE)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # Not 1, which a check would take for its answer.
            _drop_output()
            raise LongpoleError(f"cannot write: {error.strerror}") from error
        if is_bad_news(ctx):
            ctx.exit(Exit.BAD_NEWS)
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), code.meaning) for code in Exit])


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="longpole", message="longpole %(version)s")
def cli() -> None:
    """Finds the long pole: where the time of a distributed trace went, and why.

    Begin with `longpole demo`, which breaks a sample shop and explains it, or with
    `longpole serve` and exporters that send to it (OTLP, ports 4317 and 4318); its pages are
    at http://127.0.0.1:4319. Every command has its own --help.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with a code of `exit_codes.Exit`."""
    try:
        cli(args=arguments, prog_name="longpole")
    except LongpoleError as error:
        from longpole.cli.render.text import inert

        # Every exception of ours is written for the person who asked.
        print(f"Error: {inert(str(error), keep_newlines=True)}", file=sys.stderr)
        sys.exit(Exit.USAGE)
