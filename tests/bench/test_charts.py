import xml.etree.ElementTree as ET

import pytest

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def picture():
    import charts

    curves = {"put <fast>": [(1e3, 0.5), (1e6, 20)], "get": [(1e3, 2), (1e6, 70)]}
    return ET.fromstring(charts.chart("Speed & size", "bytes", "MB/s", curves))


def test_each_point_is_drawn_once_and_inside(picture):
    _, _, width, height = map(float, picture.get("viewBox").split())
    points = [
        (float(one.get("cx")), float(one.get("cy"))) for one in picture.iter(f"{SVG}circle")
    ]
    assert len(points) == 4
    assert all(0 < x < width and 0 < y < height for x, y in points)


def test_more_is_higher_and_further_to_the_right(picture):
    (x1, y1), (x2, y2), *_ = (
        (float(one.get("cx")), float(one.get("cy"))) for one in picture.iter(f"{SVG}circle")
    )
    assert x1 < x2
    assert y1 > y2


def test_titles_names_and_powers_of_ten_are_written(picture):
    texts = [one.text for one in picture.iter(f"{SVG}text")]
    assert {"Speed & size", "bytes", "MB/s", "put <fast>", "get"} <= set(texts)
    assert {"1k", "10k", "100k", "1M", "0.1", "1", "10", "100"} <= set(texts)


def test_one_figure_alone_has_axes_too():
    import charts

    drawn = ET.fromstring(charts.chart("One", "", "", {"a": [(10, 10)]}))
    assert len(list(drawn.iter(f"{SVG}circle"))) == 1
