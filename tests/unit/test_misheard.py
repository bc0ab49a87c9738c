"""What is done about something misheard: readings side by side, and the one that makes sense here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import settings as settings_module
from agent.composition import join, load_phrases, open_simulation
from agent.dialogue import Understanding
from agent.errors import DialogueUnavailable
from agent.voice import ConversationTalk
from audio.frames import FRAME_BYTES
from audio.whisper_recognizer import Decoded, WhisperRecognizer
from backends.model import Language
from tests.fakes import FakeDialogue, reply


class Understands(FakeDialogue):
    """Understands what it is told to; everything else is talk."""

    def __init__(self, meanings: Mapping[str, Any]) -> None:
        super().__init__({text: reply(f"({text})") for text in meanings})
        self.meanings = meanings
        self.parsed: list[str] = []

    async def parse(self, text: str, *, language: Language, metadata: Mapping[str, Any] | None = None) -> Understanding:
        self.parsed.append(text)
        found = self.meanings.get(text, ("human_talk", 0.7))
        if isinstance(found, Exception):
            raise found
        return Understanding(found[0], found[1], ())


@pytest.mark.parametrize(
    ("heard", "others", "meanings", "taken"),
    [
        ("三時間後の電気", ("三時間後の天気", "三次官後の電気"), {"三時間後の天気": ("ask_weather", 0.9)}, "三時間後の天気"),
        ("明日の天気", ("足の天気",), {"明日の天気": ("ask_weather", 0.9), "足の天気": ("ask_weather", 0.9)}, "明日の天気"),
        ("お肉痛いで", ("お肉痛いです", "お肉いたいで"), {}, "お肉痛いで"),
        ("三時間後の電気", ("三時間後の天気",), {"三時間後の天気": ("ask_weather", 0.4)}, "三時間後の電気"),
        ("電気", ("天気",), {"電気": DialogueUnavailable("dialogue"), "天気": ("ask_weather", 0.9)}, "電気"),
        ("電気", (), {}, "電気"),
    ],
)  # fmt: skip
async def test_the_likeliest_reading_that_makes_sense_is_taken(
    tmp_path: Path, heard: str, others: tuple[str, ...], meanings: Mapping[str, Any], taken: str
) -> None:
    settings = settings_module.load(environment={"CONCIERGE_HOME": str(tmp_path)})
    async with open_simulation(settings) as simulation:
        dialogue = Understands(meanings)
        system = join(settings, simulation, dialogue, load_phrases())
        talk = ConversationTalk(system.conversation, "a-session", asyncio.get_running_loop())
        await asyncio.wrap_future(talk.ask(heard, "ja", {}, others))
        assert [text for _, text, _, _ in dialogue.heard] == [taken]
        # What makes sense is not doubted, and without other readings there is nothing to ask.
        assert len(dialogue.parsed) <= (1 + len(others) if others else 0)


class ScriptedModel:
    """Decodes in haste to one text, with care to another."""

    def __init__(self) -> None:
        self.beams: list[int] = []

    def decode(self, samples: Any, language: str, prompt: str = "", *, beam: int = 1) -> Decoded:
        self.beams.append(beam)
        return Decoded("電気", -0.2, 0.0) if beam == 1 else Decoded("天気", -0.1, 0.0, ("電気", "転機"))


class Loud:
    """Speech where the first byte of a frame is not zero."""

    def probability(self, frame: bytes) -> float:
        return 1.0 if frame[0] else 0.0

    def reset(self) -> None: ...


def spoken(recognizer: WhisperRecognizer, speech_s: float, pause_s: float) -> list[str]:
    said = [b"\x01" * FRAME_BYTES] * round(speech_s / 0.02) + [bytes(FRAME_BYTES)] * round(pause_s / 0.02)
    return [text for frame in said if (text := recognizer.accept(frame)) is not None]


@pytest.mark.parametrize(
    ("speech_s", "pause_s", "partials", "beams"),
    [
        (1.0, 0.0, ["電気"], [1, 5]),  # nobody waited for the end: it is decoded with care when asked for
        (1.0, 0.4, ["電気", "天気"], [1, 5]),  # at the pause, and not again at the end
        (0.8, 0.4, ["電気", "天気"], [1, 5]),  # decoded in haste with the last frame of speech
        (0.4, 0.4, ["天気"], [5]),
    ],
)
def test_decoded_in_haste_while_speech_goes_on_and_with_care_at_its_end(
    speech_s: float, pause_s: float, partials: Sequence[str], beams: list[int]
) -> None:
    model = ScriptedModel()
    recognizer = WhisperRecognizer(model, Loud(), "ja")  # type: ignore[arg-type]
    recognizer.start()
    assert spoken(recognizer, speech_s, pause_s) == partials
    hypothesis = recognizer.finish()
    assert (hypothesis.text, hypothesis.alternatives) == ("天気", ("電気", "転機"))
    assert model.beams == beams
    assert np.isclose(hypothesis.confidence, np.exp(-0.1))
