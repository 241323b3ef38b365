#!/usr/bin/env python3
"""What it is worth to adapt the English model to a speaker: `adapt-english.toml` on every second utterance of a dev speaker, the others
decoded with what comes out; then the other way round, so that each utterance is heard by a model that knows its speaker and not it.

    python3 experiments/speakers.py HEARKEN MODEL_DIR DATA OUT.json MANIFEST... [-- --set KEY=VALUE...]

MODEL_DIR is the model as it ships, MANIFEST the dev sets as `hearken corpus import` or `hearken run` leave them, DATA a folder for
recordings and runs. The epoch is the one that is best on what was learnt, as there is nothing else to choose it on; each set is compared with the model as it
ships (`hearken score --against`, paired bootstrap over utterances).
"""

import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from figures import ask, compared, references, relist

EXPERIMENT = pathlib.Path(__file__).with_name("adapt-english.toml")
WEIGHTS = "model.safetensors"


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
    shutil.copytree(shipped, model)
    shutil.copyfile(weights, model / WEIGHTS)
    relist(model, WEIGHTS)
    manifest = scratch / "half.jsonl"
    manifest.write_text("".join(json.dumps(utterance) + "\n" for utterance in utterances))
    return ask(hearken, "transcribe", "--model", model, "--manifest", manifest)


def main():
    arguments, settings = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, settings = arguments[:at], [setting for setting in arguments[at + 1 :] if setting != "--set"]
    hearken, shipped, work, out, *manifests = arguments
    shipped, work = pathlib.Path(shipped), pathlib.Path(work)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=work))
    rows = []
    for manifest, said in zip(manifests, references(manifests, scratch / "all"), strict=True):
        name = pathlib.Path(manifest).stem.rsplit("-", 1)[0]
        speakers = collections.defaultdict(list)
        for line in open(manifest):
            utterance = json.loads(line)
            utterance["audio"] = str((pathlib.Path(manifest).parent / utterance["audio"]).resolve())
            speakers[utterance["speaker"]].append(utterance)
        lines = []
        for speaker, utterances in speakers.items():
            for half in (0, 1):
                learnt = utterances[half::2]
                weights = adapt(hearken, work, f"{name}-{speaker}-{half}", learnt, settings)
                lines.append(heard(hearken, shipped, weights, utterances[1 - half :: 2], scratch))
        adapted, before = scratch / "adapted.hyp", scratch / "shipped.hyp"
        adapted.write_text("".join(lines))
        before.write_text(ask(hearken, "transcribe", "--model", shipped, "--manifest", manifest))
        seconds = [sum(u["duration"] for u in utterances) / 2 for utterances in speakers.values()]
        row = {
            "set": name,
            "speakers": len(speakers),
            "seconds": [round(min(seconds)), round(max(seconds))],
            "shipped": compared(hearken, said, before, None)["wer"],
            "adapted": compared(hearken, said, adapted, before),
        }
        print(name, json.dumps(row["shipped"]), json.dumps(row["adapted"]), file=sys.stderr, flush=True)
        rows.append(row)
    shutil.rmtree(scratch)
    results = {"command": "python3 experiments/speakers.py HEARKEN MODEL_DIR DATA OUT MANIFEST MANIFEST", "settings": settings, "sets": rows}
    pathlib.Path(out).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
