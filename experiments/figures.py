"""What the scripts beside this one share: the binary's answers, counts of errors, a file of results."""

import datetime
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys

WEIGHTS = "model.safetensors"
ENGLISH = ["--normalise", "english"]


def ask(hearken, *arguments):
    """What the binary prints."""
    return subprocess.run([hearken, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def rate(counts, reference):
    """An error rate as a run's results have it."""
    errors = {key: counts[key] for key in ("substitutions", "deletions", "insertions")}
    return {"rate": sum(errors.values()) / reference, "reference": reference, **errors}


def write(out, command, hearken, sets):
    """Sets with their rates, as NAME.results.json."""
    results = {
        "name": pathlib.Path(out).name.removesuffix(".results.json"),
        "command": command,
        "date": datetime.date.today().isoformat(),
        "version": ask(hearken, "--version").split()[-1],
        "sets": sets,
    }
    pathlib.Path(out).write_text(json.dumps(results, indent=1) + "\n")


def variant(model, copy, settings, without=()):
    """A copy of a model with other settings in its [decode] table and without some of its files."""
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


def relist(model, file):
    """Writes the digest of a file that was changed into the model's description, which must list it."""
    digest = hashlib.sha256((model / file).read_bytes()).hexdigest()
    description, found = re.subn(rf'(?m)^("{file}" = ")[0-9a-f]+"', rf'\g<1>{digest}"', (model / "model.toml").read_text())
    if not found:
        sys.exit(f"{model}/model.toml does not list {file}")
    (model / "model.toml").write_text(description)


def with_network(model, copy, weights):
    """A copy of a model with the network of another file."""
    shutil.copytree(model, copy)
    shutil.copyfile(weights, copy / WEIGHTS)
    relist(copy, WEIGHTS)
    return copy


def references(manifests, out):
    """What is said in some sets, a file for each and all in `out`."""
    files = []
    for manifest in manifests:
        utterances = [json.loads(line) for line in open(manifest)]
        files.append(out.with_name(pathlib.Path(manifest).name))
        files[-1].write_text("".join(f"{u['id']} {u['text']}\n" for u in utterances))
    out.write_text("".join(file.read_text() for file in files))
    return files


def heard(hearken, model, manifests, said, out, options=()):
    """Decodes sets into `out`; the word error rate of each against its file of references."""
    rates, whole = {}, []
    for manifest, reference in zip(manifests, said, strict=True):
        whole.append(ask(hearken, "transcribe", "--model", model, *options, "--manifest", manifest))
        out.write_text(whole[-1])
        name = pathlib.Path(manifest).stem.rsplit("-", 1)[0]
        rates[name] = json.loads(ask(hearken, "score", *ENGLISH, "--format", "json", reference, out))["wer"]
    out.write_text("".join(whole))
    return rates


def compared(hearken, said, out, before):
    """The pooled rate of what was heard, and its paired bootstrap against what was heard before, if anything was."""
    against = ["--against", before] if before else []
    scored = json.loads(ask(hearken, "score", *ENGLISH, "--format", "json", said, out, *against))
    row = {"wer": scored["wer"], "interval": scored["wer_interval"]}
    if before:
        comparison = scored["against"]["comparison"]
        row |= {"difference": comparison["bootstrap"], "mapsswe_p": comparison["mapsswe"]["p_value"]}
    return row
