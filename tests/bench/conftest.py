import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "misc" / "bench"


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """The programs of misc/bench import each other by name."""
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").parent == BENCH:
            del sys.modules[name]
