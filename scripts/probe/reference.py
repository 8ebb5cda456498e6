"""What full precision says to the development set, kept so that a test can hold the shipped bytes against it.

    python -m scripts.probe.reference --sources DIR --full WORK/minilm.fp32.onnx --model model --out tests/data/…

The full-precision file is four times the shipped one and is not committed; its answers are. A reference names the
shipped file that it belongs to, so that a new model needs a new reference. Lines are kept as the model's ids.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gmcp_sandbox.probe.manifest import read_manifest
from scripts.probe.encoder import lines_of_minilm
from scripts.probe.score import file_logits, margins
from scripts.probe.sources import development_rows

SOURCE = "destructive_command_guard (MIT), its commands as word pieces; the development set, never trained on"


def main() -> None:
    """Write the reference."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--full", type=Path, required=True, help="the export in full precision")
    parser.add_argument("--model", type=Path, required=True, help="folder of the shipped model")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    lines, rows = lines_of_minilm(), development_rows(given.sources)
    answers = margins(file_logits(given.full, lines, [row.text for row in rows]))
    kept = [
        {"ids": lines.ids(row.text), "label": row.label, "full": round(float(answer), 3)}
        for row, answer in zip(rows, answers, strict=True)
    ]
    head = {"source": SOURCE, "model": read_manifest(given.model).model.blake3}
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in kept)
    given.out.write_text(json.dumps(head)[:-1] + f', "rows": [\n{text}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
