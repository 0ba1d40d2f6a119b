"""JSON that is made to take all memory, or to be read by nobody: what services and mirrors send."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from itertools import count, islice, repeat

GZIP = 31  # zlib's number for it


def answer(msg: str) -> bytes:
    """Return an envelope as the service sends it."""
    return b'{"success": true, "msg": ' + msg.encode() + b"}"


def unfolding(piece: bytes, times: int) -> bytes:
    """Return what unfolds to many times a piece; less is in memory than that."""
    packing = zlib.compressobj(1, wbits=GZIP)
    return b"".join(map(packing.compress, repeat(piece, times))) + packing.flush()


def _many(item: str, size: int) -> str:
    return f"[{item}{f',{item}' * (size // (len(item.encode()) + 1) - 1)}]"


def _keys(count: int, face: str) -> Iterator[str]:
    """Yield names of which no two are the same, in letters of four bytes each."""
    return (f'"{n:06d}{face}"' for n in range(count))


def _levels() -> str:
    """Return as many objects as there can be, each in another, and each with a name of its own."""
    keys = _keys(11_450 * 60, "\U0001f600" * 5)
    items = ("".join(f"{{{next(keys)}:" for _ in range(60)) + "0.5" + "}" * 60 for _ in count())
    return f"[{','.join(islice(items, 11_450))}]"


LARGE: dict[str, Callable[[], bytes]] = {
    "lists": lambda: answer(_many("[]", 23_900_000)),
    "objects": lambda: answer(_many('{"a":"\U0001f600"}', 349_000 * 13)),
    "keys": lambda: answer("{" + ",".join(f"{key}:0.5" for key in _keys(699_000, "é😀")) + "}"),
    "levels": lambda: answer(_levels()),
    "text": lambda: answer(f'"{"é" * 11_900_000}\U0001f600"'),
    "no sections": lambda: answer(
        '[{"id": 1, "plane_of_section_id": 1, "section_images": ' + _many("0", 1_390_000) + "}]"
    ),
    "a failure": lambda: answer('"' + "sorry " * 3_900_000 + '"').replace(b"true", b"false"),
}
ODD: dict[str, bytes] = {
    "985 levels": answer("[" * 985 + "]" * 985),
    "levels without end": answer("[" * 23_000_000),
    "levels in strings": answer('["[",' * 985 + "0" + ',"]"]' * 985),
    "levels behind quotes": answer(r'["\\",["\"",' * 400 + "0" + "]" * 800),
    "5000 digits": answer('[{"id": ' + "9" * 5000 + "}]"),
    "4300 digits": answer('[{"id": 1, "plane_of_section_id": 1, "x": ' + "9" * 4300 + "}]"),
    "no number": answer('[{"id": NaN}]'),
    "endless": answer('[{"id": 1e999}]'),
    "half a character": answer(r'"\ud800"'),
    "bytes of half a character": answer('"') + b'\xed\xa0\x80"}',
    "a key twice": answer('[{"id": 1, "id": 2}]'),
    "nothing": b"",
    "zeros": bytes(1000),
    "null": b"null",
    "no text": b"\xff\xfe\xff",
}
