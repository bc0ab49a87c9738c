"""Values read from single turns of real dialogues: how often the change of conditions, and the place and date of a weather question, are exact.

    uv run python benchmarks/values.py [--shared ../shared] [--data DIR] [--failures 20]

A turn is read alone: its text and the conditions in force before it (as the corpus has them), merged the simple way (a value replaces, a drop
removes). What only the dialogue knows (「そこにします」) is therefore missed here by construction; those turns are counted apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agent.nlu.values.extractor import reader
from backends.gazetteer import JapanGazetteer

PRICE = {"安め": "low", "普通": "middle", "高め": "high"}
FEE = {"有り(無料)": "free", "有り(有料)": "paid", "無し": "none", "有り": "any"}
KEYS = {"pricerange": "price", "withrestaurant": "on_site_restaurant"}
ORDER = ["genre", "area", "city", "station", "name", "price", "wifi", "on_site_restaurant", "parking"]


def squeeze(text: str) -> str:
    return "".join(text.split()).lower()


def genres_of(text: str) -> frozenset[str]:
    """Our genre ids behind a genre word of the corpus."""
    return frozenset(e["value"] for e in reader().read(text, "ja") if e["entity"] in ("genre", "kind"))


def same(key: str, ours: Any, theirs: Any) -> bool:
    if key == "genre":
        wanted = genres_of(theirs)
        return (bool(wanted) and bool(wanted & set(ours))) or set(ours) == wanted
    if key == "name":
        return squeeze(str(ours)) == squeeze(theirs)
    if key in ("parking", "wifi"):
        want = FEE.get(theirs)
        return ours == want or (ours == "any" and want in ("free", "paid"))
    if key == "price":
        return bool(ours == PRICE.get(theirs))
    if key == "on_site_restaurant":
        return bool(ours) == (theirs == "有り")
    return bool(squeeze(str(ours)) == squeeze(theirs))


def merged(entities: list[dict[str, Any]], before: dict[str, str]) -> tuple[dict[str, Any], set[str]]:
    """Values set and keys removed by a turn."""
    values: dict[str, Any] = {}
    removed: set[str] = set()
    genres = [e["value"] for e in entities if e["entity"] == "genre" and e.get("role") is None]
    if genres:
        values["genre"] = genres
    for e in entities:
        key, role = e["entity"], e.get("role")
        if role == "exclude":
            mine = {"place_name": "name"}.get(key, key)
            if mine in before:
                removed.add(mine)
            continue
        if key == "drop":
            value = e["value"]
            # An area is what the driver calls the place of the search: where none is set, the station is meant.
            if value == "all":
                removed |= set(before) - {"city"}
            removed.add(value)
        elif key == "place_name" and role is None:
            values["name"] = e["value"]
        elif key in ("city", "area", "station", "price", "parking", "wifi", "on_site_restaurant"):
            values[key] = e["value"]
    return values, {key for key in removed if key in before and key not in values}


def delta_of(entities: list[dict[str, Any]], row: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    """Per key in play: whether it is right, and how it failed."""
    before = {KEYS.get(k, k): v for k, v in row["delta"]["before"].items()}
    values, removed = merged(entities, before)
    added = {KEYS.get(k, k): v for k, v in row["delta"]["added"].items()}
    changed = {KEYS.get(k, k): v[1] for k, v in row["delta"]["changed"].items()}
    gone = {KEYS.get(k, k) for k in row["delta"]["removed"]}
    # What is said again and already in force changes nothing.
    relaxed = {e["entity"] for e in entities if e.get("role") == "relaxed"}
    ours = {k: v for k, v in values.items() if not (k in before and same(k, v, before[k]) and k not in relaxed)}
    result: dict[str, tuple[bool, str]] = {}
    for key, value in {**added, **changed}.items():
        if key not in ours:
            result[key] = (False, "missed")
        elif not same(key, ours[key], value):
            result[key] = (False, f"other value {ours[key]!r} for {value!r}")
        else:
            result[key] = (True, "")
    for key in gone:
        result[key] = (key in removed, "" if key in removed else "not removed")
    for key in ours:
        if key not in result:
            result[key] = (False, f"not said: {ours[key]!r}")
    for key in removed:
        if key not in result:
            result[key] = (False, "removed though kept")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("CONCIERGE_SHARED", root.parent / "shared")))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CONCIERGE_HOME", root / ".concierge")))
    parser.add_argument("--failures", type=int, default=0, help="failures to list per kind")
    options = parser.parse_args()
    path = options.shared / "evaluation" / "jmultiwoz_dev_ja.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path} is not there: give --shared")
    options.data.mkdir(parents=True, exist_ok=True)
    gazetteer = JapanGazetteer.load(options.data)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    read = reader()
    read.read("準備", "ja", gazetteer)

    turns = [r for r in rows if r["function"] == "filter_results" and r["delta"] and r["map_conf"] == "high"]
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    failures: dict[str, list[str]] = defaultdict(list)
    exact = exact_apart = unsaid = 0
    times: list[float] = []
    for row in turns:
        start = time.perf_counter()
        entities = read.read(row["text"], "ja", gazetteer)
        times.append((time.perf_counter() - start) * 1000)
        result = delta_of(entities, row)
        apart = {k: v for k, v in result.items() if k != "parking"}
        exact += all(ok for ok, _ in result.values())
        exact_apart += all(ok for ok, _ in apart.values())
        # Values nothing in the text speaks of: only the dialogue can know them.
        unsaid += any(
            why == "missed" and k in ("name", "parking", "wifi", "on_site_restaurant") and not spoken(k, row)
            for k, (_, why) in result.items()
        )
        for key, (ok, why) in result.items():
            total[key] += 1
            right[key] += ok
            if not ok:
                kind = f"{key}: {why.split(':')[0].split(' value')[0]}"
                failures[kind].append(f"{row['text']!r} {why} | before {row['delta']['before']}")
    print(
        f"narrowing turns {len(turns)}: delta exact {exact / len(turns):.3f}, parking apart {exact_apart / len(turns):.3f}; with values the text does not speak of {unsaid}"
    )
    print(f"{'condition':20} {'right':>6} {'of':>5}")
    for key in ORDER:
        if total[key]:
            print(f"{key:20} {right[key]:6} {total[key]:5} {right[key] / total[key]:.3f}")
    print(f"time a turn: p50 {statistics.median(times):.2f} ms, p95 {sorted(times)[int(len(times) * 0.95)]:.2f} ms")

    weather = [r for r in rows if r["function"] == "weather"]
    good = dates = places = 0
    for row in weather:
        args = row["slots"][0]["args"] if row["slots"] else {}
        entities = read.read(row["text"], "ja", gazetteer)
        said_before = squeeze(
            " ".join(r["text"] for r in rows if r["dialogue_id"] == row["dialogue_id"] and r["turn"] < row["turn"])
        )
        got_time: dict[str, Any] = {}
        for e in entities:
            if e["entity"] == "time":
                got_time.update(e["value"])
        got_area = next((e["value"] for e in entities if e["entity"] == "area"), None)
        got_city = next((e["value"] for e in entities if e["entity"] == "city"), None)
        month_said = "month" in args and said_here(row["text"], args)
        date_ok = (
            (got_time.get("month"), got_time.get("day")) == (args.get("month"), args.get("day"))
            if month_said
            else "month" not in got_time or ("month" in args and got_time.get("month") == args.get("month"))
        )
        area_said = "area" in args and args["area"].removesuffix("区") in row["text"]
        place_ok = (got_area == args.get("area")) if area_said else got_area is None or got_area == args.get("area")
        place_ok = place_ok and (got_city is None or got_city == args.get("city"))
        del said_before
        dates += bool(date_ok)
        places += bool(place_ok)
        good += bool(date_ok and place_ok)
        if not (date_ok and place_ok):
            failures["weather: date" if not date_ok else "weather: place"].append(
                f"{row['text']!r} {args} got {got_time} {got_area} {got_city}"
            )
    print(
        f"weather turns {len(weather)}: place and date exact {good / len(weather):.3f} (date {dates / len(weather):.3f}, place {places / len(weather):.3f}); what earlier turns said is the dialogue's"
    )
    for kind in sorted(failures, key=lambda k: -len(failures[k])):
        print(f"\n{kind}  {len(failures[kind])}")
        for line in failures[kind][: options.failures]:
            print("   ", line)


def spoken(key: str, row: dict[str, Any]) -> bool:
    words = {"parking": ("駐車", "停め", "車"), "wifi": ("wi", "ネット"), "on_site_restaurant": ("レストラン", "食事")}
    if key == "name":
        return squeeze(row["delta"]["added"].get("name", row["delta"]["changed"].get("name", ["", ""])[-1]))[
            :4
        ] in squeeze(row["text"])
    return any(word in row["text"].lower() for word in words.get(key, ()))


def said_here(text: str, args: dict[str, Any]) -> bool:
    folded = reader().read(text, "ja")
    return any(e["entity"] == "time" and "month" in e["value"] for e in folded) or f"{args['month']}" in text


if __name__ == "__main__":
    main()
