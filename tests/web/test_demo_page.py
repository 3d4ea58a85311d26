"""The page of a demo: what it shows, and what its buttons do."""

import re
from urllib.parse import urlencode

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from allmydata.errors import ConflictError, UsageError
from allmydata.interfaces.node import IDemo
from allmydata.util.deferreds import as_deferred
from allmydata.web.demopage import prospect

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AFTER = {"kill": "killed", "revive": "up", "freeze": "frozen"}


@implementer(IDemo)
@define
class FakeDemo:
    """Three servers to be treated badly."""

    states: list = field(factory=lambda: ["up"] * 3)
    film: str = ""
    damaged: list = field(factory=list)

    def told(self):
        return {
            "shares": {"needed": 2, "happy": 2, "total": 3},
            "servers": [
                {
                    "number": i,
                    "name": f"storage{i}",
                    "state": state,
                    "connected": state != "killed",
                    "shares": 1,
                    "bytes": 2000,
                }
                for i, state in enumerate(self.states, 1)
            ],
        }

    @as_deferred
    async def status(self):
        return self.told()

    def kill(self, numbers):
        return self._do("killed", numbers)

    def revive(self, numbers):
        return self._do("up", numbers)

    def freeze(self, numbers):
        return self._do("frozen", numbers)

    @as_deferred
    async def corrupt(self, numbers):
        self.damaged += numbers
        return {}

    @as_deferred
    async def _do(self, state, numbers):
        (number,) = numbers
        if not 1 <= number <= len(self.states):
            raise UsageError("there is no such server")
        if (self.states[number - 1], state) == ("killed", "frozen"):
            raise ConflictError("server was killed, so it can't be frozen")
        self.states[number - 1] = state
        return {}

    def film_name(self):
        return self.film

    @as_deferred
    async def put_film(self):
        self.film = "a <film>.webm"
        return self.film


@pytest.fixture
def demo(gateway):
    gateway.client.demo = FakeDemo()
    assert verifyObject(IDemo, gateway.client.demo)
    return gateway.client.demo


async def show(gateway, place="/_/demo"):
    status, _, body = await gateway.ask("GET", place)
    assert status == 200
    return body.decode()


async def press(gateway, act, headers=(), **fields):
    body = urlencode({"act": act, **fields})
    reply = await gateway.ask("POST", "/_/do", body, {**FORM, **dict(headers)})
    return reply[0], reply[1]["Location"], reply[2].decode()


def buttons(body):
    """Return what can be done to each server."""
    cards = re.findall(r'<li class="server (\w+)".*?</form>', body, re.S)
    found = re.findall(r'<li class="server.*?</form>', body, re.S)
    values = [re.findall(r'value="demo-(\w+)"', card) for card in found]
    return list(zip(cards, values, strict=True))


@ensureDeferred
async def test_it_is_there_only_in_a_demo(gateway):
    assert (await gateway.ask("GET", "/_/demo"))[0] == 404
    assert "/_/demo" not in await show(gateway, "/_/live")
    for act in ("demo-kill", "demo-film"):
        status, _, body = await press(gateway, act, server=1)
        assert status == 404 and "not the client of a demo" in body


@pytest.mark.parametrize("place", ["/", "/_/grid", "/_/live", "/_/health", "/_/demo"])
@ensureDeferred
async def test_the_pages_of_a_demo_s_client_lead_to_it(place, gateway, demo):
    assert '<a href="/_/demo"' in await show(gateway, place)


@ensureDeferred
async def test_each_server_has_the_buttons_that_make_sense(gateway, demo):
    demo.states = ["up", "killed", "frozen"]
    assert buttons(await show(gateway)) == [
        ("up", ["kill", "freeze", "corrupt"]),
        ("killed", ["revive", "corrupt"]),
        ("frozen", ["revive", "kill", "corrupt"]),
    ]


@pytest.mark.parametrize("verb", ["kill", "freeze", "revive"])
@ensureDeferred
async def test_a_button_acts_and_leads_back(verb, gateway, demo):
    demo.states[1] = "up" if verb != "revive" else "killed"
    status, where, _ = await press(gateway, f"demo-{verb}", server=2)
    assert (status, where) == (303, f"/_/demo?did={verb}&server=2#server2")
    assert demo.states == ["up", AFTER[verb], "up"]
    body = await show(gateway, where.partition("#")[0])
    assert re.search(r'id="notice">storage2 ', body)


@ensureDeferred
async def test_corrupt_damages_one(gateway, demo):
    assert (await press(gateway, "demo-corrupt", server=3))[0] == 303
    assert demo.damaged == [3]


@pytest.mark.parametrize("number", ["", "x", "-1", "²", "1,2", "99999999999999999999", "9"])
@ensureDeferred
async def test_a_server_that_is_none_is_a_clear_error(number, gateway, demo):
    status, _, body = await press(gateway, "demo-kill", server=number)
    assert status == 400 and "That did not work" in body and 'href="/_/demo"' in body
    assert demo.states == ["up"] * 3


@ensureDeferred
async def test_what_a_demo_refuses_is_told(gateway, demo):
    demo.states[0] = "killed"
    status, _, body = await press(gateway, "demo-freeze", server=1)
    assert status == 409 and "be frozen" in body


@pytest.mark.parametrize("query", ["did=kill", "did=<b>&server=1", "did=kill&server=9"])
@ensureDeferred
async def test_an_address_that_tells_nonsense_tells_nothing(query, gateway, demo):
    body = await show(gateway, f"/_/demo?{query}")
    assert 'id="notice"></p>' in body and "<b>" not in body


@ensureDeferred
async def test_the_film_is_put_and_then_played(gateway, demo):
    body = await show(gateway)
    assert "<video" not in body and 'value="demo-film"' in body
    assert (await press(gateway, "demo-film"))[:2] == (303, "/_/demo#film")
    body = await show(gateway)
    assert 'src="/vdrive/private/a%20%3Cfilm%3E.webm"' in body
    assert "demo-film" not in body


@ensureDeferred
async def test_pages_of_others_and_strangers_kill_nothing(gateway, demo):
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await press(gateway, "demo-kill", headers, server=1))[0] == 403
    gateway.headers = {}
    assert (await press(gateway, "demo-kill", server=1))[0] == 401
    assert (await gateway.ask("GET", "/_/demo"))[0] == 401
    assert demo.states == ["up"] * 3


@pytest.mark.parametrize(
    ("states", "can", "words"),
    [
        ("up up up", True, "3 of 3 servers are up; any 2 will do: 1 more may fail."),
        ("up frozen up", True, "2 of 3 servers are up; any 2 will do: none may fail now."),
        ("up killed frozen", False, "1 of 3 servers is up; any 2 will do: the film stops"),
    ],
)
def test_one_line_tells_whether_the_film_goes_on(states, can, words):
    found = prospect(FakeDemo(states.split()).told())
    assert found[0] == can and found[1].startswith(words)


def test_servers_with_several_shares_count_for_more():
    told = FakeDemo(["up", "killed", "killed"]).told()
    told["shares"] = {"needed": 4, "happy": 3, "total": 12}
    assert prospect(told)[0]
