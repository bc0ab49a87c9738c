"""The value reader as a Rasa graph component.

In `config.yml`, after the tokenizer and before the features:

    - name: agent.nlu.values.component.ValueExtractor
      inventories: ../inventories   # optional: folder of the inventories; default: the project's own
      gazetteer: true               # false: no names of municipalities and stations

The gazetteer's file lies in $CONCIERGE_HOME (default `.concierge` at the project's root) and is built at first use. Closed classes need no
training; nothing but the configuration is persisted.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.extractor import EntityExtractorMixin
from rasa.shared.nlu.constants import ENTITIES, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from agent.nlu.values.extractor import DEFAULT_FOLDER, ValueReader, reader
from backends.errors import BackendError
from backends.ports import Gazetteer

logger = logging.getLogger(__name__)

VALUES = "values"
"""key of a message under which the features find what was read in it"""


def data_folder(configured: str | None = None) -> Path:
    """Where generated data lives: the configuration's `data`, $CONCIERGE_HOME, or `.concierge` at the project's root."""
    if configured:
        return Path(configured)
    home = os.environ.get("CONCIERGE_HOME")
    return Path(home) if home else Path(__file__).resolve().parents[3] / ".concierge"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class ValueExtractor(GraphComponent, EntityExtractorMixin):  # type: ignore[misc]
    """Adds the entities of the contract to every message."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"inventories": None, "gazetteer": True, "data": None}

    @staticmethod
    def required_packages() -> list[str]:
        return ["sudachipy"]

    def __init__(self, config: dict[str, Any], values: ValueReader, gazetteer: Gazetteer | None) -> None:
        self._config = config
        self._values = values
        self._gazetteer = gazetteer

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> ValueExtractor:
        folder = Path(config["inventories"]).resolve() if config.get("inventories") else DEFAULT_FOLDER
        gazetteer = _load_gazetteer(data_folder(config.get("data"))) if config.get("gazetteer", True) else None
        return cls(config, reader(folder), gazetteer)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> ValueExtractor:
        return cls.create(config, model_storage, resource, execution_context)

    def process(self, messages: list[Message]) -> list[Message]:
        """Sets the entities of each message."""
        for message in messages:
            text = message.get(TEXT) or ""
            if not isinstance(text, str) or text.startswith("/"):
                continue
            entities = self._read(message)
            message.set(VALUES, entities)
            message.set(ENTITIES, [*(message.get(ENTITIES) or []), *entities], add_to_output=True)
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Training examples keep their own annotations; what is read in them serves as features only."""
        for message in training_data.training_examples:
            if isinstance(message.get(TEXT), str):
                message.set(VALUES, self._read(message))
        return training_data

    def _read(self, message: Message) -> list[dict[str, Any]]:
        metadata = message.get("metadata") or {}
        entities = self._values.read(message.get(TEXT), metadata.get("language"), self._gazetteer)
        for entity in entities:
            entity["extractor"] = "ValueExtractor"
        return entities


def _load_gazetteer(folder: Path) -> Gazetteer | None:
    from backends.gazetteer import JapanGazetteer

    try:
        cache = folder / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        return JapanGazetteer.load(cache)
    except (BackendError, OSError) as error:
        # Stations and wards are still read by their suffix; cities and English names are not.
        logger.warning("no gazetteer: %s", error)
        return None
