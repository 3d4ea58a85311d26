"""``/keeper``, ``/servers`` and ``/health``."""

import json

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.defer import succeed

from allmydata import uri
from allmydata.errors import NotFoundError
from allmydata.keeper.counts import Entry
from allmydata.keeper.schedule import State, Watched

CAP = uri.CHKFileVerifierURI(b"i" * 16, b"s" * 32, 3, 10, 3000)
READ = uri.CHKFileURI(b"k" * 16, b"s" * 32, 3, 10, 3000)
OWNERLESS = 401


@define
class FakeKeeper:
    caps: list = field(factory=list)
    acts: list = field(factory=list)

    def add(self, caps):
        new = [cap for cap in caps if cap not in self.caps]
        self.caps += new
        return succeed(len(new))

    def remove(self, caps):
        gone = self.caps if caps is None else [cap for cap in caps if cap in self.caps]
        self.caps = [cap for cap in self.caps if cap not in gone]
        return succeed(len(gone))

    def run_now(self, *, read):
        self.acts.append(("run-now", read))
        return succeed(None)

    def count(self):
        return succeed(None)

    def entries(self, after, limit):
        entry = Entry(Watched(7, CAP, State.WELL), 10, 1e-9, 5.0, None, None, None, "")
        return succeed([entry] if after < 7 else [])


class FakeHealth:
    num_kept = 1

    def verdict(self):
        return True, "All is <well>."

    def facts(self):
        return [("Files kept", "1")]

    def files(self):
        return {"kept": 1, "bytes": 3000, "well": 1, "weak": 0}

    def numbers(self):
        return {"keeper_files": 1, "keeper_repairs_total": 4}

    def summary(self):
        words = ("well", "verdict", "files", "spare", "durability", "keeper", "servers")
        return succeed(dict.fromkeys(words, "told"))


@define
class FakeDrains:
    acts: list = field(factory=list)

    def drain(self, name, *, dry_run):
        if name != "s1":
            raise NotFoundError("no server is called that")
        self.acts.append(("drain", name, dry_run))
        return succeed({"files": 3})

    def undrain(self, name):
        self.acts.append(("undrain", name))
        return succeed({"was_drained": True})

    def rebalance(self, *, dry_run):
        self.acts.append(("rebalance", dry_run))
        return succeed({"files": 0})


@pytest.fixture
def parts(gateway, monkeypatch):
    parts = {"keeper": FakeKeeper(), "health": FakeHealth(), "drains": FakeDrains()}
    client = type(gateway.client)
    get = client.getService
    monkeypatch.setattr(
        client, "getService", lambda self, name: parts.get(name) or get(self, name)
    )
    return parts


async def post(gateway, path, body=b"", **words):
    status, _, answer = await gateway.ask("POST", path, body, **words)
    return status, json.loads(answer) if answer.startswith(b"{") else answer.decode()


@ensureDeferred
async def test_verify_capabilities_are_kept(gateway, parts):
    body = "\n".join([CAP.to_string(), "", uri.LiteralFileURI(b"x").to_string()]).encode()
    status, told = await post(gateway, "/keeper?t=add", body)
    assert (status, told) == (
        200,
        {"added": 1, "known": 0, "literal": 1, "refused": 0, "lines": []},
    )
    assert parts["keeper"].caps == [CAP]
    assert (await post(gateway, "/keeper?t=add", body))[1]["known"] == 1
    assert (await post(gateway, "/keeper?t=remove", body))[1]["removed"] == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (READ.to_string(), "can read"),
        ("URI:CHK-Verifier:oops", "mistyped"),
        ("URI:NEW:x", "only files"),
        ("\x00\xff", "not a capability"),
    ],
)
@ensureDeferred
async def test_what_can_not_be_kept_is_named_by_its_line(gateway, parts, line, why):
    body = f"{CAP.to_string()}\n{line}\n".encode()
    status, told = await post(gateway, "/keeper?t=add", body)
    assert status == 200 and told["added"] == 1 and told["refused"] == 1
    assert told["lines"][0]["line"] == 2 and why in told["lines"][0]["why"]
    assert READ.to_string() not in json.dumps(told)
    assert parts["keeper"].caps == [CAP]


@ensureDeferred
async def test_a_list_that_is_too_long_is_refused(gateway, parts):
    status, _ = await post(gateway, "/keeper?t=add", b"x" * (4 * 2**20 + 1))
    assert status == 413


@ensureDeferred
async def test_files_are_told_of(gateway, parts):
    status, _, body = await gateway.ask("GET", "/keeper?t=list&after=0")
    (file,) = json.loads(body)["files"]
    assert status == 200
    assert file["verifycap"] == CAP.to_string()
    assert (file["state"], file["good"], file["size"]) == ("well", 10, 3000)
    status, _, body = await gateway.ask("GET", "/keeper?t=list&after=7")
    assert json.loads(body) == {"files": [], "next": None}
    assert (await gateway.ask("GET", "/keeper?t=list&after=x"))[0] == 400


@ensureDeferred
async def test_acts_are_passed_on(gateway, parts):
    assert (await post(gateway, "/keeper?t=run-now&read=true"))[0] == 200
    assert parts["keeper"].acts == [("run-now", True)]
    assert (await post(gateway, "/servers?t=drain&server=s1&dry-run=1"))[1] == {"files": 3}
    assert (await post(gateway, "/servers?t=undrain&server=s1"))[0] == 200
    assert (await post(gateway, "/servers?t=rebalance"))[0] == 200
    assert parts["drains"].acts == [
        ("drain", "s1", True),
        ("undrain", "s1"),
        ("rebalance", False),
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/keeper", 400),
        ("POST", "/keeper?t=nonsense", 400),
        ("POST", "/servers?t=drain", 400),
        ("POST", "/servers?t=drain&server=nobody", 404),
        ("POST", "/servers", 400),
        ("GET", "/servers", 405),
        ("GET", "/health", 400),
        ("DELETE", "/keeper", 405),
    ],
)
@ensureDeferred
async def test_other_words_are_refused(gateway, parts, method, path, status):
    assert (await gateway.ask(method, path))[0] == status


@pytest.mark.parametrize("path", ["/keeper?t=json", "/keeper?t=list", "/health?t=json"])
@ensureDeferred
async def test_only_the_owner_may_ask(gateway, parts, path):
    status, _, body = await gateway.ask("GET", path, headers={"Authorization": "Bearer no"})
    assert status == OWNERLESS, body
    assert (await gateway.ask("GET", path))[0] == 200


@ensureDeferred
async def test_a_node_without_a_keeper_says_so(gateway):
    for path in ("/keeper?t=json", "/health?t=json"):
        assert (await gateway.ask("GET", path))[0] == 501
    assert (await post(gateway, "/servers?t=rebalance"))[0] == 501


@ensureDeferred
async def test_metrics_and_the_page_tell_of_it(gateway, parts):
    _, _, body = await gateway.ask("GET", "/metrics")
    assert b"\nallmydata_keeper_files 1.0\n" in body
    assert b"\nallmydata_keeper_repairs_total 4\n" in body
    assert b'\nallmydata_keeper_state_files{state="well"} 1.0\n' in body
    assert b'state="kept"' not in body
    _, _, page = await gateway.ask("GET", "/_/health")
    assert b"All is &lt;well&gt;." in page
