"""What can go wrong with sound and the engines that hear it.

    AudioError
    ├── ModelMissing       a model is not installed, or no source had it (install it)
    ├── ModelBroken        a file of a model is not the one that was published; nothing of it is loaded (install anew)
    ├── EngineFailed       an engine could not be loaded or gave up on an utterance (try again)
    ├── UnreadableSound    a file is no sound we can read (final)
    ├── NoDevice           no microphone or speaker, of that name or at all, or no sound system (until one is plugged in)
    ├── UnfitDevice        a device cannot do what is asked of it: rate, channels (final)
    ├── DeviceLost         a device went away while it was used (try again)
    ├── SynthesisFailed    a sentence could not be made into sound (try again)
    └── NoVoice            there is no engine that speaks the language (final)

The text of an error is one sentence for the person at the keyboard; what a driver hears is chosen by `code`.
"""

from __future__ import annotations

from typing import ClassVar


class AudioError(Exception):
    """Something this room could not do."""

    code: ClassVar[str] = "error"
    """Short, stable, for events and for choosing the spoken sentence."""
    permanent: ClassVar[bool] = False
    """True when asking again cannot help."""

    def __init__(self, stage: str, sentence: str) -> None:
        """`stage`: "models", "recognizer", "wake", "vad", "file", "device", "speaker", …"""
        super().__init__(sentence)
        self.stage = stage


class ModelMissing(AudioError):
    code = "model_missing"
    permanent = True


class ModelBroken(AudioError):
    code = "model_broken"
    permanent = True


class EngineFailed(AudioError):
    code = "engine_failed"


class UnreadableSound(AudioError):
    code = "unreadable_sound"
    permanent = True


class NoDevice(AudioError):
    code = "no_device"
    permanent = True


class UnfitDevice(AudioError):
    code = "unfit_device"
    permanent = True


class DeviceLost(AudioError):
    code = "device_lost"


class SynthesisFailed(AudioError):
    code = "synthesis_failed"


class NoVoice(AudioError):
    code = "no_voice"
    permanent = True
