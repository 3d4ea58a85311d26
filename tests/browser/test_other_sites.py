"""Pages of other sites, shown by the browser of somebody who has logged in, get nothing.

Each attack runs from a name that the browser takes for another site, from another port of
this very host (the same site to it, cookies are sent), and where it makes sense from a
name that was made to lead to the gateway itself.
"""

import json
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.support.chromium import wait_until
from tests.support.media import png

HOSTS = ["attacker.example", "127.0.0.1", "localhost"]
SECRET = "what only the owner may read " * 10

READS, CHANGES = (
    (Path(__file__).parent / "attacks" / f"{name}.js").read_text()
    for name in ("reads", "changes")
)
PAGE = """<body><script>
const GATEWAY = {url}, PATHS = {paths}, CHANGES = {changes}, read = [];
let done = false;
{code}
Promise.allSettled(tries).then(() => {{ done = true }});
</script>"""


@pytest.fixture
def attack(make_page, demo, other_site):
    """Have the owner's browser show a page of another site until all it tries has ended."""

    def attack(code, host, paths=(), changes=()):
        facts = {"url": demo.url, "paths": list(paths), "changes": list(changes)}
        facts = {name: json.dumps(value) for name, value in facts.items()}
        other_site.show("attack", PAGE.format(code=code, **facts))
        page = make_page(is_watched=False)
        page.goto(other_site.url("attack", host))
        wait_until(page, "() => done")
        return page.evaluate("() => read")

    return attack


def readable(folder, demo):
    name = folder.path.rpartition("/")[2]
    return [
        f"{folder.path}/secret.txt",
        f"{folder.path}/view.png",
        f"{folder.path}/?t=json",
        f"{folder.path}/",
        "/vdrive/private/?t=json",
        "/vdrive/public/?t=json",
        f"/vdrive/private?t=details&name={name}",
        "/live?t=json",
        "/status",
        "/_/grid",
        "/",
    ]


@pytest.mark.parametrize("host", HOSTS)
def test_another_site_reads_nothing(host, attack, folder, demo):
    folder.put("secret.txt", SECRET.encode())
    folder.put("view.png", png())
    assert attack(READS, host, readable(folder, demo)) == []


@pytest.mark.parametrize("host", HOSTS)
def test_another_site_changes_nothing(host, attack, folder, demo):
    folder.put("kept.txt", SECRET.encode())
    place = quote(folder.path, safe="/%")
    before = everything(demo)
    changes = [
        (f"{folder.path}/new.txt", "a=b"),
        (f"{folder.path}/kept.txt", "a=b"),
        (f"{folder.path}?t=mkdir&name=made", ""),
        (f"{folder.path}?t=upload&name=up.txt", "file=x"),
        (f"{folder.path}?t=delete&name=kept.txt", ""),
        (f"{folder.path}?t=rename&from_name=kept.txt&to_name=x", ""),
        (f"{folder.path}?t=set_children", "{}"),
        ("/_/do", f"act=delete&place={place}&item=kept.txt"),
        ("/_/do", f"act=rename&place={place}&item=kept.txt&to=x"),
        ("/_/do", f"act=mkdir&place={place}&name=made"),
        ("/_/do", "act=empty"),
        ("/_/do", "act=logout"),
        ("/_/demo", "act=kill&server=1"),
        ("/_/code", ""),
        ("/uri?t=mkdir", ""),
        ("/uri", "a=" + "file" * 100),
    ]
    moved = num_moved(demo)
    assert attack(CHANGES, host, (), changes) == []
    assert everything(demo) == before
    assert folder.get("kept.txt") == SECRET.encode()
    assert num_moved(demo) == moved + 1  # the line above


def everything(demo):
    """Return all names below the private root."""
    answer = demo.ask("POST", "/vdrive/private?t=stream-manifest")
    assert answer.status == 200
    return sorted(answer.text.splitlines())


def num_moved(demo):
    """Return how many files were ever asked for or stored."""
    told = demo.ask("GET", "/live?t=json").json
    return max([one["id"] for kind in told.values() for one in kind], default=0)


def test_a_name_that_was_made_to_lead_here_is_refused(make_page, demo, folder):
    folder.put("secret.txt", SECRET.encode())
    port = urlsplit(demo.url).port
    page = make_page(is_watched=False)
    for path in (
        "/",
        folder.path + "/secret.txt",
        "/uri",
        "/_/grid",
        "/live?t=json",
        "/metrics",
    ):
        answer = page.goto(f"http://rebound.example:{port}{path}")
        assert answer.status == 403, path
        assert SECRET not in answer.text()


def test_an_opened_window_tells_its_opener_nothing(make_page, demo, folder, other_site):
    folder.put("secret.txt", SECRET.encode())
    target = folder.details("secret.txt")
    button = f"<button onclick='w = window.open(\"{target}\")'>open</button>"
    other_site.show("opener", button)
    page = make_page(is_watched=False)
    page.goto(other_site.url("opener"))
    with page.expect_popup() as waiting:
        page.get_by_role("button").click()
    waiting.value.wait_for_load_state()
    told = page.evaluate(
        "() => { try { return w.document.title } catch (e) { return '' } }"
    )
    assert told == ""


def test_a_link_out_tells_no_address(make_page, folder, other_site):
    """What a stored page leads to does not hear where it was."""
    page = make_page(is_watched=False)
    other_site.show("target", "hello")
    folder.put("links.html", f"<a href='{other_site.url('target')}'>out</a>".encode())
    page.goto(f"{folder.url}links.html")
    page.get_by_role("link", name="out").click()
    page.wait_for_url("**/target")
    assert ("/target", "") in other_site.asked
    assert page.evaluate("() => document.referrer") == ""
    other_site.asked.clear()
