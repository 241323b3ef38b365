"""The distance that error rates count, as the comparisons beside this file have it: apart from ours."""


def edits(reference, hypothesis):
    """Levenshtein distance."""
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, found in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (expected != found))
    return row[-1]
