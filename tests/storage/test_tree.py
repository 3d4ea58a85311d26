import errno
import os
import resource

import pytest

from allmydata.errors import ConflictError, UsageError
from allmydata.formats.container import Lease
from allmydata.storage.disk import SYSTEM
from allmydata.storage.incoming import IncomingShare
from allmydata.storage.tree import ShareTree

from .peer import SI, bucket, container_bytes, incoming_files, plant

LEASE = Lease(0, b"r" * 32, b"c" * 32, 1)


@pytest.fixture
def tree(storedir):
    tree = ShareTree(storedir, SYSTEM)
    tree.prepare()
    return tree


def test_a_process_without_descriptors_does_not_call_a_share_damaged(tree, storedir):
    path = plant(storedir, "0", container_bytes(b"good"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        tree.open(path)
        outcome = None
    except OSError as e:
        outcome = e.errno
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert outcome == errno.EMFILE
    assert tree.open(path).read(0, 9) == b"good"


def test_a_share_that_appeared_meanwhile_is_not_overwritten(tree, storedir):
    share = IncomingShare.begin(tree, SI, 0, 3, LEASE)
    share.write(0, b"new")
    path = plant(storedir, "0", container_bytes(b"old"))
    with pytest.raises(ConflictError):
        share.finish()
    assert path.read_bytes() == container_bytes(b"old")
    assert incoming_files(storedir) == []


def test_a_share_that_is_over_takes_nothing_and_deletes_nothing(tree, storedir):
    share = IncomingShare.begin(tree, SI, 0, 3, LEASE)
    share.write(0, b"abc")
    share.finish()
    again = IncomingShare.begin(tree, SI, 1, 3, LEASE)
    for act in (lambda: share.write(0, b"abc"), share.finish):
        with pytest.raises(UsageError):
            act()
    share.discard()
    assert (bucket(storedir) / "0").exists()
    again.discard()
    assert not (bucket(storedir) / "1").exists()


def test_preparing_again_keeps_finished_shares(tree, storedir):
    path = plant(storedir, "0", b"anything")
    (tree.shares / "incoming" / "x").mkdir()
    tree.prepare()
    assert path.read_bytes() == b"anything"
    assert os.listdir(tree.shares / "incoming") == []


def test_new_files_follow_the_umask(tree, storedir):
    old = os.umask(0o027)
    try:
        share = IncomingShare.begin(tree, SI, 0, 0, LEASE)
        share.finish()
    finally:
        os.umask(old)
    assert (bucket(storedir) / "0").stat().st_mode & 0o777 == 0o640
