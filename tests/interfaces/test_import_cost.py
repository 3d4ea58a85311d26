import subprocess
import sys

import pytest

SHOW = """
import sys
{statement}
print(*sorted({{name.split(".")[0] for name in sys.modules}} & {{"twisted", "foolscap"}}))
"""


def networks_loaded_by(statement):
    command = [sys.executable, "-c", SHOW.format(statement=statement)]
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import allmydata.interfaces",
        "from allmydata.interfaces import IURI, IUploadable, IVirtualDrive, IClient, IDoor",
        "from allmydata.interfaces import ICodecEncoder, NotCapableError",
        "from allmydata.interfaces import IStorageBucketWriter, HASH_SIZE, MAX_BUCKETS",
    ],
)
def test_a_local_name_costs_no_network(statement):
    assert networks_loaded_by(statement) == []


def test_a_wire_name_loads_foolscap():
    loaded = networks_loaded_by("from allmydata.interfaces import RIStorageServer")
    assert loaded == ["foolscap", "twisted"]
