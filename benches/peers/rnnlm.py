#!/usr/bin/env python3
"""Training speed of a word LSTM: hearken against PyTorch, words a second on the same threads.

    python rnnlm.py HEARKEN TEXT [--threads 1] [--precision f32|bf16] [--rounds 3] [--steps 40]

The network of the issue: embedding 512, LSTM 1 x 512, full softmax over 10,000 words, 20 streams of
35 tokens, plain gradient descent, gradient norm clipped. The two run in turn, round by round; the
medians and their ratio are printed as one JSON object. Run it with nothing else on the machine.
TEXT is plain text, one sentence a line, of at least 20 * 35 * STEPS words and 10,000 distinct ones.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
precision = "{precision}"
[model]
vocabulary = 9997
cells = 512
embedding = 512
dropout = 0.0
[batches]
streams = 20
steps = 35
[train]
epochs = 1
checkpoint-steps = 1000000
clip-norm = 0.25
optimiser = {{ kind = "sgd", learning-rate = 1.0, momentum = 0.0, weight-decay = 0.0 }}
schedule = {{ kind = "constant", warmup-steps = 0 }}
"""


def ours(hearken, text, precision, threads):
    """Words a second of an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "rnn.toml").write_text(CONFIG.format(precision=precision))
        dev = folder / "dev.txt"
        dev.write_text("\n".join(text.read_text().splitlines()[:20]) + "\n")
        command = [hearken, "--threads", str(threads), "lm", "train", "--rnn", folder / "rnn.toml"]
        command += ["--dev", dev, "--out", folder / "out", text]
        log = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stderr
        return float(re.findall(r"(\d+) tokens/s", log)[-1])


def theirs(precision, steps):
    """Words a second of `steps` steps on random tokens, after a fifth as many to warm up."""
    import torch

    torch.manual_seed(1)
    embedding, lstm, output = torch.nn.Embedding(10_000, 512), torch.nn.LSTM(512, 512), torch.nn.Linear(512, 10_000)
    parameters = [*embedding.parameters(), *lstm.parameters(), *output.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=1.0)
    tokens = torch.randint(10_000, (36, 20))
    state = None
    warm_up = max(steps // 5, 1)
    for step in range(warm_up + steps):
        if step == warm_up:
            begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            y, state = lstm(embedding(tokens[:-1]), state)
            loss = torch.nn.functional.cross_entropy(output(y).float().flatten(0, 1), tokens[1:].flatten())
        state = tuple(part.detach() for part in state)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.25)
        optimiser.step()
    return steps * 20 * 35 / (time.perf_counter() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hearken", nargs="?")
    parser.add_argument("text", nargs="?", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(theirs(arguments.precision, arguments.steps))
        return
    if arguments.hearken is None or arguments.text is None:
        parser.error("HEARKEN and TEXT are needed")
    threads = str(arguments.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    again = [sys.executable, __file__, "--peer", "--precision", arguments.precision, "--steps", str(arguments.steps)]
    rates = {"hearken": [], "pytorch": []}
    with tempfile.TemporaryDirectory() as folder:
        lines, words = [], 0
        for line in arguments.text.read_text().splitlines():
            if words >= 20 * 35 * arguments.steps:
                break
            lines.append(line)
            words += len(line.split()) + 1
        # A line of its own for what the vocabulary still lacks.
        known = set(word for line in lines for word in line.split())
        lines.append(" ".join(f"w{i}x" for i in range(max(9_997 - len(known), 0))))
        text = Path(folder) / "text"
        text.write_text("\n".join(lines) + "\n")
        for _ in range(arguments.rounds):
            rates["hearken"].append(ours(arguments.hearken, text, arguments.precision, arguments.threads))
            done = subprocess.run(again, env=environment, check=True, capture_output=True, text=True)
            rates["pytorch"].append(float(done.stdout))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    medians |= {"threads": arguments.threads, "precision": arguments.precision}
    print(json.dumps(medians | {"ratio": medians["hearken"] / medians["pytorch"]}))


if __name__ == "__main__":
    main()
