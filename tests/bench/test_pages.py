import pytest

ROWS = {
    "sizes": [
        {
            "size": size,
            **{"put_ms": 40, "get_ms": 8, "put_MBps": 50, "get_MBps": 200},
            **{"put_cpu_ms_per_MB": 20, "get_cpu_ms_per_MB": 5, "client_MB": mb},
        }
        for size, mb in ((1000, 50), (10**9, 60))
    ],
    "servers": [
        {
            "servers": num,
            **{"client_MB": mb, "connected_cpu_s": cpu},
            **{"put_ms": 20, "put_client_cpu_ms": 4},
        }
        for num, mb, cpu in ((1, 50, 0.5), (1001, 150, 10.5))
    ],
    "directories": [
        {"names": num, "add_ms": 2, "json_ms": ms, "page_ms": 1, "ls_ms": 2 * ms}
        for num, ms in ((10, 3), (1000, 50))
    ],
    "clients": [
        {"clients": num, "works_per_s": works, "median_ms": 1500, "errors": 1}
        for num, works in ((1, 20), (10, 90), (200, 80))
    ],
}


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        ("sizes", "The client's peak is 1.2 times"),
        ("servers", "takes 100 kB of the client's memory and 10 ms of"),
        ("directories", "costs 50 µs in a listing as JSON, 1 in the page and 100"),
        ("clients", "The most is 90 works a second, at 10 clients; 200 get 80"),
    ],
)
def test_a_curve_is_told_in_words(curve, told):
    import pages

    assert told in pages.prose(pages.REMARKS[curve](ROWS[curve]))


def test_every_curve_has_words_and_pictures():
    import growth
    import pages

    assert set(pages.CURVES) == set(pages.REMARKS) == set(growth.PICTURES)
