#!/usr/bin/env python3
"""What each step of decoding is worth: the shipped English model on both dev sets, each step compared with the one before.

    python3 experiments/steps.py HEARKEN MODEL_DIR MANIFEST... > experiments/steps.results.json

MANIFEST are the dev sets as `hearken corpus import` or `hearken run` leave them. Every step is the model with other
settings in its model.toml, its weights tuned by `hearken tune` on the same sets where it has any, decoded by
`hearken transcribe`, scored and compared by `hearken score --against` (paired bootstrap over utterances, pooled).
"""

import json
import pathlib
import shutil
import sys
import tempfile

from figures import ask, compared, heard, references, variant

hearken, model, manifests = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
work = pathlib.Path(tempfile.mkdtemp())
said = references(manifests, work / "references")
rnn = [f"rnnlm/{file}" for file in ("rnn.toml", "vocabulary.xz", "weights.safetensors")]
given = ["--manifest" if i % 2 == 0 else m for m in manifests for i in range(2)]
steps = [
    ("characters, best path", {"output": 0, "method": '"greedy"', "lm": "false"}, rnn, False),
    ("characters, beam search", {"output": 0, "method": '"beam"', "lm": "false", "combine": 0.0}, rnn, False),
    ("phones and characters, 4-gram in the search", {}, rnn, True),
    ("the same, its list rescored by the LSTM", {}, [], True),
]
if not (model / "rnnlm").is_dir():
    steps = [(name, settings, [], tuned) for name, settings, _, tuned in steps[:3]]

rows, before = [], None
for number, (name, settings, without, tuned) in enumerate(steps):
    directory = variant(model, work / str(number), settings, without)
    if tuned:
        ask(hearken, "tune", "--model", directory, *given)
    hypotheses = work / f"{number}.hyp"
    by_set = heard(hearken, directory, manifests, said, hypotheses)
    row = {"step": name, **compared(hearken, work / "references", hypotheses, before), "by_set": by_set}
    rows.append(row)
    before = hypotheses
    print(name, f"{100 * row['wer']:.2f}", by_set, file=sys.stderr)
shutil.rmtree(work)
print(json.dumps({"command": "python3 experiments/steps.py", "steps": rows}, indent=1))
