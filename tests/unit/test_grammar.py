"""The grammar language, and the generated training data: up to date, balanced, readable by Rasa, apart from the held-out half."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
import yaml

from agent.nlu.context import CONTEXT_KINDS
from agent.nlu.functions import FUNCTION_OF
from nlu_data.grammar import generate
from nlu_data.grammar.engine import Grammar, GrammarError, Noise, Template, normal

ROOT = Path(__file__).resolve().parents[2]


def grammar(tmp_path: Path, text: str) -> Grammar:
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf-8")
    out = Grammar()
    out.read(path)
    out.check()
    return out


def expansions(g: Grammar, template: Template, *, held_out: bool = False) -> set[str]:
    rng = random.Random(1)
    return {g.expand(template, rng, held_out=held_out) for _ in range(300)}


def test_alternatives_and_rules_expand(tmp_path: Path) -> None:
    g = grammar(tmp_path, "$drink: tea | hot (milk|water)\n== search_place : none x9\n(a|two) $drink please\n")
    assert expansions(g, g.templates[0]) == {
        f"{n} {d} please" for n in ("a", "two") for d in ("tea", "hot milk", "hot water")
    }
    assert g.variety(g.templates[0]) == 6


def test_inventories_keep_a_part_for_the_held_out_half(tmp_path: Path) -> None:
    values = [f"v{i}" for i in range(16)]
    g = grammar(tmp_path, f"$CITY: {' | '.join(values)}\n== narrow : none\n$CITY\n")
    trained, held = expansions(g, g.templates[0]), expansions(g, g.templates[0], held_out=True)
    assert trained | held == set(values)
    assert not trained & held
    assert len(held) == 2


def test_an_entity_is_annotated(tmp_path: Path) -> None:
    g = grammar(tmp_path, "$POI@place_name: 東京タワー\n== navigate_to : none\n$POIまで\n")
    assert expansions(g, g.templates[0]) == {'[東京タワー]{"entity": "place_name"}まで'}
    assert normal('[東京タワー]{"entity": "place_name"}まで。') == "東京タワーまで"


@pytest.mark.parametrize(
    "text",
    [
        "a line before any section",
        "== narrow : none\n$nothing",
        "== narrow : none\n(open",
        "== narrow : none\nclosed)",
        "== narrow\nx",
        "$a: x\n$a: y",
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(GrammarError):
        grammar(tmp_path, text)


def test_noise_leaves_annotations_alone() -> None:
    noise = Noise(("えーと、",), particles="を", share=1.0)
    assert noise('[東京タワー]{"entity": "place_name"}を', random.Random(0)).startswith("[東京タワー]")
    assert noise("駅を探して", random.Random(0)).startswith("えーと、")


@pytest.fixture(scope="module")
def generated() -> dict[Path, str]:
    return generate.files()


def test_the_committed_files_are_what_the_grammars_give(generated: dict[Path, str]) -> None:
    for path, text in generated.items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is out of date: python -m nlu_data.grammar"


def test_every_intent_is_trained_in_both_languages_and_none_drowns(generated: dict[Path, str]) -> None:
    for language in generate.LANGUAGES:
        counted: Counter[str] = Counter()
        for path, text in generated.items():
            if path.parent.name == language:
                for block in yaml.safe_load(text)["nlu"]:
                    counted[block["intent"]] += len(block["examples"])
                    contexts = {e.get("metadata", {}).get("context", "none") for e in block["examples"]}
                    assert contexts <= set(CONTEXT_KINDS)
        assert set(counted) == set(FUNCTION_OF) - {"emergency"}
        assert min(counted.values()) >= 12
        assert max(counted.values()) <= 0.16 * sum(counted.values())


def test_nothing_held_out_is_trained_on(generated: dict[Path, str]) -> None:
    for language in generate.LANGUAGES:
        trained = {normal(e.text) for e in generate.examples_of(language, "train")}
        held = [
            json.loads(row)["text"]
            for row in generated[generate.NLU_DATA / "heldout" / f"{language}.jsonl"].splitlines()
        ]
        assert len(held) > 400
        assert not trained & {normal(text) for text in held}


def test_no_line_stands_under_one_intent_twice() -> None:
    for language in generate.LANGUAGES:
        counted = Counter((e.intent, normal(e.text)) for e in generate.examples_of(language, "train"))
        assert counted.most_common(1)[0][1] == 1
