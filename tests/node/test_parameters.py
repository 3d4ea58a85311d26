import pytest

from allmydata.node.parameters import DEFAULT_PARAMETERS, settle_parameters


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ((None, None, None), (3, 7, 10)),
        ((2, 3, 4), (2, 3, 4)),
        ((5, None, None), (5, 7, 10)),
        ((None, None, 5), (3, 5, 5)),
        ((None, None, 2), (2, 2, 2)),
        ((25, None, None), (25, 7, 25)),
        ((None, 12, None), (3, 12, 12)),
        ((1, 1, 1), (1, 1, 1)),
    ],
)
def test_what_is_set_holds_and_the_rest_gives_way(own, expected):
    assert settle_parameters(own, DEFAULT_PARAMETERS) == expected
