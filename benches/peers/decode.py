#!/usr/bin/env python3
"""flashlight-text and pyctcdecode on the log-probabilities of characters that benches/decode.rs stored, one thread.

    python decode.py LOG_PROBS.safetensors LM.arpa ALPHA BETA BEAM OUT.json [--only NAME] [--tokens N]

ALPHA and BETA are hearken's: per natural logarithm. Scores are pruned as hearken prunes them, and so are tokens where
a peer can (pyctcdecode); flashlight-text takes the N best tokens of a frame (default: all of them). Writes each decoder's
texts and the seconds that all utterances took: the median of three rounds, of one round where that takes over ten seconds.
"""

import argparse
import json
import logging
import math
import statistics
import time
from importlib.metadata import version

import numpy as np

# What an unknown word adds to ln p(<unk>): pyctcdecode's default.
UNKNOWN = -10.0 * math.log(10)
TOKEN_THRESHOLD, SCORE_THRESHOLD = 7.0, 14.0
ROUNDS, LONG = 3, 10.0
CHARACTERS = ["", " ", "'"] + [chr(c) for c in range(ord("a"), ord("z") + 1)]
# flashlight-text's names for the same.
SYMBOLS = ["<blank>", "|"] + CHARACTERS[2:]
BLANK, SPACE = 0, 1


def read(path):
    """The log-probabilities of the characters (output 0), utterance by utterance, from a safetensors file of f32."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        body = file.read()
    matrices = []
    while entry := header.get(f"{len(matrices)}.0"):
        begin, end = entry["data_offsets"]
        matrices.append(np.frombuffer(body[begin:end], np.float32).reshape(entry["shape"]))
    return matrices


def words_of(lm):
    """The words of an ARPA file."""
    words, inside = [], False
    for line in open(lm):
        if line.startswith("\\"):
            if inside:
                break
            inside = line.startswith("\\1-grams")
        elif inside and line.strip():
            words.append(line.split("\t")[1].strip())
    return [word for word in words if word not in ("<s>", "</s>", "<unk>")]


def pyctcdecode(lm, options):
    from pyctcdecode import build_ctcdecoder

    logging.disable(logging.WARNING)
    if lm is None:
        decoder = build_ctcdecoder(CHARACTERS)
    else:
        # Its weight is multiplied by ln 10 inside; its unknown-word score is a log10.
        weights = dict(alpha=options.alpha, beta=options.beta, unk_score_offset=UNKNOWN / math.log(10))
        decoder = build_ctcdecoder(CHARACTERS, lm, words_of(lm), **weights)

    def decode(matrix):
        pruning = dict(beam_prune_logp=-SCORE_THRESHOLD, token_min_logp=-TOKEN_THRESHOLD)
        return decoder.decode(matrix, beam_width=options.beam, **pruning)

    return decode


def closed(matrix):
    """One frame more that costs nothing: flashlight-text's words end with a space, the last one too."""
    end = np.full((1, matrix.shape[1]), -1e4, np.float32)
    end[0, [BLANK, SPACE]] = 0
    return np.ascontiguousarray(np.concatenate([matrix, end]))


def flashlight(lm, options):
    from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    token_of = {token: i for i, token in enumerate(SYMBOLS)}
    words = [word for word in words_of(lm) if all(c in token_of for c in word)]
    dictionary = Dictionary(words + ["<unk>"])
    unknown = dictionary.get_index("<unk>")
    dictionary.set_default_index(unknown)
    model = KenLM(lm, dictionary)
    trie = Trie(len(SYMBOLS), SPACE)
    start = model.start(False)
    for word in words:
        index = dictionary.get_index(word)
        trie.insert([token_of[c] for c in word] + [SPACE], index, model.score(start, index)[1])
    trie.smear(SmearingMode.MAX)
    # KenLM's scores are log10 here.
    weights = dict(lm_weight=options.alpha * math.log(10), word_score=options.beta, unk_score=-math.inf, sil_score=0)
    search = dict(beam_size=options.beam, beam_size_token=options.tokens, beam_threshold=SCORE_THRESHOLD, log_add=True)
    settings = LexiconDecoderOptions(**search, **weights, criterion_type=CriterionType.CTC)
    decoder = LexiconDecoder(settings, trie, model, SPACE, BLANK, unknown, [], False)

    def decode(matrix):
        matrix = closed(matrix)
        result = decoder.decode(matrix.ctypes.data, *matrix.shape)[0]
        return " ".join(dictionary.get_entry(word) for word in result.words if word >= 0)

    return decode


def lexicon_free(_, options):
    from flashlight.lib.text.decoder import CriterionType, LexiconFreeDecoder, LexiconFreeDecoderOptions, ZeroLM

    search = dict(beam_size=options.beam, beam_size_token=options.tokens, beam_threshold=SCORE_THRESHOLD, log_add=True)
    settings = LexiconFreeDecoderOptions(**search, lm_weight=0, sil_score=0, criterion_type=CriterionType.CTC)
    model = ZeroLM()
    decoder = LexiconFreeDecoder(settings, model, SPACE, BLANK, [])

    def decode(matrix):
        result = decoder.decode(matrix.ctypes.data, *matrix.shape)[0]
        path = [token for token in result.tokens if token >= 0]
        text = [CHARACTERS[token] for before, token in zip([BLANK] + path, path) if token != before]
        return " ".join("".join(text).split())

    return decode


def timed(decode, matrices):
    """The texts, and the seconds that they took."""
    rounds = []
    while len(rounds) < ROUNDS and (not rounds or rounds[0] < LONG):
        begun = time.perf_counter()
        texts = [decode(matrix) for matrix in matrices]
        rounds.append(time.perf_counter() - begun)
    return texts, statistics.median(rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log_probs")
    parser.add_argument("lm")
    parser.add_argument("alpha", type=float)
    parser.add_argument("beta", type=float)
    parser.add_argument("beam", type=int)
    parser.add_argument("out")
    parser.add_argument("--only", default="")
    parser.add_argument("--tokens", type=int, default=len(CHARACTERS))
    options = parser.parse_args()
    matrices = read(options.log_probs)
    frames = sum(len(matrix) for matrix in matrices)
    results = {}
    for package, name, build, lm in [
        ("flashlight-text", "with a lexicon", flashlight, options.lm),
        ("flashlight-text", "lexicon-free, no model", lexicon_free, None),
        ("pyctcdecode", "with kenlm", pyctcdecode, options.lm),
        ("pyctcdecode", "no model", pyctcdecode, None),
    ]:
        peer = f"{package} {version(package)}, {name}"
        if options.only not in peer:
            continue
        texts, seconds = timed(build(lm, options), matrices)
        results[peer] = {"seconds": seconds, "frames": frames, "texts": texts, "model": lm is not None}
        print(f"{peer}: {seconds:.3f} s for {frames} frames, {800 * seconds / frames:.4f} s for 800", flush=True)
    with open(options.out, "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main()
