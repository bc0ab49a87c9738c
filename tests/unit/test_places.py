"""Every hit satisfies every condition, whatever is asked; names are found in any spelling."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.errors import BackendError, BackendTimeout, BackendUnavailable, NotFound
from backends.model import OpeningHours, Parking, Place, PlaceQuery, Position, RegionInfo
from backends.places import (
    PARK_SEARCH_M,
    STATION_RADIUS_M,
    SqlitePlaces,
    build_places,
    is_holiday,
    place_from_json,
    place_to_json,
)
from backends.readings import Readings

CENTRE = Position(35.6595, 139.7005)
INFO = RegionInfo(
    "Test", "試験", Position(35, 139), Position(36, 140), 0, datetime(2026, 1, 1, tzinfo=timezone.utc), "invented", True
)
READINGS = Readings()
WEEK = OpeningHours(((((600, 1200)),),) * 5 + ((((660, 1500)),),) * 2 + ((),))
"""weekdays 10–20, weekends 11–25, closed on public holidays"""


def a_place(number: int, dice: random.Random) -> Place:
    maybe = lambda value: value if dice.random() < 0.7 else None  # noqa: E731
    kind = dice.choice(["restaurant", "restaurant", "restaurant", "parking", "hotel", "charging"])
    parking = Parking(
        dice.choice(["free", "paid"]),
        own=dice.random() < 0.7,
        distance_m=dice.choice([0, 80, 250, 600]),
        fee_yen_per_hour=maybe(dice.choice([200, 400, 800])),
        vacancy=maybe(dice.choice(["vacant", "crowded", "full"])),
    )
    return Place(
        id=f"p{number}",
        name=dice.choice(["喫茶", "食堂", "麺屋", "ホテル", "タイムズ"]) + dice.choice("山川森海空花月星") + str(number),
        position=Position(
            CENTRE.latitude + dice.uniform(-0.03, 0.03), CENTRE.longitude + dice.uniform(-0.03, 0.03)
        ),
        kind=kind,
        genres=tuple(dice.sample(["italian", "ramen", "cafe", "sushi"], dice.randint(0, 2))),
        prefecture="東京都",
        city=maybe(dice.choice(["渋谷区", "目黒区", "横浜市"])),
        address=maybe(dice.choice(["東京都渋谷区道玄坂2-1", "東京都目黒区上目黒1-1", "横浜市西区みなとみらい2"])),
        nearest_station=maybe(dice.choice(["渋谷", "中目黒駅"])),
        phone=maybe(f"03-{number:04d}-0000"),
        hours=maybe(WEEK),
        rating=maybe(dice.choice([2.5, 3.5, 4.2, 4.8])),
        price=maybe(dice.choice(["low", "middle", "high"])),
        budget_yen=maybe(dice.choice([900, 2500, 6000])),
        parking=maybe(parking),
        has_parking=maybe(dice.random() < 0.5),
        wifi=maybe(dice.choice(["free", "paid", "none"])),
        cards=maybe(dice.random() < 0.5),
        wheelchair=maybe(dice.random() < 0.5),
        child_friendly=maybe(dice.random() < 0.5),
        non_smoking=maybe(dice.random() < 0.5),
        private_room=maybe(dice.random() < 0.5),
        on_site_restaurant=maybe(dice.random() < 0.5),
        charging_kw=maybe(dice.choice([0.0, 50.0, 150.0])) if kind == "charging" else None,
    )  # fmt: skip


PLACES = tuple(a_place(number, random.Random(number)) for number in range(240))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePlaces]:
    path = tmp_path_factory.mktemp("places") / "places.sqlite"
    assert build_places(path, PLACES, INFO, readings=READINGS) == len(PLACES)
    store = SqlitePlaces(path, readings=READINGS)
    yield store
    store.close()


NAMED = (
    Place(
        "a", "スターバックス コーヒー 渋谷店", Position(35.6590, 139.7000), "restaurant", name_en="Starbucks Shibuya"
    ),
    Place(
        "b", "スターバックス コーヒー 新宿店", Position(35.6900, 139.7000), "restaurant", name_en="Starbucks Shinjuku"
    ),
    Place("c", "渋谷駅", Position(35.6580, 139.7016), "station", name_en="Shibuya Station"),
    Place("d", "東京タワー", Position(35.6586, 139.7454), "sight", name_kana="トウキョウタワー", name_en="Tokyo Tower"),
    Place("e", "新宿高島屋", Position(35.6876, 139.7023), "shop", phone="03-5361-1111"),
    Place("f", "霞ヶ関ビル", Position(35.6717, 139.7477), "sight", name_kana="カスミガセキビル"),
    Place("g", "鮨 銀座おのでら", Position(35.6700, 139.7650), "restaurant", name_kana="スシギンザオノデラ"),
)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlitePlaces]:
    path = tmp_path_factory.mktemp("named") / "places.sqlite"
    build_places(path, NAMED, INFO, readings=READINGS)
    store = SqlitePlaces(path, readings=READINGS, deadline_s=30)
    yield store
    store.close()


# --- every condition, against the plain reading of it -----------------------------------------------------------------


def park_fits(query: PlaceQuery, fee: str | None, vacancy: str | None) -> bool:
    if query.parking in ("free", "paid") and fee != query.parking:
        return False
    return query.vacancy is None or (vacancy is not None and (vacancy != "full") == query.vacancy)


def parking_satisfied(place: Place, query: PlaceQuery) -> bool:
    lot = place.parking
    fee, vacancy = (lot.fee, lot.vacancy) if lot else (None, None)
    own = place.kind == "parking" or bool(lot and lot.own) or bool(place.has_parking)
    if query.parking == "none":
        return place.has_parking is False and not own
    if query.parking is None and query.parking_within_m is None:
        return park_fits(query, fee, vacancy)
    if query.parking_within_m is None:
        return own and park_fits(query, fee, vacancy)
    known_near = lot is not None and lot.distance_m <= query.parking_within_m
    if (own or known_near) and park_fits(query, fee, vacancy):
        return True
    return any(
        other.kind == "parking"
        and other.position.distance_to(place.position) <= min(query.parking_within_m, PARK_SEARCH_M)
        and park_fits(
            query, other.parking.fee if other.parking else None, other.parking.vacancy if other.parking else None
        )
        for other in PLACES
    )


def satisfies(place: Place, query: PlaceQuery) -> bool:
    near = query.near
    checks = [
        query.kind is None or place.kind == query.kind,
        not query.genres or bool(set(query.genres) & set(place.genres)),
        not set(query.exclude_genres) & set(place.genres),
        place.id not in query.exclude_ids,
        query.radius_m is None or near is None or near.distance_to(place.position) <= query.radius_m,
        query.city is None or bool(place.city and place.city.removesuffix("市") in (query.city, query.city.removesuffix("市"), query.city + "区")),
        query.area is None or place.city == query.area or query.area in (place.address or ""),
        query.station is None
        or bool(place.nearest_station and place.nearest_station.removesuffix("駅") == query.station.removesuffix("駅"))
        or bool(near and near.distance_to(place.position) <= STATION_RADIUS_M),
        query.price is None or place.price == query.price,
        query.budget_max_yen is None or bool(place.budget_yen is not None and place.budget_yen <= query.budget_max_yen),
        parking_satisfied(place, query),
        query.wifi is None or (place.wifi in ("free", "paid") if query.wifi == "any" else place.wifi == query.wifi),
        query.rating_min is None or bool(place.rating is not None and place.rating >= query.rating_min),
        query.open_at is None
        or bool(
            place.hours
            and place.hours.is_open(
                query.open_at,
                holiday=is_holiday(query.open_at),
                yesterday_holiday=is_holiday(query.open_at - timedelta(days=1)),
            )
        ),
        query.charging is not True or place.kind == "charging" or bool(place.charging_kw),
        query.charging_min_kw is None or bool(place.charging_kw is not None and place.charging_kw >= query.charging_min_kw),
        *(
            getattr(query, flag) is None or getattr(place, flag) is getattr(query, flag)
            for flag in ("cards", "wheelchair", "child_friendly", "non_smoking", "private_room", "on_site_restaurant")
        ),
    ]  # fmt: skip
    return all(checks)


def sometimes(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), st.none(), st.none(), strategy)


QUERIES = st.builds(
    PlaceQuery,
    kind=sometimes(st.sampled_from(["restaurant", "parking", "hotel", "charging", "nothing"])),
    genres=st.sampled_from([(), (), (), ("italian",), ("ramen", "cafe"), ("unknown",)]),
    exclude_genres=st.sampled_from([(), (), (), ("sushi",)]),
    exclude_ids=st.sampled_from([(), ("p1", "p2", "nobody")]),
    near=st.sampled_from([None, CENTRE, Position(35.64, 139.72)]),
    radius_m=sometimes(st.sampled_from([0, 300, 1_000, 2_500, 10_000_000])),
    city=sometimes(st.sampled_from(["渋谷", "渋谷区", "横浜", "横浜市", "大阪"])),
    area=sometimes(st.sampled_from(["渋谷区", "道玄坂", "みなとみらい"])),
    station=sometimes(st.sampled_from(["渋谷駅", "中目黒", "目黒"])),
    price=sometimes(st.sampled_from(["low", "middle", "high"])),
    budget_max_yen=sometimes(st.sampled_from([1_000, 3_000])),
    parking=sometimes(st.sampled_from(["any", "free", "paid", "none"])),
    parking_within_m=sometimes(st.sampled_from([50, 300, 900])),
    vacancy=sometimes(st.booleans()),
    wifi=sometimes(st.sampled_from(["any", "free", "paid", "none"])),
    rating_min=sometimes(st.sampled_from([3.5, 4.2])),
    open_at=sometimes(
        st.sampled_from(
            [
                datetime(2026, 6, 10, 12, 0),  # Wednesday noon
                datetime(2026, 6, 10, 20, 0),  # closing time itself
                datetime(2026, 6, 14, 0, 30),  # Saturday night, past midnight
                datetime(2026, 5, 5, 12, 0),  # Children's Day
                datetime(2026, 1, 1, 0, 30),
            ]
        )
    ),
    cards=sometimes(st.booleans()),
    wheelchair=sometimes(st.booleans()),
    non_smoking=sometimes(st.booleans()),
    on_site_restaurant=sometimes(st.booleans()),
    charging=sometimes(st.just(True)),
    charging_min_kw=sometimes(st.just(100.0)),
    sort=st.sampled_from(["relevance", "distance", "rating", "price", "price_desc", "parking_fee", "detour"]),
    limit=st.just(1_000),
)
RELAXED = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(query=QUERIES)
def test_exactly_the_places_that_satisfy_every_condition(store: SqlitePlaces, query: PlaceQuery) -> None:
    page = asyncio.run(store.search(query))
    assert {hit.place.id for hit in page.hits} == {place.id for place in PLACES if satisfies(place, query)}
    assert page.total == len(page.hits)
    for hit in page.hits:
        if query.near is None:
            assert hit.distance_m is None
        else:
            assert hit.distance_m == pytest.approx(query.near.distance_to(hit.place.position), abs=0.5)


@RELAXED
@given(query=QUERIES, size=st.integers(1, 40))
def test_pages_partition_the_results(store: SqlitePlaces, query: PlaceQuery, size: int) -> None:
    whole = asyncio.run(store.search(query))
    ids: list[str] = []
    for offset in range(0, min(whole.total, 5 * size), size):
        page = asyncio.run(store.search(replace(query, offset=offset, limit=size)))
        assert page.total == whole.total
        ids += [hit.place.id for hit in page.hits]
    assert ids == [hit.place.id for hit in whole.hits][: len(ids)]


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("distance", lambda hit: hit.distance_m),
        ("relevance", lambda hit: hit.distance_m),
        ("rating", lambda hit: -(hit.place.rating if hit.place.rating is not None else -1)),
        ("parking_fee", lambda hit: 0 if hit.place.parking and hit.place.parking.fee == "free" else (hit.place.parking.fee_yen_per_hour if hit.place.parking and hit.place.parking.fee_yen_per_hour is not None else 10**9)),
    ],
)  # fmt: skip
async def test_sorting(store: SqlitePlaces, sort: str, key: object) -> None:
    assert callable(key)
    page = await store.search(PlaceQuery(near=CENTRE, sort=sort, limit=500))  # type: ignore[arg-type]
    values = [key(hit) for hit in page.hits]
    assert len(values) == len(PLACES)
    assert values == sorted(values)


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "found", "quality"),
    [
        ("渋谷駅", "c", "exact"),
        ("渋谷 駅", "c", "exact"),
        ("しぶやえき", "c", "reading"),
        ("シブヤエキ", "c", "reading"),
        ("渋矢駅", "c", "reading"),
        ("Shibuya station", "c", "exact"),
        ("shibuya eki", "c", "reading"),
        ("とうきょうたわー", "d", "reading"),
        ("トーキョータワー", "d", "reading"),
        ("tokyo tower", "d", "exact"),
        ("スターバックス", "a", "part"),
        ("starbucks", "a", "part"),
        ("霞が関ビル", "f", "exact"),
        ("新宿髙島屋", "e", "exact"),
        ("高島屋", "e", "part"),
        ("東京ダワー", "d", "fuzzy"),
        ("銀座小野寺", "g", "part"),
        ("寿司銀座おのでら", "g", "reading"),
        ("しぶや焼き", "c", "fuzzy"),
        ("飛ぶや駅", "c", "fuzzy"),
        ("進塾高島屋", "e", "fuzzy"),
        ("Tokio towa", "d", "fuzzy"),
    ],
)
async def test_a_name_in_any_spelling(named: SqlitePlaces, said: str, found: str, quality: str) -> None:
    hits = await named.find(said, near=CENTRE)
    assert hits, f"{said} found nothing"
    assert (hits[0].place.id, hits[0].match) == (found, quality)


async def test_of_equal_names_the_nearest_comes_first(named: SqlitePlaces) -> None:
    for near, first in ((CENTRE, "a"), (Position(35.69, 139.70), "b")):
        assert (await named.find("スターバックス", near=near))[0].place.id == first


async def test_of_places_that_sound_as_much_like_it_the_nearer_comes_first(tmp_path: Path) -> None:
    twins = [
        Place(f"t{i}", "赤坂駅", Position(35.67, 139.73 + i), "station", name_kana="アカサカエキ") for i in range(3)
    ]
    build_places(tmp_path / "p.sqlite", twins, INFO, readings=READINGS)
    store = SqlitePlaces(tmp_path / "p.sqlite", readings=READINGS, deadline_s=30)
    for i in range(3):
        hits = await store.find("赤坂焼き", near=twins[i].position)
        assert (hits[0].place.id, hits[0].match) == (f"t{i}", "fuzzy")
    store.close()


async def test_a_misheard_name_and_a_condition(named: SqlitePlaces) -> None:
    assert [h.place.id for h in (await named.search(PlaceQuery(text="しぶや焼き", kind="station"))).hits] == ["c"]
    assert (await named.search(PlaceQuery(text="しぶや焼き", kind="hotel"))).total == 0


async def test_a_name_and_a_condition(named: SqlitePlaces) -> None:
    assert (await named.search(PlaceQuery(text="渋谷", kind="restaurant"))).hits[0].place.id == "a"
    assert (await named.search(PlaceQuery(text="渋谷駅", kind="hotel"))).total == 0


async def test_telephone(named: SqlitePlaces) -> None:
    for phone in ("0353611111", "03-5361-1111", "０３（５３６１）１１１１", "+81 3-5361-1111"):
        assert [hit.place.id for hit in (await named.search(PlaceQuery(phone=phone))).hits] == ["e"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80), other=st.text(max_size=20))
def test_hostile_text_is_only_text(named: SqlitePlaces, text: str, other: str) -> None:
    query = PlaceQuery(
        text=text or None,
        city=other or None,
        near=CENTRE,
        exclude_ids=(text,),
        genres=(other,) if len(other) > 9 else (),
    )
    for call in (
        named.search(query),
        named.find(text),
        named.search(PlaceQuery(phone=text, kind=other, station=text, area=other)),
    ):
        try:
            asyncio.run(call)  # type: ignore[arg-type]
        except BackendError:
            pytest.fail("a search must answer whatever is said")


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "'; DROP TABLE data; --",
        "a AND b OR NOT c*",
        "NEAR(渋谷 駅)",
        "\ud800\udc00x",
        "\x00",
        "%_%",
        "゛゜",
        "あ" * 10_000,
    ],
)
async def test_query_languages_have_no_meaning(named: SqlitePlaces, text: str) -> None:
    await named.find(text, near=CENTRE)
    assert (await named.get("c")).name == "渋谷駅"


# --- along a route ----------------------------------------------------------------------------------------------------


async def test_along_a_route_in_the_order_they_are_met(store: SqlitePlaces) -> None:
    line = tuple(Position(35.645 + 0.001 * i, 139.685 + 0.0015 * i) for i in range(30))
    query = PlaceQuery(kind="restaurant", along=line, corridor_m=600, limit=500)
    page = await store.search(query)
    fine = [
        Position(a.latitude + (b.latitude - a.latitude) * t / 20, a.longitude + (b.longitude - a.longitude) * t / 20)
        for a, b in itertools.pairwise(line)
        for t in range(21)
    ]
    nearest = {p.id: min((p.position.distance_to(q), i) for i, q in enumerate(fine)) for p in PLACES}
    clear = {i for i, (metres, _) in nearest.items() if abs(metres - 600) > 10}
    expected = {p.id for p in PLACES if p.kind == "restaurant" and nearest[p.id][0] <= 600}
    found = [hit.place.id for hit in page.hits]
    assert set(found) & clear == expected & clear
    assert page.total == len(found) > 5
    order = [nearest[i][1] for i in found]
    assert all(later >= earlier - 2 for earlier, later in itertools.pairwise(order))
    for hit in page.hits:
        assert hit.detour_m == pytest.approx(nearest[hit.place.id][0], abs=8)
    by_detour = await store.search(replace(query, sort="detour"))
    assert [hit.detour_m for hit in by_detour.hits] == sorted(hit.detour_m or 0 for hit in page.hits)
    assert (await store.search(replace(query, along=()))).total == 0
    assert (await store.search(replace(query, along=(line[0],)))).total >= 0


# --- what to drop -----------------------------------------------------------------------------------------------------


async def test_count_without_says_what_each_condition_costs(store: SqlitePlaces) -> None:
    query = PlaceQuery(kind="restaurant", genres=("italian",), price="high", wifi="free", near=CENTRE, radius_m=200)
    counts = await store.count_without(query)
    assert set(counts) == {"kind", "genres", "price", "wifi", "radius_m"}
    for name, dropped in (("price", replace(query, price=None)), ("radius_m", replace(query, radius_m=None))):
        assert counts[name] == sum(satisfies(place, dropped) for place in PLACES)


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(0, 240, 12))
def test_a_place_survives_the_file(number: int) -> None:
    place = replace(PLACES[number], demo=True, parking=Parking("paid", vacancy="full", vacancy_at=INFO.built_at))
    assert place_from_json(place_to_json(place)) == place


async def test_get_and_info(store: SqlitePlaces) -> None:
    assert await store.get("p7") == PLACES[7]
    with pytest.raises(NotFound):
        await store.get("nobody")
    assert await store.info() == replace(INFO, places=len(PLACES))


async def test_no_file_is_no_map(tmp_path: Path) -> None:
    store = SqlitePlaces(tmp_path / "none.sqlite")
    assert await store.info() is None
    with pytest.raises(BackendUnavailable):
        await store.find("渋谷")
    store.close()


@pytest.mark.parametrize("content", [b"", b"no database at all, only words " * 500])
async def test_a_broken_file_is_unavailable_until_it_is_built_again(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "places.sqlite"
    path.write_bytes(content)
    store = SqlitePlaces(path, readings=READINGS)
    with pytest.raises(BackendUnavailable):
        await store.find("渋谷駅")
    build_places(path, NAMED, INFO, readings=READINGS)
    assert (await store.find("渋谷駅"))[0].place.id == "c"
    store.close()


async def test_a_new_map_is_picked_up_and_a_failed_build_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    build_places(path, NAMED[:1], INFO, readings=READINGS)
    store = SqlitePlaces(path, readings=READINGS)
    assert (await store.search(PlaceQuery())).total == 1

    def failing() -> Iterator[Place]:
        yield NAMED[2]
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError):
        build_places(path, failing(), INFO, readings=READINGS)
    assert (await store.search(PlaceQuery())).total == 1
    assert os.listdir(tmp_path) == ["places.sqlite"]
    build_places(path, [*NAMED, NAMED[0]], INFO, readings=READINGS)
    assert (await store.search(PlaceQuery())).total == len(NAMED)
    store.close()


async def test_an_older_schema_is_named(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    build_places(path, NAMED, INFO, readings=READINGS)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=1")
    store = SqlitePlaces(path)
    with pytest.raises(BackendUnavailable, match="build it again"):
        await store.find("渋谷駅")
    store.close()


async def test_no_answer_beyond_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    build_places(path, NAMED, INFO, readings=READINGS)
    ticks = iter(range(0, 10_000_000, 5))
    store = SqlitePlaces(path, deadline_s=2.0, clock=lambda: float(next(ticks)), readings=READINGS)
    with pytest.raises(BackendTimeout):
        await store.find("渋谷駅")
    store.close()


async def test_an_empty_map_answers(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    assert build_places(path, [], INFO, readings=READINGS) == 0
    store = SqlitePlaces(path, readings=READINGS)
    query = PlaceQuery(text="渋谷", kind="restaurant", near=CENTRE, radius_m=1_000)
    assert (await store.search(query)).total == 0
    assert (await store.search(replace(query, text=None))).total == 0
    assert (await store.search(PlaceQuery(along=(CENTRE, Position(35.7, 139.7))))).total == 0
    store.close()
