"""Identifiers: what a name, a token or a piece of text must look like to be let into the shop.

An identifier becomes part of a URL, a header, a log line and a row, so it is made of characters
that mean themselves in all of them. Text is anything that can be written down: with a limit, and
without halves of characters (surrogates) or NUL, which databases refuse.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

VISIBLE_ASCII = r"^[!-~]*$"
"""What a header may carry without being changed on its way."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("text has no NUL")
    return text


Identifier = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")
]
"""A sku, an order id, a user id."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


def is_identifier(text: str) -> bool:
    """Whether a text is an `Identifier`, where no model is read."""
    return _IDENTIFIER.fullmatch(text) is not None


Token = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
"""A card token: opaque, but printable."""

Text = Annotated[str, Field(max_length=200), AfterValidator(_without_nul)]
"""A name, a street. A limit on its length makes pydantic look at the characters, too."""

PathName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_without_nul)]
"""What stands in a path instead of a name: an odd one is simply not found."""

Secret = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_without_nul)]
"""A password. Hashing it takes time, so its length has an end."""

_HOST_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")


def _host_port(text: str) -> str:
    found = _HOST_PORT.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= 65535:
        raise ValueError("this is not host:port")
    return text


HostPort = Annotated[str, Field(max_length=260), AfterValidator(_host_port)]
"""Where a server is reached."""

EmailAddress = Annotated[
    str, Field(min_length=3, max_length=254, pattern=r"^[^\x00-\x20\x7f@]+@[^\x00-\x20\x7f@]+$")
]
"""An e-mail address, as far as anybody can tell without writing to it."""
