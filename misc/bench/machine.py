"""What the figures were measured on, and with: nothing that tells whose machine it is."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from grids import PEER

PACKAGES = ("Twisted", "foolscap", "zfec", "pyeclib", "cryptography", "pyOpenSSL")
TELL = """
import json, platform, sys
from importlib import metadata
found = {"Python": platform.python_version()}
for name in sys.argv[1:]:
    try: found[name] = metadata.version(name)
    except metadata.PackageNotFoundError: pass
print(json.dumps(found))
"""


def machine() -> dict[str, object]:
    """Return cores, memory, processor and kernel."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.partition(": ")[2] for line in lines if line.startswith("model name")}
    return {
        "cores": os.cpu_count(),
        "memory_GB": round(memory / 1e9),
        "processor": ", ".join(sorted(models)) or platform.machine(),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def versions() -> dict[str, dict[str, str]]:
    """Return what each side is made of."""
    return {
        "ours": _versions(sys.executable, "allmydata"),
        "peer": _versions(str(PEER.with_name("python")), "tahoe-lafs"),
    }


def _versions(python: str, name: str) -> dict[str, str]:
    if not Path(python).exists():
        return {}
    command = [python, "-c", TELL, name, *PACKAGES]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def heading() -> dict[str, object]:
    """Return what stands at the top of every result."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "allmydata": metadata.version("allmydata"),
    }
