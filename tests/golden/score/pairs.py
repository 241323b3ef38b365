"""Makes parts.txt: the parts of the error rates of 5,000 random pairs as jiwer and sclite count them.

Needs jiwer 4.0.0 (RapidFuzz 3.14.6) and the `sctk` command of Debian's package of that name (2.4.10).
The pairs come from a generator that tests/score.rs has too, so that only the counts need storing.

    python pairs.py > parts.txt
"""

import pathlib
import re
import string
import subprocess
import tempfile

import jiwer

PAIRS = 5000
VOCABULARY = ["a", "ab", "b", "ba", "abc", "c", "cab", "bb", "d", "dad", "e", "bed", "f", "fade", "g", "h"]
DIGITS = string.digits + string.ascii_letters


class Lcg:
    """Knuth's MMIX generator; draws are its upper 31 bits modulo n."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def pair(lcg):
    words = [2, 3, 6, len(VOCABULARY)][lcg.below(4)]
    reference = [VOCABULARY[lcg.below(words)] for _ in range(lcg.below(16))]
    hypothesis = []
    if lcg.below(2) == 0:
        hypothesis = [VOCABULARY[lcg.below(words)] for _ in range(lcg.below(16))]
    else:
        for word in reference:
            edit = lcg.below(10)
            if edit < 6:
                hypothesis.append(word)
            elif edit < 8:
                hypothesis.append(VOCABULARY[lcg.below(words)])
            elif edit == 8:
                hypothesis.append(word)
                hypothesis.append(VOCABULARY[lcg.below(words)])
    return reference, hypothesis


def sclite(pairs):
    with tempfile.TemporaryDirectory() as folder:
        for name, side in (("ref", 0), ("hyp", 1)):
            lines = [" ".join([*p[side], f"(s-{i:05})"]) for i, p in enumerate(pairs)]
            pathlib.Path(folder, name).write_text("\n".join(lines) + "\n")
        command = ["sctk", "sclite", "-r", "ref", "trn", "-h", "hyp", "trn", "-i", "rm", "-o", "pralign", "stdout"]
        out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"id: \(s-(\d+)\)\s+Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", out)
    parts = {int(i): (int(s), int(d), int(n)) for i, _, s, d, n in found}
    return [parts[i] for i in range(len(pairs))]


def main():
    lcg = Lcg(2013)
    pairs = [pair(lcg) for _ in range(PAIRS)]
    print(f"# {PAIRS} pairs: substitutions, deletions, insertions in base 62 of jiwer's words, jiwer's characters, sclite's words")
    for (reference, hypothesis), sclite_parts in zip(pairs, sclite(pairs)):
        texts = " ".join(reference), " ".join(hypothesis)
        words, chars = jiwer.process_words(*texts), jiwer.process_characters(*texts)
        parts = [(o.substitutions, o.deletions, o.insertions) for o in (words, chars)] + [sclite_parts]
        print(" ".join("".join(DIGITS[n] for n in triple) for triple in parts))


if __name__ == "__main__":
    main()
