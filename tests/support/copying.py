"""What the fake gateway of the command line lacks for copies of trees."""

import json
import os

from allmydata import uri
from allmydata.coding.geometry import DEFAULT_MAX_SEGMENT_SIZE, segment_size_for
from allmydata.crypto.hashutil import convergence_hasher
from allmydata.util import base32

SECRET = b"the node's secret"
K, N = 3, 10


def cap_for(data):
    """Return the capability that a node with SECRET gives *data*."""
    if len(data) <= uri.LITERAL_LIMIT:
        return uri.LiteralFileURI(data).to_string()
    segment_size = segment_size_for(len(data), K, DEFAULT_MAX_SEGMENT_SIZE)
    hasher = convergence_hasher(K, N, segment_size, SECRET)
    hasher.update(data)
    return uri.CHKFileURI(hasher.digest()[:16], bytes(32), K, N, len(data)).to_string()


def teach(gateway, node):
    """Let *gateway* give files convergent keys, and change directories in batches.

    ``gateway.stored`` lists the content of every file it was sent, ``gateway.batches`` the
    names of every change of many, ``gateway.asked`` method and path of every request.
    """
    (node / "private" / "convergence").write_text(base32.b2a(SECRET) + "\n")
    drive = gateway.drive
    gateway.server.handle_error = lambda *_: None  # a copy that ends early hangs up
    gateway.stored, gateway.batches, gateway.asked = [], [], []
    gateway.directories_made = 0

    def hold(data):
        gateway.stored.append(data)
        gateway.files[cap_for(data)] = data
        return cap_for(data)

    def answer(method, names, words, body):
        match method, words.get("t"):
            case "POST", "set_children":
                set_children(drive.find(names), body)
                return 200, "Okay so I did it."
            case "POST", "mkdir-with-children":
                gateway.directories_made += 1
                set_children(cap := drive.make(), body)
                return 200, cap
        return plain_answer(method, names, words, body)

    def set_children(cap, body):
        links = json.loads(body)
        gateway.batches.append(sorted(links))
        for name, (_, caps) in links.items():
            drive.link(cap, name, caps.get("rw_uri") or caps["ro_uri"])

    def noting(take):
        def note(request, *body):
            if not body:
                gateway.asked.append((request.command, request.path))
            take(request, *body)

        return note

    plain_answer = drive.answer
    gateway.hold, drive.answer = hold, answer
    gateway.get, gateway.put = noting(gateway.get), noting(gateway.put)
    gateway.directory = noting(gateway.directory)
    return gateway


def grid_tree(drive, cap):
    """Return what is below the directory *cap*: names to content, or to such dicts."""
    return {
        name: (
            grid_tree(drive, child)
            if child.startswith("URI:DIR")
            else content(drive.gateway, child)
        )
        for name, child in drive.children(cap).items()
    }


def content(gateway, cap):
    """Return the bytes that *cap* names."""
    if cap.startswith("URI:LIT:"):
        return uri.from_string(cap).data
    return gateway.files[cap]


def local_tree(path):
    """Return what is below the directory *path*, as :func:`grid_tree` does."""
    return {
        entry.name: (
            local_tree(entry.path) if entry.is_dir() else open(entry.path, "rb").read()
        )
        for entry in os.scandir(path)
    }


def write_tree(path, tree):
    """Make directory *path* hold *tree*."""
    path.mkdir()
    for name, entry in tree.items():
        if isinstance(entry, dict):
            write_tree(path / name, entry)
        else:
            (path / name).write_bytes(entry)


def hold_tree(drive, tree):
    """Put *tree* on the grid; return the capability of its directory."""
    return drive.make(
        **{
            name: (
                hold_tree(drive, entry)
                if isinstance(entry, dict)
                else drive.gateway.hold(entry)
            )
            for name, entry in tree.items()
        }
    )
