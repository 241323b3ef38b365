#!/usr/bin/env python3
"""The weighted average of the networks of several models of one architecture, at 8 bits with a scale a row.

    python3 experiments/average.py OUT_DIR MODEL_DIR=WEIGHT MODEL_DIR=WEIGHT... [--unrounded]

With --unrounded the average stays in f32.

Everything else comes from the last model, whose language models and search the new one has: `hearken tune` chooses the
weights of the search again. Networks that were trained one from another lie in one valley of the loss, and their average is
better than each (Wortsman et al. 2022, "Model soups"). Needs numpy and safetensors.
"""

import hashlib
import pathlib
import re
import shutil
import sys

import numpy
from safetensors.numpy import load_file, save_file

given = [argument for argument in sys.argv[1:] if argument != "--unrounded"]
unrounded = len(given) < len(sys.argv) - 1
out, parts = pathlib.Path(given[0]), [part.rsplit("=", 1) for part in given[1:]]
WEIGHTS = "model.safetensors"


def weights(model):
    """The matrices of a model, in f32."""
    stored = load_file(pathlib.Path(model) / WEIGHTS)
    return {
        name: (value.reshape(-1, value.shape[-1]) * stored[f"{name}.scale"][:, None]).reshape(value.shape) if f"{name}.scale" in stored else value
        for name, value in stored.items()
        if not name.endswith(".scale")
    }


def stored(name, value):
    """A matrix of 8-bit whole numbers and its rows' scales; a vector, or what is not to be rounded, as it is."""
    value = value.astype(numpy.float32)
    if value.ndim < 2 or unrounded:
        return {name: value}
    rows = value.reshape(-1, value.shape[-1])
    scales = numpy.maximum(numpy.abs(rows).max(axis=1), 1e-30) / 127
    whole = numpy.rint(rows / scales[:, None]).astype(numpy.int8)
    return {name: whole.reshape(value.shape), f"{name}.scale": scales.astype(numpy.float32)}


shares = [float(weight) for _, weight in parts]
models = [weights(model) for model, _ in parts]
if abs(sum(shares) - 1) > 1e-6 or any(model.keys() != models[0].keys() for model in models):
    sys.exit("the weights must add up to 1, and the models be of one architecture")
shutil.copytree(parts[-1][0], out)
mean = {name: sum(share * model[name] for share, model in zip(shares, models)) for name in models[0]}
save_file({key: tensor for name, value in mean.items() for key, tensor in stored(name, value).items()}, out / WEIGHTS)
digest = hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest()
description, found = re.subn(rf'(?m)^("{WEIGHTS}" = ")[0-9a-f]+"', rf'\g<1>{digest}"', (out / "model.toml").read_text())
if not found:
    sys.exit(f"{parts[-1][0]}/model.toml does not list {WEIGHTS}")
(out / "model.toml").write_text(description)
