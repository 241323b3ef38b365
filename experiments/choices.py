#!/usr/bin/env python3
"""What single choices of decoding are worth: the shipped English model with one thing changed, both dev sets pooled, each
compared with the model as it is (paired bootstrap over utterances). No weight is tuned again.

    python3 experiments/choices.py HEARKEN MODEL_DIR DATA OUT.json MANIFEST... [--unrounded MODEL_DIR] [--longer RNN_DIR]

MANIFEST are the dev sets as `hearken corpus import` or `hearken run` leave them, DATA the folder of the corpora, whose texts
n-grams of other orders are estimated from. The second MODEL_DIR has the same network before it was stored in 8 bits
(`hearken run experiments/english-average.toml --set name=english-unrounded --set 'data.test=[]'` into the same folder of runs), RNN_DIR is an LSTM
that was trained for longer (`rnnlm/english-longer.toml`, then `english-everyday.toml`). About an hour on two cores.
"""

import argparse
import json
import lzma
import pathlib
import sys
import tempfile

from figures import WEIGHTS, ask, compared, heard, references, variant, with_network

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("hearken")
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("data", type=pathlib.Path)
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("manifests", nargs="+")
parser.add_argument("--unrounded", type=pathlib.Path)
parser.add_argument("--longer", type=pathlib.Path)
arguments = parser.parse_args()
hearken, scratch = arguments.hearken, tempfile.TemporaryDirectory()
work = pathlib.Path(scratch.name)
said = references(arguments.manifests, work / "references")
rows = []


def row(name, model, options=(), **facts):
    """Decodes with one choice."""
    out = work / f"{len(rows)}.hyp"
    by_set = heard(hearken, model, arguments.manifests, said, out, options)
    before = work / "0.hyp" if rows else None
    rows.append({"step": name, **facts, **compared(hearken, work / "references", out, before), "by_set": by_set})
    print(name, f"{100 * rows[-1]['wer']:.2f}", by_set, facts, file=sys.stderr, flush=True)
    arguments.out.write_text(json.dumps({"command": "python3 experiments/choices.py", "steps": rows}, indent=1) + "\n")


def setting(name, **settings):
    row(name, variant(arguments.model, work / f"variant-{len(rows)}", settings))


row("as it ships", arguments.model)
if arguments.unrounded:
    row("the network's weights in f32", with_network(arguments.model, work / "unrounded", arguments.unrounded / WEIGHTS))
setting("phones alone", combine=0.0)
setting("characters at 0.15", combine=0.15)
setting("characters at 0.5", combine=0.5)
row("not rescored", arguments.model, ["--rnn-lm", "none"])
setting("LSTM at 0.3", **{"rescoring-weight": 0.3})
setting("LSTM at 0.9", **{"rescoring-weight": 0.9})
if arguments.longer:
    row("LSTM trained twice as long", arguments.model, ["--rnn-lm", arguments.longer])
setting("50 hypotheses rescored", nbest=50)
setting("beam 500", beam=500)

words = {line.split()[0] for line in open(arguments.model / "lexicon")}
vocabulary, text = work / "vocabulary", work / "text"
vocabulary.write_text("".join(f"{word}\n" for word in sorted(words)))
with text.open("wb") as out:
    with lzma.open(arguments.data / "lm/gutenberg-large/train.txt.xz") as file:
        while block := file.read(1 << 24):
            out.write(block)
    out.write((arguments.data / "lm/librispeech/train.txt").read_bytes())
for order, prune in [(2, [0, 0]), (3, [0, 0, 1]), (4, [0, 0, 1, 2]), (4, [0, 1, 2, 4]), (4, [0, 0, 4, 8]), (5, [0, 0, 1, 2, 2])]:
    ngram = work / "ngram.bin"
    cut = [str(count) for count in prune]
    ask(hearken, "lm", "train", text, "--order", order, "--prune", *cut, "--vocab", vocabulary, "--quantize", 8, "--out", ngram)
    row(f"{order}-gram of the books and transcripts alone, pruned {' '.join(cut)}", arguments.model, ["--lm", ngram], megabytes=ngram.stat().st_size / 1e6)
