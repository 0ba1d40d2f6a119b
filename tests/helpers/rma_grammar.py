"""RMA read anew, character by character, as its documentation has it: it shares nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Node:
    """An association, or "" for the model itself: its filters, and what is within it."""

    name: str
    filters: list[tuple[str, str, list[str]]] = field(default_factory=list)
    inner: list[Node] = field(default_factory=list)


class Reader:
    """A text, and how far it has been read."""

    def __init__(self, text):
        self.text, self.at = text, 0

    @property
    def next(self):
        return self.text[self.at : self.at + 1]

    def take(self, expected):
        assert self.text.startswith(expected, self.at), (expected, self.text, self.at)
        self.at += len(expected)

    def word(self):
        start = self.at
        while self.next.isascii() and (self.next.isalnum() or self.next == "_"):
            self.at += 1
        return self.text[start : self.at]

    def value(self):
        if self.next == "'":
            end = self.text.index("'", self.at + 1)
            found, self.at = self.text[self.at + 1 : end], end + 1
            return found
        start = self.at
        while self.next and self.next in "0123456789.-abcdefghijklmnopqrstuvwxyz":
            self.at += 1
        assert self.at > start, (self.text, start)
        return self.text[start : self.at]

    def criterion(self):
        self.take("[")
        name = self.word()
        self.take("$")
        operator = self.text[self.at : self.at + 2]
        assert operator in ("eq", "ne", "li", "il", "gt", "lt", "ge", "le", "in")
        self.at += 2
        values = [self.value()]
        while operator == "in" and self.next == ",":
            self.take(",")
            values.append(self.value())
        self.take("]")
        return name, operator, values

    def node(self):
        found = Node(self.word())
        while self.next == "[":
            found.filters.append(self.criterion())
        if self.next == "(":
            self.take("(")
            found.inner = self.nodes()
            self.take(")")
        return found

    def nodes(self):
        found = [self.node()]
        while self.next == "," and not self.text.startswith(",rma::", self.at):
            self.take(",")
            found.append(self.node())
        return found


def read_criteria(text):
    """Return the nodes of criteria, all of them; AssertionError for what is not well-formed."""
    reader = Reader(text)
    found = reader.nodes()
    assert reader.at == len(text), text[reader.at :]
    return found


def all_filters(nodes):
    """Return (path, field, operator, values) of each filter."""
    out = []
    for node in nodes:
        out += [(node.name, *f) for f in node.filters]
        out += [(f"{node.name}.{path}", *rest) for path, *rest in all_filters(node.inner)]
    return out
