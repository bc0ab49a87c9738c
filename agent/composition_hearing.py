"""What hears on this machine: engines and wake words, built from the settings and the installed models.

Part of the composition root, a file of its own for its length: nothing else builds these engines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.errors import StartError
from agent.settings import PROJECT, Settings

if TYPE_CHECKING:
    from agent.homophones import HomophonesSoon
    from agent.transcribe import Hearing
    from agent.wakewords import WakeWordStore
    from audio.ports import Recognizer, SpeechLanguage, VoiceActivity, WakeWord
    from audio.vosk_recognizer import VoskModel
    from audio.whisper_recognizer import WhisperModel

_WAKING: tuple[tuple[Literal["vosk", "whisper"], str], ...] = (("whisper", "any"), ("vosk", "ja"), ("vosk", "en"))


def wake_word_store(settings: Settings) -> WakeWordStore:
    from agent.wakewords import WakeWordStore

    return WakeWordStore(settings.state / "wake_words.json")


class Ears:
    """What hears on this machine, loaded when first asked for; models are verified then. Raises `StartError` where the settings
    ask for what is not installed."""

    def __init__(self, settings: Settings, engine: str | None = None) -> None:
        """`engine`: "vosk", "whisper", "auto"; None: as the settings say."""
        from agent.speech_models import store_of

        self._store = store_of(settings)
        self._engine = engine or settings.recognizer
        self._vosk: dict[str, VoskModel] = {}
        self._whisper: WhisperModel | None = None
        self._homophones: HomophonesSoon | None = None

    def engine(self, language: SpeechLanguage) -> str:
        """What would hear that language."""
        if self._engine != "auto":
            return self._engine
        return "vosk" if self._store.best("vosk", language) is not None else "whisper"

    def can_hear(self, language: SpeechLanguage) -> bool:
        """Whether a model for that language is installed."""
        if self.engine(language) == "vosk":
            return self._store.best("vosk", language) is not None
        return self._store.best("whisper", "any") is not None

    def activity(self) -> VoiceActivity:
        from audio.vad import SileroActivity

        return SileroActivity()

    def whisper(self) -> WhisperModel:
        from audio.whisper_recognizer import WhisperModel

        if self._whisper is None:
            self._whisper = WhisperModel(self._folder("whisper", "any"))
        return self._whisper

    def homophones(self) -> HomophonesSoon:
        """The words of the training data by their sound, for what recognizers write down in Japanese."""
        if self._homophones is None:
            from agent.homophones import HomophonesSoon

            self._homophones = HomophonesSoon(PROJECT / "nlu_data")
        return self._homophones

    def recognizer(self, language: SpeechLanguage, *, partials: bool = True) -> Recognizer:
        """A recognizer of that language; `partials`: whether the text so far is wanted."""
        if self.engine(language) == "vosk":
            from audio.vosk_recognizer import VoskRecognizer

            return VoskRecognizer(self._vosk_model(language), language)
        from audio.whisper_recognizer import WhisperRecognizer

        every = 0.8 if partials else 0.0
        return WhisperRecognizer(self.whisper(), self.activity(), language, partial_every_s=every)

    @property
    def can_wake(self) -> bool:
        """Whether a model for wake words is installed."""
        return any(self._store.best(engine, language) for engine, language in _WAKING)

    def wake_word(self, text: str, language: SpeechLanguage) -> WakeWord:
        """A spotter for a phrase (checked before: `agent.wakewords.check`): by grammar where a Vosk model has its words, confirmed by
        Whisper where that is installed; by Whisper alone otherwise."""
        from agent.wakewords import japanese_reading, likeness_to, wake_phrase
        from audio.wake_word import TypedWakeWord, confirmation
        from audio.whisper_recognizer import WhisperScorer

        reading = japanese_reading()
        phrase = wake_phrase(text, language, reading)
        confirms = self._store.best("whisper", "any") is not None
        scorer = WhisperScorer(self.whisper(), phrase.spellings, language) if confirms else None
        likeness = likeness_to(phrase, reading)
        by_grammar = self._grammar_wake_word(
            text, language, confirmation(phrase, scorer, likeness) if scorer is not None else None
        )
        if by_grammar is not None:
            return by_grammar
        scorer = scorer or WhisperScorer(self.whisper(), phrase.spellings, language)
        return TypedWakeWord(phrase, scorer, self.activity(), likeness)

    def _grammar_wake_word(
        self, text: str, language: SpeechLanguage, confirm: Callable[[Any], float] | None
    ) -> WakeWord | None:
        from agent.wakewords import decoys
        from audio.vosk_wake_word import VoskWakeWord, in_vocabulary

        if self._engine == "whisper" or self._store.best("vosk", language) is None:
            return None
        model = self._vosk_model(language)
        words = in_vocabulary(text, model.knows)
        if words is None:
            return None
        return VoskWakeWord(text, words, model, self.activity(), decoys=decoys(language), confirm=confirm)

    def _vosk_model(self, language: SpeechLanguage) -> VoskModel:
        from audio.vosk_recognizer import VoskModel

        if language not in self._vosk:
            self._vosk[language] = VoskModel(self._folder("vosk", language))
        return self._vosk[language]

    def vocabulary(self, language: SpeechLanguage) -> frozenset[str]:
        """The words a Vosk model of that language can hear; empty where there is none."""
        from audio.vosk_recognizer import vocabulary

        model = self._store.best("vosk", language)
        return vocabulary(self._store.folder / model.name) if model is not None else frozenset()

    def hearing(self, language: SpeechLanguage | None) -> Hearing:
        """For sound files; `language` None: the one that is spoken, where the engine can tell."""
        from audio.wav import to_samples

        recognizers: dict[str, Recognizer] = {}

        def of(sound: bytes) -> tuple[Recognizer, str, SpeechLanguage]:
            tells = language is None and self._engine != "vosk" and self._store.best("whisper", "any") is not None
            spoken: SpeechLanguage = language or ("ja" if not tells else self.whisper().language(to_samples(sound)))
            if spoken not in recognizers:
                recognizers[spoken] = self.recognizer(spoken, partials=False)
            return recognizers[spoken], self.engine(spoken), spoken

        return of

    def _folder(self, engine: Literal["vosk", "whisper"], language: str) -> Path:
        from audio.errors import AudioError

        model = self._store.best(engine, language)
        if model is None:
            first = next(m for m in self._store.models if m.engine == engine and m.language in (language, "any"))
            raise StartError(f"No {engine} model is installed. Run: concierge models install {first.name}")
        try:
            return self._store.path(model)
        except AudioError as error:
            raise StartError(str(error)) from error

    def close(self) -> None:
        """Lets the models' memory go."""
        for model in self._vosk.values():
            model.close()
        if self._whisper is not None:
            self._whisper.close()


class DeskTranscriber:
    """Writes down what operators say (`agent.desk.transcripts.Transcriber`); models are loaded with the first words."""

    def __init__(self, settings: Settings) -> None:
        self._ears = Ears(settings)
        self._recognizers: dict[SpeechLanguage, Recognizer] = {}

    def can(self, language: str) -> bool:
        return self._ears.can_hear("en" if language == "en" else "ja")

    def write_down(self, sound: bytes, language: str) -> tuple[str, float]:
        from audio.frames import frames

        spoken: SpeechLanguage = "en" if language == "en" else "ja"
        if spoken not in self._recognizers:
            self._recognizers[spoken] = self._ears.recognizer(spoken, partials=False)
        recognizer = self._recognizers[spoken]
        recognizer.start()
        for frame in frames(sound):
            recognizer.accept(frame)
        heard = recognizer.finish()
        return heard.text, heard.confidence
