#!/usr/bin/env python3
"""Phone error rate of a model's best path on speechocean762, against the phones that its annotators heard.

    python3 experiments/phones.py HEARKEN MODEL MANIFEST TEXT_PHONE OUT.json

MANIFEST is the set as `hearken corpus import` or `hearken run` leave it, TEXT_PHONE the corpus's resource/text-phone: a line
a word, its phones with stress and place in the word, which go.
"""

import json
import pathlib
import re
import sys
import tempfile

from figures import ask, rate, write

hearken, model, manifest, text_phone, out = sys.argv[1:]
scratch = tempfile.TemporaryDirectory()
work = pathlib.Path(scratch.name)

phones = {}
for line in open(text_phone):
    word, *symbols = line.split()
    utterance = word.rsplit(".", 1)[0]
    phones.setdefault(utterance, []).extend(re.sub(r"[0-9]|_[A-Z]$", "", s).upper() for s in symbols)
reference, hypothesis = work / "reference", work / "hypothesis"
ids = [json.loads(line)["id"] for line in open(manifest)]
reference.write_text("".join(f"{i} {' '.join(phones[i])}\n" for i in ids))
hypothesis.write_text(ask(hearken, "transcribe", "--model", model, "--lm", "none", "--beam", 1, "--manifest", manifest))
scored = json.loads(ask(hearken, "score", "--format", "json", reference, hypothesis))
per = rate(scored, scored["words"])
print(f"{100 * per['rate']:.2f}% PER", file=sys.stderr)
name = pathlib.Path(manifest).name.rsplit("-", 1)[0]
write(out, "python3 experiments/phones.py", hearken, [{"name": name, "role": "test", "utterances": len(ids), "rates": {"per": per}}])
