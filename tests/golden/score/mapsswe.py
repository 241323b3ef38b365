"""Makes mapsswe.txt: what NIST's sc_stats says of pairs of systems that tests/score.rs draws alike.

Needs the `sctk` command of Debian's package of that name (2.4.10).

    python mapsswe.py > mapsswe.txt
"""

import pathlib
import re
import subprocess
import tempfile

from pairs import VOCABULARY, Lcg

UTTERANCES = 150


def hypothesis(lcg, reference, tenths):
    words = []
    for word in reference:
        edit = lcg.below(30)
        if edit >= tenths:
            words.append(word)
        elif edit % 3 == 0:
            words.append(VOCABULARY[lcg.below(16)])
        elif edit % 3 == 1:
            words.append(word)
            words.append(VOCABULARY[lcg.below(16)])
    return words


def systems(lcg, first, second):
    rows = []
    for _ in range(UTTERANCES):
        reference = [VOCABULARY[lcg.below(16)] for _ in range(1 + lcg.below(25))]
        rows.append((reference, hypothesis(lcg, reference, first), hypothesis(lcg, reference, second)))
    return rows


def sc_stats(rows):
    with tempfile.TemporaryDirectory() as folder:
        for name, column in (("ref", 0), ("one", 1), ("two", 2)):
            lines = [" ".join([*row[column], f"(s-{i:05})"]) for i, row in enumerate(rows)]
            pathlib.Path(folder, name).write_text("\n".join(lines) + "\n")
        sgml = ""
        for name in ("one", "two"):
            command = ["sctk", "sclite", "-r", "ref", "trn", "-h", name, "trn", name, "-i", "rm", "-o", "sgml", "stdout"]
            sgml += subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        command = ["sctk", "sc_stats", "-p", "-t", "mapsswe", "-v", "-r", "none", "-n", "-"]
        out = subprocess.run(command, cwd=folder, capture_output=True, text=True, input=sgml, check=True).stdout
    line = next(line for line in out.splitlines() if "MTCH_PR_RESULTS" in line)
    return re.search(r"# segs: (\d+)\).*\(mean: +(\S+)\) \(std dev: +(\S+)\) \(Z Stat: +(\S+)\)", line).groups()


def main():
    print("# errors of the first and second system in 30 words, segments, mean, standard deviation, Z")
    lcg = Lcg(1989)
    for first, second in [(3, 3), (3, 6), (6, 3), (0, 9), (12, 15), (1, 2), (29, 25)]:
        print(first, second, *sc_stats(systems(lcg, first, second)))


if __name__ == "__main__":
    main()
