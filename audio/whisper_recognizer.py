"""Whisper base (CTranslate2, int8, one thread) behind `Recognizer`: hears a whole utterance at a time.

Whisper was made for 30 s of sound and fills up what is shorter; most of its time goes into that silence. Here the encoder sees the
utterance and a little after it, which takes a twentieth of the time with the same result (docs/voice.md). What it costs is a
tendency to start over when the sound is at its end; that is noticed, tried again with more silence, and cut.

Against words out of nothing: no decoding without enough speech (the voice activity is asked first), no text whose probability
is too low, none that goes round in circles, and none of the phrases it is known to make up when it is not sure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from audio.errors import EngineFailed
from audio.frames import FRAME_S, RATE, Frame
from audio.ports import Hypothesis, SpeechLanguage, VoiceActivity
from audio.text import normalise, without_repetition
from audio.wav import Samples, to_samples

LONGEST_S: Final = 29.0
"""seconds of an utterance that are heard; Whisper sees 30 at once"""
_HOP: Final = 160
"""samples per feature frame"""
_FULL: Final = 3000
"""feature frames of 30 s"""
_MELS: Final = 80
_MARGIN_S: Final = 0.5
"""silence seen after a sound whose likelihood is asked"""
_DECODING_MARGIN_S: Final = 4.0
"""and after an utterance that is written down: with half a second a third more of the sounds are wrong (docs/voice.md)"""
_HYPOTHESES: Final = 4
_SHORTEST_S: Final = 1.3
_TOKENS_PER_S: Final = {"ja": 14.0, "en": 8.0}
"""more than anybody speaks; what is longer has been made up"""
_STRETCH: Final = 3
_WEAKER: Final = 1.5
"""how much weaker than the whole its weakest stretch may be"""
_MADE_UP: Final = Path(__file__).with_name("made_up.yml")


@dataclass(frozen=True, slots=True)
class Guards:
    """When a text is taken for made up."""

    least_speech_s: float = 0.16
    least_mean_log: float = -1.7
    """mean log-probability of the tokens"""
    unsure_mean_log: float = -0.7
    """below it, phrases that are known to be made up are not believed"""
    no_speech: float = 0.9
    """probability of "no speech" above which an unsure text is not believed; a short sound has a high one anyway"""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoding of a sound."""

    text: str
    mean_log: float
    """mean log-probability of its tokens"""
    no_speech: float
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a text is in a sound."""

    tokens: npt.NDArray[np.float64]
    """log-probability of each token"""
    end: float
    """seconds from the beginning of the sound at which the text ends"""

    @property
    def score(self) -> float:
        """Mean log-probability of the tokens, held down by the weakest stretch of three: who talks about a Lexus says most of
        "Hey, Lexus", but not its beginning."""
        if not len(self.tokens):
            return -20.0
        size = min(_STRETCH, len(self.tokens))
        weakest = np.convolve(self.tokens, np.full(size, 1 / size), "valid").min()
        return float(min(self.tokens.mean(), weakest + _WEAKER))


def _likelihood(aligned: Any, tokens: int) -> Likelihood:
    probabilities = np.asarray(aligned.text_token_probs[:tokens], dtype=np.float64)
    # The first frame that belongs to what comes after the text: 20 ms each.
    after = [frame for token, frame in aligned.alignments if token >= tokens]
    last = max((frame for _, frame in aligned.alignments), default=0)
    return Likelihood(np.log(np.maximum(probabilities, 1e-9)), 0.02 * (after[0] if after else last))


class WhisperModel:
    """A loaded model; recognizers and wake words share it. 0.4 s and 200 MB to load."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder` has been verified (`ModelStore.path`). Raises `EngineFailed`."""
        try:
            from faster_whisper import WhisperModel as Loaded

            # Its files are all in the folder: it never asks a hub.
            self._loaded: Any = Loaded(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
            )
        except Exception as error:
            raise EngineFailed("recognizer", f"The Whisper model in {folder} cannot be loaded: {error}.") from error
        self._tokenizers: dict[str, Any] = {}

    def close(self) -> None:
        """Lets the memory go."""
        self._loaded = None

    def encode(self, samples: Samples, seconds: float | None = None) -> Any:
        """The encoder's view of a sound of which `seconds` are seen (None: all, and a margin). Raises `EngineFailed`."""
        loaded = self._running()
        frames = min(
            _FULL, 2 * math.ceil((seconds or max(_SHORTEST_S, len(samples) / RATE + _MARGIN_S)) * RATE / _HOP / 2)
        )
        if frames == 2 * _MELS:
            # As many encoded frames as there are mel bands: CTranslate2 would take them for features and encode them again.
            frames += 2
        features = loaded.feature_extractor(samples)[:, :frames]
        if features.shape[1] < frames:
            lowest = features.min() if features.size else 0.0
            features = np.pad(features, ((0, 0), (0, frames - features.shape[1])), constant_values=lowest)
        return loaded.encode(np.ascontiguousarray(features))

    def language(self, samples: Samples) -> SpeechLanguage:
        """Which of our languages is spoken in a sound."""
        found = self._running().model.detect_language(self.encode(samples[: 10 * RATE]))[0]
        shares = {name.strip("<|>"): share for name, share in found}
        return "en" if shares.get("en", 0.0) > shares.get("ja", 0.0) else "ja"

    def decode(
        self,
        samples: Samples,
        language: SpeechLanguage,
        prompt: str = "",
        *,
        beam: int = 1,
        after_s: float = _DECODING_MARGIN_S,
    ) -> Decoded:
        """What is said in a sound of at most 30 s. `prompt`: words that may be expected; `beam`: readings followed side by side,
        more of them are more certain and take longer; `after_s`: silence seen after the sound."""
        seconds = len(samples) / RATE + after_s
        decoded, circled = self._decode(self.encode(samples, seconds), samples, language, prompt, beam)
        if circled:
            # Another length, another chance; a text that goes round in circles again is cut where it began to.
            longer = self.encode(samples, seconds + 3 * _MARGIN_S)
            decoded, _ = self._decode(longer, samples, language, prompt, beam)
        return decoded

    def _decode(
        self, encoded: Any, samples: Samples, language: SpeechLanguage, prompt: str, beam: int
    ) -> tuple[Decoded, bool]:
        tokenizer = self._tokenizer(language)
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        if prompt:
            start = [tokenizer.sot_prev, *tokenizer.encode(" " + prompt)[-100:], *start]
        most = len(start) + 8 + int(_TOKENS_PER_S[language] * len(samples) / RATE)
        results = self._running().model.generate(
            encoded, [start], beam_size=beam, num_hypotheses=min(beam, _HYPOTHESES), max_length=min(most, 448),
            return_scores=True, return_no_speech_prob=True, suppress_blank=True,
        )[0]  # fmt: skip
        texts = [without_repetition(normalise(tokenizer.decode(ids), language)) for ids in results.sequences_ids]
        text, circled = texts[0]
        others = tuple(dict.fromkeys(other for other, again in texts[1:] if other and other != text and not again))
        return Decoded(text, float(results.scores[0]), float(results.no_speech_prob), others), circled

    def likelihood(self, encoded: Any, texts: Sequence[str], language: SpeechLanguage) -> list[Likelihood]:
        """How likely each text is, were it said at the beginning of the sound."""
        import ctranslate2

        tokenizer = self._tokenizer(language)
        tokens = [tokenizer.encode(text) for text in texts]
        view = np.array(encoded)
        repeated = ctranslate2.StorageView.from_array(np.ascontiguousarray(np.repeat(view, len(texts), axis=0)))
        frames = view.shape[1]
        found = self._running().model.align(
            repeated, tokenizer.sot_sequence, tokens, [frames * 2] * len(texts), median_filter_width=3
        )
        return [_likelihood(one, len(ids)) for one, ids in zip(found, tokens, strict=True)]

    def _running(self) -> Any:
        if self._loaded is None:
            raise EngineFailed("recognizer", "The Whisper model has been unloaded.")
        return self._loaded

    def _tokenizer(self, language: SpeechLanguage) -> Any:
        if language not in self._tokenizers:
            from faster_whisper.tokenizer import Tokenizer

            self._tokenizers[language] = Tokenizer(
                self._running().hf_tokenizer, True, task="transcribe", language=language
            )
        return self._tokenizers[language]


class WhisperRecognizer:
    """`Recognizer` on a Whisper model.

    `partial_every_s` of new speech what has been said so far is decoded in haste: a partial text. When the speaker pauses it is
    decoded with `beam` readings side by side: when nothing more is said that is the final text, which `finish` then only hands
    out. 0: no partials.
    """

    def __init__(
        self,
        model: WhisperModel,
        activity: VoiceActivity,
        language: SpeechLanguage,
        *,
        partial_every_s: float = 0.8,
        pause_s: float = 0.2,
        threshold: float = 0.5,
        beam: int = 5,
        guards: Guards | None = None,
    ) -> None:
        self._model, self._activity, self._language, self._beam = model, activity, language, beam
        self._every, self._pause, self._threshold = partial_every_s, pause_s, threshold
        self._guards = guards or Guards()
        self._begin()

    def start(self, *, phrases: Sequence[str] | None = None) -> None:
        """Begins an utterance; `phrases` make their words likelier, others stay possible."""
        self._activity.reset()
        self._begin()
        self._prompt = ("、" if self._language == "ja" else ", ").join(phrases or ())

    def _begin(self) -> None:
        self._sound = bytearray()
        self._prompt = ""
        self._speech = 0
        """frames of speech so far"""
        self._last_speech = 0
        """frames up to the end of the last speech"""
        self._frames = 0
        self._decoded_speech = -1
        """frames of speech in the latest decoding"""
        self._hasty = False
        """the latest decoding was made while speech went on"""
        self._latest = Hypothesis("", 0.0)
        self._partial = ""

    def accept(self, frame: Frame) -> str | None:
        self._frames += 1
        if self._frames * FRAME_S > LONGEST_S:
            return None
        self._sound += frame
        if self._activity.probability(frame) >= self._threshold:
            self._speech += 1
            self._last_speech = self._frames
        if not self._every:
            return None
        new = self._speech - max(self._decoded_speech, 0)
        if (self._frames - self._last_speech) * FRAME_S >= self._pause:
            if not (new > 0 or self._hasty) or not self._enough():
                return None
            self._decode(hasty=False)
        elif new * FRAME_S >= self._every:
            self._decode(hasty=True)
        if self._latest.text == self._partial:
            return None
        self._partial = self._latest.text
        return self._partial

    def _enough(self) -> bool:
        return self._speech * FRAME_S >= self._guards.least_speech_s

    def finish(self) -> Hypothesis:
        if self._speech != self._decoded_speech or self._hasty:
            self._decode(hasty=False)
        latest = self._latest
        self._begin()
        return latest

    def close(self) -> None:
        """Ends the utterance without asking for its text; the model stays loaded."""
        self._begin()

    def _decode(self, *, hasty: bool) -> None:
        self._decoded_speech, self._hasty = self._speech, hasty
        if not self._enough():
            self._latest = Hypothesis("", 0.0)
            return
        # A little after the last speech belongs to it; the rest of the silence only invites inventions.
        end = min(self._frames, self._last_speech + round(0.3 / FRAME_S))
        samples = to_samples(bytes(self._sound[: end * round(RATE * FRAME_S) * 2]))
        decoded = self._model.decode(samples, self._language, self._prompt, beam=1 if hasty else self._beam)
        self._latest = believed(decoded, self._guards, self._language)


def believed(decoded: Decoded, guards: Guards, language: SpeechLanguage) -> Hypothesis:
    """The hypothesis, empty where the text is likelier made up than said."""
    unsure = decoded.mean_log < guards.unsure_mean_log
    if (
        not decoded.text
        or decoded.mean_log < guards.least_mean_log
        or (unsure and decoded.no_speech > guards.no_speech)
        or (unsure and any(phrase in decoded.text.casefold() for phrase in made_up()[language]))
    ):
        return Hypothesis("", 0.0)
    return Hypothesis(decoded.text, math.exp(min(0.0, decoded.mean_log)), alternatives=decoded.alternatives)


@lru_cache(maxsize=1)
def made_up() -> dict[SpeechLanguage, tuple[str, ...]]:
    """What Whisper says where nobody spoke (audio/made_up.yml), in lower case."""
    import yaml

    table = yaml.safe_load(_MADE_UP.read_text(encoding="utf-8"))
    return {language: tuple(str(phrase).casefold() for phrase in phrases) for language, phrases in table.items()}


class WhisperScorer:
    """`audio.wake_word.Scorer`: how likely a phrase's spellings are, heard by Whisper."""

    def __init__(self, model: WhisperModel, spellings: Sequence[str], language: SpeechLanguage) -> None:
        self._model, self._spellings, self._language = model, tuple(spellings), language
        self._encoded: Any = None
        self._samples: Samples = np.zeros(0, np.float32)
        self._best: Likelihood | None = None

    def quick(self, samples: Samples) -> float:
        self._samples, self._encoded, self._best = samples, self._model.encode(samples), None
        return self._look(self._spellings[:1])

    def full(self) -> float:
        return self._look(self._spellings[1:])

    def end(self) -> float:
        seconds = len(self._samples) / RATE
        return min(seconds, self._best.end) if self._best is not None else seconds

    def reading(self) -> str:
        # As short a view as the likelihoods have: the thresholds of both belong together.
        return self._model.decode(self._samples, self._language, after_s=_MARGIN_S).text

    def _look(self, spellings: Sequence[str]) -> float:
        """The best so far, these spellings included."""
        found = self._model.likelihood(self._encoded, spellings, self._language) if spellings else []
        self._best = max([*found, *([self._best] if self._best is not None else [])], key=lambda one: one.score)
        return self._best.score
