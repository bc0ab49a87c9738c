"""A few scenario files as sound, end to end on the real engines (all of them: `python -m benchmarks.spoken`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.spoken import SCENARIOS, Tools, passes, play_spoken
from tests.scenarios import load

if TYPE_CHECKING:
    from tests.conftest import RunningSystem


@pytest.fixture(scope="module")
def tools(running: RunningSystem) -> Iterator[Tools]:
    """Whisper base, as a user would install it; a voice that is warm."""
    from agent.speech_models import sources_of, store_of
    from audio.errors import ModelMissing
    from audio.fetching import install
    from audio.models import find

    settings = running.system.settings
    store, model = store_of(settings), find("faster-whisper-base")
    if not store.installed(model):
        try:
            install(store, model, sources_of(settings))
        except ModelMissing as error:
            pytest.skip(str(error))
    made = Tools(running, "whisper")
    made.synthesizer.warm("ja")
    yield made
    made.synthesizer.close()
    made.ears.close()


@pytest.mark.parametrize(
    ("name", "wake"),
    [("car_ja: degrees", False), ("car_ja: locks are not for the voice", False), ("car_en: range", False)],
)
def test_a_scenario_spoken_comes_to_what_it_comes_to_as_text(
    name: str, wake: bool, running: RunningSystem, tools: Tools
) -> None:
    if name.startswith("car_en") and shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed (see .ci/packages.txt)")
    scenario = next(s for s in load(SCENARIOS) if s.id == name)
    lines = play_spoken(scenario, running, tools, snr=10.0, wake=wake, seed=sum(map(ord, scenario.id)))
    assert passes(lines), [(line.said, line.heard, line.taken, line.wrong) for line in lines]
    assert all(line.latency for line in lines), "each line was answered with sound"


def test_converse_plays_a_file_and_writes_the_answers(tmp_path: Path, running: RunningSystem, tools: Tools) -> None:
    import asyncio
    import io
    import json

    from agent.converse import converse
    from audio.noise import car_noise, mix
    from audio.voices import levelled, openjtalk
    from audio.wav import read_wav

    said = levelled(openjtalk()("エアコンを二十二度にして", 1.0), 0.8)
    script = bytes(16_000) + said + bytes(64_000)
    out = io.StringIO()

    async def run() -> None:
        from agent.composition_voice import open_voice

        system = running.system
        voice = await open_voice(system.settings, system, "converse", "ja", tools.ears, synthesizer=tools.synthesizer)
        try:
            await converse(system, voice, mix(script, car_noise(8, 1), 20), out, tmp_path, called=True)
        finally:
            await asyncio.to_thread(voice.listener.close)
            await asyncio.to_thread(voice.work.close)

    running.run(run(), timeout=240.0)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    kinds = [row["type"] for row in rows]
    assert kinds.index("wake") < kinds.index("recognised") < kinds.index("spoke") < kinds.index("speaking")
    acted = next(row for row in rows if row["type"] == "acted")
    assert acted["ok"]
    assert len(read_wav(tmp_path / "answer-01.wav")) > 32_000
    assert (tmp_path / "dialogue.wav").exists()
