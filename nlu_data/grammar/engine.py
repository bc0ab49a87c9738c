"""The grammar language: readable templates that expand to what people might say.

A grammar file has definitions and sections::

    # a comment
    $want: がいいです | でお願いします      alternatives of a rule; lower-case names are phrasings
    $CITY: 札幌 | 仙台 | …                  upper-case names are inventories: a part of each is held out
    $POI@place_name: 東京タワー | …         what they yield is annotated as that entity
      | 金閣寺                              a definition goes on over indented lines

    == search_place : none greeting x3      intent, contexts the lines are said in, samples a line (default 3)
    (ちょっと|)$CITY$de$genre(を|)$search   a template; (a|b|) are alternatives, `$name` refers to a rule

Contexts: kinds of docs/understanding-contract.md or a group of `CONTEXT_GROUPS`. Each sample gets one of them.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CONTEXT_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "start": ("none", "none", "greeting"),
    "after": ("gives_info", "done", "offers_one", "greeting"),
    "offer": ("offers_one", "offers_list", "asks_choice"),
    "any": (
        "none",
        "none",
        "none",
        "none",
        "greeting",
        "gives_info",
        "done",
        "offers_one",
        "offers_list",
        "apology",
        "asks_condition",
        "no_results",
        "asks_yesno",
    ),
    "free": ("none", "none", "none", "greeting", "gives_info", "done", "apology", "offers_one"),
}

HELD_OUT_EVERY: Final = 8
"""one template of this many, and one inventory value of this many, is never trained on"""


class GrammarError(ValueError):
    """A grammar file says something that cannot be read; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Template:
    intent: str
    contexts: tuple[str, ...]
    samples: int
    source: str
    origin: str
    """file:line, for messages"""

    @property
    def held_out(self) -> bool:
        return zlib.crc32(f"{self.intent}|{self.source}".encode()) % HELD_OUT_EVERY == 0


@dataclass(frozen=True, slots=True)
class Example:
    """One line of training data; `text` carries Rasa's entity annotation."""

    intent: str
    text: str
    context: str

    @property
    def plain(self) -> str:
        return re.sub(r"\[([^\]]*)\]\{[^}]*\}", r"\1", self.text)


@dataclass
class Grammar:
    rules: dict[str, tuple[str, ...]] = field(default_factory=dict)
    entities: dict[str, str] = field(default_factory=dict)
    templates: list[Template] = field(default_factory=list)

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, path: Path) -> None:
        section: tuple[str, tuple[str, ...], int] | None = None
        definition: str | None = None
        for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            origin = f"{path.name}:{number}"
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if raw[0].isspace() and definition is not None:
                self.rules[definition] += _alternatives(line)
                continue
            definition = None
            if line.startswith("=="):
                section = _section(line, origin)
            elif match := re.match(r"\$(\w+)(?:@(\w+))?:\s*(.*)$", line):
                definition, entity, body = match.groups()
                if definition in self.rules:
                    raise GrammarError(f"{origin}: ${definition} is defined twice")
                self.rules[definition] = _alternatives(body)
                if entity:
                    self.entities[definition] = entity
            elif section is None:
                raise GrammarError(f"{origin}: a template before the first section")
            else:
                self.templates.append(Template(*section, source=line, origin=origin))

    def check(self) -> None:
        """Raises `GrammarError` when a template or a rule refers to a rule that is not there, or brackets do not fit."""
        for origin, text in [(t.origin, t.source) for t in self.templates] + [
            (f"${name}", alternative) for name, alternatives in self.rules.items() for alternative in alternatives
        ]:
            try:
                for name in _references(_parse(text)):
                    if name not in self.rules:
                        raise GrammarError(f"{origin}: no rule ${name}")
            except ValueError as error:
                raise GrammarError(f"{origin}: {error}") from error

    # -- expanding -------------------------------------------------------------------------------------------------

    def expand(self, template: Template, rng: random.Random, *, held_out: bool) -> str:
        """One random expansion; inventories yield their held-out values only when `held_out`."""
        text = self._expand(_parse(template.source), rng, held_out, 0)
        return re.sub(r"\s+", " ", text).strip()

    def _expand(self, node: Node, rng: random.Random, held_out: bool, depth: int) -> str:
        if depth > 40:
            raise GrammarError("rules refer to each other in a circle")
        if isinstance(node, str):
            return node
        if isinstance(node, Reference):
            alternatives: Sequence[str] = self.rules[node.name]
            if node.name.isupper() and len(alternatives) >= HELD_OUT_EVERY:
                kept = [a for i, a in enumerate(alternatives) if (i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out]
                alternatives = kept or alternatives
            text = self._expand(_parse(rng.choice(alternatives)), rng, held_out, depth + 1)
            entity = self.entities.get(node.name)
            return f'[{text}]{{"entity": "{entity}"}}' if entity else text
        if isinstance(node, Choice):
            return self._expand(rng.choice(node.alternatives), rng, held_out, depth + 1)
        return "".join(self._expand(part, rng, held_out, depth + 1) for part in node.parts)

    def variety(self, template: Template) -> int:
        """A number that tells fixed sentences (1) from ones with many forms."""
        return _count(_parse(template.source), self.rules, 0)

    def examples(
        self, *, seed: int, held_out: bool, noise: Noise | None = None, factor: float = 1.0
    ) -> Iterator[Example]:
        """Examples of every template of one half (trained on, or held out), duplicates left out."""
        seen: set[tuple[str, str]] = set()
        for template in self.templates:
            if template.held_out != held_out:
                continue
            # A generator of its own, so that editing one template leaves the lines of the others as they are.
            rng = random.Random(f"{seed}|{template.intent}|{template.source}")
            variety = self.variety(template)
            wanted = max(1, round(min(template.samples, variety) * factor))
            for _ in range(wanted):
                for _attempt in range(6):
                    text = self.expand(template, rng, held_out=held_out)
                    context = rng.choice(template.contexts)
                    if noise is not None:
                        text = noise(text, rng)
                    key = (template.intent, normal(text))
                    if text and key not in seen:
                        seen.add(key)
                        yield Example(template.intent, text, context)
                        break


class Noise:
    """What the way from mouth to text does to a sentence: fillers, lost particles, lost punctuation."""

    def __init__(self, fillers: Sequence[str], particles: Iterable[str] = (), share: float = 0.12) -> None:
        self._fillers = tuple(fillers)
        self._particles = "".join(particles)
        self._share = share

    def __call__(self, text: str, rng: random.Random) -> str:
        if "[" in text:  # annotated spans stay where they are
            return text
        if self._fillers and rng.random() < self._share:
            text = rng.choice(self._fillers) + text
        if self._particles and rng.random() < self._share / 2:
            lossy = re.sub(rf"(?<=[一-鿿ァ-ヶー])[{self._particles}](?=[一-鿿ァ-ヶぁ-ん])", "", text, count=1)
            text = lossy if len(lossy) >= 4 else text
        if rng.random() < 0.4:
            text = re.sub(r"[。、．，.,!?！？]+", lambda m: "" if m.end() == len(text) else m.group(0), text)
        return text


# -- the template language ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    name: str


@dataclass(frozen=True, slots=True)
class Sequence_:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    alternatives: tuple[Node, ...]


Node = str | Reference | Sequence_ | Choice
_PARSED: dict[str, Node] = {}


def _parse(text: str) -> Node:
    node = _PARSED.get(text)
    if node is None:
        node, end = _parse_alternatives(text, 0, nested=False)
        if end != len(text):
            raise ValueError(f"unmatched ) in {text!r}")
        _PARSED[text] = node
    return node


def _parse_alternatives(text: str, at: int, *, nested: bool) -> tuple[Node, int]:
    alternatives: list[Node] = []
    parts: list[Node] = []
    literal = ""

    def flush() -> None:
        nonlocal literal
        if literal:
            parts.append(literal)
            literal = ""

    while at < len(text):
        char = text[at]
        if char == "(":
            flush()
            node, at = _parse_alternatives(text, at + 1, nested=True)
            if at >= len(text) or text[at] != ")":
                raise ValueError(f"unmatched ( in {text!r}")
            parts.append(node)
            at += 1
        elif char == ")":
            if not nested:
                break
            flush()
            alternatives.append(Sequence_(tuple(parts)))
            return Choice(tuple(alternatives)), at
        elif char == "|" and nested:
            flush()
            alternatives.append(Sequence_(tuple(parts)))
            parts = []
            at += 1
        elif char == "$" and (match := re.compile(r"\$([A-Z_]+[0-9]*|[a-z_]+[0-9]*)").match(text, at)):
            flush()
            parts.append(Reference(match.group(1)))
            at = match.end()
        else:
            literal += char
            at += 1
    flush()
    if nested:
        raise ValueError(f"unmatched ( in {text!r}")
    return Sequence_(tuple(parts)), at


def _references(node: Node) -> Iterator[str]:
    if isinstance(node, Reference):
        yield node.name
    elif isinstance(node, Choice):
        for alternative in node.alternatives:
            yield from _references(alternative)
    elif isinstance(node, Sequence_):
        for part in node.parts:
            yield from _references(part)


def _count(node: Node, rules: Mapping[str, tuple[str, ...]], depth: int) -> int:
    if isinstance(node, str) or depth > 40:
        return 1
    if isinstance(node, Reference):
        return min(10**6, sum(_count(_parse(a), rules, depth + 1) for a in rules[node.name]))
    if isinstance(node, Choice):
        return min(10**6, sum(_count(a, rules, depth + 1) for a in node.alternatives))
    product = 1
    for part in node.parts:
        product = min(10**6, product * _count(part, rules, depth + 1))
    return product


def _alternatives(text: str) -> tuple[str, ...]:
    """Splits at | outside brackets; a leading | of a continuation line adds nothing."""
    depth, pieces, piece = 0, [], ""
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            pieces.append(piece)
            piece = ""
        else:
            piece += char
    pieces.append(piece)
    return tuple(p.strip() for i, p in enumerate(pieces) if p.strip() or 0 < i < len(pieces) - 1)


def _section(line: str, origin: str) -> tuple[str, tuple[str, ...], int]:
    match = re.match(r"==\s*(\w+)\s*:\s*([\w ]+?)(?:\s+x(\d+))?\s*$", line)
    if match is None:
        raise GrammarError(f"{origin}: a section is `== intent : contexts xN`")
    intent, contexts, samples = match.groups()
    kinds: list[str] = []
    for name in contexts.split():
        kinds.extend(CONTEXT_GROUPS.get(name, (name,)))
    return intent, tuple(kinds), int(samples or 3)


def normal(text: str) -> str:
    """What two lines have in common when they are the same line to a reader: no annotation, spaces, punctuation, case."""
    plain = re.sub(r"\[([^\]]*)\]\{[^}]*\}", r"\1", text)
    return re.sub(r"[\s。、．，.,!?！？「」『』'’]+", "", plain).lower()
