import json
import time

import pytest

from allmydata.crypto.keys import account_number
from allmydata.storage.expiry import DAY_S, GRACE_S, ExpiryPolicy
from allmydata.storage.inventory import IMMUTABLE, Held
from allmydata.storage.leaseindex import FILE_NAME
from allmydata.storage.ledger import Ledger
from allmydata.util.base32 import b2a

ANN, BOB = b2a(b"a" * 20), b2a(b"b" * 20)
ANNS, BOBS = account_number(b"a" * 20), account_number(b"b" * 20)
ON = "expire.enabled = true\nexpire.mode = age\n"
SEEN = 1_700_000_000


class StorageNode:
    """A storage node's directory, whose server ran for some time."""

    def __init__(self, basedir):
        self.basedir = basedir
        (basedir / "private").mkdir(parents=True)
        (basedir / "tahoe-client.tac").touch()
        self.configure("")
        self.seconds = 0.0
        (basedir / "storage").mkdir()

    def configure(self, text):
        (self.basedir / "tahoe.cfg").write_text(f"[storage]\n{text}")

    def run(self, act):
        """Open the books as a server does, let *act* at them, and close them."""
        ledger = Ledger(self.basedir / "storage" / FILE_NAME, lambda: self.seconds)
        ledger.open()
        act(ledger)
        ledger.swept(ledger.num_losses)
        ledger.close()


def hold(ledger):
    now = int(time.time())
    ledger.saw(ANNS, ANN, SEEN)
    for number, latest, accounts in [
        (0, now - 5 * DAY_S, (ANNS,)),
        (1, now - 6 * DAY_S, (0, ANNS)),
        (2, now + DAY_S, (ANNS, BOBS)),
    ]:
        held = Held(1000, IMMUTABLE, len(accounts), latest, latest, accounts)
        ledger.note((b"\1" * 16, number), None, held)


@pytest.fixture
def storage(tmp_path, tahoe):
    node = StorageNode(tmp_path / "server")
    node.tahoe = lambda *words, **k: tahoe("-d", str(node.basedir), "storage", *words, **k)
    return node


def test_usage_tells_what_each_account_has_and_may_have(storage):
    storage.run(hold)
    storage.configure("quota = 10 kB\nmax_size = 1 GB\n")
    cleo = b2a(b"c" * 20)
    quotas = f"{BOB} 5 GB bob, at work\n{cleo} 0 cleo\n"
    (storage.basedir / "private" / "quotas").write_text(quotas)
    told = json.loads(storage.tahoe("usage", "--json").out)
    entries = {one.pop("account"): one for one in told.pop("accounts")}
    assert told == {"shares": 3, "bytes": 3000, "counted": True, "max_size": 10**9}
    assert entries[ANN] == {
        "name": "",
        "number": ANNS,
        "shares": 3,
        "bytes": 3000,
        "quota": 10_000,
        "seen": SEEN,
    }
    assert entries["anonymous"]["shares"] == 1
    bob = entries[BOB]  # it has not come since the index was made
    assert (bob["name"], bob["quota"], bob["bytes"]) == ("bob, at work", 5 * 10**9, 1000)
    assert (entries[cleo]["quota"], entries[cleo]["shares"]) == (0, 0)
    lines = storage.tahoe("usage").out.splitlines()
    assert lines[0].split() == [ANN, "3", "shares", "3.0", "kB", "of", "10.0", "kB"]
    assert lines[-1].split() == "all together 3 shares 3.0 kB of 1.0 GB".split()


def test_expiry_tells_what_goes_and_when_and_deletes_nothing(storage):
    storage.configure(ON)
    storage.run(hold)

    def look(ledger):
        over = ExpiryPolicy().over(time.time())
        ledger.ask(lambda index: index.mark(over, ledger.running_time()))
        storage.seconds += 10 * DAY_S

    storage.run(look)
    told = json.loads(storage.tahoe("expiry", "--json").out)
    assert (told["enabled"], told["dry_run"], told["grace_s"]) == (True, False, GRACE_S)
    assert (told["expired"], told["expired_bytes"], told["noted"]) == (2, 2000, 2)
    assert [one["share"] for one in told["shares"]] == [0, 1]
    assert told["shares"][0]["goes_in_s"] == GRACE_S - 10 * DAY_S
    assert told["shares"][0]["storage_index"] == b2a(b"\1" * 16)
    out = storage.tahoe("expiry", "--limit", "1").out
    assert "is over 31 days after it was last renewed" in out
    assert "goes after 20.0 d more" in out
    assert "and 1 more" in out


def test_what_would_go_is_told_where_nothing_goes(storage):
    storage.run(hold)
    out = storage.tahoe("expiry").out
    assert "off: nothing is deleted" in out
    assert "2 shares, 2.0 kB" in out


def test_the_index_can_be_read_while_a_server_has_it_open(storage):
    storage.run(hold)
    ledger = Ledger(storage.basedir / "storage" / FILE_NAME, lambda: 0.0)
    ledger.open()
    ledger.note((b"\2" * 16, 7), None, Held(5))
    ledger.flush()
    assert json.loads(storage.tahoe("usage", "--json").out)["shares"] == 4
    ledger.note((b"\2" * 16, 8), None, Held(5))
    ledger.close()
    assert json.loads(storage.tahoe("usage", "--json").out)["shares"] == 5


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 1000])
@pytest.mark.parametrize("word", ["usage", "expiry"])
def test_without_an_index_it_says_who_makes_one(storage, word, content):
    path = storage.basedir / "storage" / FILE_NAME
    if content is not None:
        path.write_bytes(content)
    done = storage.tahoe(word)
    assert done.code == 2
    assert "it is made when the node starts" in done.err
    assert (path.read_bytes() if content is not None else None) == content


def test_a_node_that_keeps_nothing_says_so(storage):
    storage.configure("enabled = false\n")
    done = storage.tahoe("usage")
    assert (done.code, "keeps no shares" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ("expire.enabled = true\n", "needs expire.mode"),
        ("expire.mode = cutoff-date\n", "needs a date"),
        ("expire.mode = sometimes\n", "allowed: one of age, cutoff-date"),
        ("expire.cutoff_date = 31.1.2026\n", "is not a date"),
        ("expire.grace = 30\n", "is not a time"),
        ("quota = lots\n", "is not a size"),
    ],
)
def test_a_configuration_that_says_too_little_is_refused(storage, config, what):
    storage.run(hold)
    storage.configure(config)
    done = storage.tahoe("expiry")
    assert done.code != 0
    assert what in done.err
