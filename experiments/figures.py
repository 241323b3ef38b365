"""What the scripts beside this one share: the binary's answers, counts of errors, a file of results."""

import datetime
import json
import pathlib
import subprocess


def ask(hearken, *arguments):
    """What the binary prints."""
    return subprocess.run([hearken, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def rate(counts, reference):
    """An error rate as a run's results have it."""
    errors = {key: counts[key] for key in ("substitutions", "deletions", "insertions")}
    return {"rate": sum(errors.values()) / reference, "reference": reference, **errors}


def write(out, command, hearken, sets):
    """Sets with their rates, as NAME.results.json."""
    results = {
        "name": pathlib.Path(out).name.removesuffix(".results.json"),
        "command": command,
        "date": datetime.date.today().isoformat(),
        "version": ask(hearken, "--version").split()[-1],
        "sets": sets,
    }
    pathlib.Path(out).write_text(json.dumps(results, indent=1) + "\n")
