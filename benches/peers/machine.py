"""What the comparisons beside this file say of the machine that they ran on."""

import os
import platform


def machine():
    """Its processor, by name, family and model, and the number of its cores."""
    with open("/proc/cpuinfo") as file:
        facts = dict(line.split(":", 1) for line in file if ":" in line and not line.startswith("flags"))
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    return f"{facts.get('model name', platform.machine())} family {facts.get('cpu family')} model {facts.get('model')}, {os.cpu_count()} cores"
