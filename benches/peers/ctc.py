#!/usr/bin/env python3
"""PyTorch's CTC forward + backward from the logits, on the shapes of benches/ctc.rs.

    python ctc.py [--threads N] [--repeats N]

Prints one JSON object a line: the median milliseconds of each vocabulary.
"""

import argparse
import json
import statistics
import time

import torch
from torch.nn.functional import ctc_loss, log_softmax

FRAMES, BATCH, LABELS = 400, 16, 80

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--repeats", type=int, default=30)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)

for vocabulary in (30, 1000):
    torch.manual_seed(1)
    logits = (torch.rand(FRAMES, BATCH, vocabulary) * 4 - 2).requires_grad_()
    targets = torch.randint(1, vocabulary, (BATCH, LABELS))
    frames = torch.full((BATCH,), FRAMES)
    labels = torch.full((BATCH,), LABELS)
    milliseconds = []
    for _ in range(arguments.repeats + 2):
        logits.grad = None
        start = time.perf_counter()
        loss = ctc_loss(log_softmax(logits, -1), targets, frames, labels, reduction="sum", zero_infinity=True)
        loss.backward()
        milliseconds.append(1e3 * (time.perf_counter() - start))
    print(
        json.dumps(
            {
                "benchmark": f"ctc/forward+backward/V={vocabulary}",
                "peer": f"PyTorch {torch.__version__}",
                "threads": arguments.threads,
                "milliseconds": round(statistics.median(milliseconds[2:]), 2),
            }
        )
    )
