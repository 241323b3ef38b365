"""References for the audio room, by programs that are not ours. Run in this folder:

    python make.py     (scipy 1.17.1, numpy; sox 14.4.2 and ffmpeg 5.1.9 on the path)

- `resample_FROM_TO.f32`: a test signal at TO Hz, resampled from FROM Hz by scipy.signal.resample_poly with a
  Kaiser-windowed filter (beta 14, 128 zero crossings a side: flat and alias-free to below 1e-6 up to 90% of the lower
  Nyquist frequency). The signal is `tone_complex` below; the Rust test generates it by the same formula.
- `mulaw.wav`, `alaw.wav`: all 256 codes, twice, at 8 kHz; `mulaw.s16`, `alaw.s16`: what sox decodes them to.
- `decoded.json`: length, energy and one slice of what ffmpeg decodes the recordings of tests/data to.
"""

import json
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.signal import firwin, resample_poly

PAIRS = [(44100, 16000), (48000, 16000), (22050, 16000), (11025, 16000), (8000, 16000), (16000, 8000)]
DATA = Path("../../data")


def tone_complex(rate: int, samples: int, nyquist: float) -> np.ndarray:
    """Eight sines up to 85% of the lower Nyquist frequency under a Hann window of 0.06 s."""
    t = np.arange(samples) / rate
    window = np.where(t < 0.06, 0.5 - 0.5 * np.cos(2 * np.pi * t / 0.06), 0.0)
    share = 0.05 + 0.8 * np.arange(8) / 7
    phase = 0.7 * np.arange(8)
    return window * sum(0.1 * np.sin(2 * np.pi * s * nyquist * t + p) for s, p in zip(share, phase))


def resampling() -> None:
    for source, target in PAIRS:
        ratio = Fraction(target, source)
        up, down = ratio.numerator, ratio.denominator
        length = 128 * max(up, down)
        taps = firwin(2 * length + 1, 1 / max(up, down), window=("kaiser", 14.0))
        x = tone_complex(source, round(0.07 * source), min(source, target) / 2)
        y = resample_poly(x, up, down, window=taps)
        wanted = (len(x) * target * 2 + source) // (2 * source)
        y = np.concatenate([y, np.zeros(1)])[:wanted]
        y.astype("<f4").tofile(f"resample_{source}_{target}.f32")


def companding() -> None:
    codes = bytes(range(256)) * 2
    for name, encoding in (("mulaw", "mu-law"), ("alaw", "a-law")):
        raw = ["-t", "raw", "-e", encoding, "-b", "8", "-r", "8000", "-c", "1", "-"]
        subprocess.run(["sox", *raw, f"{name}.wav"], input=codes, check=True)
        subprocess.run(["sox", f"{name}.wav", "-t", "raw", "-e", "signed", "-b", "16", "-L", f"{name}.s16"], check=True)


def decoding() -> None:
    out = []
    for file in ["777-126732-0081.mp3", "1272-128104-0014.mp3", "000010168.ogg", "3_jackson_5.flac"]:
        raw = ["-f", "f32le", "-ac", "1", "-"]
        run = subprocess.run(["ffmpeg", "-v", "error", "-i", DATA / file, *raw], capture_output=True, check=True)
        x = np.frombuffer(run.stdout, "<f4")
        at = len(x) // 2
        piece = [round(float(v), 8) for v in x[at : at + 64]]
        energy = float((x.astype(np.float64) ** 2).sum())
        out.append({"file": file, "samples": len(x), "energy": energy, "at": at, "slice": piece})
    Path("decoded.json").write_text(json.dumps(out, indent=1) + "\n")


resampling()
companding()
decoding()
