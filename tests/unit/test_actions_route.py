"""Destinations and routes: what the head unit is told and what the driver hears of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from actions.answers import AffirmAction, DenyAction
from actions.route import (
    AddWaypointAction,
    AskEtaAction,
    CancelRouteAction,
    ChangeRouteAction,
    NavigateAction,
    SetDestinationAction,
)
from actions.search import ChooseAction, NarrowAction, SearchAction
from actions.skill import Done
from backends.model import SavedPlace
from tests.fakes_world import CAR, NOON, SHIBUYA, YOKOHAMA, StraightRoads, Talk, near

TOWER = 4099
"""metres from the car to Tokyo Tower along the fake's straight road"""


async def to_tower(language: Any = "ja") -> Talk:
    talk = Talk(language=language)
    await talk.say(NavigateAction, "東京タワーまで", "navigate_to", place_name="東京タワー")
    return talk


async def test_found_chosen_and_set_with_a_plain_yes() -> None:
    talk = Talk()
    await talk.say(SearchAction, "渋谷駅の近くのイタリアン", "search_place", near__station="渋谷駅", genre="italian")
    await talk.say(ChooseAction, "3番", "choose_option", ordinal=3)
    reply = await talk.say(AffirmAction, "はい", "affirm")
    assert reply.text == "オステリア松濤を目的地に設定しました。約900メートル、1分で、到着は12時1分ごろです。"
    assert reply.context == "done"
    assert [(d.name, d.arguments["name"], d.ok) for d in reply.done] == [("set_destination", "オステリア松濤", True)]
    assert reply.cards[0]["type"] == "route"
    assert talk.head_unit.name == "オステリア松濤"
    assert talk.slots["search"]["chosen"] == ["r3", "オステリア松濤"]
    assert talk.slots["pending"] is None
    assert [p.name for p in await talk.memory.history("owner")] == ["オステリア松濤"]


async def test_a_number_can_be_set_at_once() -> None:
    talk = Talk()
    await talk.say(SearchAction, "渋谷駅の近くのイタリアン", "search_place", near__station="渋谷駅", genre="italian")
    reply = await talk.say(SetDestinationAction, "2番に行く", "set_destination", ordinal=2)
    assert reply.text.startswith("ピッツェリア道玄坂を目的地に設定しました。")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "東京タワーを目的地に設定しました。約4.1キロ、7分で、到着は12時7分ごろです。"),
        ("en", "I have set Tokyo Tower as the destination. 4.1 km, 7 minutes, arriving around 12:07 pm."),
    ],
)
async def test_a_name_that_is_certain_is_set_at_once(language: Any, text: str) -> None:
    talk = Talk(language=language)
    reply = await talk.say(
        NavigateAction, "…", "navigate_to", place_name="東京タワー" if language == "ja" else "tokyo tower"
    )
    assert reply.text == text
    assert [d.name for d in reply.done] == ["search", "set_destination"]
    assert talk.head_unit.destination is not None


async def test_no_right_after_takes_it_back_and_yes_says_it_again() -> None:
    talk = await to_tower()
    reply = await talk.say(AffirmAction, "うん、そこで", "affirm")
    assert reply.text.startswith("東京タワーを目的地に設定しました。")
    talk = await to_tower()
    reply = await talk.say(DenyAction, "いや、違う", "deny")
    assert (reply.text, reply.done) == ("取り消しました。どちらへ行きますか。", (Done("cancel_route"),))
    assert talk.head_unit.route is None


async def test_part_of_a_name_is_offered_first() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "タワーまで", "navigate_to", place_name="タワー")
    assert reply.text.startswith("東京タワーはいかがですか。")
    assert talk.head_unit.route is None
    assert talk.slots["pending"] == {"kind": "set_destination"}


async def test_home_is_registered_when_it_is_first_asked_for_and_used_after() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "家に帰る", "navigate_to", where="home")
    assert (reply.text, reply.context) == (
        "ご自宅がまだ登録されていません。今いる場所を自宅に登録しますか。",
        "asks_yesno",
    )
    reply = await talk.say(AffirmAction, "はい", "affirm")
    assert (reply.text, reply.done) == ("今いる場所を自宅に登録しました。", (Done("save_place", {"label": "home"}),))
    talk.car.position = near(CAR, 3000)
    reply = await talk.say(NavigateAction, "家に帰る", "navigate_to", where="home")
    assert reply.text == "自宅を目的地に設定しました。約3キロ、5分で、到着は12時5分ごろです。"


async def test_home_is_not_registered_on_no() -> None:
    talk = Talk(language="en")
    await talk.say(NavigateAction, "take me home", "navigate_to", where="home")
    reply = await talk.say(DenyAction, "no", "deny")
    assert reply.text == "All right. Please tell me the address or a station."
    assert await talk.memory.get("owner", "home") is None
    reply = await talk.say(SearchAction, "shibuya station", "search_place", station="渋谷駅")
    assert reply.text.startswith("I have set Shibuya Station as the destination.")


async def test_the_place_talked_about_can_be_registered_as_work() -> None:
    talk = await to_tower()
    reply = await talk.say(NavigateAction, "ここを職場に登録して", "set_destination", where="work")
    assert reply.text == "東京タワーを職場に登録しました。"


async def test_a_station_is_a_goal_and_two_of_one_name_are_asked_about() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "みどり駅まで", "navigate_to", station="みどり駅")
    assert reply.text == "「みどり駅」は複数あります。1番、新宿区のみどり駅。2番、横浜市のみどり駅。どちらですか。"
    assert reply.context == "asks_choice"
    reply = await talk.say(ChooseAction, "2番", "choose_option", ordinal=2)
    assert reply.text.startswith("みどり駅を目的地に設定しました。約19キロ、")
    assert talk.head_unit.destination == near(YOKOHAMA, 4000)


async def test_the_town_said_with_it_settles_which_station() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "横浜のみどり駅", "navigate_to", station="みどり駅", city="横浜")
    assert reply.text.startswith("みどり駅を目的地に設定しました。約19キロ、")


async def test_a_town_is_no_address() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "横浜に行きたい", "navigate_to", city="横浜")
    assert reply.text == "横浜市の中心部を目的地に設定しますか。施設や駅の名前でもどうぞ。"
    assert (talk.head_unit.route, talk.slots["trip"]) == (None, {"city": "横浜"})
    reply = await talk.say(SearchAction, "ホテルを探して", "search_place", kind="hotel")
    assert reply.text.startswith("みなとホテルはいかがですか。")
    assert talk.conditions == {"city": "横浜", "kind": "hotel"}


async def test_no_map_there_is_said_and_nothing_set() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "札幌に旅行に行きたい", "navigate_to", city="札幌")
    assert (reply.text, reply.context) == ("札幌市の地図は入っていないため、ご案内できません。", "no_results")
    assert reply.done == (Done("set_destination", {"missing": "no_map", "name": "札幌市"}, False),)
    assert talk.slots["trip"] == {"city": "札幌"}


async def test_a_stop_on_the_way() -> None:
    talk = await to_tower()
    reply = await talk.say(AddWaypointAction, "途中で駐車場に寄りたい", "add_waypoint", kind="parking")
    assert reply.text.startswith("ルート沿いの駐車場は2件あります。")
    assert talk.slots["pending"] == {"kind": "list", "then": "waypoint"}
    reply = await talk.say(ChooseAction, "安いほう", "choose_option", pick={"by": "price", "order": "asc"})
    assert reply.text.startswith("宮下公園駐車場を経由地に追加しました。東京タワーまで")
    assert talk.head_unit.name == "東京タワー"
    assert [d.name for d in reply.done] == ["add_waypoint"]
    assert talk.head_unit.waypoints == (near(SHIBUYA, 450),)
    assert [w["name"] for w in talk.slots["guidance"]["waypoints"]] == ["宮下公園駐車場"]


async def test_without_guidance_a_stop_is_the_destination() -> None:
    talk = Talk()
    reply = await talk.say(AddWaypointAction, "東京タワーに寄って", "add_waypoint", place_name="東京タワー")
    assert reply.text.startswith("東京タワーを目的地に設定しました。")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "東京タワーまであと約4.1キロ、7分で、到着は12時7分ごろです。"),
        ("en", "It is 4.1 km to Tokyo Tower, 7 minutes, arriving around 12:07 pm."),
    ],
)
async def test_when_do_we_arrive(language: Any, text: str) -> None:
    talk = await to_tower(language)
    if language == "en":
        talk.head_unit.name = "Tokyo Tower"
    reply = await talk.say(AskEtaAction, "あとどのくらい", "ask_eta")
    assert (reply.text, reply.context) == (text, "gives_info")


async def test_how_far_it_would_be_to_what_was_offered() -> None:
    talk = Talk()
    await talk.say(SearchAction, "みなとホテル", "search_place", place_name="みなとホテル")
    reply = await talk.say(AskEtaAction, "そこまでどのくらい", "ask_eta", where="there")
    assert (
        reply.text == "みなとホテルまでは約22キロ、31分ほどで、いま出ると12時31分ごろに着きます。目的地に設定しますか。"
    )
    assert (await talk.say(AffirmAction, "お願い", "affirm")).context == "done"


async def test_with_no_destination_there_is_no_arrival() -> None:
    reply = await Talk(language="en").say(AskEtaAction, "when do we arrive", "ask_eta")
    assert (reply.text, reply.context) == ("No destination is set. Where would you like to go?", "asks_place")


async def test_tolls_are_avoided_and_stay_avoided() -> None:
    talk = Talk()
    await talk.say(SearchAction, "みなとホテル", "search_place", place_name="みなとホテル")
    await talk.say(AffirmAction, "はい", "affirm")
    reply = await talk.say(ChangeRouteAction, "有料道路を使わないで", "change_route", route_option="avoid_tolls")
    assert (
        reply.text == "有料道路を使わないルートにしました。みなとホテルまで約22キロ、37分で、到着は12時37分ごろです。"
    )
    await talk.say(NavigateAction, "東京タワー", "navigate_to", place_name="東京タワー")
    assert talk.routes.asked[-1].avoid_tolls
    await talk.say(ChangeRouteAction, "有料使っていいよ", "change_route", route_option="use_tolls")
    assert not talk.routes.asked[-1].avoid_tolls


async def test_another_way_is_offered_with_what_it_costs_and_taken_on_yes() -> None:
    talk = await to_tower()
    reply = await talk.say(ChangeRouteAction, "別のルートは", "change_route", route_option="alternatives")
    assert reply.text == "青山通りを通るルートがあります。約4.5キロ、9分で、2分長くかかります。こちらにしますか。"
    assert (reply.context, talk.slots["pending"]) == ("asks_yesno", {"kind": "alternative", "via": "青山通り"})
    reply = await talk.say(AffirmAction, "はい", "affirm")
    assert reply.text.startswith("別のルートにしました。東京タワーまで約4.5キロ")
    assert talk.head_unit.route is not None
    assert talk.head_unit.route.via == "青山通り"


async def test_cancelling() -> None:
    talk = await to_tower()
    reply = await talk.say(CancelRouteAction, "案内をやめて", "cancel_route")
    assert (reply.text, reply.done) == ("ルート案内を終了しました。", (Done("cancel_route"),))
    reply = await talk.say(CancelRouteAction, "案内をやめて", "cancel_route")
    assert (reply.text, reply.done) == ("いま案内しているルートはありません。", ())


async def test_earlier_destinations() -> None:
    talk = Talk()
    for hours, (name, place) in enumerate((("渋谷駅", SHIBUYA), ("横浜駅", YOKOHAMA))):
        await talk.memory.put("owner", SavedPlace("history", name, place, at=NOON + timedelta(hours=hours)))
    reply = await talk.say(SearchAction, "前に行ったところ", "search_place")
    assert reply.text == "最近の目的地です。1番、横浜駅。2番、渋谷駅。どちらにしますか。"
    reply = await talk.say(ChooseAction, "1番", "choose_option", ordinal=1)
    assert reply.text.startswith("横浜駅を目的地に設定しました。")


async def test_nothing_is_said_to_be_set_when_no_route_could_be_made() -> None:
    talk = Talk(routes=StraightRoads(down=True))
    reply = await talk.say(NavigateAction, "東京タワー", "navigate_to", place_name="東京タワー")
    assert (reply.text, reply.context) == (
        "申し訳ありません、いまルートを計算できません。少し待ってからもう一度お試しください。",
        "apology",
    )
    assert reply.done == (Done("action_navigate", {"stage": "routes", "code": "unavailable"}, False),)
    assert talk.head_unit.route is None
    assert await talk.memory.history("owner") == ()


async def test_where_to() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "連れてって", "navigate_to")
    assert reply.context == "asks_place"
    reply = await talk.say(SearchAction, "渋谷駅", "search_place", station="渋谷駅")
    assert reply.text.startswith("渋谷駅を目的地に設定しました。")


async def test_a_name_no_place_has_may_be_a_station() -> None:
    talk = Talk()
    reply = await talk.say(NavigateAction, "恵比寿駅まで", "navigate_to", place_name="恵比寿駅")
    assert reply.text.startswith("恵比寿駅を目的地に設定しました。")


async def test_our_house_in_a_wish_is_no_order_to_drive_home() -> None:
    talk = Talk()
    await talk.say(SearchAction, "渋谷のレストラン", "search_place", city="渋谷区", kind="restaurant")
    await talk.say(NarrowAction, "うちは四人だから安いところ", "narrow", where="home", price="low")
    assert talk.head_unit.route is None
    assert talk.conditions == {"city": "渋谷区", "kind": "restaurant", "price": "low"}
