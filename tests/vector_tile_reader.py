"""Reads a Mapbox Vector Tile back, independently of how it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ReadFeature:
    shape: int
    parts: list[list[tuple[int, int]]]
    tags: dict[str, Any]


@dataclass
class ReadLayer:
    version: int = 0
    extent: int = 0
    features: list[ReadFeature] = field(default_factory=list)

    def named(self, **tags: Any) -> list[ReadFeature]:
        return [f for f in self.features if all(f.tags.get(key) == value for key, value in tags.items())]


def read_tile(data: bytes) -> dict[str, ReadLayer]:
    layers: dict[str, ReadLayer] = {}
    for number, content in _fields(data):
        assert number == 3
        rows = list(_fields(content))
        name = next(value for key, value in rows if key == 1).decode()
        assert name not in layers
        layer = layers[name] = ReadLayer(
            version=next(value for key, value in rows if key == 15),
            extent=next(value for key, value in rows if key == 5),
        )
        keys = [value.decode() for key, value in rows if key == 3]
        values = [_value(value) for key, value in rows if key == 4]
        for key, value in rows:
            if key == 2:
                layer.features.append(_feature(value, keys, values))
    return layers


def _feature(data: bytes, keys: list[str], values: list[Any]) -> ReadFeature:
    rows = dict(_fields(data))
    marks = list(_numbers(rows.get(2, b"")))
    tags = {keys[k]: values[v] for k, v in zip(marks[::2], marks[1::2], strict=True)}
    return ReadFeature(rows[3], _geometry(list(_numbers(rows[4]))), tags)


def _geometry(numbers: list[int]) -> list[list[tuple[int, int]]]:
    parts: list[list[tuple[int, int]]] = []
    at, x, y = 0, 0, 0
    while at < len(numbers):
        command, count = numbers[at] & 7, numbers[at] >> 3
        at += 1
        if command == 7:
            continue
        for _ in range(count):
            x += (numbers[at] >> 1) ^ -(numbers[at] & 1)
            y += (numbers[at + 1] >> 1) ^ -(numbers[at + 1] & 1)
            at += 2
            if command == 1:
                parts.append([(x, y)])
            else:
                parts[-1].append((x, y))
    return parts


def _value(data: bytes) -> Any:
    ((number, value),) = _fields(data)
    return value.decode() if number == 1 else value


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value: Any
            value, at = _varint(data, at)
        else:
            assert key & 7 == 2
            length, at = _varint(data, at)
            value = data[at : at + length]
            assert len(value) == length
            at += length
        yield key >> 3, value


def _numbers(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        number, at = _varint(data, at)
        yield number


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return number, at
