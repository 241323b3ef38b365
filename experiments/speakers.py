#!/usr/bin/env python3
"""What it is worth to adapt the English model to a speaker of the dev sets, with `adapt-english.toml`.

    python3 experiments/speakers.py HEARKEN MODEL_DIR DATA OUT.json MANIFEST... [--own-words] [--set KEY=VALUE...]

It learns from every second utterance of a speaker, and what comes out hears the others; then the other way round, so that each
utterance is heard by a model that knows its speaker and not it. With `--own-words` no transcript is needed: it learns from all
utterances of a speaker with the words that the model as it ships hears in them, and hears them again.

MODEL_DIR is the model as it ships, MANIFEST the dev sets as `hearken corpus import` or `hearken run` leave them, DATA a folder for
recordings and runs. The epoch is the one that is best on what was learnt, as there is nothing else to choose it on; each set is
compared with the model as it ships (`hearken score --against`, paired bootstrap over utterances).
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from figures import WEIGHTS, ask, compared, references, with_network

EXPERIMENT = pathlib.Path(__file__).with_name("adapt-english.toml")


def adapt(hearken, work, name, utterances, settings):
    """The weights that come out of some utterances of a speaker."""
    folder = work / "recordings" / name
    folder.mkdir(parents=True, exist_ok=True)
    for utterance in utterances:
        audio = pathlib.Path(utterance["audio"])
        link = folder / f"{utterance['id']}{audio.suffix}"
        link.unlink(missing_ok=True)
        link.symlink_to(audio)
        link.with_suffix(".txt").write_text(utterance["text"] + "\n")
    own = '[{ corpus = "folder", path = "." }]'
    fixed = [f"name={name}", f"data.train={own}", f"data.dev={own}", "decode.method=greedy"]
    options = [option for setting in fixed + settings for option in ("--set", setting)]
    command = [hearken, "run", EXPERIMENT, *options, "--data-root", folder, "--out", work / "runs", "--weights", "int8"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return work / "runs" / name / "model" / WEIGHTS


def heard(hearken, shipped, weights, utterances, scratch):
    """The shipped model with other weights hears some utterances: lines of id and words."""
    model = scratch / "model"
    shutil.rmtree(model, ignore_errors=True)
    with_network(shipped, model, weights)
    manifest = scratch / "half.jsonl"
    manifest.write_text("".join(json.dumps(utterance) + "\n" for utterance in utterances))
    return ask(hearken, "transcribe", "--model", model, "--manifest", manifest)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hearken")
    parser.add_argument("shipped", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("manifests", nargs="+")
    parser.add_argument("--own-words", action="store_true")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    arguments = parser.parse_args()
    hearken, shipped, work = arguments.hearken, arguments.shipped, arguments.work
    scratch = pathlib.Path(tempfile.mkdtemp(dir=work))
    rows = []
    for manifest, said in zip(arguments.manifests, references(arguments.manifests, scratch / "all"), strict=True):
        name = pathlib.Path(manifest).stem.rsplit("-", 1)[0]
        adapted, before = scratch / "adapted.hyp", scratch / "shipped.hyp"
        before.write_text(ask(hearken, "transcribe", "--model", shipped, "--manifest", manifest))
        own = {id: words.strip() for id, _, words in (line.partition(" ") for line in open(before))}
        speakers = collections.defaultdict(list)
        for line in open(manifest):
            utterance = json.loads(line)
            utterance["audio"] = str((pathlib.Path(manifest).parent / utterance["audio"]).resolve())
            if arguments.own_words:
                utterance["text"] = own[utterance["id"]]
            speakers[utterance["speaker"]].append(utterance)
        lines, seconds = [], []
        for speaker, utterances in speakers.items():
            halves = [(utterances[::2], utterances[1::2]), (utterances[1::2], utterances[::2])]
            if arguments.own_words:
                halves = [([utterance for utterance in utterances if utterance["text"]], utterances)]
            for number, (learnt, others) in enumerate(halves):
                seconds.append(sum(utterance["duration"] for utterance in learnt))
                weights = adapt(hearken, work, f"{name}-{speaker}-{number}", learnt, arguments.settings)
                lines.append(heard(hearken, shipped, weights, others, scratch))
        adapted.write_text("".join(lines))
        row = {
            "set": name,
            "speakers": len(speakers),
            "seconds": [round(min(seconds)), round(max(seconds))],
            "shipped": compared(hearken, said, before, None)["wer"],
            "adapted": compared(hearken, said, adapted, before),
        }
        print(name, json.dumps(row), file=sys.stderr, flush=True)
        rows.append(row)
    shutil.rmtree(scratch)
    command = "python3 experiments/speakers.py HEARKEN MODEL_DIR DATA OUT MANIFEST MANIFEST" + arguments.own_words * " --own-words"
    arguments.out.write_text(json.dumps({"command": command, "settings": arguments.settings, "sets": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
