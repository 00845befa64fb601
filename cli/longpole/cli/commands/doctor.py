"""`longpole doctor`: is everything that is stored whole, and if not, make it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from longpole.cli.exit_codes import NotFound, end_with_bad_news
from longpole.cli.filters import json_option
from longpole.cli.options import directory_options, resolved

if TYPE_CHECKING:
    from longpole.model.problem import Problem


@click.command("doctor")
@click.option(
    "--repair/--check",
    "is_repair",
    default=False,
    help="repair what can be repaired (needs the directory to itself), or only look (--check)",
)
@json_option
@directory_options
def command(is_repair: bool, as_json: bool, **given: Any) -> None:
    """Read every byte that counts in a data directory, and say what is damaged.

    Looks at the manifest, every value of every segment, and every request in the journal. It
    changes nothing and may run beside a server. With --repair, and no server there, damaged files
    are written again without what cannot be read: the old ones go to quarantine/, and what is lost
    is counted and named. `longpole serve` does the same with what it meets, so a damaged directory
    never keeps it from starting.

    Exit code 0: everything is whole (now); 1: something is damaged; 3: there is no data.
    """
    settings = resolved(given)
    from longpole.cli.progress import progress
    from longpole.cli.source import holds_data
    from longpole.storage.data_dir import DataDir

    if not holds_data(settings.data_dir):
        raise NotFound(f"there is no data in {settings.data_dir}: name another one with --data-dir")
    from longpole.cli.checkup_document import checkup_document
    from longpole.cli.output import print_document, print_text
    from longpole.cli.wiring import check_data

    repairs: tuple[Problem, ...] = ()
    if is_repair:
        from longpole.cli.wiring import repair_store
        from longpole.model.clock import SystemClock

        repairs = repair_store(settings, SystemClock())
    held = DataDir(settings.data_dir).read_lock()
    with progress("reading everything", None) as step:
        checkup = check_data(settings, lambda name: step(1))
    document = checkup_document(checkup, settings.data_dir, held.pid if held else None, repairs)
    if as_json:
        print_document(document)
    else:
        from longpole.cli.render.doctor import doctor_text

        print_text(doctor_text(document))
    if not checkup.is_healthy:
        end_with_bad_news()
