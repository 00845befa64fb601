"""`longpole diff`: a comparison as a check, for CI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.exit_codes import Refused, end_with_bad_news
from longpole.cli.filters import filter_flags, from_option, json_option
from longpole.cli.options import client_options, resolved
from longpole.cli.two_sides import asked_sides, compared, side_options


@click.command("diff")
@click.argument("base_and_head", nargs=-1, metavar="[BASE HEAD]", type=click.Path())
@click.option(
    "--fail-on",
    multiple=True,
    metavar="CONDITION",
    help="'p95 path > +5%', 'mean path \"SELECT cart\" > +2ms', 'errors > +1%'; may be given "
    "several times",
)
@click.option(
    "--strict",
    is_flag=True,
    help="a condition fails even if it may be noise, or cannot be told with so few traces",
)
@click.option("--markdown", is_flag=True, help="print Markdown, for a comment on a change")
@click.option("--junit", metavar="FILE", type=click.Path(), help="also write a JUnit report")
@filter_flags
@side_options
@from_option
@json_option
@client_options
def command(
    base_and_head: tuple[str, ...],
    fail_on: tuple[str, ...],
    strict: bool,
    markdown: bool,
    junit: str | None,
    as_json: bool,
    files: tuple[str, ...],
    **given: Any,
) -> None:
    """Compare head with base, and end with code 1 if head is worse.

    BASE and HEAD are files; without them the flags say what to compare, as for
    `longpole compare`. With --fail-on, head is worse if a condition fails: its figure is beyond
    the limit, and a test says that this is more than noise. Without, it is worse if anything
    is slower, or fails more often, beyond noise. With too few traces to tell, neither is said
    to be: the check passes with a note, and with --strict conditions fail.

    \b
    CONDITION  STATISTIC [path|duration] ["OPERATION"] > +NUMBER UNIT
      STATISTIC  mean, p50, p95, p99, or errors (share of traces; % are points)
      path       time on the critical path of a trace, or what OPERATION holds of it
      duration   of a trace, or of the calls of OPERATION, on the path or beside it
      UNIT       % of base's figure, or ns, us, ms, s
    """
    settings = resolved(given)
    if len(base_and_head) not in (0, 2):
        raise Refused("diff takes two files, BASE and HEAD, or none")
    if strict and not fail_on:
        raise Refused("--strict needs --fail-on")
    asked = {**asked_sides(given), "fail_on": list(fail_on)}
    sides = [[file] for file in base_and_head] or [[], []]
    document = compared(settings, asked, files, sides[0], sides[1])
    from longpole.cli.gate_checks import checked, note_on

    checks = checked(document, is_strict=strict)
    if not all(check.is_passed for check in checks):
        end_with_bad_news()
    note = note_on(checks)
    if note:
        click.echo(note, err=True)
    if junit is not None:
        from longpole.cli.render.junit import junit_report

        try:
            Path(junit).write_text(junit_report(checks), encoding="utf-8")
        except OSError as error:
            raise Refused(f"{junit} cannot be written: {error.strerror}") from None
    from longpole.cli.output import print_document, print_plain, print_text

    if as_json:
        is_passed = all(check.is_passed for check in checks)
        print_document({**document, "is_passed": is_passed, "is_strict": strict})
    elif markdown:
        from longpole.cli.render.compare_markdown import diff_markdown

        print_plain(diff_markdown(document, checks))
    else:
        from longpole.cli.render.compare import diff_text

        print_text(diff_text(document, checks))
