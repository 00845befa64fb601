"""`python -m shop faults`, `python -m shop fault on|off NAME`: what can be broken, and doing it."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Sequence

import httpx

from shop.faults.catalogue import CATALOGUE
from shop.registry.api import catalogue_document


def list_faults(is_json: bool) -> int:
    """Print the catalogue, for people or as JSON."""
    if is_json:
        print(json.dumps(catalogue_document(), indent=2))
        return 0
    width = max(map(len, CATALOGUE))
    for fault in CATALOGUE.values():
        told = " ".join(f"{key}={value}" for key, value in fault.parameters.items())
        print(f"{fault.name:{width}}  {fault.summary}{f'  [{told}]' if told else ''}")
    return 0


def switch(state: str, name: str, pairs: Sequence[str], registry: str) -> int:
    """Ask the registry; prints its answer as JSON. 1 when it refuses, 2 for odd arguments."""
    parameters = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(parameters) != len(pairs):
        print("parameters are key=value, each once", file=sys.stderr)
        return 2
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with httpx.Client(timeout=10.0, trust_env=False, verify=nobody) as client:
            url = f"{registry.rstrip('/')}/v1/faults/{name}"
            if state == "on":
                answer = client.put(url, json={"parameters": parameters})
            else:
                answer = client.delete(url)
    except httpx.HTTPError as error:
        print(f"the registry at {registry} does not answer: {error}", file=sys.stderr)
        return 1
    if answer.is_error:
        print(answer.json().get("detail", answer.text), file=sys.stderr)
        return 1
    print(json.dumps(answer.json()))
    return 0
