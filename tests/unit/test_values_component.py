"""The graph component: entities on messages, nothing lost, nothing invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.nlu.values.component import ValueExtractor, data_folder
from agent.nlu.values.extractor import reader
from agent.nlu.values.inventory import InventoryError, load_inventory
from tests.unit.test_values_extract import SmallGazetteer

pytest.importorskip("rasa")


def test_entities_are_added_to_the_message() -> None:
    from rasa.shared.nlu.training_data.message import Message

    component = ValueExtractor(ValueExtractor.get_default_config(), reader(), SmallGazetteer())
    message = Message({"text": "札幌で駐車場のあるイタリアン", "entities": [{"entity": "given"}]})
    component.process([message, Message({"text": "/restart"})])
    assert [e["entity"] for e in message.get("entities")] == ["given", "city", "parking", "genre"]
    assert message.get("entities")[1]["extractor"] == "ValueExtractor"


def test_the_language_of_the_metadata_is_only_a_hint() -> None:
    from rasa.shared.nlu.training_data.message import Message

    component = ValueExtractor(ValueExtractor.get_default_config(), reader(), None)
    message = Message({"text": "free parking please", "metadata": {"lang": "ja"}})
    component.process([message])
    assert ("parking", "free") in {(e["entity"], e["value"]) for e in message.get("entities")}


def test_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONCIERGE_HOME", str(tmp_path))
    assert data_folder() == tmp_path
    assert data_folder("elsewhere") == Path("elsewhere")


def test_inventory_has_labels_and_kinds() -> None:
    inventory = reader().inventory
    assert len(inventory.genres) >= 90
    assert inventory.label("italian", "ja") == "イタリアン"
    assert inventory.labels(["cafe", "sweets"], "ja") == "カフェ・スイーツ"
    assert inventory.kind_of("ryokan") == "hotel"
    assert [e.id for e in inventory.find("パン屋さん")] == ["bakery"]
    assert {e.id for e in inventory.find("noodles")} == {"ramen", "udon", "soba"}


@pytest.mark.parametrize(
    "content",
    [
        "kinds: {",
        "kinds: {}",
        "kinds: {}\ngenres: {x: {kind: nowhere, label: {ja: あ, en: a}, forms: {ja: [], en: []}}}",
    ],
)
def test_a_broken_inventory_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "genres.yml").write_text(content, encoding="utf-8")
    with pytest.raises(InventoryError, match=r"genres\.yml"):
        load_inventory(tmp_path)
