"""Finds and reads rule files, as paths and globs name them."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longpole.analyzer.alerting.rule_files import ReadFile, read_rules
from longpole.analyzer.alerting.rules import RuleGroup, RuleProblem


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """The groups of several files, by file; with `problems` they are not to be used.
    `missing` are paths that name no file."""

    groups: tuple[RuleGroup, ...]
    files: tuple[str, ...]
    problems: tuple[RuleProblem, ...]
    missing: tuple[str, ...]


def matching(patterns: Sequence[str], folder: Path) -> tuple[list[Path], list[str]]:
    """Files that the patterns name, from `folder`; and the patterns that name none."""
    found: list[Path] = []
    missing: list[str] = []
    for pattern in patterns:
        named = sorted(glob.glob(str(folder / Path(pattern).expanduser())))
        found += [Path(one) for one in named if Path(one) not in found]
        if not named:
            missing.append(pattern)
    return found, missing


def text_of(path: Path) -> str | RuleProblem:
    """The text of a file, or why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return RuleProblem(str(path), 0, 0, "yaml: invalid UTF-8")
    except OSError as error:
        return RuleProblem(str(path), 0, 0, f"cannot be read: {error.strerror}")


def read_file(path: Path) -> ReadFile:
    """The rules of one file."""
    text = text_of(path)
    if isinstance(text, RuleProblem):
        return ReadFile((), (text,))
    return read_rules(text, str(path))


def load(patterns: Sequence[str], folder: Path) -> LoadedRules:
    """The rules of every file that the patterns name."""
    paths, missing = matching(patterns, folder)
    read = [read_file(path) for path in paths]
    return LoadedRules(
        tuple(group for one in read for group in one.groups),
        tuple(map(str, paths)),
        tuple(problem for one in read for problem in one.problems),
        tuple(missing),
    )
