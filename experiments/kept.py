#!/usr/bin/env python3
"""Models that came one after another, each compared with the one before: what every step that was kept is worth, with an interval.

    python3 experiments/kept.py HEARKEN OUT.json MANIFEST... -- NAME=MODEL_DIR...

MANIFEST are the dev sets as `hearken corpus import` or `hearken run` leave them; the models of earlier days are in the repository's
history (`git archive COMMIT models/english`). Each is decoded with the settings that it came with by the binary of today, scored
and compared by `hearken score --against` (paired bootstrap over utterances, pooled).
"""

import json
import pathlib
import sys
import tempfile

from figures import compared, heard, references

if "--" not in sys.argv:
    sys.exit(__doc__)
at = sys.argv.index("--")
hearken, out, *manifests = sys.argv[1:at]
models = [model.split("=", 1) for model in sys.argv[at + 1 :]]
scratch = tempfile.TemporaryDirectory()
work = pathlib.Path(scratch.name)
said = references(manifests, work / "references")
rows, before = [], None
for number, (name, model) in enumerate(models):
    hypotheses = work / f"{number}.hyp"
    by_set = heard(hearken, model, manifests, said, hypotheses)
    rows.append({"step": name, **compared(hearken, work / "references", hypotheses, before), "by_set": by_set})
    before = hypotheses
    print(name, f"{100 * rows[-1]['wer']:.2f}", by_set, file=sys.stderr, flush=True)
    pathlib.Path(out).write_text(json.dumps({"command": "python3 experiments/kept.py", "steps": rows}, indent=1) + "\n")
