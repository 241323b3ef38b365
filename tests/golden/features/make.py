"""Reference features: kaldi-native-fbank (filterbanks, deltas), numpy (normalisation, stacking) and
matplotlib's specgram, of short real recordings.

usage: make.py DATA
  DATA/librispeech/LibriSpeech, DATA/fsdd/recordings: the corpora; needs ffmpeg, kaldi-native-fbank,
  numpy, matplotlib, safetensors.
Writes features.safetensors beside this file: the waveforms as i16 (`wave/RATE`) and the features
as f32 (`CASE`, [T, D]); its metadata gives each case's recipe as hearken's TOML, and the versions.

The recordings: 0.24 s of LibriSpeech dev-clean 1272-128104-0000 (CC BY 4.0, Panayotov et al. 2015) and
FSDD's 3_theo_7 (CC BY-SA 4.0, Jackson et al.). 20 ms of digital silence follow each, so that the floors are seen.
"""
import itertools, os, subprocess, sys
import kaldi_native_fbank as knf, matplotlib, numpy as np
from matplotlib import mlab
from safetensors.numpy import save_file

DATA = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))


def decode(path, rate, start, seconds):
    out = subprocess.run(
        ["ffmpeg", "-v", "error", "-ss", str(start), "-t", str(seconds), "-i", path]
        + ["-f", "s16le", "-ac", "1", "-ar", str(rate), "-"], capture_output=True, check=True).stdout
    return np.concatenate([np.frombuffer(out, np.int16), np.zeros(rate // 50, np.int16)])


LIBRI = f"{DATA}/librispeech/LibriSpeech/train/1272/128104/1272-128104-0000.mp3"
waves = {
    16000: decode(LIBRI, 16000, 1.0, 0.24),
    8000: decode(f"{DATA}/fsdd/recordings/3_theo_7.wav", 8000, 0, 1),
    11025: decode(LIBRI, 11025, 1.0, 0.15),
}
tensors = {f"wave/{rate}": wave for rate, wave in waves.items()}
metadata = {"versions": f"kaldi-native-fbank {knf.__version__}, matplotlib {matplotlib.__version__}, numpy {np.__version__}"}


def kaldi(rate, bins, snip=True, energy=False, raw=True, floor=0.0, last=False, low=20.0, high=0.0,
          window="povey", preemphasis=0.97, dc=True, power_of_two=True, length=25.0, shift=10.0):
    """kaldi-native-fbank's features [T, D] and hearken's recipe for the same."""
    o = knf.FbankOptions()
    f, m = o.frame_opts, o.mel_opts
    f.dither, f.samp_freq, f.snip_edges, f.window_type = 0, rate, snip, window
    f.preemph_coeff, f.remove_dc_offset, f.round_to_power_of_two = preemphasis, dc, power_of_two
    f.frame_length_ms, f.frame_shift_ms = length, shift
    m.num_bins, m.low_freq, m.high_freq = bins, low, high
    o.use_energy, o.raw_energy, o.energy_floor, o.htk_compat = energy, raw, floor, last
    fbank = knf.OnlineFbank(o)
    fbank.accept_waveform(rate, waves[rate].astype(np.float32).tolist())
    fbank.input_finished()
    features = np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
    b = lambda x: str(x).lower()
    recipe = f"""kind = "fbank"
sample_rate = {rate}
[frames]
length_ms = {length}
shift_ms = {shift}
snip_edges = {b(snip)}
remove_dc_offset = {b(dc)}
preemphasis = {preemphasis}
window = "{window}"
round_to_power_of_two = {b(power_of_two)}
[mel]
bins = {bins}
low_hz = {low}
high_hz = {high}
[energy]
append = {b(energy)}
raw = {b(raw)}
floor = {floor}
last = {b(last)}
"""
    return features, recipe


def case(name, features, recipe):
    tensors[name] = np.ascontiguousarray(features, np.float32)
    metadata[name] = recipe


for rate, bins, snip, energy in itertools.product((16000, 8000), (23, 40, 80), (True, False), (False, True)):
    case(f"fbank-{rate}-{bins}-snip-{snip}-energy-{energy}", *kaldi(rate, bins, snip, energy))
for window in ("hamming", "hanning", "hann", "sine", "blackman", "rectangular"):
    case(f"window-{window}", *kaldi(8000, 10, window=window))
case("energy-windowed", *kaldi(8000, 10, energy=True, raw=False))
case("energy-floor", *kaldi(8000, 10, energy=True, floor=1e7))
case("energy-last", *kaldi(8000, 10, energy=True, last=True))
case("band", *kaldi(16000, 20, low=300.0, high=3400.0))
case("band-below-nyquist", *kaldi(16000, 20, low=0.0, high=-400.0))
case("no-preemphasis", *kaldi(16000, 10, preemphasis=0.0))
case("no-dc-removal", *kaldi(16000, 10, dc=False))
case("not-a-power-of-two", *kaldi(16000, 10, power_of_two=False))
case("rate-11025", *kaldi(11025, 23))
case("length-32-shift-12.5", *kaldi(16000, 23, length=32.0, shift=12.5, snip=False))

x, recipe = kaldi(8000, 12, energy=True)
o = knf.DeltaOptions()
for order, window in ((1, 2), (2, 2), (2, 3)):
    o.order, o.window = order, window
    case(f"deltas-{order}-{window}", knf.compute_deltas(o, x), recipe + f"[deltas]\norder = {order}\nwindow = {window}\n")

x, recipe = kaldi(16000, 40)
x = (x - x.mean(0)) / (x.std(0) + 1e-3)
n = len(x) // 3
case("normalised-stacked", x[: n * 3].reshape(n, 120),
     'normalisation = "utterance"\n' + recipe + "[stacking]\nframes = 3\nskip = 3\n")

wave = waves[16000].astype(np.float64)
spec, _, _ = mlab.specgram(wave, NFFT=254, Fs=16000, noverlap=127)  # one-sided power density, [128, T]
power = spec * 16000 * (np.hanning(254) ** 2).sum()
power[1:-1] /= 2
case("spectrogram", np.log(np.maximum(power.T, 1.1920929e-07)), """kind = "spectrogram"
sample_rate = 16000
[frames]
length_ms = 15.875
shift_ms = 7.9375
window = "hanning"
round_to_power_of_two = false
remove_dc_offset = false
preemphasis = 0.0
""")
save_file(tensors, f"{HERE}/features.safetensors", metadata)
