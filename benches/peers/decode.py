#!/usr/bin/env python3
"""pyctcdecode and flashlight-text on the log-probabilities that benches/decode.rs stored, one thread.

    python decode.py LOG_PROBS.safetensors OUTPUT LM.arpa LEXICON|none ALPHA BETA BEAM OUT.json

OUTPUT 0 is characters, 1 phones. ALPHA and BETA are hearken's: per natural logarithm. LEXICON is needed for phones
(flashlight-text only). Writes the texts, in the file's order, and the seconds that decoding them took.
"""

import json
import logging
import math
import sys
import time

import numpy as np

logging.disable(logging.WARNING)
path, output, lm, lexicon, alpha, beta, beam, out = sys.argv[1:]
output, alpha, beta, beam = int(output), float(alpha), float(beta), int(beam)
UNKNOWN = -10.0
TOKEN_THRESHOLD, SCORE_THRESHOLD = 7.0, 14.0


def read(path):
    """The tensors of a safetensors file, all of them f32."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        body = file.read()
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield name, np.frombuffer(body[begin:end], np.float32).reshape(entry["shape"])


tensors = dict(read(path))
count = sum(name.endswith(f".{output}") for name in tensors)
matrices = [np.ascontiguousarray(tensors[f"{i}.{output}"]) for i in range(count)]
frames = sum(len(m) for m in matrices)
CHARACTERS = ["", " ", "'"] + [chr(c) for c in range(ord("a"), ord("z") + 1)]
PHONES = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
).split()


def words_of(lm):
    words, inside = [], False
    for line in open(lm):
        if line.startswith("\\"):
            if inside:
                break
            inside = line.startswith("\\1-grams")
        elif inside and line.strip():
            words.append(line.split("\t")[1])
    return [w.strip() for w in words if w.strip() not in ("<s>", "</s>", "<unk>")]


def pyctcdecode():
    from pyctcdecode import build_ctcdecoder

    # Its language-model weight is per log10 and multiplied by ln 10 inside; its unknown-word score is a log10.
    decoder = build_ctcdecoder(CHARACTERS, lm, words_of(lm), alpha=alpha, beta=beta, unk_score_offset=UNKNOWN / math.log(10))

    def decode(matrix):
        return decoder.decode(matrix, beam_width=beam, beam_prune_logp=-SCORE_THRESHOLD, token_min_logp=-TOKEN_THRESHOLD)

    return decode


def flashlight():
    from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    words = words_of(lm)
    tokens = (["<blank>", "|", "'"] + CHARACTERS[3:]) if output == 0 else ["<blank>"] + PHONES
    token_of = {token: i for i, token in enumerate(tokens)}
    spellings = []
    if lexicon == "none":
        spellings = [(w, [token_of[c] for c in w] + [1]) for w in words if all(c in token_of for c in w)]
    else:
        known = set(words)
        for line in open(lexicon):
            word, *phones = line.split()
            word = word.split("(")[0]
            phones = [token_of[p.rstrip("012")] for p in phones if p.rstrip("012") in token_of]
            if word in known and phones:
                spellings.append((word, phones))
    dictionary = Dictionary()
    for word in dict.fromkeys(w for w, _ in spellings):
        dictionary.add_entry(word)
    dictionary.add_entry("<unk>")
    dictionary.set_default_index(dictionary.get_index("<unk>"))
    model = KenLM(lm, dictionary)
    trie = Trie(len(tokens), 1 if output == 0 else -1)
    start = model.start(False)
    for word, spelling in spellings:
        index = dictionary.get_index(word)
        _, score = model.score(start, index)
        trie.insert(spelling, index, score)
    trie.smear(SmearingMode.MAX)
    options = LexiconDecoderOptions(
        beam_size=beam,
        beam_size_token=len(tokens),
        beam_threshold=SCORE_THRESHOLD,
        # KenLM's scores are log10 here.
        lm_weight=alpha * math.log(10),
        word_score=beta,
        unk_score=-math.inf,
        sil_score=0,
        log_add=True,
        criterion_type=CriterionType.CTC,
    )
    decoder = LexiconDecoder(options, trie, model, 1 if output == 0 else -1, 0, dictionary.get_index("<unk>"), [], False)

    def decode(matrix):
        result = decoder.decode(matrix.ctypes.data, *matrix.shape)[0]
        return " ".join(dictionary.get_entry(w) for w in result.words if w >= 0)

    return decode


results = {}
for name, build in [("flashlight-text", flashlight)] + ([("pyctcdecode", pyctcdecode)] if output == 0 else []):
    decode = build()
    started = time.perf_counter()
    texts = [decode(matrix) for matrix in matrices]
    seconds = time.perf_counter() - started
    results[name] = {"seconds": seconds, "frames": frames, "texts": texts}
    print(f"{name}: {seconds:.3f} s for {frames} frames, {800 * seconds / frames:.4f} s for 800", flush=True)
with open(out, "w") as file:
    json.dump(results, file)
