"""Requests of up to 64 MiB whose structure takes far more memory than their bytes."""

from __future__ import annotations

from collections.abc import Callable

MIB = 1 << 20
SIZE = 63 * MIB
ONE_ATTRIBUTE = b"\x4a\x07\x0a\x01a\x12\x02\x18\x01"
IDS = b"\x0a\x10" + b"\x01" * 16 + b"\x12\x08" + b"\x01" * 8


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    return b"".join((varint(number << 3 | 2), varint(len(content)), content))


def of_spans(span: bytes, count: int = 0) -> bytes:
    """A request of as many equal spans as there is room for."""
    one = field(2, span)
    return field(1, field(2, one * (count or SIZE // len(one))))


def one_span(parts: bytes) -> bytes:
    return of_spans(IDS + parts, 1)


def distinct_attributes() -> bytes:
    """Attributes of one span, no two of the same key."""
    return b"".join(b"\x4a\x0a\x0a\x04%04x\x12\x02\x18\x01" % n for n in range(1 << 16)) * 80


def one_attribute(value: bytes) -> bytes:
    return one_span(field(9, field(1, b"a") + field(2, value)))


def one_metric(points: bytes) -> bytes:
    return field(1, field(2, field(2, field(1, b"m") + field(5, points))))


ONE_RESOURCE = b"\x0a\x0d\x0a\x01a\x12\x08\x0a\x06%06d"
POINT = field(1, b"\x19" + b"\x01" * 8 + b"\x31" + b"\x01" * 8)
BUCKETS = field(6, b"\x01\0\0\0\0\0\0\0" * (SIZE // 16)) + field(7, bytes(SIZE // 2))

# By name: the body and the status it may get, over HTTP as protobuf.
PROTOBUF_BOMBS: dict[str, tuple[Callable[[], bytes], int]] = {
    "attributes of one span": (
        lambda: one_span(ONE_ATTRIBUTE * (SIZE // len(ONE_ATTRIBUTE))), 413,
    ),
    "distinct attributes of one span": (lambda: one_span(distinct_attributes()), 413),
    "attributes of 100,000 spans": (
        lambda: of_spans(IDS + ONE_ATTRIBUTE * (SIZE // 100_000 // 9 - 4)), 200,
    ),
    "empty events of one span": (lambda: one_span(b"\x5a\0" * (SIZE // 2)), 413),
    "empty events of many spans": (lambda: of_spans(IDS + b"\x5a\0" * 1000), 413),
    "empty links of spans without ids": (lambda: of_spans(b"\x6a\0" * 1000), 200),
    "minimal spans": (lambda: of_spans(IDS), 413),
    "empty spans": (lambda: of_spans(b""), 413),
    "empty resources": (lambda: b"\x0a\0" * (SIZE // 2), 413),
    "900,000 minimal spans": (lambda: of_spans(IDS, 900_000), 200),
    "arrays of empty values": (lambda: one_attribute(field(5, b"\x0a\0" * (SIZE // 2))), 413),
    "arrays in many spans": (
        lambda: of_spans(IDS + field(9, field(2, field(5, b"\x0a\x02\x2a\0" * 1000)))), 413,
    ),
    "control characters in an array": (
        lambda: one_attribute(field(5, field(1, field(1, b"\x01" * SIZE)))), 413,
    ),
    "control characters in many arrays": (
        lambda: of_spans(IDS + field(9, field(2, field(5, field(1, field(1, b"\x01" * 9999)))))),
        413,
    ),
    "a wrapped array": (
        lambda: one_attribute(field(7680, field(5, b"\x0a\0" * (SIZE // 2)))), 413,
    ),
    "one wide character": (lambda: one_span(field(5, b"n" * SIZE + "😀".encode())), 413),
    "two-byte text": (lambda: one_span(field(5, "é".encode() * (SIZE // 2))), 200),
    "many wide texts": (
        lambda: of_spans(IDS + field(5, b"n" * 100_000 + "😀".encode())), 200,
    ),
    "63 MiB that are no UTF-8": (lambda: one_span(field(5, b"\xff" * SIZE)), 413),
    "many texts that are no UTF-8": (lambda: of_spans(IDS + field(5, b"\xff" * 1000)), 413),
    "a value of bytes": (lambda: one_attribute(field(7, bytes(SIZE))), 413),
    "a resource of attributes": (
        lambda: field(1, field(1, b"\x0a\x07\x0a\x01a\x12\x02\x18\x01" * (SIZE // 9))
                      + field(2, field(2, IDS))), 413,
    ),
    "a big resource of many spans": (
        lambda: field(1, field(1, field(1, field(1, b"a") + field(2, field(1, b"n" * 500_000))))
                      + field(2, field(2, IDS) * 600_000)), 200,
    ),
    "distinct resources": (
        lambda: b"".join(
            field(1, field(1, ONE_RESOURCE % n) + field(2, field(2, IDS))) for n in range(150_000)
        ), 200,
    ),
}  # fmt: skip
METRIC_BOMBS: dict[str, tuple[Callable[[], bytes], int]] = {
    "points of one gauge": (lambda: one_metric(POINT * 900_000), 200),
    "buckets of one point": (
        lambda: field(1, field(2, field(2, field(9, b"\x10\x02" + field(
            1, b"\x19" + b"\x01" * 8 + BUCKETS))))), 413,
    ),
}  # fmt: skip


JSON_HEAD = b'{"resourceSpans":[{"scopeSpans":[{"spans":['
JSON_TAIL = b"]}]}]}"
JSON_ATTRIBUTE = b'{"key":"a","value":{"intValue":1}}'


def json_span(fields: bytes) -> bytes:
    return b'{"traceId":"01010101010101010101010101010101","spanId":"0101010101010101",%b}' % fields


def json_spans(fields: bytes, count: int = 1) -> bytes:
    """A request of equal spans."""
    return JSON_HEAD + b",".join([json_span(fields)] * count) + JSON_TAIL


def json_attributes(attribute: bytes, count: int) -> bytes:
    return b'"attributes":[%b]' % b",".join([attribute] * count)


def json_name(text: str, size: int) -> bytes:
    """A name of `size` letters and that text."""
    return b'"name":"%b%b"' % (b"n" * size, text.encode())


JSON_BOMBS: dict[str, tuple[Callable[[], bytes], int]] = {
    "json: empty objects": (lambda: json_spans(json_attributes(b"{}", SIZE // 3)), 413),
    "json: attributes of one span": (
        lambda: json_spans(json_attributes(JSON_ATTRIBUTE, 400_000)), 413,
    ),
    "json: attributes of many spans": (
        lambda: json_spans(json_attributes(JSON_ATTRIBUTE, 400), 980), 200,
    ),
    "json: arrays in arrays": (lambda: b'{"x":[%b[]]}' % (b"[[]]," * 600_000), 413),
    "json: short texts": (lambda: b'{"x":[%b""]}' % (b'"a",' * (SIZE // 4)), 413),
    "json: numbers": (lambda: b'{"x":[%b0]}' % (b"0.1234567890123456789012345," * 1_900_000), 200),
    "json: keys": (
        lambda: b'{"x":{%b"":0}}' % b"".join(b'"%08x":0,' % n for n in range(2_400_000)), 200,
    ),
    "json: keys and wide texts": (
        lambda: b'{"x":{%b"":0},"y":["%b"]}' % (
            b"".join(b'"%06x":0,' % n for n in range(1_200_000)),
            b"n" * (20 * MIB) + "😀".encode(),
        ), 200,
    ),
    "json: one wide character": (lambda: json_spans(json_name("😀", SIZE)), 413),
    "json: many wide texts": (lambda: json_spans(json_name("😀", 100_000), 480), 200),
    "json: escaped wide texts": (
        lambda: json_spans(json_name("\\ud83d\\ude00", 100_000), 650), 413,
    ),
    "json: one two-byte character": (lambda: json_spans(json_name("я", 46 * MIB)), 200),
    "json: many two-byte texts": (lambda: json_spans(json_name("я", 100_000), 480), 200),
    "json: a long name": (lambda: json_spans(json_name("", SIZE)), 200),
}  # fmt: skip
