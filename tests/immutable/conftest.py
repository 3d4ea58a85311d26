import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from allmydata.util.workers import Workers
from tests.support.grid import LocalGrid


@pytest.fixture(scope="session")
def workers():
    pool = Workers(2, "test")
    pool.start()
    yield pool
    pool.stop()


@pytest.fixture
def make_grid(tmp_path):
    """Return a function that starts a grid, stopped when the test ends."""
    grids = []

    async def make(num_servers=10, parameters=(3, 7, 10), **options):
        grid = LocalGrid(tmp_path / f"grid{len(grids)}", num_servers, parameters, **options)
        grids.append(grid)
        return await grid.start()

    yield make
    for grid in grids:
        pytest_twisted.blockon(Deferred.fromCoroutine(grid.stop()))
