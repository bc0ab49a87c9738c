"""Tokenizer, context, terms, features, regression, classifier and rejection; small data, no sentence encoder."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from agent.nlu.classifier import IntentClassifier, NotTrained
from agent.nlu.context import CONTEXT_KINDS, context_kind_of, context_of
from agent.nlu.features import ContextFeatures, SparseFeatures, Vocabulary, terms_of
from agent.nlu.functions import ACTING, FUNCTION_OF, INTENTS_OF, function_of
from agent.nlu.regression import fit
from agent.nlu.rejection import Rejection, fit_temperature
from agent.nlu.terms import focus, masked, normalized
from agent.nlu.tokenizer import SudachiTokenizer, WordReader, language_of, without_inner_spaces

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def words() -> WordReader:
    return WordReader()


# -- tokenizer -----------------------------------------------------------------------------------------------------


def test_japanese_words_point_into_the_text_with_its_spaces(words: WordReader) -> None:
    text = "渋谷 駅 の 近く で Wi-Fi が 使える カフェ"
    found = words.words(text, "ja")
    assert [text[w.start : w.end].replace(" ", "") for w in found] == [w.surface for w in found]
    assert "Wi-Fi" in [w.surface for w in found]
    assert [w.surface for w in found] == [w.surface for w in words.words(text.replace(" ", ""), "ja")]


def test_english_words_keep_apostrophes_and_numbers(words: WordReader) -> None:
    assert [w.surface for w in words.words("what's 2.5 miles, isn’t it?", "en")] == [
        "what's",
        "2.5",
        "miles",
        ",",
        "isn’t",
        "it",
        "?",
    ]


@given(st.text(max_size=60))
def test_any_text_is_tokenized_inside_its_bounds(words: WordReader, text: str) -> None:
    for language in ("ja", "en"):
        found = words.words(text, language)  # type: ignore[arg-type]
        assert all(0 <= w.start < w.end <= len(text) for w in found)
        assert all(a.end <= b.start for a, b in itertools.pairwise(found))


def test_spaces_between_latin_words_stay() -> None:
    assert without_inner_spaces("東京 Sky Tree 近く")[0] == "東京Sky Tree近く"
    assert without_inner_spaces("open late")[0] == "open late"


def test_language_by_metadata_then_script() -> None:
    assert language_of("ok", {"language": "ja"}) == "ja"
    assert language_of("近く") == "ja"
    assert language_of("near here") == "en"


# -- context -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("", "none"),
        ("23件ございますが、エリアなどご希望はございますか？", "asks_condition"),
        ("恐れ入りますが、そのご条件ではお店が見つかりませんでした。", "no_results"),
        ("トラットリア・ソーレはいかがでしょうか。", "offers_one"),
        ("ほかにお手伝いできることはございますか？", "greeting"),
        ("ご利用の日にちをお聞かせください。", "asks_date"),
        ("何名様でいらっしゃいますか？", "asks_slot"),
        ("営業時間は10時から20時です。", "gives_info"),
        ("目的地を設定しました。", "done"),
        ("I couldn't find any hotel with a pool.", "no_results"),
        ("Is there anything else I can do?", "greeting"),
        ("Which town should I search in?", "asks_place"),
        ("For which town do you want the forecast?", "asks_date"),
        ("Would you like directions to it?", "asks_yesno"),
        ("The nearest one is Harbor Grill, two miles away.", "offers_one"),
    ],
)
def test_context_is_read_from_what_was_said(said: str, kind: str) -> None:
    assert context_kind_of(said) == kind


def test_the_given_kind_wins_and_nonsense_is_ignored() -> None:
    assert context_of({"context": "done", "context_text": "何名様ですか？"}) == "done"
    assert context_of({"context": "nonsense", "context_text": "何名様ですか？"}) == "asks_slot"
    assert context_of({"intent": {}, "example": {"context": "no_results"}}) == "no_results"
    assert context_of(None) == "none"


@given(st.text(max_size=200))
def test_any_words_have_a_context_kind(said: str) -> None:
    assert context_kind_of(said) in CONTEXT_KINDS


# -- terms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("ありがとうございます。あと、明日の天気は？", "あと、明日の天気は?"),
        ("なるほど、わかりました。では安いところで", "では安いところで"),
        ("ありがとうございます。", "ありがとうございます"),
    ],
)
def test_the_opening_is_left_out_unless_it_is_all(text: str, rest: str) -> None:
    assert focus(normalized(text, "ja"), "ja") == rest


def test_english_opening_and_length() -> None:
    assert focus("ok great, thanks, find a bakery", "en") == "find a bakery"
    assert len(focus("word " * 4000, "en")) <= 160


def test_names_and_numbers_are_masked(words: WordReader) -> None:
    found = masked([(w.normalized, w.pos) for w in words.words("京都で3000円の店", "ja")])
    assert found[0] == "〈place〉"
    assert "〈number〉" in found
    assert "京都" not in found


# -- functions -----------------------------------------------------------------------------------------------------


def test_functions_cover_the_domain() -> None:
    domain = yaml.safe_load((ROOT / "nlu_data" / "domain" / "intents.yml").read_text(encoding="utf-8"))
    names = {next(iter(i)) if isinstance(i, dict) else i for i in domain["intents"]}
    assert names == (set(FUNCTION_OF) - {"emergency"}) | {"nlu_fallback"}
    assert function_of("nlu_fallback") == "chitchat_oos"
    assert "chitchat_oos" not in ACTING
    assert set(INTENTS_OF) >= ACTING


# -- regression and rejection --------------------------------------------------------------------------------------


def test_regression_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    dense = rng.normal(size=(120, 5)).astype(np.float32)
    sparse = scipy.sparse.random(120, 12, density=0.3, random_state=1, format="csr", dtype=np.float32)
    labels = rng.integers(0, 3, size=120)
    ours = fit(sparse, dense, labels, classes=3, inverse_regularisation=2.0, iterations=500)
    both = scipy.sparse.hstack([sparse, dense]).tocsr()
    theirs = LogisticRegression(C=2.0, max_iter=2000, tol=1e-8).fit(both, labels)
    rejection = Rejection()
    np.testing.assert_allclose(
        rejection.probabilities(ours.scores(sparse, dense)), theirs.predict_proba(both), atol=0.01
    )


def test_an_action_needs_enough_probability() -> None:
    intents = ["search_place", "human_talk", "out_of_scope"]
    rejection = Rejection(act_above=0.5, act_above_unfamiliar=0.8, familiar_above=0.3)
    unsure = rejection.decide(intents, np.array([0.45, 0.3, 0.25]))
    # Both rejected intents together are likelier than the search.
    assert (unsure.intent, unsure.rejected) == ("human_talk", None)
    weak = rejection.decide([*intents, "affirm"], np.array([0.45, 0.2, 0.15, 0.2]))
    assert (weak.intent, weak.rejected) == ("human_talk", "search_place")
    assert rejection.decide(intents, np.array([0.7, 0.2, 0.1])).intent == "search_place"
    assert rejection.decide(intents, np.array([0.7, 0.2, 0.1]), familiarity=0.1).rejected == "search_place"


def test_an_answer_needs_less_probability_than_words_out_of_the_blue() -> None:
    intents = ["narrow", "human_talk", "out_of_scope"]
    rejection = Rejection(act_above=0.6, act_above_unfamiliar=0.8, act_above_answering=0.4, familiar_above=0.3)
    likely = np.array([0.52, 0.28, 0.2])
    assert rejection.decide(intents, likely).rejected == "narrow"
    assert rejection.decide(intents, likely, answering=True).intent == "narrow"
    assert rejection.decide(intents, likely, familiarity=0.1, answering=True).intent == "narrow"


def test_what_is_no_language_was_not_caught() -> None:
    intents = ["search_place", "human_talk", "out_of_scope"]
    rejection = Rejection(caught_above=0.2)
    assert rejection.decide(intents, np.array([0.1, 0.6, 0.3]), familiarity=0.1).intent == "nlu_fallback"
    assert rejection.decide(intents, np.array([0.1, 0.6, 0.3]), familiarity=0.3).intent == "human_talk"
    assert rejection.decide(intents, np.array([0.8, 0.1, 0.1]), familiarity=0.1).intent == "search_place"


def test_the_function_is_chosen_before_the_intent() -> None:
    decision = Rejection(act_above=0.3, act_above_unfamiliar=0.3).decide(
        ["narrow", "choose_option", "ask_weather"], np.array([0.32, 0.3, 0.38])
    )
    assert decision.intent == "narrow"


def test_temperature_makes_overconfident_scores_softer() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, size=400)
    seen = np.where(rng.random(400) < 0.75, labels, 1 - labels)
    scores = np.eye(2)[seen] * 8.0
    assert fit_temperature(scores, labels.tolist()) > 2


def test_thresholds_are_checked() -> None:
    with pytest.raises(ValueError, match="temperature"):
        Rejection(temperature=0)
    with pytest.raises(ValueError, match="thresholds"):
        Rejection(act_above=0.9, act_above_unfamiliar=0.2)
    with pytest.raises(ValueError, match="thresholds"):
        Rejection(act_above=0.5, act_above_unfamiliar=0.6, act_above_answering=0.55)


# -- the pipeline in Rasa ------------------------------------------------------------------------------------------

LINES = [
    ("渋谷でイタリアンを探して", "search_place", "none"),
    ("京都でホテルを探しています", "search_place", "none"),
    ("近くのカフェを探して", "search_place", "none"),
    ("この辺のラーメン屋を教えて", "search_place", "none"),
    ("安いところがいいです", "narrow", "asks_condition"),
    ("駐車場はなくてもいいです", "narrow", "no_results"),
    ("イタリアンがいいです", "narrow", "asks_condition"),
    ("Wi-Fiのあるところがいいです", "narrow", "asks_condition"),
    ("明日の東京の天気を教えて", "ask_weather", "none"),
    ("大阪の気温は何度", "ask_weather", "none"),
    ("部長は会議に出ています", "human_talk", "none"),
    ("昨日の飲み会は楽しかったね", "human_talk", "none"),
]


def build(folder: Path, component: Any, **config: Any) -> Any:
    name = component.__name__
    return component.create(
        {**component.get_default_config(), **config},
        LocalModelStorage(folder),
        Resource(name),
        ExecutionContext(GraphSchema({}), node_name=name),
    )


def training_data() -> TrainingData:
    return TrainingData([Message.build(t, i, example_metadata={"context": c}) for t, i, c in LINES])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    folder = tmp_path_factory.mktemp("model")
    components = [
        build(folder, SudachiTokenizer),
        build(folder, SparseFeatures, min_df=1),
        build(folder, ContextFeatures),
        build(folder, IntentClassifier, act_above=0.3, act_above_unfamiliar=0.3),
    ]
    data = training_data()
    for component in components:
        if hasattr(component, "train"):
            component.train(data)
        component.process_training_data(data)
    return folder, components


def understood(components: list[Any], text: str, **metadata: str) -> Message:
    message = Message({"text": text, "metadata": metadata})
    for component in components:
        component.process([message])
    return message


def test_the_context_decides_between_search_and_narrowing(trained: tuple[Path, list[Any]]) -> None:
    _, components = trained
    assert understood(components, "名古屋でイタリアンを探して").get("intent")["name"] == "search_place"
    assert understood(components, "イタリアン", context="asks_condition").get("intent")["name"] == "narrow"


def test_a_loaded_model_answers_as_the_trained_one(trained: tuple[Path, list[Any]]) -> None:
    folder, components = trained
    storage, schema = LocalModelStorage(folder), GraphSchema({})
    loaded = [
        components[0],
        SparseFeatures.load(
            {"min_df": 1}, storage, Resource("SparseFeatures"), ExecutionContext(schema, node_name="SparseFeatures")
        ),
        components[2],
        IntentClassifier.load(
            {"act_above": 0.3, "act_above_unfamiliar": 0.3},
            storage,
            Resource("IntentClassifier"),
            ExecutionContext(schema, node_name="x"),
        ),
    ]
    for text, _, context in LINES:
        first = understood(components, text, context=context).get("intent_ranking")
        second = understood(loaded, text, context=context).get("intent_ranking")
        assert [r["name"] for r in first] == [r["name"] for r in second]
        np.testing.assert_allclose([r["confidence"] for r in first], [r["confidence"] for r in second], atol=1e-4)


@pytest.mark.parametrize("text", ["", " ", "😀😀", "\x00\u202e", "a" * 10_000, "'; DROP TABLE places; --"])
def test_strange_messages_do_no_harm(trained: tuple[Path, list[Any]], text: str) -> None:
    _, components = trained
    message = understood(components, text)
    assert "name" in message.get("intent")


def test_an_untrained_classifier_says_so(tmp_path: Path) -> None:
    message = Message({"text": "x"})
    build(tmp_path, ContextFeatures).process([message])
    with pytest.raises(NotTrained):
        build(tmp_path, IntentClassifier).process([message])


def test_words_outside_the_focus_do_not_count(trained: tuple[Path, list[Any]]) -> None:
    _, components = trained
    message = Message({"text": "ありがとうございます。あと、天気は？", "metadata": {}})
    components[0].process([message])
    assert not any("有り難う" in term or "ありがとう" in term for term in terms_of(message)["word"])


def test_rare_terms_are_left_out() -> None:
    vocabulary = Vocabulary.learnt([["a", "b"], ["a"], ["a", "c"]], min_df=2)
    assert len(vocabulary) == 1
    assert vocabulary.known(["a", "b"]) == 1
    assert len(vocabulary.row(["b"])[0]) == 0


def test_both_profiles_name_components_that_exist() -> None:
    import importlib

    pipelines = {}
    for name in ("config.yml", "config.sparse.yml"):
        config = yaml.safe_load((ROOT / "nlu_data" / name).read_text(encoding="utf-8"))
        pipelines[name] = [entry["name"] for entry in config["pipeline"]]
        for path in pipelines[name]:
            module, cls = path.rsplit(".", 1)
            assert hasattr(importlib.import_module(module), cls)
        assert [p["name"] for p in config["policies"]] == ["RulePolicy"]
    assert set(pipelines["config.yml"]) - set(pipelines["config.sparse.yml"]) == {"agent.nlu.features.E5Features"}
