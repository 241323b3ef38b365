#!/usr/bin/env python3
"""80-bin filterbanks on one thread: hearken (benches/features.rs), kaldi-native-fbank and torchaudio.

    python features.py [--rounds N]      from the repository's root

Prints one JSON object a line: for each the median seconds for ten seconds of audio, how many times faster
than real time that is, and how many times faster hearken is; then the largest difference between the two
references' features. The three run in turn, round by round, on the same machine. torchaudio needs the
PyTorch that it was built for; where it cannot be imported it is left out, and said so.

25/10 ms, povey window, dither 0, 16 kHz. Waveform in, features out, both in memory; kaldi-native-fbank is timed
without the calls that fetch its frames one by one.
"""

import argparse
import json
import os
import statistics
import time

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import kaldi_native_fbank as knf
import numpy as np

import criterion

try:
    import torch
    import torchaudio
    from torchaudio.compliance.kaldi import fbank as torchaudio_fbank

    torch.set_num_threads(1)
except (ImportError, OSError) as error:
    torchaudio = None
    print(json.dumps({"peer": "torchaudio", "left out": str(error)}))

RATE, SECONDS = 16000, 10
rng = np.random.default_rng(1)
level = 1 + np.sin(np.arange(RATE * SECONDS) / 2000)
wave = np.round(3000 * level * rng.standard_normal(RATE * SECONDS)).astype(np.float32)


def hearken():
    """Criterion's own median, from the file that it writes."""
    criterion.run("features", "features/fbank80$")
    return criterion.median("features/fbank80")


def kaldi_native_fbank():
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = RATE
    options.mel_opts.num_bins = 80
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(RATE, wave)
    fbank.input_finished()
    return fbank


def torchaudio_kaldi():
    tensor = torch.from_numpy(wave)[None]
    return torchaudio_fbank(tensor, num_mel_bins=80, dither=0.0, sample_frequency=RATE)


def timed(run):
    """The median of a tenth of a second of runs."""
    times = []
    while sum(times) < 0.1 or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=7)
rounds = parser.parse_args().rounds
sides = {"hearken": hearken, f"kaldi-native-fbank {knf.__version__}": lambda: timed(kaldi_native_fbank)}
if torchaudio:
    sides[f"torchaudio {torchaudio.__version__}"] = lambda: timed(torchaudio_kaldi)
for side in sides.values():
    side()
seconds = {name: [] for name in sides}
for _ in range(rounds):
    for name, side in sides.items():
        seconds[name].append(side())
medians = {name: statistics.median(times) for name, times in seconds.items()}
for name, median in medians.items():
    row = {
        "benchmark": "features/fbank80",
        "peer": name,
        "threads": 1,
        "seconds": round(median, 6),
        "times_real_time": round(SECONDS / median),
        "hearken_is_faster": round(median / medians["hearken"], 2),
    }
    print(json.dumps(row))
if torchaudio:
    fbank = kaldi_native_fbank()
    kaldi = np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
    difference = float(np.abs(kaldi - torchaudio_kaldi().numpy()).max())
    print(json.dumps({"largest difference between the peers": difference}))
