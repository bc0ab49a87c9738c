"""Places out of OpenStreetMap: tags, opening hours, whole extracts."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import osmium
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BackendUnavailable
from backends.model import OpeningHours, Parking, Position
from backends.osm_places import parse_opening_hours, place_of_tags, read_places

HERE = Position(35.66, 139.70)
ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("CONCIERGE_SHARED", ROOT.parent / "shared")) / "data"


def week(text: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    hours = parse_opening_hours(text)
    assert hours is not None
    return hours.week


def test_opening_hours_of_every_day() -> None:
    assert week("24/7") == (((0, 1440),),) * 8
    assert week("10:00-20:00") == (((600, 1200),),) * 8
    assert week("Mo-Su,PH 10:00-20:00") == (((600, 1200),),) * 8


def test_opening_hours_by_day_break_and_day_off() -> None:
    rows = week("Mo-Fr 11:00-14:00,17:00-23:00; Sa,Su,PH 11:00-25:00; We off")
    assert rows[0] == ((660, 840), (1020, 1380))
    assert rows[2] == ()
    assert rows[5] == rows[6] == rows[7] == ((660, 1500),)


def test_past_midnight_and_over_the_weekend() -> None:
    rows = week("Fr-Mo 18:00-02:00")
    assert rows[4] == rows[5] == rows[6] == rows[0] == ((1080, 1560),)
    assert rows[1] == rows[2] == rows[3] == ()
    assert OpeningHours(rows).is_open(datetime(2026, 6, 13, 1, 30))  # the night after Friday
    assert not OpeningHours(rows).is_open(datetime(2026, 6, 13, 2, 0))


def test_a_comma_can_begin_a_rule() -> None:
    rows = week("Mo-Fr 09:00-17:00, Sa 10:00-12:00")
    assert (rows[0], rows[5], rows[6]) == (((540, 1020),), ((600, 720),), ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sunrise-sunset",
        "Dec 25 off",
        "Mo[1] 10:00-12:00",
        '10:00-12:00 "by appointment"',
        "wd 7-8",
        "99:00-100:00",
        "Mo-Fr 9-17",
    ],
)
def test_what_is_not_understood_is_unknown(text: str) -> None:
    assert parse_opening_hours(text) is None


@given(st.text(alphabet="MoTuWeSaPH0123456789:-,; offclosed/24", max_size=60))
def test_no_opening_hours_break_the_reader(text: str) -> None:
    hours = parse_opening_hours(text)
    assert hours is None or len(hours.week) == 8


def test_a_restaurant_with_everything() -> None:
    place = place_of_tags(
        "n1",
        HERE,
        {
            "amenity": "restaurant", "cuisine": "ramen;gyoza", "name": "麺屋 空", "name:ja_kana": "めんや そら", "name:en": "Menya Sora", "phone": "+81-3-1234-5678",
            "opening_hours": "11:00-22:00", "wheelchair": "limited", "payment:credit_cards": "no", "internet_access": "wlan", "internet_access:fee": "no",
            "smoking": "no", "addr:city": "渋谷区", "addr:neighbourhood": "道玄坂2丁目", "addr:block_number": "3", "addr:housenumber": "1",
        },
    )  # fmt: skip
    assert place is not None
    assert (place.kind, place.genres) == ("restaurant", ("ramen", "gyoza"))
    assert (place.name, place.name_kana, place.name_en) == ("麺屋 空", "メンヤ ソラ", "Menya Sora")
    assert (place.phone, place.city, place.address) == ("03-1234-5678", "渋谷区", "渋谷区道玄坂2丁目3-1")
    assert (place.wheelchair, place.cards, place.wifi, place.non_smoking) == (True, False, "free", True)
    assert place.rating is place.price is place.child_friendly is None


@pytest.mark.parametrize(
    ("tags", "kind", "genres"),
    [
        ({"shop": "convenience", "name": "x"}, "shop", ("convenience_store",)),
        ({"shop": "something_new", "name": "x"}, "shop", ()),
        ({"amenity": "place_of_worship", "religion": "shinto", "name": "x"}, "sight", ("shrine",)),
        ({"tourism": "hotel", "name": "山の旅館"}, "hotel", ("ryokan",)),
        ({"historic": "castle", "tourism": "attraction", "name": "x"}, "sight", ("castle",)),
        ({"amenity": "fuel", "shop": "convenience", "name": "x"}, "fuel", ()),
    ],
)
def test_kinds(tags: dict[str, str], kind: str, genres: tuple[str, ...]) -> None:
    place = place_of_tags("n1", HERE, tags)
    assert place is not None
    assert (place.kind, place.genres) == (kind, genres)


def test_a_nameless_car_park_has_a_name_and_its_fee() -> None:
    place = place_of_tags("n1", HERE, {"amenity": "parking", "fee": "yes", "capacity": "12", "operator": "タイムズ"})
    assert place is not None
    assert (place.name, place.parking) == ("タイムズ 駐車場", Parking("paid", spaces=12))


@pytest.mark.parametrize(
    "tags",
    [
        {"amenity": "parking", "access": "private"},
        {"amenity": "restaurant"},
        {"amenity": "bench", "name": "x"},
        {"shop": "vacant", "name": "x"},
    ],
)
def test_what_is_no_place(tags: dict[str, str]) -> None:
    assert place_of_tags("n1", HERE, tags) is None


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "name",
                "amenity",
                "phone",
                "opening_hours",
                "capacity",
                "fee",
                "cuisine",
                "addr:full",
                "socket:type2:output",
            ]
        ),
        st.text(max_size=40),
    )
)
def test_hostile_tags(tags: dict[str, str]) -> None:
    place = place_of_tags("n1", HERE, {"tourism": "hotel", **tags})
    assert place is None or (0 < len(place.name) <= 260 and "\n" not in place.name)


def test_every_genre_and_kind_is_in_the_inventory() -> None:
    inventory = yaml.safe_load((ROOT / "nlu_data/inventories/genres.yml").read_text(encoding="utf-8"))
    table = yaml.safe_load((ROOT / "backends/osm_kinds.yml").read_text(encoding="utf-8"))
    genres = {g for row in table["features"] for g in row[3]} | {g for gs in table["cuisines"].values() for g in gs}
    genres |= set(table["religions"].values())
    assert genres - set(inventory["genres"]) == set()
    assert {row[2] for row in table["features"]} - {None} - set(inventory["kinds"]) == set()
    for _, _, kind, of_row in table["features"]:
        assert all(inventory["genres"][genre]["kind"] == kind for genre in of_row)


def test_an_extract_of_our_own(tmp_path: Path) -> None:
    path = tmp_path / "own.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        node = osmium.osm.mutable.Node
        corners = [(139.70, 35.66), (139.701, 35.66), (139.701, 35.661), (139.70, 35.661)]
        for i, location in enumerate(corners, start=1):
            writer.add_node(node(id=i, location=location, version=1))
        writer.add_node(node(id=10, location=(139.702, 35.662), tags={"railway": "station", "name": "試験"}, version=1))
        writer.add_node(node(id=11, location=(139.7005, 35.6605), tags={"amenity": "cafe", "name": "空"}, version=1))
        tags = {"amenity": "cafe", "name": "空", "phone": "03-1111-2222"}
        writer.add_way(osmium.osm.mutable.Way(id=20, nodes=[1, 2, 3, 4, 1], tags=tags, version=1))
    places = {place.id: place for place in read_places(path)}
    assert set(places) == {"n10", "w20"}  # the café's point lies in its own outline
    assert places["n10"].name == "試験駅"
    assert places["w20"].position.distance_to(Position(35.6605, 139.7005)) < 5
    assert places["w20"].nearest_station == "試験駅"


def test_no_file_and_no_map(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable):
        list(read_places(tmp_path / "none.osm.pbf"))
    (tmp_path / "bad.osm.pbf").write_bytes(b"\x00\x00\x00\x10 nothing of the sort")
    with pytest.raises(BackendUnavailable):
        list(read_places(tmp_path / "bad.osm.pbf"))


@pytest.mark.parametrize(("name", "least"), [("tokyo-center", 2_000), ("shibuya", 2), ("liechtenstein", 300)])
def test_real_extracts(name: str, least: int) -> None:
    path = SHARED / f"{name}.osm.pbf"
    if not path.is_file():
        pytest.skip("the shared map extracts are not here")
    places = list(read_places(path))
    assert len(places) >= least
    assert len({place.id for place in places}) == len(places)
    if name == "tokyo-center":
        assert sum(place.hours is not None for place in places) > 200
        assert any(place.name == "東京タワー" for place in places) or any("駅" in place.name for place in places)
