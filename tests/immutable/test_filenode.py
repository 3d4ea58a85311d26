import pytest
import pytest_twisted
from zope.interface.verify import verifyObject

from allmydata.errors import NoSharesError
from allmydata.immutable.filenode import FileNode
from allmydata.interfaces import IFileNode
from allmydata.streams import target
from allmydata.uri import from_string


def content(size):
    return bytes((i * 31 + i // 256 * 7) % 251 for i in range(size))


async def node_of(make_grid, data):
    grid = await make_grid(3, (2, 2, 3))
    cap = await grid.put(data)
    return FileNode(from_string(cap), grid.downloader), cap, grid


@pytest.mark.parametrize("size", [0, 20, 300_000])
@pytest_twisted.ensureDeferred
async def test_a_file_is_read_whole_and_in_parts(make_grid, tmp_path, size):
    node, _, _ = await node_of(make_grid, content(size))
    assert verifyObject(IFileNode, node)
    assert await node.download_to_data() == content(size)
    path = await node.download(target.FileName(tmp_path / "f"))
    assert (tmp_path / "f").read_bytes() == content(size)
    assert path == str(tmp_path / "f")
    assert await node.read(target.Data(), 5, 10) == content(size)[5:15]
    assert await node.read(target.Data(), 15) == content(size)[15:]


@pytest_twisted.ensureDeferred
async def test_a_file_tells_of_itself_without_asking_anybody(make_grid):
    node, cap, grid = await node_of(make_grid, content(5000))
    for line in grid.lines:
        line.calls.clear()
    assert node.get_uri() == node.get_immutable_uri() == cap
    assert node.get_size() == 5000
    assert node.get_refresh_capability() == from_string(cap).get_verify_cap().to_string()
    assert (node.kind, node.is_mutable()) == ("file", False)
    assert not any(line.calls for line in grid.lines)
    assert cap not in repr(node)


@pytest_twisted.ensureDeferred
async def test_a_file_in_its_capability_needs_no_refreshing(make_grid):
    node, _, _ = await node_of(make_grid, b"short")
    assert node.get_refresh_capability() is None
    assert node.get_size() == 5


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_gone_is_an_error(make_grid):
    node, _, grid = await node_of(make_grid, content(5000))
    for path in grid.share_files().values():
        path.unlink()
    with pytest.raises(NoSharesError):
        await node.download_to_data()


@pytest_twisted.ensureDeferred
async def test_nodes_of_one_capability_are_equal(make_grid):
    node, cap, _ = await node_of(make_grid, content(5000))
    assert node == FileNode(from_string(cap), None)
    assert len({node, FileNode(from_string(cap), None)}) == 1
