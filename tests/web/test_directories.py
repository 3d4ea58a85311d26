"""Directories, told: as JSON, as a page, by their capabilities, and page by page."""

import json
import os
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import ConfigError, CorruptError, NotFoundError, ServerLostError
from allmydata.uri import CHKFileURI, from_string
from allmydata.web.children import facts_of, facts_of_child
from allmydata.web.files import SANDBOX
from tests.support.fake_drive import FakeChild

HELLO = "URI:LIT:nbswy3dp"
CHK = CHKFileURI(bytes(range(16)), b"h" * 32, 3, 10, 12345)
VERIFIER = CHK.get_verify_cap()


# ---- JSON


@ensureDeferred
async def test_json_tells_the_caps_of_a_directory_and_of_its_children(grid, url):
    sub = await grid.make()
    cap = await grid.make(
        file=CHK.to_string(), small=HELLO, sub=sub, v=VERIFIER.to_string()
    )
    readonly = await grid.readonly(cap)
    status, headers, body = await grid.ask("GET", url(cap, t="json"))
    kind, facts = json.loads(body)
    assert (status, kind) == (200, "dirnode")
    assert headers["Content-Type"] == "text/plain"
    assert int(headers["Content-Length"]) == len(body) and body.endswith("]\n")
    children = facts.pop("children")
    assert facts == {"mutable": True, "rw_uri": cap, "ro_uri": readonly}
    assert list(children) == sorted(children)
    metadata = children["file"][1]["metadata"]
    assert metadata.keys() == {"tahoe"}
    assert all(isinstance(seconds, float) for seconds in metadata["tahoe"].values())
    assert metadata["tahoe"].keys() == {"linkcrtime", "linkmotime"}
    file = {"mutable": False, "format": "CHK", "metadata": metadata}
    verify = {"verify_uri": VERIFIER.to_string()}
    same = [["filenode", {**file, "size": 12345, "ro_uri": CHK.to_string(), **verify}]]
    same += [["filenode", {**file, "size": 5, "ro_uri": HELLO}]]
    same += [["dirnode", {"mutable": True, "metadata": metadata, "rw_uri": sub}]]
    same[2][1]["ro_uri"] = await grid.readonly(sub)
    same += [["filenode", {**file, "size": 12345, **verify}]]
    assert [without_dates(children[name]) for name in ("file", "small", "sub", "v")] == [
        without_dates(one) for one in same
    ]


def without_dates(child):
    kind, facts = child
    return [kind, {key: value for key, value in facts.items() if key != "metadata"}]


@ensureDeferred
async def test_a_read_only_cap_shows_read_only_children(grid, url):
    sub = await grid.make()
    cap = await grid.make(file=HELLO, sub=sub)
    readonly = await grid.readonly(cap)
    _, facts = await grid.told(url(readonly))
    assert facts["mutable"] is True and facts["ro_uri"] == readonly
    assert "rw_uri" not in facts
    assert facts["children"]["sub"][1]["ro_uri"] == await grid.readonly(sub)
    assert "URI:DIR:" not in json.dumps(facts)


@ensureDeferred
async def test_unknown_caps_are_told_as_far_as_they_are_held(grid, url):
    cap = await grid.make()
    body = {
        "future": {"rw_uri": "x-rw:1", "ro_uri": "x-ro:1"},
        "shown": {"ro_uri": "x-f:2"},
    }
    body = json.dumps({name: ["filenode", facts] for name, facts in body.items()})
    assert (await grid.ask("POST", url(cap, t="set_children"), body))[0] == 200
    children = await grid.children(cap)
    told = {name: without_dates(child) for name, child in children.items()}
    assert told["future"] == ["unknown", {"rw_uri": "x-rw:1", "ro_uri": "ro.x-ro:1"}]
    assert told["shown"] == ["unknown", {"ro_uri": "ro.x-f:2"}]
    children = await grid.children(await grid.readonly(cap))
    assert without_dates(children["future"]) == ["unknown", {"ro_uri": "ro.x-ro:1"}]
    assert await grid.told(url(cap, "shown")) == children["shown"]
    assert (await grid.ask("GET", url(cap, "shown")))[0] == 400
    assert (await grid.ask("GET", url(cap, "shown", t="uri")))[2] == "ro.x-f:2"


@ensureDeferred
async def test_a_child_tells_of_itself_and_its_link(grid, url):
    cap = await grid.make(f=CHK.to_string())
    kind, facts = await grid.told(url(cap, "f"))
    assert ([kind, facts],) == tuple((await grid.children(cap)).values())
    assert facts["ro_uri"] == CHK.to_string() and "metadata" in facts


@pytest.mark.parametrize(
    "text",
    [
        CHK.to_string(),
        CHK.to_string().replace(":3:10:", ":256:256:"),
        CHK.to_string().replace(":3:10:", ":11:10:"),  # from here on, none is one of ours
        CHK.to_string().replace(":3:10:", ":3:257:"),
        CHK.to_string().replace(":12345", ":0"),
        CHK.to_string().replace(":12345", ":012"),
        CHK.to_string().replace(":12345", ":1234567890123456789"),
        CHK.to_string().replace(":3:10:", ":0:10:"),
        CHK.to_string().replace(":3:10:", "b:3:10:"),
        CHK.to_string().replace(":3:10:", "\n:3:10:"),
        CHK.to_string()[:-1] + "\u0663",
        "URI:CHK:" + CHK.to_string()[8:].upper(),
        "URI:CHK:aaaaaaaaaaaaaaaaaaaaaaaaab:" + CHK.to_string()[35:],
        'URI:CHK:"x',
    ],
)
def test_what_the_text_of_a_cap_tells_is_what_its_parts_tell(text):
    """The short way to a file's facts takes no more and no less than the parser."""

    class Child(FakeChild):
        cap = property(lambda self: lenient(text))
        readonly_cap = cap

    child = Child("f", 1.0, 2.0, (None, text), None)
    metadata = {"tahoe": {"linkcrtime": 1.0, "linkmotime": 2.0}}
    assert facts_of_child(child) == facts_of(child.cap, child.cap, metadata)


def lenient(text):
    from allmydata.errors import BadCapError
    from allmydata.uri import UnknownURI

    try:
        return from_string(text)
    except BadCapError:
        return UnknownURI(text)


# ---- other forms


@pytest.mark.parametrize("end", ["", "/"])
@ensureDeferred
async def test_a_directory_tells_its_caps(end, grid, url):
    cap = await grid.make()
    status, headers, body = await grid.ask("GET", url(cap) + end + "?t=uri")
    assert (status, body, headers["Content-Type"]) == (200, cap, "text/plain")
    _, _, readonly = await grid.ask("GET", url(cap) + end + "?t=readonly-uri")
    assert readonly == from_string(cap).get_readonly().to_string()
    assert (await grid.ask("GET", url(readonly, t="uri")))[2] == readonly


@ensureDeferred
async def test_a_cap_with_its_slashes_as_they_are_is_found_too(grid):
    cap = await grid.make(a=HELLO)
    for place in (cap, cap + "/", "ro." + await grid.readonly(cap)):
        kind, facts = await grid.told("/uri/" + place)
        assert (kind, list(facts["children"])) == ("dirnode", ["a"])
    assert (await grid.ask("GET", f"/cap/{cap}/a"))[2] == "hello"


@ensureDeferred
async def test_head_has_the_length_of_get_and_no_body(grid, url):
    cap = await grid.make(a=HELLO)
    for query in ("", "?t=json", "?t=uri"):
        _, full, body = await grid.ask("GET", url(cap) + query)
        status, headers, nothing = await grid.ask("HEAD", url(cap) + query)
        assert (status, nothing) == (200, "")
        assert headers["Content-Length"] == full["Content-Length"]
        assert int(full["Content-Length"]) == len(body.encode())
        assert headers["Content-Type"] == full["Content-Type"]


@ensureDeferred
async def test_files_are_reached_by_their_path(grid, url):
    cap = await grid.make()
    data = os.urandom(5000)
    await grid.gateway.ask("PUT", url(cap, "a", "b", "photo.jpg"), data)
    place = url(cap, "a", "b", "photo.jpg")
    status, headers, body = await grid.gateway.ask("GET", place)
    assert (status, body, headers["Content-Type"]) == (200, data, "image/jpeg")
    assert headers["ETag"]
    ranged = await grid.gateway.ask("GET", place, headers={"Range": "bytes=10-19"})
    assert (ranged[0], ranged[2]) == (206, data[10:20])
    _, headers, _ = await grid.gateway.ask("HEAD", place + "?filename=x.html&save=true")
    assert headers["Content-Type"] == "text/html"
    assert headers["Content-Disposition"] == 'attachment; filename="x.html"'
    _, _, file_cap = await grid.ask("GET", place + "?t=uri")
    assert grid.gateway.uploader.files[file_cap] == data


@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.svg", "a.xml"])
@ensureDeferred
async def test_a_page_that_somebody_stored_has_no_part_in_the_gateway(name, fake, url):
    cap = await fake.make(**{name: HELLO, "a.txt": HELLO})
    _, headers, _ = await fake.ask("GET", url(cap, name))
    assert headers["Content-Security-Policy"] == SANDBOX
    assert SANDBOX.startswith("sandbox; default-src 'none'; ")
    _, headers, _ = await fake.ask("GET", url(cap, "a.txt"))
    assert headers["Content-Security-Policy"] is None


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (("nope",), 404, "No such child: nope"),
        (("no\npe",), 404, r"No such child: 'no\npe'"),
        (("sub", "nope", "x"), 404, "No such child: nope"),
        (("f", "x"), 400, "Files have no children named 'x'"),
        (("f", ""), 400, "Files have no children named ''"),
        (("x", "", "y"), 400, "'' can't be a name"),
        (("", ""), 400, "'' can't be a name"),
        (("..",), 400, "'..' can't be a name"),
        (("a/b",), 400, "'a/b' can't be a name: it holds a slash"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@ensureDeferred
async def test_what_is_not_there_is_named(method, path, status, words, grid, url):
    cap = await grid.make(f=HELLO, sub=await grid.make())
    got, _, body = await grid.ask(method, url(cap, *path))
    assert got == status
    assert body.startswith(words) or method == "HEAD"


@ensureDeferred
async def test_an_unknown_form_is_refused(grid, url):
    status, _, body = await grid.ask("GET", url(await grid.make(), t="bogus"))
    assert (status, body) == (400, "GET directory: bad t=bogus")


# ---- the page


class Page(HTMLParser):
    """What a page shows, and the links of its table."""

    def __init__(self, text):
        super().__init__()
        self.links, self.text, self._is_in_table = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._is_in_table = self._is_in_table or tag == "tbody"
        words = dict(attrs)
        if tag == "a" and self._is_in_table and "aria-label" not in words:
            self.links.append(words["href"])

    def handle_data(self, data):
        self.text += data


NAMES = ["a&b", "<script>alert(1)<script>", '"quoted"', "ü\u202e", "two\nlines", "100%41?#"]


@ensureDeferred
async def test_the_page_has_names_sizes_and_links_that_work(grid, url):
    cap = await grid.make(**dict.fromkeys(NAMES, HELLO), sub=await grid.make(x=HELLO))
    status, headers, body = await grid.ask("GET", url(cap))
    assert (status, headers["Content-Type"]) == (200, "text/html;charset=utf-8")
    page = Page(body)
    assert "<script>alert" not in body
    assert "(read-only)" not in page.text and "5 B" in page.text
    assert "1 folder, 6 files" in page.text
    for name in NAMES:
        assert name.replace("\n", "␊") in page.text
    assert len(page.links) == len(NAMES) + 1
    for link in page.links:
        status, _, body = await grid.ask("GET", urljoin(url(cap), link))
        assert status == 200
        assert ("Download" in body) != link.endswith("/")


@ensureDeferred
async def test_the_page_of_a_directory_in_another_tells_its_name(grid, url):
    cap = await grid.make(sub=await grid.make(x=HELLO))
    for end in ("", "/"):
        where = url(await grid.readonly(cap), "sub") + end
        _, _, body = await grid.ask("GET", where)
        page = Page(body)
        assert "<h1><bdi>sub</bdi></h1>" in body and "(read-only)" in page.text
        assert "New folder" not in body and "Delete" not in page.text
        where = urljoin(where, page.links[0])
        assert "Download" in (await grid.ask("GET", where))[2]


# ---- many


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 100])
@ensureDeferred
async def test_a_large_directory_comes_in_pages(page_size, fake, url):
    names = [f"n{i}" for i in range(6)]
    cap = await fake.make(**dict.fromkeys(names, HELLO))
    fake.gateway.client.vdrive.page_size = page_size
    status, headers, body = await fake.ask("GET", url(cap, t="json"))
    is_whole = page_size >= len(names)
    assert (headers["Content-Length"] is not None) == is_whole
    assert (headers["Transfer-Encoding"] == "chunked") != is_whole
    assert sorted(json.loads(body)[1]["children"]) == names
    assert len(Page((await fake.ask("GET", url(cap)))[2]).links) == len(names)
    status, headers, body = await fake.ask("HEAD", url(cap, t="json"))
    assert (status, body) == (200, "")


@ensureDeferred
async def test_an_empty_directory_has_no_children(grid, url):
    cap = await grid.make()
    assert await grid.children(cap) == {}
    assert Page((await grid.ask("GET", url(cap)))[2]).links == []


@ensureDeferred
async def test_thousands_of_children_go_in_and_come_out(grid, url):
    cap = await grid.make()
    names = [f"n{i:04}" for i in range(2500)]
    for start in range(0, len(names), 1000):
        batch = names[start : start + 1000]
        body = json.dumps({n: ["filenode", {"ro_uri": CHK.to_string()}] for n in batch})
        assert (await grid.ask("POST", url(cap, t="set_children"), body))[0] == 200
    children = await grid.children(cap)
    assert sorted(children) == names
    assert {child[1]["ro_uri"] for child in children.values()} == {CHK.to_string()}


@ensureDeferred
async def test_a_server_that_goes_away_between_pages_cuts_the_reply_short(fake, url):
    cap = await fake.make(**{f"n{i}": HELLO for i in range(10)})
    drive = fake.gateway.client.vdrive
    drive.page_size, drive.error = 2, ServerLostError("gone")
    drive.error_after = len(drive.calls) + 3
    with pytest.raises(Exception, match="IncompleteRead"):
        await fake.ask("GET", url(cap, t="json"))


# ---- trouble


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServerLostError("the vdrive server does not answer", why="10 s"), 503),
        (ConfigError("there is no vdrive server"), 503),
        (NotFoundError("the vdrive server has no such directory"), 404),
        (CorruptError("directory abcdefgh: a row does not open"), 500),
    ],
)
@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", ""),
        ("GET", "?t=json"),
        ("POST", "?t=unlink&name=x"),
        ("POST", "?t=mkdir&name=x"),
    ],
)
@ensureDeferred
async def test_trouble_with_the_vdrive_server_is_told(
    method, query, error, status, fake, url
):
    cap = await fake.make()
    fake.gateway.client.vdrive.error = error
    got, _, body = await fake.ask(method, url(cap) + query)
    assert got == status
    assert body.startswith(error.message)
    headers = {"Accept": "application/json"}
    _, _, body = await fake.ask("PUT", url(cap, "f"), b"x" * 100, headers)
    assert json.loads(body)["error"]["code"] == error.code
    assert fake.gateway.uploader.files == {}


@ensureDeferred
async def test_a_node_without_a_drive_still_has_files(gateway, url):
    gateway.client.vdrive = None
    cap = f"URI:DIR:pb://{'a' * 32}@127.0.0.1:1/vdrive:{'a' * 26}"
    assert (await gateway.ask("GET", url(cap)))[0] == 503
    assert (await gateway.ask("GET", url(HELLO)))[2] == b"hello"
