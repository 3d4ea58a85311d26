import json

import pytest

MACHINE = {"cores": 2, "processor": "a processor", "memory_GB": 8, "kernel": "Linux 6"}
MEMORY = {
    "date": "2030-01-02",
    "machine": MACHINE,
    "broken": [],
    "rows": [
        {
            "size": 10**8,
            **{f"{one}_client_MB": 60.0 for one in ("idle", "put", "get")},
            **{f"{one}_server_MB": 70.0 for one in ("idle", "put", "get")},
            **{"put_MBps": 50.0, "get_MBps": 100.0},
        }
    ],
}
GROWTH = {
    "date": "2030-01-03",
    "machine": MACHINE,
    "curves": {
        "clients": [
            {"clients": 1, "works_per_s": 10, "median_ms": 7, "p99_ms": 9, "errors": 0},
            {"clients": 9, "works_per_s": 30, "median_ms": 20, "p99_ms": 40, "errors": 0},
        ]
    },
}


@pytest.fixture
def report():
    import report

    return report


@pytest.fixture
def write(report, tmp_path):
    def write(**results):
        report.write(results, tmp_path / "page.md", tmp_path / "pictures")
        return (tmp_path / "page.md").read_text()

    return write


def test_the_page_tells_of_the_parts_that_there_are(write):
    page = write(memory=MEMORY)
    assert "| 100 MB | 60 | 60 | 70 | 60 | 70 | 50 | 100 |" in page
    assert "2 cores (a processor), 8 GB of memory, Linux 6" in page
    assert "## Growth" not in page


def test_every_picture_that_the_page_shows_was_drawn(write, tmp_path):
    page = write(growth=GROWTH)
    assert "pictures/benchmarks/clients.svg" in page
    assert [one.name for one in (tmp_path / "pictures").iterdir()] == ["clients.svg"]


def test_what_people_wrote_stays(write, tmp_path):
    empty = write(memory=MEMORY)
    written = empty.replace(
        "<!-- by hand: memory -->\n", "<!-- by hand: memory -->\nBecause of buffers.\n"
    )
    (tmp_path / "page.md").write_text(written)
    assert write(memory=MEMORY, growth=GROWTH).count("Because of buffers.") == 1


def test_what_people_wrote_is_never_dropped_with_its_part(write, tmp_path):
    kept = "<!-- by hand: soak -->\nWe waited.\n<!-- end -->\n"
    (tmp_path / "page.md").write_text(kept)
    with pytest.raises(SystemExit, match="soak"):
        write(memory=MEMORY)
    assert (tmp_path / "page.md").read_text() == kept


def test_results_that_are_not_there_are_left_out(report, tmp_path):
    (tmp_path / "memory.json").write_text(json.dumps(MEMORY))
    assert report.load(tmp_path) == {"memory": MEMORY}
