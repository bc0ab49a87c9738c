"""Dialogues about weather, news and traffic: what is said, and what is kept for the next turn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from actions.information import PLACE_KEYS, SKILLS
from actions.skill import Done
from backends.errors import BackendTimeout
from backends.model import Headline, Language, Position, Route, TrafficEvent, TrafficKind
from tests.fakes_information import (
    JST,
    MORNING,
    SHIBUYA,
    Dialogue,
    Guidance,
    KnownHome,
    ScriptedNews,
    ScriptedTraffic,
    ScriptedWeather,
    StandingCar,
    StraightRoutes,
    VirtualClock,
)

WEATHER, NEWS, TRAFFIC = "action_ask_weather", "action_ask_news", "action_ask_traffic"
YOKOHAMA, OSAKA_NISHI, SENDAI_AOBA = Position(35.444, 139.638), Position(34.676, 135.486), Position(38.269, 140.870)
RAIN = {"weather_code": 63, "precipitation_probability": 80}


def weather(language: Language = "ja", slots: Mapping[str, Any] | None = None, **ports: Any) -> Dialogue:
    dialogue = Dialogue(SKILLS, language, **ports)
    dialogue.slots |= slots or {}
    return dialogue


def in_force(dialogue: Dialogue) -> dict[str, Any]:
    return {k: v for k, v in dialogue.slots["weather"].items() if k in (*PLACE_KEYS, "month", "day")}


def asked(dialogue: Dialogue) -> tuple[Position, str, str]:
    _, position, start, end = dialogue.weather.asked[-1]
    return position, f"{start:%m-%d %H}", f"{end:%m-%d %H}"


# ---- weather: place and time


async def test_here_and_today_without_anything_said() -> None:
    d = weather()
    said = await d.say(WEATHER, "天気は？")
    assert said.text == "今日の現在地付近は晴れ、最高25度、最低18度、降水確率0％です。"
    assert asked(d) == (SHIBUYA, "06-03 10", "06-04 00"), "what is left of the day"
    assert in_force(d) == {}


async def test_a_place_then_another_day_then_another_place() -> None:
    d = weather()
    d.weather.by_day["06-07"] = RAIN
    await d.say(WEATHER, "明日の横浜の天気は？", ("city", "横浜"), ("time", {"day_offset": 1}))
    assert asked(d) == (YOKOHAMA, "06-04 00", "06-05 00")
    said = await d.say(WEATHER, "日曜は？", ("time", {"weekday": 6}))
    assert said.text == "日曜日の横浜市は雨、最高25度、最低18度、降水確率80％です。"
    said = await d.say(WEATHER, "じゃあ大阪は？", ("city", "大阪"))
    assert said.text.startswith("日曜日の大阪市は雨")
    assert in_force(d) == {"city": "大阪"}


async def test_the_hour_changes_and_the_day_stays() -> None:
    d = weather()
    await d.say(WEATHER, "土曜の天気", ("time", {"weekday": 5}))
    said = await d.say(WEATHER, "夕方は？", ("time", {"part_of_day": "evening"}))
    assert said.text.startswith("土曜日の夕方の")
    assert asked(d)[1:] == ("06-06 16", "06-06 20")


async def test_date_and_ward_far_ahead_are_kept_though_there_is_no_forecast() -> None:
    d = weather()
    said = await d.say(
        WEATHER,
        "大阪の西区あたりの天気、7月3日",
        ("city", "大阪"),
        ("area", "西区", "near"),
        ("time", {"month": 7, "day": 3}),
    )
    assert said.text == "7月3日の大阪市西区ですね。その日の予報はまだ出ていません。"
    assert in_force(d) == {"city": "大阪", "area": "西区", "month": 7, "day": 3}
    assert asked(d)[0] == OSAKA_NISHI
    assert said.done[0].ok is False


@pytest.mark.parametrize("slots", [{"search": {"conditions": {"city": "仙台", "kind": "restaurant", "genre": "italian"}}},
                                   {"search": {"city": "仙台"}}, {"trip": {"city": "仙台"}}])  # fmt: skip
async def test_the_city_talked_about_is_where_the_ward_lies(slots: dict[str, Any]) -> None:
    d = weather(slots=slots)
    await d.say(WEATHER, "6月4日の青葉区の天気は", ("area", "青葉区"), ("time", {"month": 6, "day": 4}))
    assert in_force(d) == {"city": "仙台", "area": "青葉区", "month": 6, "day": 4}
    assert asked(d)[0] == SENDAI_AOBA


async def test_weather_follows_the_search_and_then_its_own_course() -> None:
    d = weather(slots={"search": {"conditions": {"city": "仙台"}}})
    await d.say(WEATHER, "ついでに天気も")
    assert in_force(d) == {"city": "仙台"}
    await d.say(WEATHER, "横浜は？", ("city", "横浜"))
    await d.say(WEATHER, "明日は？", ("time", {"day_offset": 1}))
    assert in_force(d) == {"city": "横浜"}, "asked for weather, not of the search"
    d.slots["search"] = {"conditions": {"city": "札幌"}}
    await d.say(WEATHER, "天気は？")
    assert in_force(d) == {"city": "札幌"}, "the search moved on"


async def test_a_ward_elsewhere_leaves_the_city_behind() -> None:
    d = weather(slots={"search": {"conditions": {"city": "横浜"}}})
    await d.say(WEATHER, "箱根町の天気", ("area", "箱根町"))
    assert in_force(d)["area"] == "箱根町"
    d = weather(slots={"search": {"conditions": {"city": "大阪"}}})
    await d.say(WEATHER, "箱根町の天気", ("area", "箱根町"))
    assert in_force(d) == {"area": "箱根町"}


async def test_relative_days_fade_but_dates_stay() -> None:
    d = weather()
    await d.say(WEATHER, "明日の横浜の天気は？", ("city", "横浜"), ("time", {"day_offset": 1}))
    d.turns += 10
    await d.say(WEATHER, "天気は？")
    assert asked(d)[1] == "06-03 10"
    await d.say(WEATHER, "6月8日は", ("time", {"month": 6, "day": 8}))
    d.turns += 10
    await d.say(WEATHER, "札幌なら？", ("city", "札幌"))
    assert in_force(d) == {"city": "札幌", "month": 6, "day": 8}


async def test_on_arrival_at_the_destination() -> None:
    eta = MORNING + timedelta(hours=5)
    guidance = Guidance({"guiding": True, "name": "箱根湯本", "destination": Position(35.233, 139.104), "eta": eta})
    d = weather(navigation=guidance)
    said = await d.say(WEATHER, "着くころの天気は？", ("where", "destination"))
    assert asked(d) == (Position(35.233, 139.104), "06-03 15", "06-03 16")
    assert "箱根湯本" in said.text
    assert "午後3時20分" in said.text
    said = await weather().say(WEATHER, "目的地の天気は？", ("where", "destination"))
    assert "目的地が設定されていません" in said.text


async def test_there_is_what_was_talked_about_and_home_is_home() -> None:
    focus = {"id": "p9", "name": "金閣寺", "lat": 35.04, "lon": 135.73}
    d = weather(slots={"focus": focus})
    said = await d.say(WEATHER, "そこの天気は？", ("where", "there"))
    assert "金閣寺" in said.text
    assert d.slots["focus"] == focus
    said = await weather(memory=KnownHome(YOKOHAMA)).say(WEATHER, "家の天気", ("where", "home"))
    assert "自宅" in said.text
    said = await weather().say(WEATHER, "家の天気", ("where", "home"))
    assert "登録されていません" in said.text


async def test_a_named_place_becomes_there() -> None:
    d = weather()
    await d.say(WEATHER, "浅草寺の天気", ("place_name", "浅草寺"))
    assert in_force(d) == {"name": "浅草寺"}
    assert d.slots["focus"]["name"] == "浅草寺"
    said = await d.say(WEATHER, "竜宮城の天気", ("place_name", "竜宮城"))
    assert "竜宮城という場所が見つかりませんでした" in said.text
    assert said.context == "asks_place"


async def test_times_that_make_no_sense() -> None:
    d = weather()
    assert "暦にない" in (await d.say(WEATHER, "2月30日は", ("time", {"month": 2, "day": 30}))).text
    assert "過ぎています" in (await d.say(WEATHER, "今朝は", ("time", {"day_offset": -1}))).text
    said = await d.say(WEATHER, "8月の天気", ("time", {"month": 8}))
    assert said.context == "asks_date"


async def test_from_and_to_in_two_pieces() -> None:
    d = weather()
    pieces = ("time", {"day_offset": 1, "hour": 15}), ("time", {"until": {"hour": 17}})
    said = await d.say(WEATHER, "明日の15時から17時まで", *pieces)
    assert said.text.startswith("明日の午後3時から午後5時までの")
    assert asked(d)[1:] == ("06-04 15", "06-04 17")


async def test_a_page_of_text_is_not_said_back() -> None:
    said = await weather().say(WEATHER, "?", ("place_name", "あ" * 10_000))
    assert len(said.text) < 120


async def test_no_position_no_guess() -> None:
    said = await weather(vehicle=StandingCar(None)).say(WEATHER, "天気は？")
    assert "現在地がわかりません" in said.text


# ---- weather: what is asked comes first


@pytest.mark.parametrize(
    ("item", "forecast", "ja", "en"),
    [
        ("umbrella", RAIN, "はい、傘を", "Yes, take an umbrella."),
        ("umbrella", {"weather_code": 3, "precipitation_probability": 40}, "折りたたみ傘", "A small umbrella"),
        ("umbrella", {"weather_code": 0, "precipitation_probability": 0}, "いいえ、傘は", "No, you shouldn't"),
        ("rain", RAIN, "はい、雨が", "Yes, rain"),
        ("rain", {"weather_code": 73, "precipitation_probability": 90}, "雨ではなく、雪", "Not rain, but snow"),
        ("rain", {"weather_code": 0, "precipitation_probability": 10}, "いいえ、雨は", "No, no rain"),
        ("snow", {"weather_code": 73, "precipitation_probability": 90}, "はい、雪が", "Yes, snow"),
        ("snow", RAIN, "いいえ、雪は", "No, no snow"),
        ("sun", RAIN, "いいえ、晴れない", "No, it doesn't look sunny"),
        ("fog", {"weather_code": 45, "precipitation_probability": 0}, "はい、霧が", "Yes, fog"),
        ("typhoon", {**RAIN, "wind_ms": 22.0}, "はい、荒れた天気", "Yes, stormy"),
        ("temperature", {"weather_code": 0, "precipitation_probability": 0, "low_c": -3.4, "high_c": 4.0},
         "明日の現在地付近は、最高4度、最低マイナス3度です。", "Tomorrow in our area: a high of 4, a low of minus 3 degrees."),
        ("low", {"weather_code": 0, "precipitation_probability": 0}, "明日の現在地付近は、最低18度です。", "Tomorrow in our area: a low of 18 degrees."),
        ("wind", {"weather_code": 0, "precipitation_probability": 0, "wind_ms": 12.2}, "明日の現在地付近は、風が強く、秒速12メートル", "Tomorrow in our area, the wind is strong"),
        ("humidity", {"weather_code": 0, "precipitation_probability": 0}, "明日の現在地付近は、湿度は最大60％", "Tomorrow in our area, humidity"),
        ("uv", {"weather_code": 0, "precipitation_probability": 0, "uv_index": 9.0}, "明日の現在地付近は、紫外線が非常に強く", "Tomorrow in our area, UV is very high"),
        ("wind", {"weather_code": 0, "precipitation_probability": 0, "wind_ms": None}, "明日の現在地付近は晴れ", "Tomorrow in our area: clear"),
        ("pollen", {"weather_code": 0, "precipitation_probability": 0}, "花粉の情報は", "I have no pollen"),
    ],
)  # fmt: skip
async def test_the_answer_leads(item: str, forecast: dict[str, Any], ja: str, en: str) -> None:
    languages: tuple[tuple[Language, str], ...] = (("ja", ja), ("en", en))
    for language, start in languages:
        clock = VirtualClock()
        d = weather(language, weather=ScriptedWeather(clock, usual=forecast))
        said = await d.say(WEATHER, "?", ("weather_item", item), ("time", {"day_offset": 1}))
        assert said.text.startswith(start)


async def test_what_was_asked_is_asked_of_the_next_day_too_until_it_is_general_again() -> None:
    d = weather()
    d.weather.by_day["06-07"] = RAIN
    await d.say(WEATHER, "明日傘いる？", ("weather_item", "umbrella"), ("time", {"day_offset": 1}))
    assert (await d.say(WEATHER, "日曜は？", ("time", {"weekday": 6}))).text.startswith("はい、傘を")
    assert (await d.say(WEATHER, "日曜の天気は？", ("time", {"weekday": 6}))).text.startswith("日曜日の")


async def test_a_weekend_day_by_day_and_a_week_in_short() -> None:
    d = weather("en")
    d.weather.by_day |= {"06-07": RAIN, "06-09": RAIN}
    said = await d.say(WEATHER, "this weekend?", ("time", {"special": "weekend"}))
    assert said.text == "In our area: Saturday clear with a high of 25 and Sunday rain with a high of 25."
    said = await d.say(WEATHER, "next week?", ("time", {"week_offset": 1}))
    assert said.text == "Next week in our area, rain or snow is likely on Tuesday. Highs from 25 to 25."
    d.weather.by_day.clear()
    assert "looks dry" in (await d.say(WEATHER, "next week?", ("time", {"week_offset": 1}))).text


async def test_demo_and_old_data_say_so() -> None:
    clock = VirtualClock()
    d = weather(weather=ScriptedWeather(clock, demo=True, age=timedelta(hours=8)))
    said = await d.say(WEATHER, "天気は？")
    assert said.text.endswith("今日の午前2時20分時点の予報です。デモのデータです。")
    d = weather("en", weather=ScriptedWeather(clock, demo=True))
    said = await d.say(WEATHER, "weather?")
    assert said.text.endswith("This is demo data.")
    assert "from" not in said.text
    assert said.cards[0]["demo"] is True


async def test_a_backend_error_passes_to_the_frame() -> None:
    d = weather(weather=ScriptedWeather(VirtualClock(), error=BackendTimeout("weather")))
    with pytest.raises(BackendTimeout):
        await d.say(WEATHER, "天気は？")


# ---- news


def headlines(count: int, *, demo: bool = True, age: timedelta = timedelta()) -> tuple[Headline, ...]:
    return tuple(
        Headline(
            f"h{i}", f"title {i}", f"summary {i}.", "sports", MORNING - age - timedelta(hours=i), "Paper", demo=demo
        )
        for i in range(1, count + 1)
    )


async def test_three_at_a_time_more_and_one_of_them() -> None:
    news = ScriptedNews(headlines(5))
    d = Dialogue(SKILLS, "en", news=news)
    said = await d.say(NEWS, "sports news", ("news_topic", "sports"))
    assert said.text == (
        "Here is the sports news. These are invented demo stories. 1: title 1. 2: title 2. 3: title 3. Say a number to hear more."
    )
    assert (await d.say(NEWS, "read the second one", ("ordinal", 2))).text == "summary 2. That was from Paper."
    assert (await d.say(NEWS, "more")).text == "More sports news. 1: title 4. 2: title 5."
    assert (await d.say(NEWS, "the second", ("ordinal", 2))).text.startswith("summary 5.")
    assert (await d.say(NEWS, "the last", ("ordinal", -1))).text.startswith("summary 5.")
    assert "Which number" in (await d.say(NEWS, "the third", ("ordinal", 3))).text
    assert (await d.say(NEWS, "anything", intent="next_page")).text == "That's all the sports news."
    assert news.asked == [("sports", "en")], "the list stays the same while it is read"
    await d.say(NEWS, "what's in the news")
    assert news.asked[-1] == ("general", "en")


async def test_news_in_japanese_old_news_and_none() -> None:
    d = Dialogue(SKILLS, "ja", news=ScriptedNews(headlines(1, demo=False, age=timedelta(days=1, hours=2))))
    assert (
        await d.say(NEWS, "ニュース")
    ).text == "主なニュースです。最新のものは昨日の記事です。1、title 1。番号で詳しくお読みします。"
    assert (await d.say(NEWS, "もっと詳しく")).text == "summary 1.Paperの記事でした。"
    d = Dialogue(SKILLS, "ja")
    assert (
        await d.say(NEWS, "経済のニュース", ("news_topic", "business"))
    ).text == "いまお伝えできる経済のニュースはありません。"
    assert d.slots["news"] is None


# ---- traffic

ROUTE = tuple(Position(35.658 - i * 0.01, 139.7016) for i in range(20))


def event(name: str, latitude: float, kind: TrafficKind = "accident", delay: float | None = None) -> TrafficEvent:
    return TrafficEvent(
        name, kind, (Position(latitude, 139.7016),), "第三京浜道路", "Daisan Keihin Road", delay, None, MORNING
    )


def guided(*events: TrafficEvent, language: Language = "en") -> Dialogue:
    guidance = Guidance(
        {"guiding": True, "name": "X", "destination": ROUTE[-1], "route": Route(ROUTE, 21_000, 1500, ())}
    )
    return Dialogue(SKILLS, language, navigation=guidance, traffic=ScriptedTraffic(events))


async def test_the_route_ahead() -> None:
    said = await guided(event("b", 35.52, "jam", 900), event("a", 35.60)).say(TRAFFIC, "any traffic?")
    assert said.text == (
        "There are 2 reports on the route ahead. In 6.4 km on Daisan Keihin Road, an accident. "
        "In 15 km on Daisan Keihin Road, a traffic jam, a delay of 15 minutes."
    )
    assert said.done == (Done("traffic", {"scope": "route", "count": 2}),)
    said = await guided(language="ja").say(TRAFFIC, "渋滞ある？")
    assert said.text == "この先のルートに、渋滞や事故の情報はありません。10時20分現在です。"
    assert (await guided().say(TRAFFIC, "?")).text == "No problems are reported on the route ahead, as of 10:20 a.m."


async def test_at_most_three_and_the_worst_of_them() -> None:
    events = [event(f"r{i}", 35.65 - i * 0.02, "roadworks", 60 * i) for i in range(5)] + [event("c", 35.50, "closure")]
    said = await guided(*events).say(TRAFFIC, "traffic?")
    assert "There are 6 reports" in said.text
    assert "The main 3:" in said.text
    assert "a closed road" in said.text
    assert len(said.cards) == 3
    ahead = [c["ahead_m"] for c in said.cards]
    assert "closure" in {c["kind"] for c in said.cards}
    assert len(ahead) == 3


async def test_around_here_towards_a_place_and_where_there_is_no_map() -> None:
    traffic = ScriptedTraffic((event("near", 35.66),))
    d = Dialogue(SKILLS, "ja", traffic=traffic)
    assert (await d.say(TRAFFIC, "この辺混んでる？", ("where", "here"))).text.startswith(
        "この周辺に1件あります。第三京浜道路で事故。"
    )
    assert "横浜市までの道に" in (await d.say(TRAFFIC, "横浜まで混んでる？", ("city", "横浜"))).text
    d = Dialogue(SKILLS, "ja", traffic=traffic, routes=StraightRoutes(mapped=False))
    assert "横浜市の周辺に、渋滞や事故の情報はありません" in (await d.say(TRAFFIC, "横浜は？", ("city", "横浜"))).text
    said = await d.say(TRAFFIC, "目的地まで混んでる？", ("where", "destination"))
    assert "目的地が設定されていません" in said.text


async def test_a_road_by_name() -> None:
    d = Dialogue(SKILLS, "ja", traffic=ScriptedTraffic((event("x", 35.60, "jam", 1200),)))
    assert "20分ほどの遅れ" in (await d.say(TRAFFIC, "第三京浜は？", ("place_name", "第三京浜"))).text
    said = await d.say(TRAFFIC, "東名高速は混んでる？", ("place_name", "東名高速"))
    assert said.text == "東名高速に、渋滞や事故の情報はありません。10時20分現在です。"


async def test_old_reports_carry_their_time_and_demo_its_name() -> None:
    from dataclasses import replace

    old = replace(event("a", 35.60), updated_at=(MORNING - timedelta(hours=1)).astimezone(JST), demo=True)
    said = await guided(old, language="ja").say(TRAFFIC, "渋滞は？")
    assert said.text.endswith("事故、9時20分の情報。デモのデータです。")
