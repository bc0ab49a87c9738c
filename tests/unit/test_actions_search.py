"""Searching and narrowing as drivers go through it, in Japanese and English."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from actions.place_info import AskPlaceAction
from actions.route import SetDestinationAction
from actions.search import ChooseAction, NarrowAction, NextPageAction, SearchAction, UndoAction, card
from actions.skill import Done
from agent.taste import KeptTaste
from backends.model import OpeningHours, Parking, Place, PlaceHit, Position
from tests.fakes import MONDAY_MORNING
from tests.fakes_world import NAHA, SHIBUYA, FewPlaces, ParkedCar, Talk, near

ITALIAN: dict[str, Any] = {"near__station": "渋谷駅", "genre": "italian"}


async def italian(language: Any = "ja", **options: Any) -> Talk:
    talk = Talk(language=language, **options)
    await talk.say(SearchAction, "渋谷駅の近くのイタリアン", "search_place", **ITALIAN)
    return talk


async def test_a_list_is_read_three_at_a_time_with_what_tells_the_places_apart() -> None:
    talk = Talk()
    reply = await talk.say(SearchAction, "渋谷駅の近くのイタリアン", "search_place", **ITALIAN)
    assert reply.text == (
        "渋谷駅の近くのイタリアンは3件あります。1番、トラットリア青山、約300メートル、評価4.3、価格は普通。"
        "2番、ピッツェリア道玄坂、約700メートル、評価3.9、価格は安め。"
        "3番、オステリア松濤、約1.1キロ、現在は営業時間外、評価4.6。なお、施設の情報はデモ用です。どちらにしますか。"
    )
    assert reply.context == "offers_list"
    assert reply.done == (Done("search", {"total": 3, "kind": "restaurant"}),)
    assert [c["id"] for c in reply.cards] == ["r1", "r2", "r3"]
    for shown in reply.cards:
        assert {"rating", "distance_m", "hours", "open", "closes", "parking", "parking_lot"} <= shown.keys()
    assert reply.quick_replies == ("1", "2", "3", "ほかの候補")
    assert talk.slots["pending"] == {"kind": "list"}
    assert talk.conditions == {"genre": ["italian"], "kind": "restaurant", "station": "渋谷駅"}


async def test_the_same_in_english_and_shorter_while_driving() -> None:
    talk = Talk(language="en", car=ParkedCar(speed=40))
    reply = await talk.say(SearchAction, "italian near shibuya station", "search_place", **ITALIAN)
    assert reply.text == (
        "For Italian restaurants near Shibuya Station, I found 3. Number 1, Trattoria Aoyama, 300 m away, rated 4.3. "
        "Number 2, Pizzeria Dogenzaka, 700 m away, rated 3.9. Number 3, Osteria Shoto, 1.1 km away, closed at the moment. "
        "Note that the place details are demo data. Which would you like?"
    )


async def test_demo_data_is_said_once() -> None:
    talk = await italian()
    reply = await talk.say(NarrowAction, "安いところ", "narrow", price="low")
    assert "デモ" not in reply.text


async def test_narrowed_to_one_it_is_offered_and_the_rest_is_kept() -> None:
    talk = await italian()
    reply = await talk.say(NarrowAction, "無料の駐車場があるところ", "narrow", parking="free")
    assert (
        reply.text == "ピッツェリア道玄坂はいかがですか。約700メートル、評価3.9、価格は安めです。目的地に設定しますか。"
    )
    assert (reply.context, talk.slots["pending"]) == ("offers_one", {"kind": "set_destination"})
    assert talk.slots["focus"]["id"] == "r2"
    assert talk.conditions == {"genre": ["italian"], "kind": "restaurant", "station": "渋谷駅", "parking": "free"}


async def test_nothing_found_says_which_condition_to_drop_and_what_it_would_give() -> None:
    talk = await italian()
    await talk.say(NarrowAction, "無料の駐車場があるところ", "narrow", parking="free")
    reply = await talk.say(NarrowAction, "評価4以上", "narrow", rating_min=4)
    assert reply.text == (
        "申し訳ありません、渋谷駅の近くのイタリアンで、無料駐車場、評価4以上のところは見つかりませんでした。"
        "「無料駐車場」の条件を外すと2件あります。外しますか。"
    )
    assert reply.context == "no_results"
    assert reply.done == (Done("search", {"total": 0}),)
    assert talk.slots["pending"] == {"kind": "drop_condition", "condition": "parking"}
    reply = await talk.say(NarrowAction, "じゃあ駐車場はなくていいです", "narrow", drop="parking")
    assert reply.text.startswith(
        "「無料駐車場」の条件を外しました。渋谷駅の近くのイタリアンは、評価4以上の条件で2件あります。"
    )


async def test_what_the_search_is_about_is_given_up_last() -> None:
    talk = Talk()
    reply = await talk.say(SearchAction, "横浜のイタリアン", "search_place", city="横浜", genre="italian")
    assert (
        reply.text
        == "申し訳ありません、横浜のイタリアンは見つかりませんでした。「イタリアン」の条件を外すと1件あります。外しますか。"
    )
    talk = Talk()
    reply = await talk.say(
        SearchAction,
        "明日の夜10時に開いてる横浜のホテル",
        "search_place",
        city="横浜",
        kind="hotel",
        open_at={"day_offset": 1, "hour": 22},
    )
    assert "「明日の午後10時に営業中」の条件を外すと1件あります。" in reply.text


async def test_the_suggestion_in_english() -> None:
    talk = await italian("en")
    reply = await talk.say(NarrowAction, "cheap with free wifi", "narrow", price="low", wifi="free")
    assert reply.text == (
        "Sorry, I found nothing for Italian restaurants near Shibuya Station with low prices and free Wi-Fi. "
        "Without “free Wi-Fi” there would be 1. Shall I drop it?"
    )


async def test_a_search_without_wishes_asks_for_some() -> None:
    rows = tuple(
        Place(f"x{n}", f"食堂{n}", near(SHIBUYA, 100 * n), "restaurant", city="渋谷区", prefecture="東京都")
        for n in range(12)
    )
    talk = Talk(places=FewPlaces(rows))
    reply = await talk.say(SearchAction, "渋谷でごはん", "search_place", city="渋谷区", kind="restaurant")
    assert reply.text.startswith("渋谷区のレストランは12件あります。1番、食堂2、")
    assert reply.text.endswith("ご希望はありますか。") or reply.text.endswith("条件はありますか。")
    assert reply.context == "asks_condition"


async def test_pages_end_where_the_results_end() -> None:
    talk = Talk()
    await talk.say(SearchAction, "近くのレストラン", "search_place", kind="restaurant", where="here")
    reply = await talk.say(NextPageAction, "他には", "next_page")
    assert reply.text.startswith(
        "次の候補です。1番、さくら食堂、約700メートル。2番、オステリア松濤、約900メートル、現在は営業時間外、評価4.6。"
    )
    reply = await talk.say(NextPageAction, "他には", "next_page")
    assert (reply.text, reply.context) == (
        "ほかの候補はありません。条件を変えてお探しすることもできます。",
        "offers_list",
    )


@pytest.mark.parametrize(
    ("said", "entities", "chosen"),
    [
        ("2番", {"ordinal": 2}, "ピッツェリア道玄坂"),
        ("最後の", {"ordinal": -1}, "オステリア松濤"),
        ("三つ目", {"number": 3}, "オステリア松濤"),
        ("いちばん近いの", {"pick": {"by": "distance", "order": "asc"}}, "トラットリア青山"),
        ("安いほう", {"pick": {"by": "price", "order": "asc"}}, "ピッツェリア道玄坂"),
        ("評価の高いほう", {"pick": {"by": "rating", "order": "desc"}}, "オステリア松濤"),
        ("駐車場があるって言ってたほう", {"pick": {"has": "parking"}}, "トラットリア青山"),
        ("道玄坂のほう", {"place_name": "道玄坂"}, "ピッツェリア道玄坂"),
        ("どれでもいい", {"pick": {"any": True}}, "トラットリア青山"),
        ("駐車場が無料のほう", {"parking": "free"}, "ピッツェリア道玄坂"),
    ],
)
async def test_choosing(said: str, entities: dict[str, Any], chosen: str) -> None:
    talk = await italian()
    reply = await talk.say(ChooseAction, said, "choose_option", **entities)
    assert reply.text.startswith(f"{chosen}ですね。")
    assert (reply.context, talk.slots["pending"]) == ("offers_one", {"kind": "set_destination"})
    assert talk.slots["search"]["chosen"][1] == chosen
    assert talk.conditions == {"genre": ["italian"], "kind": "restaurant", "station": "渋谷駅"}


async def test_the_nearest_of_all_is_not_the_nearest_of_those_read_out() -> None:
    talk = Talk()
    await talk.say(SearchAction, "近くのレストラン", "search_place", kind="restaurant", where="here")
    pick = {"by": "rating", "order": "desc"}
    assert (await talk.say(ChooseAction, "評価の高い方", "choose_option", pick=pick)).text.startswith(
        "トラットリア青山ですね。"
    )
    assert (await talk.say(ChooseAction, "一番評価の高いところ", "choose_option", pick=pick)).text.startswith(
        "オステリア松濤ですね。"
    )


async def test_a_bare_name_from_the_list_is_a_choice() -> None:
    talk = await italian()
    reply = await talk.say(SearchAction, "松濤のオステリア", "search_place", place_name="オステリア")
    assert reply.text.startswith("オステリア松濤ですね。")
    assert "name" not in talk.conditions


async def test_a_number_that_was_not_offered_is_asked_again() -> None:
    talk = await italian()
    reply = await talk.say(ChooseAction, "5番", "choose_option", ordinal=5)
    assert (reply.text, reply.context, talk.slots["pending"]) == (
        "何番目がよろしいですか。",
        "offers_list",
        {"kind": "list"},
    )


async def test_undo_brings_back_the_conditions_and_the_list() -> None:
    talk = await italian()
    await talk.say(NarrowAction, "安いところ", "narrow", price="low")
    reply = await talk.say(UndoAction, "やっぱり戻して", "undo_narrow")
    assert reply.text.startswith("一つ前の条件に戻しました。渋谷駅の近くのイタリアンは3件あります。")
    assert "price" not in talk.conditions
    reply = await talk.say(UndoAction, "もっと戻して", "undo_narrow")
    assert reply.text.startswith("検索の条件をすべて取り消しました。")
    reply = await talk.say(UndoAction, "もっと", "undo_narrow")
    assert (reply.text, reply.context) == ("戻せる変更がありません。", "asks_condition")


async def test_one_name_in_two_towns_is_asked_about() -> None:
    talk = Talk()
    reply = await talk.say(SearchAction, "さくら食堂", "search_place", place_name="さくら食堂")
    assert (
        reply.text == "「さくら食堂」は複数あります。1番、渋谷区のさくら食堂。2番、横浜市のさくら食堂。どちらですか。"
    )
    assert reply.context == "asks_choice"
    reply = await talk.say(ChooseAction, "横浜のほう", "choose_option", city="横浜")
    assert reply.text.startswith("さくら食堂ですね。約23キロです。")


async def test_where_no_map_is_installed_it_is_said_and_the_wishes_are_kept() -> None:
    talk = Talk()
    reply = await talk.say(SearchAction, "那覇でホテル", "search_place", city="那覇", kind="hotel")
    assert (
        reply.text
        == "那覇市の地図は入っていないため、施設をお探しできません。条件は覚えておきます。ほかにご希望はありますか。"
    )
    assert (reply.context, reply.done[0].ok) == ("no_results", False)
    await talk.say(NarrowAction, "小禄駅の近くで無料駐車場", "narrow", near__station="小禄駅", parking="free")
    await talk.say(NarrowAction, "駐車場はいいや", "narrow", drop="parking")
    assert talk.conditions == {"city": "那覇", "kind": "hotel", "station": "小禄駅"}
    assert talk.slots["trip"] == {"city": "那覇"}
    assert not (await talk.places.info()).contains(NAHA)  # type: ignore[union-attr]


async def test_no_map_at_all() -> None:
    talk = Talk(language="en", places=FewPlaces(installed=False))
    reply = await talk.say(SearchAction, "hotels in Yokohama", "search_place", city="横浜", kind="hotel")
    assert (
        reply.text
        == "I have no map of Yokohama, so I cannot look up places there. I will remember the conditions. Any other wishes?"
    )


async def test_tokyo_is_a_prefecture_to_the_places() -> None:
    talk = Talk()
    reply = await talk.say(SearchAction, "東京の観光名所", "search_place", city="東京", kind="sight")
    assert reply.text.startswith("東京タワーはいかがですか。")
    assert talk.conditions["city"] == "東京"


async def test_hunger_is_a_wish_for_a_restaurant_here() -> None:
    talk = Talk(slots={"trip": {"city": "那覇"}})
    reply = await talk.say(SearchAction, "おなかすいた", "search_place", feeling="hungry")
    assert reply.text.startswith("近くのレストランは6件あります。")
    assert talk.conditions == {"kind": "restaurant", "where": "here"}


async def test_a_wish_with_no_object_is_asked_about() -> None:
    talk = Talk(language="en")
    reply = await talk.say(SearchAction, "find me something", "search_place")
    assert reply.text in ("What kind of place are you looking for?", "What shall I look for?")
    assert (reply.context, talk.slots["pending"]) == ("asks_slot", {"kind": "ask_kind"})


async def test_near_the_place_talked_about() -> None:
    talk = await italian()
    await talk.say(ChooseAction, "3番", "choose_option", ordinal=3)
    reply = await talk.say(SearchAction, "その近くの駐車場", "search_place", kind="parking", where="there")
    assert reply.text.startswith(
        "その近くの駐車場は2件あります。1番、宮下公園駐車場、約650メートル、空車、1時間500円。"
    )


async def test_by_telephone_number() -> None:
    talk = Talk()
    reply = await talk.say(SearchAction, "0355550101", "search_place", phone_number="0355550101")
    assert reply.text.startswith("トラットリア青山はいかがですか。")


async def test_sorting_keeps_the_conditions() -> None:
    talk = await italian()
    reply = await talk.say(NarrowAction, "評価の高い順に", "narrow", sort="rating")
    assert "1番、オステリア松濤" in reply.text
    assert talk.slots["search"]["sort"] == "rating"


async def test_places_out_of_reach_are_said_and_nothing_is_lost() -> None:
    talk = await italian()
    talk.places.down = True
    reply = await talk.say(NarrowAction, "安いところ", "narrow", price="low")
    assert (reply.text, reply.context) == (
        "申し訳ありません、いま施設を調べられません。少し待ってからもう一度お試しください。",
        "apology",
    )
    assert talk.conditions["price"] == "low"
    talk.places.down = False
    reply = await talk.say(NarrowAction, "安いところ", "narrow", price="low")
    assert reply.text.startswith("ピッツェリア道玄坂はいかがですか。")


# --- questions about a place ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "ja", "en"),
    [
        (
            "address",
            "トラットリア青山ですが、住所は東京都渋谷区神南1-1-1です。",
            "Trattoria Aoyama: the address is 東京都渋谷区神南1-1-1.",
        ),
        (
            "phone",
            "トラットリア青山ですが、電話番号は03-5555-0101です。",
            "Trattoria Aoyama: the phone number is 03-5555-0101.",
        ),
        ("rating", "トラットリア青山ですが、評価は5点満点中4.3です。", "Trattoria Aoyama: it is rated 4.3 out of 5."),
        (
            "close",
            "トラットリア青山ですが、営業中で、閉店は22時、あと10時間です。",
            "Trattoria Aoyama: it is open now and closes at 10 pm, in 10 hours.",
        ),
        (
            "parking_fee",
            "トラットリア青山ですが、駐車料金は1時間600円です。",
            "Trattoria Aoyama: parking is 600 yen an hour.",
        ),
        (
            "vacancy",
            "トラットリア青山ですが、11時55分の時点で空きがあります。",
            "Trattoria Aoyama: there are free spaces as of 11:55 am.",
        ),
        ("closed_day", "トラットリア青山ですが、定休日はありません。", "Trattoria Aoyama: it is open every day."),
        (
            "station",
            "トラットリア青山ですが、最寄り駅は渋谷駅です。",
            "Trattoria Aoyama: the nearest station is Shibuya Station.",
        ),
        (
            "wifi",
            "申し訳ありません、トラットリア青山のWi-Fiについての情報はありません。",
            "Sorry, I have no information about the Wi-Fi of Trattoria Aoyama.",
        ),
    ],
)
@pytest.mark.parametrize("language", ["ja", "en"])
async def test_what_the_map_knows_of_a_place(attribute: str, ja: str, en: str, language: Any) -> None:
    talk = await italian(language)
    await talk.say(ChooseAction, "1番", "choose_option", ordinal=1)
    reply = await talk.say(AskPlaceAction, "…", "ask_place", attribute=attribute)
    assert reply.text == (ja if language == "ja" else en)
    assert (reply.context, reply.done) == ("gives_info", (Done("ask_place", {"id": "r1", "attributes": [attribute]}),))
    assert talk.slots["pending"] == {"kind": "set_destination"}


async def test_old_vacancy_is_said_to_be_old() -> None:
    talk = Talk()
    reply = await talk.say(
        AskPlaceAction, "宮下公園駐車場は空いてる", "ask_place", place_name="宮下公園駐車場", attribute="vacancy"
    )
    assert reply.text == "宮下公園駐車場ですが、少し前の10時の情報では空きがあります。なお、施設の情報はデモ用です。"


async def test_a_question_about_the_whole_list() -> None:
    talk = await italian()
    reply = await talk.say(AskPlaceAction, "駐車場はありますか", "ask_place", attribute="parking")
    assert reply.text.startswith(
        "1番、駐車料金は1時間600円、11時55分の時点で空きがあります。2番、駐車場は無料です。3番、駐車場はありません。"
    )
    assert (reply.context, talk.slots["pending"]) == ("offers_list", {"kind": "list"})


async def test_closed_today_and_at_a_time() -> None:
    talk = Talk()
    reply = await talk.say(
        AskPlaceAction, "東京タワーは開いてる", "ask_place", place_name="東京タワー", attribute="open"
    )
    assert reply.text == "東京タワーですが、今日はお休みです。なお、施設の情報はデモ用です。"
    reply = await talk.say(
        AskPlaceAction, "明日の3時は", "ask_place", attribute="open", time={"day_offset": 1, "hour": 15}
    )
    assert reply.text == "東京タワーですが、火曜日の15時は営業していて、営業時間は10時から18時までです。"


async def test_nothing_is_invented_when_no_place_is_meant() -> None:
    talk = Talk()
    reply = await talk.say(AskPlaceAction, "何時まで", "ask_place", attribute="close")
    assert (reply.text, reply.context, reply.done) == (
        "どの場所のことでしょうか。名前を教えてください。",
        "asks_place",
        (),
    )


def test_the_world_of_these_tests_is_on_its_map() -> None:
    assert Position(35.6, 139.7).distance_to(SHIBUYA) < 10_000


async def test_a_question_with_a_number_is_a_question() -> None:
    talk = await italian()
    reply = await talk.hear("二番目のお店は何時まで", "choose_option", ordinal=2, attribute="close")
    assert reply.text == "ピッツェリア道玄坂ですが、営業中で、閉店は22時、あと10時間です。"
    assert talk.slots["focus"]["id"] == "r2"


async def test_others_without_a_condition_are_the_next_page() -> None:
    talk = Talk()
    await talk.say(SearchAction, "近くのレストラン", "search_place", kind="restaurant", where="here")
    assert (await talk.say(NarrowAction, "他にはある？", "narrow")).text.startswith("次の候補です。")


async def test_taste_puts_what_is_liked_first_and_says_why() -> None:
    drawer: dict[tuple[str, str], Any] = {}

    class Drawer:
        def get(self, driver: str, key: str) -> Any:
            return drawer.get((driver, key))

        def put(self, driver: str, key: str, value: Any) -> None:
            drawer[driver, key] = value

    talk = await italian(taste=KeptTaste(Drawer(), lambda driver: True))
    for _ in range(4):
        await talk.say(SearchAction, "渋谷駅の近くのイタリアン", "search_place", **ITALIAN)
        number = list(talk.slots["search"]["shown"]).index("r2") + 1
        await talk.say(ChooseAction, f"{number}番", "choose_option", ordinal=number)
        await talk.say(SetDestinationAction, "そこにして", "set_destination")
    assert drawer["owner", "taste"]["chosen"]["r2"] >= 3
    reply = await talk.say(SearchAction, "渋谷駅の近くのイタリアン", "search_place", **ITALIAN)
    assert reply.cards[0]["id"] == "r2"
    assert "ピッツェリア道玄坂を先に" in reply.text
    # Asked for in an order of the driver's own, taste stays out of it.
    reply = await talk.say(NarrowAction, "評価の高い順に", "narrow", sort="rating")
    assert reply.cards[0]["id"] == "r3"


def test_a_card_tells_hours_and_parking_as_of_now() -> None:
    open_all_night = OpeningHours(week=(((1080, 1500),),) * 7 + ((),))
    lot = Parking(
        "paid", own=False, distance_m=120, spaces=20, fee_yen_per_hour=400, vacancy="full", vacancy_at=MONDAY_MORNING
    )
    place = Place("x", "店", Position(35.0, 139.0), "restaurant", hours=open_all_night, parking=lot)
    late = card(PlaceHit(place, 350.0), MONDAY_MORNING.replace(hour=23, minute=30))
    assert (late["open"], late["closes"], late["hours"]) == (True, 1500, [[1080, 1500]])
    # After midnight it is still yesterday's evening, on a public holiday too.
    after = card(PlaceHit(place, 350.0), datetime(2026, 5, 3, 0, 30, tzinfo=MONDAY_MORNING.tzinfo))
    assert (after["open"], after["closes"], after["hours"]) == (True, 60, [])
    morning = card(PlaceHit(place, 350.0), MONDAY_MORNING)
    assert (morning["open"], morning["closes"]) == (False, None)
    assert morning["parking_lot"]["fee_yen_per_hour"] == 400
    assert morning["parking_lot"]["vacancy_at"].startswith("2026-05-11T10:00")
    bare = card(PlaceHit(Place("y", "店", Position(35.0, 139.0), "restaurant"), None), MONDAY_MORNING)
    assert (bare["open"], bare["hours"], bare["parking_lot"]) == (None, None, None)
