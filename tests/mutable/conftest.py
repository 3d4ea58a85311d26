import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.support.grid import LocalGrid


@pytest.fixture
def make_grid(tmp_path):
    """Return a function that starts a grid, stopped when the test ends."""
    grids = []

    def make(num_servers=10, parameters=(3, 7, 10), **options):
        grid = LocalGrid(tmp_path / f"grid{len(grids)}", num_servers, parameters, **options)
        grids.append(grid)
        return pytest_twisted.blockon(Deferred.fromCoroutine(grid.start()))

    yield make
    for grid in grids:
        pytest_twisted.blockon(Deferred.fromCoroutine(grid.stop()))


@pytest.fixture
def grid(make_grid):
    return make_grid()
