"""The search state: what each turn does to the conditions, and the laws any sequence of turns keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.inventory import Inventory
from actions.narrowing import (
    CONDITIONS,
    HISTORY,
    Add,
    Choose,
    Drop,
    Exclude,
    Ground,
    NextPage,
    Operation,
    Reject,
    Replace,
    Reset,
    SearchState,
    Sort,
    Undo,
    apply,
    from_turn,
    report,
    to_query,
)
from actions.skill import Entity, Turn
from tests.fakes_world import NOON, SHIBUYA

INVENTORY = Inventory(
    kind_of={"italian": "restaurant", "ramen": "restaurant", "museum": "sight", "onsen": "sight", "onsen_inn": "hotel"},
    genre_labels={
        "italian": {"ja": "イタリアン", "en": "Italian"},
        "ramen": {"ja": "ラーメン", "en": "ramen"},
        "museum": {"ja": "博物館", "en": "museum"},
    },
    siblings={("hotel", "温泉"): "onsen_inn"},
)


def turn(intent: str, context: str = "asks_condition", *extra: Entity, **said: Any) -> Turn:
    """`near__station` gives the entity station the role near."""
    entities = []
    for key, value in said.items():
        role, _, type_ = key.rpartition("__")
        values = value if isinstance(value, list) else [value]
        entities += [Entity(type_, v, role or None) for v in values]
    text = "この近くで" if said.get("where") == "here" else ""
    return Turn(text, intent, 1.0, (*entities, *extra), "ja", "owner", {}, 0, {"context": context})


def after(*turns: Turn, trip: dict[str, str] | None = None) -> SearchState:
    state = SearchState()
    for t in turns:
        state = apply(state, from_turn(t, state, INVENTORY, trip))
    return state


def conditions(*turns: Turn, trip: dict[str, str] | None = None) -> dict[str, Any]:
    return dict(after(*turns, trip=trip).conditions)


SAPPORO_HOTEL = turn("search_place", "none", city="札幌", kind="hotel")


def test_wishes_are_added_to_what_was_said_before() -> None:
    assert conditions(SAPPORO_HOTEL, turn("narrow", wifi="free", price="low"), turn("narrow", area="中央区", station="大通駅")) == {
        "city": "札幌", "kind": "hotel", "wifi": "free", "price": "low", "area": "中央区", "station": "大通駅",
    }  # fmt: skip


def test_a_genre_names_its_kind_and_replaces_the_genre_before() -> None:
    state = after(turn("search_place", "none", genre="italian"), turn("narrow", genre="ramen"))
    assert state.conditions == {"genre": ["ramen"], "kind": "restaurant"}


def test_several_genres_in_one_breath_are_alternatives() -> None:
    assert conditions(turn("search_place", "none", genre=["italian", "ramen"]))["genre"] == ["italian", "ramen"]


def test_words_with_two_meanings_are_read_in_the_kind_under_way() -> None:
    hot_spring = Entity("genre", "onsen", text="温泉")
    assert conditions(SAPPORO_HOTEL, turn("narrow", "asks_condition", hot_spring)) == {
        "city": "札幌", "kind": "hotel", "genre": ["onsen_inn"],
    }  # fmt: skip


def test_the_head_of_a_phrase_says_the_kind() -> None:
    inn = {"kind": "hotel", "genre": ["onsen_inn"]}
    springs, lodging = Entity("genre", "onsen", text="温泉"), Entity("genre", "onsen_inn", text="温泉旅館")
    assert conditions(turn("search_place", "none", springs, lodging)) == inn


def test_another_kind_drops_the_wishes_and_keeps_the_city() -> None:
    assert conditions(
        SAPPORO_HOTEL,
        turn("narrow", wifi="free", area="中央区"),
        turn("search_place", "gives_info", kind="restaurant", parking="free"),
    ) == {"city": "札幌", "kind": "restaurant", "parking": "free"}


def test_the_same_kind_again_goes_on_while_the_search_is_on_the_table() -> None:
    assert conditions(SAPPORO_HOTEL, turn("narrow", wifi="free"), turn("search_place", "no_results", kind="hotel", price="low")) == {
        "city": "札幌", "kind": "hotel", "wifi": "free", "price": "low",
    }  # fmt: skip


def test_the_same_kind_again_is_a_new_search_once_the_old_one_is_over() -> None:
    assert conditions(SAPPORO_HOTEL, turn("narrow", wifi="free"), turn("search_place", "done", kind="hotel", price="low")) == {
        "city": "札幌", "kind": "hotel", "price": "low",
    }  # fmt: skip


def test_what_and_where_said_again_is_a_whole_new_wish() -> None:
    assert conditions(
        turn("search_place", "none", near__station="渋谷駅", genre="italian"),
        turn("narrow", price="low"),
        turn("search_place", "offers_list", near__station="恵比寿駅", genre="ramen"),
    ) == {"station": "恵比寿駅", "genre": ["ramen"], "kind": "restaurant"}


def test_a_new_city_takes_area_station_and_name_with_it() -> None:
    assert conditions(SAPPORO_HOTEL, turn("narrow", area="中央区", station="大通駅", parking="free"), turn("narrow", city="仙台")) == {
        "city": "仙台", "kind": "hotel", "parking": "free",
    }  # fmt: skip


def test_a_city_spoken_of_before_the_search_counts() -> None:
    assert conditions(turn("search_place", "none", kind="sight"), trip={"city": "東京"}) == {
        "city": "東京",
        "kind": "sight",
    }
    assert conditions(turn("search_place", "none", kind="sight", where="here"), trip={"city": "東京"}) == {
        "where": "here", "kind": "sight",
    }  # fmt: skip


def test_here_takes_the_place_of_a_city_and_the_other_way_round() -> None:
    here = turn("narrow", where="here")
    assert conditions(SAPPORO_HOTEL, here) == {"kind": "hotel", "where": "here"}
    assert conditions(SAPPORO_HOTEL, here, turn("narrow", station="渋谷駅")) == {"kind": "hotel", "station": "渋谷駅"}


def test_a_reference_is_only_a_place_to_search_at_when_it_says_so() -> None:
    """「そちらは安いですか」, 「うちは四人です」 do not move the search."""
    moved = turn("narrow", where="there", price="low")
    assert conditions(SAPPORO_HOTEL, moved) == {"city": "札幌", "kind": "hotel", "price": "low"}
    assert conditions(SAPPORO_HOTEL, turn("search_place", "gives_info", kind="parking", where="there")) == {
        "city": "札幌", "kind": "parking", "where": "there",
    }  # fmt: skip


def test_paid_parking_will_do_loosens_free_and_parking_alone_does_not() -> None:
    free = turn("narrow", parking="free")
    assert conditions(SAPPORO_HOTEL, free, turn("narrow", relaxed__parking="any"))["parking"] == "any"
    assert conditions(SAPPORO_HOTEL, free, turn("narrow", parking="any"))["parking"] == "free"


def test_a_question_about_a_place_named_is_no_wish() -> None:
    asked = turn("narrow", place_name="丘のホテル", parking="any", attribute="parking")
    assert conditions(SAPPORO_HOTEL, asked) == {"city": "札幌", "kind": "hotel", "name": "丘のホテル"}


def test_the_wider_word_takes_the_genre_back() -> None:
    narrower = turn("search_place", "none", genre="museum", city="札幌")
    assert conditions(narrower, turn("narrow", "no_results", kind="sight", wifi="free")) == {
        "city": "札幌", "kind": "sight", "wifi": "free",
    }  # fmt: skip
    assert conditions(narrower, turn("narrow", "offers_list", kind="sight", wifi="free")) == {
        "city": "札幌", "genre": ["museum"], "kind": "sight", "wifi": "free",
    }  # fmt: skip


def test_equipment_is_not_what_is_looked_for() -> None:
    assert conditions(SAPPORO_HOTEL, turn("narrow", kind="parking", parking="free")) == {
        "city": "札幌", "kind": "hotel", "parking": "free",
    }  # fmt: skip
    assert conditions(turn("search_place", "none", kind="parking", genre="italian", parking="any")) == {
        "genre": ["italian"], "kind": "restaurant", "parking": "any",
    }  # fmt: skip
    assert conditions(SAPPORO_HOTEL, turn("narrow", kind=["restaurant", "hotel"], wifi="free"))["kind"] == "hotel"
    assert conditions(turn("search_place", "none", kind=["restaurant", "hotel"])) == {"kind": "hotel"}


def test_a_name_goes_when_a_genre_is_asked_for_instead() -> None:
    named = turn("search_place", "none", place_name="星の喫茶", kind="restaurant", city="札幌")
    assert conditions(named) == {"city": "札幌", "kind": "restaurant", "name": "星の喫茶"}
    assert conditions(named, turn("narrow", "no_results", genre="italian")) == {
        "city": "札幌", "kind": "restaurant", "genre": ["italian"],
    }  # fmt: skip
    assert conditions(named, turn("narrow", parking="free"))["name"] == "星の喫茶"


@pytest.mark.parametrize(
    ("drop", "left"),
    [
        ("parking", {"kind", "city", "price", "area"}),
        ("price", {"kind", "city", "parking", "area"}),
        ("area", {"kind", "city", "parking", "price"}),
        ("rating_min", {"kind", "city", "parking", "price", "area"}),
        ("all", {"kind", "city"}),
    ],
)
def test_conditions_are_given_up_one_by_one_or_all_at_once(drop: str, left: set[str]) -> None:
    wishes = turn("narrow", parking="free", price="low", area="中央区")
    assert conditions(SAPPORO_HOTEL, wishes, turn("narrow", "no_results", drop=drop)).keys() == left


def test_given_up_and_named_anew_in_one_breath_is_replaced() -> None:
    assert conditions(turn("search_place", "none", genre="italian"), turn("narrow", drop="genre", genre="ramen"))[
        "genre"
    ] == ["ramen"]


def test_not_this_one_takes_it_away_and_is_remembered() -> None:
    state = after(turn("search_place", "none", genre=["italian", "ramen"]), turn("narrow", exclude__genre="ramen"))
    assert state.conditions["genre"] == ["italian"]
    assert to_query(state, Ground()).exclude_genres == ("ramen",)
    assert "area" not in conditions(SAPPORO_HOTEL, turn("narrow", area="西区"), turn("narrow", exclude__area="西区"))


def test_a_wish_beside_weather_or_chatter_changes_nothing() -> None:
    state = after(SAPPORO_HOTEL, turn("narrow", wifi="free"))
    assert apply(state, []) == state


def test_undo_takes_a_whole_turn_back() -> None:
    state = after(SAPPORO_HOTEL, turn("narrow", wifi="free", price="low"))
    assert apply(state, [Undo()]).conditions == {"city": "札幌", "kind": "hotel"}
    assert apply(apply(state, [Undo()]), [Undo(), Undo(), Undo()]) == SearchState()


def test_the_query_carries_every_condition() -> None:
    state = after(
        turn(
            "search_place", "none", genre="italian", parking="free", parking_within=300, price="low", budget={"max_yen": 3000},
            wifi="any", rating_min=4.0, cards=True, wheelchair=True, child_friendly=True, non_smoking=True, private_room=True,
            charging=True, vacancy=True, on_site_restaurant=True, sort="rating",
        )
    )  # fmt: skip
    query = to_query(state, Ground(near=SHIBUYA, radius_m=500, city="渋谷区", open_at=NOON + timedelta(hours=1)))
    assert (query.kind, query.genres, query.parking, query.parking_within_m) == (
        "restaurant",
        ("italian",),
        "free",
        300,
    )
    assert (query.price, query.budget_max_yen, query.wifi, query.rating_min) == ("low", 3000, "any", 4.0)
    assert all((query.cards, query.wheelchair, query.child_friendly, query.non_smoking, query.private_room))
    assert all((query.charging, query.vacancy, query.on_site_restaurant))
    assert (query.near, query.radius_m, query.city, query.sort) == (SHIBUYA, 500, "渋谷区", "rating")
    assert query.open_at == NOON + timedelta(hours=1)


def test_the_report_speaks_the_language_of_the_dialogue() -> None:
    state = apply(
        after(turn("search_place", "none", genre=["italian", "ramen"], city="札幌", sort="price")),
        [Choose("r1", "星の喫茶")],
    )
    common = {"kind": "restaurant", "city": "札幌", "sort": "price", "chosen": "星の喫茶"}
    assert report(state, "ja", INVENTORY) == {**common, "genre": "イタリアン・ラーメン"}
    assert report(state, "en", INVENTORY) == {**common, "genre": "Italian, ramen"}
    assert report(SearchState(), "ja", INVENTORY) == {}


# --- laws -------------------------------------------------------------------------------------------------------------

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["restaurant", "hotel", "sight"]),
    "city": st.sampled_from(["札幌", "仙台", "東京"]),
    "area": st.sampled_from(["中央区", "西区"]),
    "station": st.sampled_from(["大通駅", "渋谷駅"]),
    "price": st.sampled_from(["low", "middle", "high"]),
    "parking": st.sampled_from(["any", "free", "paid"]),
    "wifi": st.sampled_from(["free", "paid"]),
    "rating_min": st.floats(0, 5),
    "cards": st.booleans(),
    "genre": st.lists(st.sampled_from(["italian", "ramen", "museum"]), min_size=1, max_size=2, unique=True),
}
ONE_CONDITION = st.sampled_from(sorted(VALUES)).flatmap(lambda k: st.tuples(st.just(k), VALUES[k]))
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    ONE_CONDITION.map(lambda c: Add(*c)),
    ONE_CONDITION.map(lambda c: Replace(*c)),
    st.sampled_from(sorted(VALUES)).map(Drop),
    st.sampled_from(["italian", "ramen"]).map(lambda v: Exclude("genre", v)),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(lambda ids: Reject(tuple(ids))),
    st.sampled_from(["distance", "rating", "price"]).map(Sort),
    st.just(NextPage()),
    st.sampled_from(["a", "b"]).map(lambda i: Choose(i, i.upper())),
    st.just(Reset(("city",))),
)
TURNS = st.lists(OPERATIONS, min_size=1, max_size=4)
STATES = st.lists(TURNS, max_size=5).map(lambda turns: _run(turns))


def _run(turns: list[list[Operation]]) -> SearchState:
    state = SearchState()
    for operations in turns:
        state = apply(state, operations)
    return state


@settings(deadline=None, max_examples=60)  # a busy machine is no broken law
@given(STATES, TURNS)
def test_undo_is_the_inverse_of_any_turn(state: SearchState, operations: list[Operation]) -> None:
    changed = apply(state, operations)
    if changed != state:
        assert apply(changed, [Undo()]) == state


@settings(deadline=None, max_examples=60)  # a busy machine is no broken law
@given(STATES)
def test_a_state_survives_json(state: SearchState) -> None:
    import json

    assert SearchState.from_json(json.loads(json.dumps(state.to_json(), ensure_ascii=False))) == state


@settings(deadline=None, max_examples=60)  # a busy machine is no broken law
@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(set(VALUES) - {"kind", "genre", "city"})), st.none(), max_size=3),
        max_size=6,
    ),
    st.data(),
)
def test_any_sequence_of_wishes_gives_the_last_value_of_each(shape: list[dict[str, None]], data: st.DataObject) -> None:
    """Nothing said is lost unless it is replaced."""
    state = after(SAPPORO_HOTEL)
    expected: dict[str, Any] = dict(state.conditions)
    for keys in shape:
        said = {k: data.draw(VALUES[k]) for k in keys}
        state = apply(state, from_turn(turn("narrow", **said), state, INVENTORY))
        if said.get("parking") == "any" and expected.get("parking") in ("free", "paid"):
            said.pop("parking")  # implied by what is in force
        expected |= said
    assert state.conditions == expected


@settings(deadline=None, max_examples=60)  # a busy machine is no broken law
@given(st.lists(ONE_CONDITION, max_size=12), st.sampled_from(sorted(set(VALUES) - {"kind", "city"})))
def test_dropping_takes_away_what_was_named_and_nothing_else(said: list[tuple[str, Any]], gone: str) -> None:
    state = _run([[Add(k, v)] for k, v in said])
    dropped = apply(state, from_turn(turn("narrow", drop=gone), state, INVENTORY))
    assert gone not in dropped.conditions
    assert {k: v for k, v in state.conditions.items() if k != gone} == dropped.conditions


@settings(deadline=None, max_examples=60)  # a busy machine is no broken law
@given(st.lists(TURNS, max_size=15))
def test_conditions_have_known_names_and_history_is_bounded(turns: list[list[Operation]]) -> None:
    state = _run(turns)
    assert set(state.conditions) <= set(CONDITIONS)
    assert len(state.history) <= HISTORY
    assert all(not s.history for s in state.history)


def test_a_name_to_drive_to_leaves_wishes_without_a_kind_behind() -> None:
    wishes = turn("narrow", city="札幌", parking="free")
    assert conditions(wishes, turn("navigate_to", place_name="東京タワー")) == {"name": "東京タワー"}


def test_a_car_park_named_twice_over_is_looked_for() -> None:
    assert conditions(turn("search_place", "done", kind="parking", parking="any")) == {"kind": "parking"}
