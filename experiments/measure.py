#!/usr/bin/env python3
"""The figures of a model on sets of recordings, in the form of a run's results: for a model whose language models or weights
of the search have changed since its run.

    python3 experiments/measure.py HEARKEN MODEL_DIR OUT.json NAME ROLE MANIFEST [NAME ROLE MANIFEST]... [--groups FILE] [-- OPTION...]

NAME is the set's in tables, ROLE `dev` or `test`, MANIFEST the set as `hearken corpus import` or `hearken run` leave it. FILE
has lines of `SPEAKER GROUP`: each group of a set is a set of its own then, NAME-GROUP, behind the whole. The OPTIONs are
those of `hearken transcribe`.
"""

import argparse
import json
import pathlib
import sys
import tempfile

from figures import ENGLISH, ask, rate, write

given, options = sys.argv[1:], []
if "--" in given:
    at = given.index("--")
    given, options = given[:at], given[at + 1 :]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("hearken")
parser.add_argument("model")
parser.add_argument("out")
parser.add_argument("sets", nargs="+", metavar="NAME ROLE MANIFEST")
parser.add_argument("--groups", type=pathlib.Path)
arguments = parser.parse_args(given)
groups = dict(line.split() for line in open(arguments.groups)) if arguments.groups else {}
scratch = tempfile.TemporaryDirectory()
work = pathlib.Path(scratch.name)


def scored(name, role, utterances, heard):
    """The rates of some utterances."""
    reference, hypothesis = work / "reference", work / "hypothesis"
    reference.write_text("".join(f"{u['id']} {u['text']}\n" for u in utterances))
    hypothesis.write_text("".join(f"{u['id']} {heard[u['id']]}\n" for u in utterances))
    counts = json.loads(ask(arguments.hearken, "score", *ENGLISH, "--format", "json", reference, hypothesis))
    rates = {"cer": rate(counts["characters"], counts["characters"]["reference"]), "wer": rate(counts, counts["words"])}
    print(name, f"{100 * rates['wer']['rate']:.2f}% WER", file=sys.stderr)
    return {"name": name, "role": role, "utterances": counts["utterances"], "rates": rates}


measured = []
for name, role, manifest in zip(arguments.sets[::3], arguments.sets[1::3], arguments.sets[2::3], strict=True):
    utterances = [json.loads(line) for line in open(manifest)]
    lines = ask(arguments.hearken, "transcribe", "--model", arguments.model, *options, "--manifest", manifest).splitlines()
    heard = {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}
    measured.append(scored(name, role, utterances, heard))
    for group in sorted({groups[u["speaker"]] for u in utterances if u["speaker"] in groups}):
        part = [u for u in utterances if groups.get(u["speaker"]) == group]
        measured.append(scored(f"{name}-{group}", role, part, heard))
command = ["python3 experiments/measure.py"]
command += ["--groups", arguments.groups.name] if arguments.groups else []
command += ["--", *options] if options else []
write(arguments.out, " ".join(command), arguments.hearken, measured)
