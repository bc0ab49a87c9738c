"""How exactly the search conditions are followed through whole dialogues between people.

    uv run python -m benchmarks.narrowing [--limit N] [--show N]

Feeds every dialogue of ../shared/evaluation/jmultiwoz_dev_ja.jsonl to `concierge replay` and compares, for each turn that
changes a search, what was added, removed and changed with what the annotators wrote (scoring: the README beside the corpus),
and for each weather question its place and date. The dialogue's own system answers are not shown to the concierge, so turns
that point at them (「そちら」) cannot be right; they are counted all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

KEYS = ("city", "area", "station", "name", "genre", "price", "parking", "wifi", "on_site_restaurant")
PRICE = {"安め": "low", "普通": "middle", "高め": "high"}
FEE = {"有り(無料)": "free", "有り(有料)": "paid", "無し": "none"}


def shared() -> Path:
    return Path(os.environ.get("CONCIERGE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def gold_value(key: str, value: Any) -> tuple[str, Any]:
    """The corpus's argument in our names and values."""
    if key == "pricerange":
        return "price", PRICE[value]
    if key in ("parking", "wifi"):
        return key, FEE[value]
    if key == "withrestaurant":
        return "on_site_restaurant", value == "有り"
    return key, value


def same(key: str, ours: Any, gold: Any) -> bool:
    if key in ("parking", "wifi") and ours == "any":
        return gold in ("free", "paid")
    if key in ("name", "genre", "station", "area", "city"):
        return fold(key, str(ours)) == fold(key, str(gold))
    return bool(ours == gold)


def fold(key: str, text: str) -> str:
    """White space, brackets' content and suffixes that mean the same do not count."""
    out = "".join(text.split()).lower()
    for opening, closing in ("（）", "()", "〈〉"):
        while opening in out and closing in out[out.index(opening) :]:
            start = out.index(opening)
            out = out[:start] + out[start + out[start:].index(closing) + 1 :]
    if key == "station":
        out = out.removesuffix("駅")
    if key == "city":
        out = out.removesuffix("市")
    if key == "genre":
        out = "・".join(sorted(out.replace("や", "・").replace("など", "").split("・")))
    return out


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    added = {k: after[k] for k in KEYS if k in after and k not in before}
    removed = {k for k in KEYS if k in before and k not in after}
    changed = {k: after[k] for k in KEYS if k in before and k in after and before[k] != after[k]}
    return {"added": added, "removed": removed, "changed": changed}


def wrong(ours: Mapping[str, Any], delta: Mapping[str, Any]) -> list[str]:
    """What disagrees, as `added:genre`-like words; empty when exact."""
    found: list[str] = []
    added = dict(gold_value(k, v) for k, v in delta["added"].items())
    changed = dict(gold_value(k, v[1]) for k, v in delta["changed"].items())
    removed = {gold_name(k) for k in delta["removed"]}
    for what, gold in (("added", added), ("changed", changed)):
        for key, value in gold.items():
            if key not in ours[what]:
                found.append(f"missed {what}:{key}")
            elif not same(key, ours[what][key], value):
                found.append(f"value {what}:{key}")
        found += [f"extra {what}:{key}" for key in ours[what] if key not in gold]
    found += [f"missed removed:{key}" for key in removed - ours["removed"]]
    found += [f"extra removed:{key}" for key in ours["removed"] - removed]
    return found


def gold_name(key: str) -> str:
    return {"pricerange": "price", "withrestaurant": "on_site_restaurant"}.get(key, key)


def replay(dialogues: Mapping[str, list[dict[str, Any]]]) -> dict[tuple[str, int], dict[str, Any]]:
    lines = "".join(
        json.dumps({"dialogue_id": name, "lang": "ja", "turns": [t["text"] for t in turns]}, ensure_ascii=False) + "\n"
        for name, turns in dialogues.items()
    )
    command = [sys.executable, "-m", "agent.cli", "replay"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"concierge replay ended with {done.returncode}: {done.stderr[-2000:]}")
    rows = (json.loads(line) for line in done.stdout.splitlines() if line.strip())
    return {(row["dialogue_id"], row["turn"]): row for row in rows}


def read(limit: int | None) -> dict[str, list[dict[str, Any]]]:
    dialogues: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (shared() / "evaluation" / "jmultiwoz_dev_ja.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        dialogues[row["dialogue_id"]].append(row)
    return dict(list(dialogues.items())[:limit])


def table(rows: Iterable[tuple[str, str]]) -> None:
    for left, right in rows:
        print(f"{left:<46}{right:>10}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, help="only the first N dialogues")
    parser.add_argument("--show", type=int, default=0, help="print N failures")
    arguments = parser.parse_args()
    dialogues = read(arguments.limit)
    started = time.perf_counter()
    answers = replay(dialogues)
    seconds = time.perf_counter() - started

    exact = exact_apart = total = weather_exact = weather_total = shown = 0
    kinds: Counter[str] = Counter()
    for name, turns in dialogues.items():
        for index, turn in enumerate(turns):
            state = answers.get((name, index), {}).get("state", {})
            before = answers.get((name, index - 1), {}).get("state", {}) if index else {}
            if turn.get("delta") and turn["map_conf"] == "high":
                total += 1
                mistakes = wrong(difference(before, state), turn["delta"])
                exact += not mistakes
                exact_apart += not [m for m in mistakes if not m.endswith(":parking")]
                kinds.update(mistakes)
                if mistakes and shown < arguments.show:
                    shown += 1
                    print(f"{name} {index}: {', '.join(mistakes)}\n  {turn['text']}\n  {before} -> {state}")
            if turn["function"] == "weather" and turn["slots"]:
                arguments_gold = turn["slots"][-1]["args"]
                weather_total += 1
                weather = state.get("weather", {})
                weather_exact += all(
                    str(weather.get(k, "")).removesuffix("市" if k == "city" else "\0") == str(v)
                    for k, v in arguments_gold.items()
                )
    table(
        [
            ("turns replayed a second", f"{len(answers) / seconds:.1f}"),
            (f"delta exact ({total} turns)", f"{exact / max(total, 1):.3f}"),
            ("delta exact, parking conditions apart", f"{exact_apart / max(total, 1):.3f}"),
            (f"weather place and date exact ({weather_total} turns)", f"{weather_exact / max(weather_total, 1):.3f}"),
        ]
    )
    print("\ncauses")
    table((kind, str(count)) for kind, count in kinds.most_common(25))


if __name__ == "__main__":
    main()
