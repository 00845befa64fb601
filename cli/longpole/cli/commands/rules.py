"""`longpole rules`: check, test and evaluate Prometheus rule files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longpole.cli.exit_codes import Refused, end_with_bad_news
from longpole.cli.filters import json_option
from longpole.cli.options import client_options, resolved

if TYPE_CHECKING:
    from longpole.analyzer.alerting.rule_files import ReadFile


@click.group("rules")
def command() -> None:
    """Check, test and evaluate Prometheus rule files.

    The files are those of Prometheus, unchanged: groups of alerting and recording rules.
    `longpole serve --rules 'rules/*.yml'` evaluates them; docs/alerts.md has the details.
    """


@command.command("starter")
def starter() -> None:
    """Print a rule file to start with: errors, latency, critical path, objectives, queues."""
    from importlib.resources import files

    rules = files("longpole.analyzer.alerting") / "starter" / "rules.yml"
    click.echo(rules.read_text(encoding="utf-8"), nl=False)


@command.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option(
    "--lint",
    type=click.Choice(("all", "duplicate-rules", "none")),
    default="duplicate-rules",
    help="what is reported besides mistakes (duplicate-rules)",
)
@click.option("--lint-fatal", is_flag=True, help="end with code 1 for what --lint reports, too")
@json_option
def check(files: tuple[str, ...], lint: str, lint_fatal: bool, as_json: bool) -> None:
    """Whether rule files are valid, as `promtool check rules` says it.

    Every mistake is printed with its file, line and column. Exit code 1 if there is one.
    With --json, one document a file.
    """
    from longpole.cli.output import print_document, print_plain
    from longpole.cli.render.text import inert
    from longpole.cli.rule_paths import read_file

    for name in files:
        found = read_file(Path(name))
        doubled = [] if lint == "none" or found.problems else duplicates(found)
        if found.problems or (doubled and lint_fatal):
            end_with_bad_news()
        if as_json:
            problems = [
                {"line": one.line, "column": one.column, "message": one.message}
                for one in found.problems
            ]
            print_document({
                "file": name, "is_valid": not found.problems, "groups": len(found.groups),
                "rules": found.rule_count, "problems": problems, "duplicates": doubled,
            })  # fmt: skip
            continue
        print_plain(f"Checking {inert(name)}")
        if found.problems:
            print_plain("  FAILED:")
            for problem in found.problems:
                print_plain(inert(str(problem)))
        else:
            print_plain(f"  SUCCESS: {found.rule_count} rules found")
        if doubled:
            print_plain(f"  lint: {len(doubled)} duplicate rule(s) found:")
            for one in doubled:
                print_plain(f"    {inert(one)}")
        print_plain("")


def duplicates(found: ReadFile) -> list[str]:
    """Rules of one name and the same labels: most likely a mistake when they record."""
    from longpole.analyzer.alerting.rule_testing import labels_text
    from longpole.analyzer.promql.series import labels_of

    counted = Counter(
        f"{rule.name}{labels_text(labels_of(dict(rule.labels)))}"
        for group in found.groups
        for rule in group.rules
    )
    return [name for name, count in counted.items() if count > 1]


@command.command("test")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--run", "chosen", metavar="REGEX", help="only tests whose name matches")
@json_option
def test(files: tuple[str, ...], chosen: str | None, as_json: bool) -> None:
    """Run unit tests of rules, in the format of `promtool test rules`.

    Rule files are named in the tests, from the folder of the test file. Exit code 1 if a test
    fails. With --json, one document a file.
    """
    import time

    from longpole.cli.output import print_document, print_plain
    from longpole.cli.render.text import inert
    from longpole.cli.rule_testing import verdict_on

    try:
        pattern = re.compile(chosen or "")
    except re.error as error:
        raise Refused(f"--run: {error}") from None
    for name in files:
        verdict = verdict_on(
            Path(name), lambda test: pattern.search(test) is not None, time.monotonic
        )
        if not verdict.is_passed:
            end_with_bad_news()
        if as_json:
            print_document(verdict.document())
            continue
        print_plain(f"Unit Testing:  {inert(name)}")
        for warning in verdict.warnings:
            print_plain(f"  WARNING: {inert(warning)}")
        if verdict.is_passed:
            print_plain("  SUCCESS")
        else:
            print_plain("  FAILED:")
            for line in verdict.lines():
                print_plain(inert(line))
        print_plain("")


@command.command("eval")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--time", "at", metavar="TIME", help="Unix seconds or RFC 3339 (now)")
@json_option
@client_options
def evaluate(files: tuple[str, ...], at: str | None, as_json: bool, **given: Any) -> None:
    """Evaluate rule files once over what is stored, and show what would fire and be recorded.

    Nothing is written and nobody is notified; `for` does not count: an alert is shown once its
    expression yields it, with the time that it would wait. Exit code 1 if a rule fails.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_plain
    from longpole.cli.render.text import inert
    from longpole.cli.rule_evaluation import evaluated_once, shown_document, shown_lines

    groups = evaluated_once(settings, files, at)
    if any(rule.error for group in groups for rule in group.rules):
        end_with_bad_news()
    if as_json:
        print_document(shown_document(groups))
        return
    for line in shown_lines(groups):
        print_plain(inert(line))
