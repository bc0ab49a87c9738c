"""The intent of a message: logistic regression over every feature the pipeline made, with rejection.

Sparse rows (n-grams, words in context, context kind) and dense rows (sentence meaning) are put side by side; dense ones are
centred on their mean over the training lines first, for sentence encoders put everything into a narrow cone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier as RasaIntentClassifier
from rasa.shared.nlu.constants import INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from agent.nlu.context import ANSWERED, context_of
from agent.nlu.regression import Weights, fit
from agent.nlu.rejection import Decision, Rejection

FloatArray = npt.NDArray[np.float32]


class NotTrained(RuntimeError):
    """The classifier was asked before it was trained."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class IntentClassifier(GraphComponent, RasaIntentClassifier):  # type: ignore[misc]
    """Sets `intent`, `intent_ranking` and, when something was rejected, `rejected_intent` on every message."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            "C": 10.0,  # inverse of the regularisation
            "max_iter": 60,  # stopped early on purpose: held-out templates gain nothing from more
            "dense_scale": 4.0,  # weight of dense features, which are short vectors beside three unit-length sparse ones
            "temperature": 1.0,
            "act_above": 0.4,
            "act_above_answering": 0.3,
            "act_above_unfamiliar": 0.6,
            "familiar_above": 0.35,
            "caught_above": 0.0,
            "ranking_length": 10,
        }

    @classmethod
    def required_components(cls) -> list[type]:
        return []

    @staticmethod
    def required_packages() -> list[str]:
        return ["scipy"]

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        weights: Weights | None = None,
        centre: FloatArray | None = None,
        intents: Sequence[str] = (),
    ) -> None:
        self._config = {**self.get_default_config(), **config}
        self._model_storage = model_storage
        self._resource = resource
        self._weights = weights
        self._centre = np.zeros(0, dtype=np.float32) if centre is None else centre
        self._intents = list(intents)
        self._rejection = Rejection(
            temperature=float(self._config["temperature"]),
            act_above=float(self._config["act_above"]),
            act_above_answering=float(self._config["act_above_answering"]),
            act_above_unfamiliar=float(self._config["act_above_unfamiliar"]),
            familiar_above=float(self._config["familiar_above"]),
            caught_above=float(self._config["caught_above"]),
        )

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> IntentClassifier:
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> IntentClassifier:
        with model_storage.read_from(resource) as folder:
            intents = json.loads((folder / "intents.json").read_text(encoding="utf-8"))
            with np.load(folder / "weights.npz", allow_pickle=False) as data:
                weights = Weights(data["sparse"], data["dense"], data["intercepts"])
                centre = data["centre"]
        return cls(config, model_storage, resource, weights, centre, intents)

    # -- training --------------------------------------------------------------------------------------------------

    def train(self, training_data: TrainingData) -> Resource:
        """Fits the regression; the same data give the same weights."""
        messages = [m for m in training_data.intent_examples if m.get(TEXT) and m.get(INTENT)]
        if not messages:
            return self._resource
        sparse, dense = _matrices(messages)
        centre = dense.mean(axis=0).astype(np.float32)
        self._intents = sorted({m.get(INTENT) for m in messages})
        column = {intent: number for number, intent in enumerate(self._intents)}
        self._centre = centre
        self._weights = fit(
            sparse,
            self._scaled(dense),
            np.array([column[m.get(INTENT)] for m in messages]),
            classes=len(self._intents),
            inverse_regularisation=float(self._config["C"]),
            iterations=int(self._config["max_iter"]),
        )
        with self._model_storage.write_to(self._resource) as folder:
            weights = self._weights
            np.savez(
                folder / "weights.npz",
                sparse=weights.sparse,
                dense=weights.dense,
                intercepts=weights.intercepts,
                centre=centre,
            )
            (folder / "intents.json").write_text(json.dumps(self._intents), encoding="utf-8")
        return self._resource

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        return training_data

    # -- use -------------------------------------------------------------------------------------------------------

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            if not message.get(TEXT):
                message.set(INTENT, {"name": None, "confidence": 0.0}, add_to_output=True)
                message.set("intent_ranking", [], add_to_output=True)
                continue
            decision, probabilities = self.decide(message)
            ranking = sorted(zip(self._intents, probabilities, strict=True), key=lambda pair: -pair[1])
            listed = [{"name": n, "confidence": float(p)} for n, p in ranking[: int(self._config["ranking_length"])]]
            first = {"name": decision.intent, "confidence": decision.confidence}
            listed = [first, *(entry for entry in listed if entry["name"] != decision.intent)]
            message.set(INTENT, first, add_to_output=True)
            message.set("intent_ranking", listed, add_to_output=True)
            if decision.rejected:
                message.set("rejected_intent", decision.rejected, add_to_output=True)
        return messages

    def decide(self, message: Message) -> tuple[Decision, npt.NDArray[np.float64]]:
        """The decision for one featurised message and the calibrated probability of every intent. Raises `NotTrained`."""
        probabilities = self._rejection.probabilities(self.scores([message])[0])
        answering = context_of(message.get("metadata")) in ANSWERED
        return self._rejection.decide(
            self._intents, probabilities, _familiarity(message), answering=answering
        ), probabilities

    def scores(self, messages: Sequence[Message]) -> npt.NDArray[np.float64]:
        """Decision scores, shape (messages, intents), columns in the order of `intents`."""
        if self._weights is None:
            raise NotTrained("no intents have been learnt")
        sparse, dense = _matrices(messages)
        return self._weights.scores(sparse, self._scaled(dense))

    @property
    def intents(self) -> list[str]:
        return list(self._intents)

    def _scaled(self, dense: FloatArray) -> FloatArray:
        return np.asarray((dense - self._centre) * np.float32(self._config["dense_scale"]), dtype=np.float32)


def _matrices(messages: Sequence[Message]) -> tuple[scipy.sparse.csr_matrix, FloatArray]:
    """All sparse and all dense sentence features of the messages, in the order of the pipeline."""
    sparse_rows, dense_rows = [], []
    for message in messages:
        rows = [f for f in message.features if f.attribute == TEXT and f.type == "sentence"]
        sparse = [f.features for f in rows if f.is_sparse()]
        dense = [f.features for f in rows if f.is_dense()]
        sparse_rows.append(scipy.sparse.hstack(sparse, format="csr") if len(sparse) > 1 else sparse[0])
        dense_rows.append(np.concatenate(dense, axis=1) if dense else np.zeros((1, 0), dtype=np.float32))
    return scipy.sparse.vstack(sparse_rows, format="csr"), np.concatenate(dense_rows).astype(np.float32)


def _familiarity(message: Message) -> float:
    """Share of the message's terms that were seen in training, as the sparse features found it; 1 without them."""
    return float(message.get("familiarity", 1.0))
