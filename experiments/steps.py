#!/usr/bin/env python3
"""What each step of decoding is worth: the shipped English model on both dev sets, each step compared with the one before.

    python3 experiments/steps.py HEARKEN MODEL_DIR MANIFEST... > experiments/steps.results.json

MANIFEST are the dev sets as `hearken corpus import` or `hearken run` leave them. Every step is the model with other
settings in its model.toml, its weights tuned by `hearken tune` on the same sets where it has any, decoded by
`hearken transcribe`, scored and compared by `hearken score --against` (paired bootstrap over utterances, pooled).
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile

from figures import ask

hearken, model, manifests = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
work = pathlib.Path(tempfile.mkdtemp())


def say(*arguments):
    return ask(hearken, *arguments)


def variant(name, settings, without=()):
    """A copy of the model with other settings in its [decode] table and without some of its files."""
    copy = work / name
    shutil.copytree(model, copy)
    text = (copy / "model.toml").read_text()
    for key, value in settings.items():
        text, found = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
        if not found:
            text = text.replace("[decode]\n", f"[decode]\n{key} = {value}\n", 1)
    for file in without:
        text = re.sub(rf'(?m)^"?{re.escape(file)}"? = .*\n', "", text)
        (copy / file).unlink()
    (copy / "model.toml").write_text(text)
    return copy


references = work / "references"
with references.open("w") as out:
    for manifest in manifests:
        for line in open(manifest):
            utterance = json.loads(line)
            out.write(f"{utterance['id']} {utterance['text']}\n")

normalised = ["--normalise", "english"]
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
    directory = variant(str(number), settings, without)
    if tuned:
        say("tune", "--model", directory, *given)
    hypotheses = work / f"{number}.hyp"
    by_set = {}
    with hypotheses.open("w") as out:
        for manifest in manifests:
            decoded = say("transcribe", "--model", directory, "--manifest", manifest)
            out.write(decoded)
            one = work / "one.hyp"
            one.write_text(decoded)
            ids = {line.split(" ", 1)[0] for line in decoded.splitlines()}
            part = work / "one.ref"
            part.write_text("".join(line for line in references.open() if line.split(" ", 1)[0] in ids))
            by_set[pathlib.Path(manifest).stem.rsplit("-", 1)[0]] = json.loads(say("score", *normalised, "--format", "json", part, one))["wer"]
    against = ["--against", before] if before else []
    scored = json.loads(say("score", *normalised, "--format", "json", references, hypotheses, *against))
    row = {"step": name, "wer": scored["wer"], "interval": scored["wer_interval"], "by_set": by_set}
    if before:
        comparison = scored["against"]["comparison"]
        row["difference"] = comparison["bootstrap"]
        row["mapsswe_p"] = comparison["mapsswe"]["p_value"]
    rows.append(row)
    before = hypotheses
    print(name, f"{100 * scored['wer']:.2f}", by_set, file=sys.stderr)
shutil.rmtree(work)
print(json.dumps({"command": "python3 experiments/steps.py", "steps": rows}, indent=1))
