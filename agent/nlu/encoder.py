"""Sentences as vectors: multilingual-e5-small on CTranslate2, with a memory of the last sentences."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from agent.nlu.e5_weights import converted
from agent.nlu.pieces import Pieces

FloatArray = npt.NDArray[np.float32]


class SentenceEncoder:
    """Unit vectors of sentences, computed on one thread. Safe to call from any thread."""

    DIMENSION: Final = 384
    REMEMBERED: ClassVar[int] = 512
    """sentences kept in memory"""
    LONGEST: Final = 128
    """tokens looked at, of the model's 512: what a driver says is shorter, and time grows with length"""
    BATCH: Final = 32
    """sentences of similar length computed together when there are many"""

    def __init__(self, cache: Path) -> None:
        """`cache`: folder in which the model is kept as CTranslate2 wants it. Raises `WeightsError`, `OSError`."""
        from ctranslate2 import Encoder

        folder = converted(cache)
        self.name = folder.name
        """of the model; other weights have another"""
        # One thread each: two on busy cores make a message wait for seconds. The second worker serves `encode_all`.
        self._engine = Encoder(str(folder), compute_type="int8_float32", inter_threads=2, intra_threads=1)
        self._pieces = Pieces.load(folder)
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, FloatArray] = OrderedDict()

    def tokens(self, text: str) -> list[int]:
        """The model's tokens of `text`, with the ones that begin and end it."""
        tokens = self._pieces.tokens(text)
        return tokens if len(tokens) <= self.LONGEST else [*tokens[: self.LONGEST - 1], tokens[-1]]

    def encode(self, text: str) -> FloatArray:
        """Unit vector of one sentence."""
        with self._lock:
            remembered = self._recent.get(text)
            if remembered is not None:
                self._recent.move_to_end(text)
                return remembered
        vector: FloatArray = self._vectors([text])[0]
        with self._lock:
            self._recent[text] = vector
            if len(self._recent) > self.REMEMBERED:
                self._recent.popitem(last=False)
        return vector

    def encode_all(self, texts: Sequence[str], kept: Path | None) -> FloatArray:
        """Unit vectors of many sentences, on two threads; vectors of sentences seen at an earlier call are read from `kept`."""
        known = _read_vectors(kept)
        missing = sorted({t for t in texts if _key(t) not in known}, key=len)
        if missing:
            batches = [missing[n : n + self.BATCH] for n in range(0, len(missing), self.BATCH)]
            with ThreadPoolExecutor(2) as pool:
                for batch, vectors in zip(batches, pool.map(self._vectors, batches), strict=True):
                    known.update((_key(t), v) for t, v in zip(batch, vectors, strict=True))
            _write_vectors(kept, {_key(t): known[_key(t)] for t in {*texts}})
        if not texts:
            return np.zeros((0, self.DIMENSION), dtype=np.float32)
        return np.stack([known[_key(t)] for t in texts])

    def _vectors(self, texts: Sequence[str]) -> FloatArray:
        """The mean over the tokens of each sentence, at length 1; shape (sentences, DIMENSION)."""
        tokens = [self.tokens(text) for text in texts]
        hidden = np.array(self._engine.forward_batch(tokens).last_hidden_state, dtype=np.float32)
        # Sentences shorter than the longest are followed by padding, which counts for nothing.
        lengths = np.array([len(t) for t in tokens])
        inside = (np.arange(hidden.shape[1]) < lengths[:, None])[:, :, None]
        mean = (hidden * inside).sum(axis=1) / lengths[:, None]
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), dtype=np.float32)


def _key(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def _read_vectors(path: Path | None) -> dict[str, FloatArray]:
    if path is None or not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as data:
            return dict(zip(data["keys"].tolist(), data["vectors"], strict=True))
    except (OSError, ValueError, KeyError):
        return {}  # a file cut off in the middle costs time, not the training


def _write_vectors(path: Path | None, vectors: Mapping[str, FloatArray]) -> None:
    if path is None or not vectors:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.stem}.{os.getpid()}.npz")
    keys = sorted(vectors)
    np.savez(whole, keys=np.array(keys), vectors=np.stack([vectors[k] for k in keys]).astype(np.float32))
    whole.replace(path)
