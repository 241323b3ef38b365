#!/usr/bin/env python3
"""n-grams: hearken against KenLM's own programs, estimation and queries.

    python ngram.py HEARKEN KENLM_BIN DATA [--only TEXT] [--rounds 3] > OUT.jsonl

KENLM_BIN is the folder of lmplz, build_binary and query, built from KenLM's source (the PyPI package `kenlm` holds it:
pip download --no-binary kenlm --no-deps kenlm; cmake; make). DATA holds lm/librispeech and lm/gutenberg-large. Each row
is measured in turn, ours and theirs, round by round, whole processes from text to file; a JSON object a row, with the medians of
the wall seconds and resident memory. Run it with nothing else on the machine.
"""

import argparse
import json
import lzma
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path


def run(command, stdin=None):
    """Standard output and standard error, wall seconds and resident bytes of a process."""
    with open(stdin or os.devnull) as text, tempfile.TemporaryFile("w+") as printed:
        begun = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdin=text, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        if process.returncode:
            raise SystemExit(f"{command}: {printed.read()}")
        return printed.read(), seconds, usage.ru_maxrss * 1024


def in_turn(rounds, ours, theirs):
    """Median seconds and bytes of both."""
    runs = [(ours(), theirs()) for _ in range(rounds)]
    middle = lambda side, part: statistics.median(run[side][part] for run in runs)
    return {
        "hearken_seconds": round(middle(0, 1), 3),
        "peer_seconds": round(middle(1, 1), 3),
        "ratio": round(middle(1, 1) / middle(0, 1), 3),
        "hearken_gb": round(middle(0, 2) / 1e9, 3),
        "peer_gb": round(middle(1, 2) / 1e9, 3),
    }


def perplexities(hearken, kenlm, ours, theirs, text):
    """Of both models, each asked by its own program, with unknown words."""
    printed, _, _ = run([hearken, "lm", "perplexity", "--format", "json", "--lm", ours, text])
    summary, _, _ = run([kenlm / "query", "-v", "summary", theirs], text)
    peer = re.search(r"Perplexity including OOVs:\s*(\S+)", summary)[1]
    return {"hearken_perplexity": round(json.loads(printed)["perplexity"], 6), "peer_perplexity": round(float(peer), 6)}


def estimation(hearken, kenlm, folder, text, held_out, order, space, prune=(), memory=None):
    """Estimates from text to ARPA with two threads; `space` is what lmplz may sort in."""
    ours, theirs = folder / "ours.arpa", folder / "theirs.arpa"
    pruning = ["--prune", *prune] if prune else []
    train = [hearken, "--threads", 2, "lm", "train", "--order", order, *pruning, "--out", ours, text]
    train += ["--memory", memory] if memory else []
    lmplz = [kenlm / "lmplz", "-o", order, "-S", space, "-T", folder, "--arpa", theirs, *pruning]

    def measure(rounds):
        row = in_turn(rounds, lambda: run(train), lambda: run(lmplz, text))
        return row | perplexities(hearken, kenlm, ours, theirs, held_out)

    return measure


def queries(hearken, kenlm, folder, text, kind):
    """Scores the text that the 5-gram was trained on, one thread, whole processes."""
    arpa, ours, theirs = folder / "five.arpa", folder / "five.bin", folder / f"five.{kind}"

    def measure(rounds):
        run([hearken, "lm", "train", "--order", 5, "--out", arpa, text])
        run([hearken, "lm", "convert", arpa, ours])
        run([kenlm / "build_binary", kind, arpa, theirs])
        score = [hearken, "--threads", 1, "lm", "perplexity", "--lm", ours, text]
        row = in_turn(rounds, lambda: run(score), lambda: run([kenlm / "query", "-v", "summary", theirs], text))
        row |= {"hearken_mb": round(ours.stat().st_size / 1e6, 1), "peer_mb": round(theirs.stat().st_size / 1e6, 1)}
        return row | perplexities(hearken, kenlm, ours, theirs, text)

    return measure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hearken", type=Path)
    parser.add_argument("kenlm", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    small, large = options.data / "lm/librispeech", options.data / "lm/gutenberg-large/train.txt.xz"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        everything = folder / "large.txt"
        both = (options.hearken, options.kenlm, folder)
        train, dev, test = small / "train.txt", small / "dev.txt", small / "test.txt"
        rows = {
            "0.95 M words, order 3": estimation(*both, train, test, 3, "8G"),
            "0.95 M words, order 5": estimation(*both, train, test, 5, "8G"),
            "queries, 5-gram, against probing": queries(*both, train, "probing"),
            "queries, 5-gram, against trie": queries(*both, train, "trie"),
            "33 M words, order 3": estimation(*both, everything, dev, 3, "8G"),
            "33 M words, order 3, pruned 0 1 2": estimation(*both, everything, dev, 3, "8G", (0, 1, 2)),
            "33 M words, order 3, in 1 GB": estimation(*both, everything, dev, 3, "1G", memory="1G"),
        }
        wanted = {name: measure for name, measure in rows.items() if options.only in name}
        if any(name.startswith("33 M") for name in wanted):
            with open(everything, "wb") as text:
                with lzma.open(large) as packed:
                    shutil.copyfileobj(packed, text)
                text.write(train.read_bytes())
        for name, measure in wanted.items():
            row = {"row": name, "rounds": options.rounds} | measure(options.rounds) | {"date": date.today().isoformat()}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
