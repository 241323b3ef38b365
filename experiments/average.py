#!/usr/bin/env python3
"""The weighted average of the networks of several models of one architecture, at 8 bits with a scale a row.

    python3 experiments/average.py OUT_DIR MODEL_DIR=WEIGHT MODEL_DIR=WEIGHT... [--unrounded]

With --unrounded the average stays in f32.

Everything else comes from the last model, whose language models and search the new one has: `hearken tune` chooses the
weights of the search again. Networks that were trained one from another lie in one valley of the loss, and their average is
better than each (Wortsman et al. 2022, "Model soups"). Needs numpy and safetensors.
"""

import argparse
import pathlib
import shutil
import sys

import numpy
from safetensors.numpy import load_file, save_file

from figures import relist

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("parts", nargs="+", metavar="MODEL_DIR=WEIGHT")
parser.add_argument("--unrounded", action="store_true")
arguments = parser.parse_args()
out, parts = arguments.out, [part.rsplit("=", 1) for part in arguments.parts]
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
    if value.ndim < 2 or arguments.unrounded:
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
relist(out, WEIGHTS)
