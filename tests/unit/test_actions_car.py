"""The car by voice, as dialogues: what is understood goes in; the sentence, what was done and the car's signals come out."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.car import (
    DEVICES,
    SKILLS,
    AskVehicle,
    Climate,
    Display,
    Source,
    Tracks,
    VehicleRefused,
    Volume,
    changes,
)
from backends.errors import BackendTimeout, BackendUnavailable
from backends.model import Language
from tests.fakes_car import TOKYO, Dialogue, FailingVehicle, RoundingVehicle, car, done, straight_route

BY_INTENT: dict[str, Any] = {
    "audio_source": Source,
    "audio_volume": Volume,
    "audio_track": Tracks,
    "display_control": Display,
    "climate": Climate,
    "ask_vehicle": AskVehicle,
    "vehicle_refused": VehicleRefused,
}
HVAC = "Vehicle.Cabin.HVAC"
STATION = HVAC + ".Station.{}.Temperature"
FAN = HVAC + ".Station.{}.FanSpeed"
VOLUME = "Vehicle.Cabin.Infotainment.Media.Volume"
SEAT = "Vehicle.Cabin.Seat.{}.HeatingCooling"


def talk(language: Language, vehicle: Any = None) -> Dialogue:
    return Dialogue(BY_INTENT, vehicle or car(), language)


def test_every_car_skill_is_exported() -> None:
    assert {skill.action_name for skill in SKILLS} == {
        "action_audio_source", "action_audio_volume", "action_audio_track", "action_display", "action_climate",
        "action_ask_vehicle", "action_vehicle_refused",
    }  # fmt: skip


# ── climate ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_degrees_ja() -> None:
    d = talk("ja")
    a = await d.say("climate", "エアコンを22度にして", ("エアコン", "climate_device", "ac"), ("22度", "degrees", 22))
    assert a.text == "設定温度を22度にしました。"
    assert done(a) == [("Driver.Temperature", 22.0)]
    assert await d.value(STATION.format("Row1.Driver")) == 22.0
    assert await d.value(STATION.format("Row1.Passenger")) == 24.0
    a = await d.say("climate", "もう少し下げて", ("下げて", "direction", "down"))
    assert a.text == "設定温度を21.5度に下げました。"
    a = await d.say("climate", "もう少し")
    assert a.text == "設定温度を21度に下げました。"
    a = await d.say("climate", "元に戻して")
    assert a.text == "設定温度を21.5度に戻しました。"
    assert await d.value(STATION.format("Row1.Driver")) == 21.5


async def test_degrees_en() -> None:
    d = talk("en")
    a = await d.say(
        "climate",
        "set the temperature to 22 degrees",
        ("temperature", "climate_device", "temperature"),
        ("22 degrees", "degrees", 22),
    )
    assert a.text == "The temperature is now 22 degrees."
    assert a.context == "done"
    a = await d.say("climate", "a bit more")
    assert a.text == "The temperature is down to 21.5 degrees."
    a = await d.say("climate", "undo that")
    assert a.text == "The temperature is back to 22 degrees."


@pytest.mark.parametrize(
    ("language", "text", "feeling", "degrees", "says"),
    [
        ("ja", "なんか寒いんだけど", "cold", 26.0, "設定温度を26度に上げました。"),
        ("ja", "ちょっと暑いんだけど", "hot", 23.0, "設定温度を23度に下げました。"),
        ("en", "it's way too hot in here", "hot", 21.0, "The temperature is down to 21 degrees."),
        ("en", "I'm cold", "cold", 26.0, "The temperature is up to 26 degrees."),
    ],
)
async def test_how_it_feels(language: Language, text: str, feeling: str, degrees: float, says: str) -> None:
    d = talk(language)
    word = {"cold": "寒い", "hot": "暑い"}[feeling] if language == "ja" else feeling
    a = await d.say("climate", text, (word, "feeling", feeling))
    assert a.text == says
    assert await d.value(STATION.format("Row1.Driver")) == degrees


async def test_the_reason_is_not_a_second_wish() -> None:
    d = talk("ja")
    a = await d.say("climate", "暑いから20度にして", ("暑い", "feeling", "hot"), ("20度", "degrees", 20))
    assert done(a) == [("Driver.Temperature", 20.0)]


async def test_zones_ja() -> None:
    d = talk("ja")
    a = await d.say(
        "climate", "運転席は25度、助手席は23度にして",
        ("運転席", "zone", "driver"), ("25度", "degrees", 25), ("助手席", "zone", "passenger"), ("23度", "degrees", 23),
    )  # fmt: skip
    assert a.text == "運転席の設定温度を25度にし、助手席の設定温度を23度にしました。"
    assert done(a) == [("Driver.Temperature", 25.0), ("Passenger.Temperature", 23.0)]
    a = await d.say("climate", "後ろを20度に", ("後ろ", "zone", "rear"), ("20度", "degrees", 20))
    assert a.text == "後席の設定温度を20度にしました。"
    assert await d.value(STATION.format("Row2.Driver")) == await d.value(STATION.format("Row2.Passenger")) == 20.0
    a = await d.say("climate", "全部24度にして", ("全部", "zone", "all"), ("24度", "degrees", 24))
    assert [value for _, value in done(a)] == [24.0] * 4


async def test_zones_en() -> None:
    d = talk("en")
    a = await d.say(
        "climate", "driver 25 degrees and passenger 23 degrees",
        ("driver", "zone", "driver"), ("25 degrees", "degrees", 25), ("passenger", "zone", "passenger"), ("23 degrees", "degrees", 23),
    )  # fmt: skip
    assert (
        a.text
        == "The temperature on the driver's side is now 25 degrees, and the temperature on the passenger side is now 23 degrees."
    )


async def test_several_devices_in_one_sentence() -> None:
    d = talk("ja")
    a = await d.say(
        "climate", "温度を25度にして風量を強めて",
        ("温度", "climate_device", "temperature"), ("25度", "degrees", 25), ("風量", "climate_device", "fan"), ("強めて", "direction", "up"),
    )  # fmt: skip
    assert a.text == "設定温度を25度にし、風量を4に上げました。"
    d = talk("en")
    a = await d.say(
        "climate", "turn up the temperature and turn down the fan",
        ("up", "direction", "up"), ("temperature", "climate_device", "temperature"), ("down", "direction", "down"), ("fan", "climate_device", "fan"),
    )  # fmt: skip
    assert a.text == "The temperature is up to 25 degrees, and the fan is down to 2."
    a = await d.say(
        "climate", "the temperature and the fan up",
        ("temperature", "climate_device", "temperature"), ("fan", "climate_device", "fan"), ("up", "direction", "up"),
    )  # fmt: skip
    assert [path for path, _ in done(a)] == ["Driver.Temperature", "Driver.FanSpeed"]


async def test_out_of_range_sets_nothing_and_offers_the_limit() -> None:
    d = talk("en")
    a = await d.say("climate", "make it 45 degrees", ("45 degrees", "degrees", 45))
    assert a.text == "The warmest I can set is 28 degrees. Shall I set it to 28 degrees?"
    assert a.context == "asks_yesno"
    assert a.slots["pending"]["kind"] == "set_signal"
    assert done(a) == []
    assert await d.value(STATION.format("Row1.Driver")) == 24.0
    b = await d.answer(True)
    assert b is not None
    assert b.text == "The temperature is now 28 degrees."
    assert await d.value(STATION.format("Row1.Driver")) == 28.0

    d = talk("ja")
    a = await d.say("climate", "助手席を10度にして", ("助手席", "zone", "passenger"), ("10度", "degrees", 10))
    assert a.text == "設定できるのは18度からです。18度にしましょうか？"
    b = await d.answer(False)
    assert b is not None
    assert b.text == "かしこまりました。このままにします。"
    assert await d.value(STATION.format("Row1.Passenger")) == 24.0
    assert await d.answer(True) is None, "answered once, the offer is gone"


async def test_the_question_comes_last() -> None:
    d = talk("ja")
    a = await d.say(
        "climate", "40度にして、シートヒーターつけて",
        ("40度", "degrees", 40), ("シートヒーター", "climate_device", "seat_heater"), ("つけて", "direction", "on"),
    )  # fmt: skip
    assert a.text == "シートヒーターを強でつけました。設定できるのは28度までです。28度にしましょうか？"


async def test_relative_stops_at_the_limit_and_says_so() -> None:
    d = talk("ja")
    await d.say("climate", "27度", ("27度", "degrees", 27))
    a = await d.say("climate", "5度上げて", ("5度", "degrees", 5, "relative"), ("上げて", "direction", "up"))
    assert a.text == "設定温度を、一番高い28度にしました。"
    a = await d.say("climate", "もっと上げて", ("上げて", "direction", "up"))
    assert a.text == "設定温度は、いま一番高い28度です。"
    assert done(a) == []
    a = await d.say("climate", "3度下げて", ("3度", "degrees", 3, "relative"), ("下げて", "direction", "down"))
    assert a.text == "設定温度を25度に下げました。"


async def test_fan_seats_and_wheel() -> None:
    d = talk("ja")
    a = await d.say("climate", "風量を最大にして", ("風量", "climate_device", "fan"), ("最大", "direction", "max"))
    assert a.text == "風量を7にしました。"
    assert await d.value(FAN.format("Row1.Driver")) == 100
    a = await d.say("climate", "風量を9にして", ("風量", "climate_device", "fan"), ("9", "level", 9))
    assert a.text == "風量は7まで設定できます。7にしましょうか？"
    a = await d.say(
        "climate",
        "助手席のシートヒーターつけて",
        ("助手席", "zone", "passenger"),
        ("シートヒーター", "climate_device", "seat_heater"),
        ("つけて", "direction", "on"),
    )
    assert a.text == "助手席のシートヒーターを強でつけました。"
    assert await d.value(SEAT.format("Row1.PassengerSide")) == 100
    a = await d.say("climate", "もう少し弱くして")
    assert a.text == "助手席のシートヒーターを中にしました。"
    a = await d.say("climate", "シートを冷やして", ("シートを冷やして", "climate_device", "seat_ventilation"))
    assert await d.value(SEAT.format("Row1.DriverSide")) == -100
    a = await d.say(
        "climate", "ハンドルを温めて", ("ハンドル", "climate_device", "steering_heater"), ("温めて", "direction", "on")
    )
    assert a.text == "ステアリングヒーターを強でつけました。"
    d = talk("en")
    a = await d.say("climate", "fan at 50 percent", ("fan", "climate_device", "fan"), ("50", "level", 50))
    assert a.text == "The fan is now at 4."
    a = await d.say(
        "climate",
        "turn off the seat heater",
        ("off", "direction", "off"),
        ("seat heater", "climate_device", "seat_heater"),
    )
    assert a.text == "The seat heater is already off."


async def test_fog_and_stuffy_air() -> None:
    d = talk("en")
    await d.say("climate", "recirculate", ("recirculate", "climate_device", "recirculation"))
    assert await d.value(HVAC + ".IsRecirculationActive") is True
    a = await d.say("climate", "it's stuffy", ("stuffy", "feeling", "stuffy"))
    assert a.text == "I've let in fresh air."
    assert await d.value(HVAC + ".IsRecirculationActive") is False
    a = await d.say("climate", "the windshield is fogging up", ("fogging up", "feeling", "fogged"))
    assert a.text == "The front defroster is on."
    assert await d.value(HVAC + ".IsFrontDefrosterActive") is True
    a = await d.say("climate", "the rear window is fogged", ("rear", "zone", "rear"), ("fogged", "feeling", "fogged"))
    assert a.text == "The rear defroster is on."


async def test_off_and_on_again() -> None:
    d = talk("ja")
    a = await d.say("climate", "空調を切って", ("空調を切って", "climate_device", "off"))
    assert a.text == "空調を切りました。"
    assert await d.value("Vehicle.Private.HVAC.IsOn") is False
    a = await d.say("climate", "25度にして", ("25度", "degrees", 25))
    assert a.text == "空調をつけ、設定温度を25度にしました。"
    a = await d.say("climate", "エアコンつけて", ("エアコン", "climate_device", "ac"), ("つけて", "direction", "on"))
    assert a.text == "エアコンはすでにオンです。"
    a = await d.say("climate", "エアコン消して", ("エアコン", "climate_device", "ac"), ("消して", "direction", "off"))
    assert a.text == "エアコンを切りました。"


async def test_asking_for_the_temperature_changes_nothing() -> None:
    d = talk("ja")
    a = await d.say("climate", "今の設定温度は何度？", ("設定温度", "climate_device", "temperature"))
    assert a.text == "設定温度は24度です。"
    assert done(a) == []


async def test_the_zone_stays_while_it_is_talked_of() -> None:
    d = talk("ja")
    await d.say("climate", "助手席を23度に", ("助手席", "zone", "passenger"), ("23度", "degrees", 23))
    a = await d.say("climate", "もう少し下げて", ("下げて", "direction", "down"))
    assert a.text == "助手席の設定温度を22.5度に下げました。"
    a = await d.say("climate", "20度にして", ("20度", "degrees", 20))
    assert done(a) == [("Driver.Temperature", 20.0)]


async def test_temperature_and_volume_in_one_sentence() -> None:
    d = talk("ja")
    a = await d.say(
        "climate", "温度を少し上げて、音量を下げて",
        ("温度", "climate_device", "temperature"), ("上げて", "direction", "up"), ("下げて", "direction", "down"),
    )  # fmt: skip
    assert a.text == "設定温度を24.5度に上げ、音量を20に下げました。"


async def test_nothing_said_is_asked_about() -> None:
    d = talk("en")
    a = await d.say("climate", "the climate please")
    assert a.text.endswith("?")
    assert a.context == "asks_slot"


# ── sound ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_volume_ja() -> None:
    d = talk("ja")
    a = await d.say("audio_volume", "音もっと小さく", ("小さく", "direction", "down"))
    assert a.text == "音量を10に下げました。"
    a = await d.say("audio_volume", "少し上げて", ("上げて", "direction", "up"))
    assert a.text == "音量を15に上げました。"
    a = await d.say("audio_volume", "音量を200に", ("200", "level", 200))
    assert a.text == "音量は100まで設定できます。100にしましょうか？"
    b = await d.answer(True)
    assert b is not None
    assert await d.value(VOLUME) == 100


async def test_mute_remembers_the_volume() -> None:
    d = talk("en")
    await d.say("audio_volume", "volume 42", ("42", "level", 42))
    a = await d.say("audio_volume", "mute", ("mute", "audio_command", "mute"))
    assert a.text == "The sound is muted."
    assert await d.value("Vehicle.Private.Media.IsMuted") is True
    a = await d.say("audio_volume", "sound on again", ("sound on", "audio_command", "unmute"))
    assert a.text == "The sound is back."
    assert (await d.value(VOLUME), await d.value("Vehicle.Private.Media.IsMuted")) == (42, False)


async def test_too_loud_and_too_hot_at_once() -> None:
    d = talk("en")
    a = await d.say(
        "climate", "it's hot and the music is too loud", ("hot", "feeling", "hot"), ("loud", "feeling", "loud")
    )
    assert [path for path, _ in done(a)] == ["Driver.Temperature", "Media.Volume"]


async def test_sources_ja() -> None:
    d = talk("ja")
    a = await d.say("audio_source", "AMラジオに切り替えて", ("AM", "audio_source", "am"))
    assert a.text == "AMラジオに切り替えました。"
    assert await d.value("Vehicle.Cabin.Infotainment.Media.Played.Source") == "AM"
    a = await d.say("audio_source", "さくらの歌をかけて", ("さくらの歌", "media_query", "さくらの歌"))
    assert a.text == "音楽配信で、さくらの歌を再生しました。"
    assert await d.value("Vehicle.Cabin.Infotainment.Media.Played.Track") == "さくらの歌"
    a = await d.say("audio_track", "次の曲", ("次の曲", "audio_command", "next"))
    assert a.text == "デモ楽団の「デモ曲 2」に進みました。"


async def test_sources_en() -> None:
    d = talk("en")
    a = await d.say("audio_source", "play a podcast", ("podcast", "audio_source", "podcast"))
    assert a.text == "The podcast player is on."
    assert await d.value("Vehicle.Private.Media.Service") == "PODCAST"
    await d.say("audio_source", "play some music")
    assert await d.value("Vehicle.Private.Media.Service") == "MUSIC"
    a = await d.say("audio_source", "put something on")
    assert a.text == "What would you like to hear: the radio, or some music?"


async def test_tv_while_driving_is_sound_only() -> None:
    vehicle = car()
    d = talk("en", vehicle)
    vehicle.sense("Vehicle.Speed", 40.0)
    a = await d.say("audio_source", "switch to TV", ("TV", "audio_source", "tv"))
    assert a.text == "TV is on, with sound only while driving."


async def test_tracks_en() -> None:
    d = talk("en")
    a = await d.say("audio_track", "pause", ("pause", "audio_command", "pause"))
    assert (a.text, await d.value("Vehicle.Private.Media.PlaybackState")) == ("Paused.", "PAUSED")
    a = await d.say("audio_track", "shuffle", ("shuffle", "audio_command", "shuffle"))
    assert (a.text, await d.value("Vehicle.Private.Media.IsShuffleActive")) == ("Shuffle is on.", True)
    a = await d.say("audio_track", "stop repeating", ("repeating", "audio_command", "repeat"))
    assert a.text == "Repeat is already off."


# ── screen ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_display_ja() -> None:
    d = talk("ja")
    a = await d.say("display_control", "地図を北を上にして", ("北を上", "display_command", "north_up"))
    assert a.text == "地図を北が上の表示にしました。"
    assert done(a) == [("Navigation.MapOrientation", "NORTH_UP")]
    a = await d.say("display_control", "拡大して", ("拡大", "display_command", "zoom_in"))
    assert (a.text, await d.value("Vehicle.Private.Navigation.MapZoom")) == ("地図を拡大しました。", 15)
    a = await d.say("display_control", "もう少し")
    assert await d.value("Vehicle.Private.Navigation.MapZoom") == 16
    a = await d.say("display_control", "画面がまぶしい", ("まぶしい", "feeling", "bright"))
    assert (a.text, await d.value("Vehicle.Cabin.Infotainment.HMI.Brightness")) == ("画面を暗くしました。", 50.0)


async def test_display_en() -> None:
    d = talk("en")
    for _ in range(7):
        a = await d.say("display_control", "zoom in", ("zoom in", "display_command", "zoom_in"))
    assert a.text == "The map cannot zoom in any further."
    a = await d.say("display_control", "night mode", ("night", "display_command", "night"))
    assert await d.value("Vehicle.Cabin.Infotainment.HMI.DayNightMode") == "NIGHT"
    a = await d.say(
        "display_control", "brightness to 5", ("brightness", "display_command", "brightness"), ("5", "level", 5)
    )
    assert a.text == "The lowest I can set for the screen brightness is 10. Shall I set it to 10?"


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_fuel_and_range() -> None:
    d = talk("ja")
    a = await d.say("ask_vehicle", "ガソリンあとどれぐらい", ("ガソリン", "vehicle_item", "fuel"))
    assert a.text == "燃料の残りは62パーセント、あと約682キロ走れます。"
    assert a.context == "gives_info"
    d = talk("en")
    a = await d.say("ask_vehicle", "how far can I go", ("how far can I go", "vehicle_item", "range"))
    assert a.text == "You can drive about 682 kilometres."


async def test_range_against_the_rest_of_the_route() -> None:
    vehicle = car()
    d = talk("ja", vehicle)
    await d.world.navigation.set_route("箱根", straight_route(90_000), straight_route(90_000).geometry[-1])
    a = await d.say("ask_vehicle", "目的地まで持つ？", ("持つ", "vehicle_item", "range"))
    assert a.text == "あと約682キロ走れます。目的地まで90キロですので、足ります。"
    vehicle.refuel(-29.3)
    vehicle.refuel(0)
    a = await d.say("ask_vehicle", "目的地まで持つ？", ("持つ", "vehicle_item", "range"))
    assert a.text == "あと約96キロ走れます。目的地まで90キロですので、余裕がありません。途中での給油をおすすめします。"
    vehicle.refuel(-2)
    a = await d.say("ask_vehicle", "目的地まで持つ？", ("持つ", "vehicle_item", "range"))
    assert a.text == "あと約56キロです。目的地まで90キロありますので、途中で給油が必要です。"


async def test_electric_car_is_charged_not_refuelled() -> None:
    d = talk("en", car(powertrain="ELECTRIC"))
    a = await d.say("ask_vehicle", "how much charge", ("charge", "vehicle_item", "battery"))
    assert a.text == "The battery is at 55 percent, good for about 262 kilometres."
    route = straight_route(300_000)
    await d.world.navigation.set_route("X", route, route.geometry[-1])
    a = await d.say("ask_vehicle", "will it last", ("last", "vehicle_item", "range"))
    assert a.text.endswith("You need to charge on the way.")


async def test_a_low_tyre_is_named() -> None:
    vehicle = car()
    vehicle.puncture("Row1.Wheel.Left", 60)
    d = talk("ja", vehicle)
    a = await d.say("ask_vehicle", "空気圧は", ("空気圧", "vehicle_item", "tyre_pressure"))
    assert a.text == "空気圧が低いタイヤがあります。左前173キロパスカルです。早めに点検してください。"
    a = await d.say("ask_vehicle", "警告灯は", ("警告灯", "vehicle_item", "warning_lamp"))
    assert a.text == "タイヤ空気圧の警告灯がついています。安全な場所で点検してください。"


async def test_doors_windows_lamps_en() -> None:
    vehicle = car()
    d = talk("en", vehicle)
    a = await d.say("ask_vehicle", "are the doors closed", ("doors", "vehicle_item", "door"))
    assert a.text == "All doors are closed."
    vehicle.operate("Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen", True)
    vehicle.operate("Vehicle.Body.Trunk.Rear.IsOpen", True)
    a = await d.say("ask_vehicle", "are the doors closed", ("doors", "vehicle_item", "door"))
    assert a.text == "The rear door on the passenger side and the boot are open."
    vehicle.operate("Vehicle.Cabin.Door.Row1.DriverSide.Window.Position", 30)
    a = await d.say("ask_vehicle", "windows", ("windows", "vehicle_item", "window"))
    assert a.text == "The driver's window is open."
    vehicle.sense("Vehicle.ADAS.ABS.IsError", True)
    a = await d.say("ask_vehicle", "any lamps", ("lamps", "vehicle_item", "warning_lamp"))
    assert a.text == "The ABS warning lamp is lit. Please have it checked somewhere safe."
    a = await d.say("ask_vehicle", "odometer", ("odometer", "vehicle_item", "odometer"))
    assert a.text == "The odometer reads 18,342 kilometres."


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    "item",
    ["fuel", "range", "tyre_pressure", "battery", "oil", "door", "lock", "start", "window", "sunroof", "trunk",
     "lights", "odometer", "speed", "warning_lamp"],
)  # fmt: skip
async def test_every_item_of_the_contract_has_an_answer(language: Language, item: str) -> None:
    d = talk(language)
    a = await d.say("ask_vehicle", "x", ("x", "vehicle_item", item))
    assert a.text
    assert [x.arguments["item"] for x in a.done] == [item]


async def test_while_driving_answers_are_short() -> None:
    vehicle = car()
    vehicle.sense("Vehicle.Exterior.AirTemperature", 30.0)
    vehicle.puncture("Row2.Wheel.Left", 5)
    d = talk("en", vehicle)
    standing = await d.say("ask_vehicle", "tyres", ("tyres", "vehicle_item", "tyre_pressure"))
    vehicle.sense("Vehicle.Speed", 50.0)
    driving = await d.say("ask_vehicle", "tyres", ("tyres", "vehicle_item", "tyre_pressure"))
    assert "rear left" in standing.text
    assert driving.text.startswith("All four tyres are fine")
    many = [("x", "vehicle_item", item) for item in ("fuel", "oil", "door", "lock", "window")]
    a = await d.say("ask_vehicle", "xxxxx", *many)
    assert len(a.done) == 3


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("language", "item", "where"),
    [
        ("ja", "lock", "アプリ"), ("ja", "start", "パワースイッチ"), ("ja", "window", "窓のスイッチ"), ("ja", "trunk", "キー"),
        ("en", "lock", "phone app"), ("en", "start", "power switch"), ("en", "window", "window switch"), ("en", "sunroof", "overhead"),
    ],
)  # fmt: skip
async def test_refused_with_the_reason_and_the_place(language: Language, item: str, where: str) -> None:
    vehicle = car()
    before = vehicle.export_state()["values"]
    d = talk(language, vehicle)
    a = await d.say("vehicle_refused", "x", ("x", "vehicle_item", item))
    assert where in a.text
    assert ("声" if language == "ja" else "by voice") in a.text
    assert [(x.name, x.ok) for x in a.done] == [("refuse", False)]
    assert vehicle.export_state()["values"] == before


# ── what the car says counts ────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_said_is_what_the_car_confirmed() -> None:
    d = talk("en", RoundingVehicle(car()))
    a = await d.say("climate", "22.5 degrees", ("22.5 degrees", "degrees", 22.5))
    assert a.text == "The temperature is now 22 degrees."


async def test_nothing_works_is_the_frames_business() -> None:
    d = talk("en", FailingVehicle(car(), BackendUnavailable("vehicle")))
    with pytest.raises(BackendUnavailable):
        await d.say("climate", "22 degrees", ("22 degrees", "degrees", 22))


async def test_half_done_is_said_as_half_done() -> None:
    d = talk("ja", FailingVehicle(car(), BackendTimeout("vehicle"), "Vehicle.Cabin.Seat"))
    a = await d.say(
        "climate", "22度にして、シートヒーターつけて",
        ("22度", "degrees", 22), ("シートヒーター", "climate_device", "seat_heater"), ("つけて", "direction", "on"),
    )  # fmt: skip
    assert a.text == "設定温度を22度にしました。申し訳ありません、シートヒーターはいま変更できませんでした。"
    assert [x.ok for x in a.done] == [True, False]


async def test_a_broken_slot_does_no_harm() -> None:
    d = talk("en")
    for slot in (
        "x",
        {"changes": "x"},
        {"changes": [{"device": "nose", "zone": "driver"}]},
        {"changes": [{"device": "volume", "zone": "driver", "previous": [["Other", 1]]}]},
    ):
        d._slots["last_car"] = slot
        a = await d.say("audio_volume", "undo that")
        assert a.context == "asks_slot"


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────

WISHES = st.lists(
    st.tuples(
        st.sampled_from(sorted(k for k, device in DEVICES.items() if device.climate or "seat" in k or "heater" in k)),
        st.one_of(
            st.tuples(st.just("direction"), st.sampled_from(["up", "down", "on", "off", "max", "min"]), st.none()),
            st.tuples(st.sampled_from(["degrees", "level"]), st.integers(-300, 300), st.sampled_from([None, "relative"])),
            st.tuples(st.just("feeling"), st.sampled_from(["hot", "cold", "stuffy", "fogged", "loud", "quiet", "dark", "bright"]), st.none()),
        ),
        st.sampled_from(["driver", "passenger", "rear", "all", None]),
        st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(WISHES, st.sampled_from(["ja", "en"]))
def test_no_sequence_of_wishes_leaves_the_limits(wishes: list[Any], language: Language) -> None:
    async def run() -> None:
        vehicle = car()
        d = talk(language, vehicle)
        for device, (kind, value, role), zone, yes in wishes:
            rows: list[tuple[Any, ...]] = [
                ("a", "climate_device", device),
                ("b", kind, value, *([role] if role else [])),
            ]
            if zone:
                rows.append(("c", "zone", zone))
            intent = "climate" if kind != "feeling" else "audio_volume"
            a = await d.say(intent, "a b c", *rows)
            assert a.text
            if a.slots.get("pending"):
                await d.answer(yes)
        for path, entry in vehicle.catalogue.items():
            if entry.spec.kind == "actuator" and entry.spec.maximum is not None:
                number = float(vehicle.read(path).value)
                assert entry.spec.minimum is not None
                assert entry.spec.minimum <= number <= entry.spec.maximum, path

    asyncio.run(run())


def test_every_phrase_exists_in_both_languages_with_the_same_placeholders() -> None:
    import re

    phrases = talk("ja").skill("climate").phrases
    own = {lang: {i for i in phrases.ids(lang) if i.startswith("car.")} for lang in ("ja", "en")}  # type: ignore[arg-type]
    shared = own["ja"] & own["en"]
    for key in shared:
        holes = [set(re.findall(r"\{(\w+)\}", v)) for lang in ("ja", "en") for v in phrases.variants(lang, key)]  # type: ignore[arg-type]
        assert all({h.lower() for h in hole} <= {"what", "value", "before", "low", "high", "zone", "name", "n", "title", "artist",
                   "source", "percent", "km", "rest", "wheel", "kpa", "tyres", "volts", "things", "speed"} for hole in holes), key  # fmt: skip
    # What has a sentence of its own in one language only must have the general one in the other.
    for key in own["ja"] ^ own["en"]:
        parts = key.split(".")
        assert parts[1] in DEVICES, key
        assert f"car.{parts[-1]}" in shared, key


def test_every_outcome_can_be_said_of_every_device() -> None:
    phrases = talk("ja").skill("climate").phrases
    outcomes = ("set", "up", "down", "on", "off", "already", "already_off", "at_high", "at_low", "limit_high", "limit_low", "too_high", "too_low", "undone", "failed")  # fmt: skip
    for language, device, outcome in itertools.product(("ja", "en"), DEVICES, outcomes):
        ids = phrases.ids(language)  # type: ignore[arg-type]
        assert f"car.{device}.{outcome}" in ids or f"car.{outcome}" in ids
        assert f"car.name.{device}" in ids


def test_changes_of_nothing_are_none() -> None:
    assert changes(talk("en").turn("climate", "")) == []
    assert TOKYO.latitude > 0
