"""Calls: whom a span calls, and when two spans are the same call."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

from longpole.analyzer.path_spans import PathSpans

DB_SYSTEM = ("db.system.name", "db.system")
QUERY_TEXT = ("db.query.text", "db.statement")
MESSAGING_SYSTEM = ("messaging.system",)
HOST = ("host.name",)
RESEND_COUNT = ("http.request.resend_count",)
PEER = (
    "peer.service",
    "server.address",
    "net.peer.name",
    *DB_SYSTEM,
    *MESSAGING_SYSTEM,
    "rpc.service",
)
URL = ("url.full", "http.url")
_METHOD = ("http.request.method", "http.method", "rpc.method", "db.operation.name", "db.operation")
_TARGET = (
    "url.template",
    "http.route",
    *URL,
    "url.path",
    "http.target",
    "db.collection.name",
    "db.sql.table",
    "messaging.destination.name",
    "rpc.service",
)
_ASKED = (*QUERY_TEXT, *URL, "http.target", "url.path")
_LONGEST_TEXT = 4_000  # of a query or URL is looked at

_HOST = re.compile(r"^[a-z][a-z0-9+.-]*://(?:[^/@?#]*@)?(\[[^\]]*\]|[^/:?#]+)", re.IGNORECASE)
# `:name` stands for a value, but neither the second part of a Redis key like `cart:items` nor
# the type of a cast like `id::text` does.
_LITERAL = re.compile(r"'(?:[^']|'')*'|\$\d+|\b\d+(?:\.\d+)?\b|%s|(?<![\w:]):[A-Za-z_]\w*")
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)*\s*\)")
_BLANKS = re.compile(r"\s+")
_ID_IN_PATH = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?<![A-Za-z0-9])(?=[0-9a-f]*\d)[0-9a-f]{8,}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z.])\d+(?![A-Za-z.])",
    re.IGNORECASE,
)

# service, kind, operation, peer, method, what is asked for: equal for the same call.
CallKey: TypeAlias = tuple[str, int, str, str | None, str | None, str]


def peer_of(spans: PathSpans, index: int) -> str | None:
    """Whom a span calls, as far as its attributes name anyone."""
    peer = spans.text(index, PEER)
    if peer is not None:
        return peer
    url = spans.text(index, URL)
    return host_of_url(url) if url else None


def host_of_url(url: str) -> str | None:
    """The host that a URL names, without user and port."""
    found = _HOST.match(url)
    return found.group(1) if found else None


def call_key(spans: PathSpans, index: int) -> CallKey:
    """Equal for two spans that make the same call, parameters aside."""
    query = spans.text(index, QUERY_TEXT)
    if query is not None:
        asked = normalised_query(query)
    else:
        target = spans.text(index, _TARGET)
        asked = without_ids(target.split("?", 1)[0]) if target else ""
    return (
        spans.services[index],
        spans.kinds[index],
        without_ids(spans.names[index]),
        peer_of(spans, index),
        spans.text(index, _METHOD),
        asked,
    )


class CallKeys:
    """`call_key` and `peer_of` of many spans of one trace: what no span has is not looked up."""

    __slots__ = ("_methods", "_peers", "_queries", "_spans", "_targets", "_urls")

    def __init__(self, spans: PathSpans) -> None:
        self._spans = spans
        self._queries, self._targets = spans.texts(QUERY_TEXT), spans.texts(_TARGET)
        self._peers, self._urls = spans.texts(PEER), spans.texts(URL)
        self._methods = spans.texts(_METHOD)

    def peer(self, index: int) -> str | None:
        """See `peer_of`."""
        peer = self._peers[index] if self._peers is not None else None
        if peer is not None:
            return peer
        url = self._urls[index] if self._urls is not None else None
        return host_of_url(url) if url else None

    def key(self, index: int) -> CallKey:
        """See `call_key`."""
        query = self._queries[index] if self._queries is not None else None
        if query is not None:
            asked = normalised_query(query)
        else:
            target = self._targets[index] if self._targets is not None else None
            asked = without_ids(target.split("?", 1)[0]) if target else ""
        spans = self._spans
        return (
            spans.services[index],
            spans.kinds[index],
            without_ids(spans.names[index]),
            self.peer(index),
            self._methods[index] if self._methods is not None else None,
            asked,
        )


def asked_exactly(spans: PathSpans, index: int) -> str | None:
    """What a span asks for, parameters included; None when it does not say."""
    return spans.text(index, _ASKED)


@lru_cache(maxsize=4096)
def normalised_query(text: str) -> str:
    """A query with literals and parameters as `?`, lists of them as one, blanks collapsed."""
    plain = _LITERAL.sub("?", text[:_LONGEST_TEXT])
    return _BLANKS.sub(" ", _LIST.sub("(?)", plain)).strip()


@lru_cache(maxsize=4096)
def without_ids(text: str) -> str:
    """A path or a name with the ids in it as `{}`."""
    return _ID_IN_PATH.sub("{}", text[:_LONGEST_TEXT])
