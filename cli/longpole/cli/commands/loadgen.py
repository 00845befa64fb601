"""`longpole loadgen`: telemetry of a made-up shop at a rate, sent to any OTLP endpoint."""

from __future__ import annotations

import os
from typing import Any

import click

from longpole.cli.exit_codes import NoAnswer, Refused, end_with_bad_news
from longpole.cli.filters import json_option
from longpole.cli.loadgen.plan import COMPRESSIONS, PROTOCOLS
from longpole.cli.options import client_options, resolved
from longpole.cli.setting_values import address, seconds

_PORTS = {"grpc": 4317, "http/protobuf": 4318, "http/json": 4318}


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("loadgen")
@click.option("--endpoint", "--otlp-endpoint", default="", metavar="HOST:PORT",
              help="where to send  [default: the server that --url or the data directory names, "
              "else port 4317 or 4318 of this machine]")  # fmt: skip
@click.option("--signal", type=click.Choice(["traces", "logs", "metrics"]), default="traces",
              show_default=True, help="what to send")  # fmt: skip
@click.option("--protocol", type=click.Choice(PROTOCOLS), default="grpc", show_default=True,
              help="how to send it")  # fmt: skip
@click.option("--compression", type=click.Choice(COMPRESSIONS), default="none", show_default=True,
              help="of request bodies")  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=0), default=1000, show_default=True,
              metavar="COUNT", help="records a second; 0: as many as are taken")  # fmt: skip
@click.option("--seconds", "--duration", "for_seconds", default="10", show_default=True,
              callback=_duration, metavar="SECONDS", help="how long to send")  # fmt: skip
@click.option("--batch", type=click.IntRange(1, 65_536), default=512, show_default=True,
              metavar="COUNT", help="records in a request")  # fmt: skip
@click.option("--attributes", type=click.IntRange(0, 200), default=10, show_default=True,
              metavar="COUNT", help="attributes of a record, one in five unique")  # fmt: skip
@click.option("--connections", type=click.IntRange(1, 10_000), default=8, show_default=True,
              metavar="COUNT", help="connections, each with one request under way")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 64), default=None, metavar="COUNT",
              help="processes that send  [default: one for each processor, at most 4]")  # fmt: skip
@click.option("--patience", default="30", show_default=True, callback=_duration,
              metavar="SECONDS", help="how long to try again after the end")  # fmt: skip
@click.option("--service-prefix", default="loadgen", show_default=True, metavar="TEXT",
              help="what the names of the services begin with")  # fmt: skip
@click.option("--seed", type=int, default=None, metavar="COUNT",
              help="makes ids; equal seeds send equal ids  [default: a new one]")  # fmt: skip
@click.option("--check", "is_checked", is_flag=True,
              help="count afterwards what the Longpole server stored")  # fmt: skip
@json_option
@client_options
def command(
    endpoint: str, for_seconds: float, seed: int | None, is_checked: bool, as_json: bool,
    workers: int | None, patience: float, **given: Any,
) -> None:  # fmt: skip
    """Send made telemetry of a web shop to an OTLP endpoint, Longpole's or any other.

    Every record is distinct. A request that is refused for now is sent again, as exporters do.
    Exit code 1 when records were rejected, given up, or (with --check) lost or stored twice.
    """
    kept = {name: given.pop(name) for name in (
        "protocol", "compression", "rate", "batch", "attributes", "connections", "service_prefix",
    )}  # fmt: skip
    signal_name = given.pop("signal")
    settings = resolved(given)
    from longpole.cli.loadgen.plan import Plan
    from longpole.cli.loadgen.run import default_workers, run
    from longpole.cli.loadgen.stored import stored
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened, web_address
    from longpole.model.clock import SystemClock
    from longpole.model.signals import Signal

    url = web_address(settings)
    if is_checked and url is None:
        raise Refused("--check asks a Longpole server: name it with --url or --data-dir")
    plan = Plan(
        _endpoint(endpoint, kept["protocol"], url, settings),
        Signal(signal_name),
        seconds=for_seconds,
        patience_seconds=patience,
        workers=min(workers or default_workers(), kept["connections"]),
        seed=int.from_bytes(os.urandom(2), "big") if seed is None else seed,
        token=settings.auth_token(),
        **kept,
    )
    clock = SystemClock()
    begin = clock.now_unix_nano()
    load = run(plan, clock)
    document = load.document()
    if is_checked:
        with opened(settings) as source:
            found = stored(load, source, begin, clock.now_unix_nano())
        document["stored"] = found.document()
    is_bad = bool(document["rejected_records"] or document["dropped_requests"])
    is_bad = is_bad or bool(document["unknown_requests"])
    if is_checked and (document["stored"]["lost"] or document["stored"]["doubled"]):
        is_bad = True
    if is_bad or not document["acknowledged_requests"]:
        end_with_bad_news()
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.load import load_text

    print_text(load_text(document))


def _endpoint(endpoint: str, protocol: str, url: str | None, settings: Any) -> str:
    if endpoint:
        bare = endpoint.removeprefix("http://").rstrip("/")
        try:
            return address(bare)
        except ValueError as error:
            raise Refused(f"--endpoint {endpoint!r}: {error}") from None
    if url is None:
        return f"127.0.0.1:{_PORTS[protocol]}"
    if settings.url is None:
        from longpole.storage.data_dir import DataDir

        # The lock names them before the pages are there to be asked.
        held = DataDir(settings.data_dir).read_lock()
        addresses = held.addresses if held is not None else {}
    else:
        from longpole.cli.http_source import HttpSource

        with HttpSource(url, settings.auth_token()) as source:
            addresses = source.status()["addresses"]
    at = str(addresses.get("grpc" if protocol == "grpc" else "http", ""))
    if not at:
        raise NoAnswer("the server does not say where it receives OTLP: give --endpoint")
    return at.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
