"""Forms of several parts, taken apart whatever the pieces they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import UsageError
from allmydata.web.multipart import End, MultipartParser, Part, find_boundary


def parse(data, sizes=(10**9,)):
    """Return the parts, and what each holds, of a form that comes in such pieces."""
    parser, parts, sizes = MultipartParser(b"xyz"), [], list(sizes)
    while data:
        size = max(1, sizes[0])
        sizes.append(sizes.pop(0))
        for event in parser.feed(data[:size]):
            if isinstance(event, Part):
                parts.append([event, b"", False])
            elif event is End.PART:
                parts[-1][2] = True
            else:
                parts[-1][1] += event
        data = data[size:]
    parser.finish()
    assert all(ended for _, _, ended in parts)
    return [(part, held) for part, held, _ in parts]


def join(parts, boundary=b"xyz", before=b"", after=b""):
    pieces = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (boundary, name, data)
        for name, data in parts
    ]
    return before + b"".join(pieces) + b"--" + boundary + b"--" + after


awkward = st.lists(
    st.sampled_from([b"\r", b"\n", b"--", b"xyz", b"\r\n", b"\r\n--xy", b"a"])
)


@given(
    st.lists(awkward.map(b"".join).filter(lambda data: b"\r\n--xyz" not in b"\r\n" + data)),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_what_was_joined_comes_apart_whatever_the_pieces(datas, sizes):
    form = join([(b"n%d" % i, data) for i, data in enumerate(datas)], after=b"\r\n")
    wanted = [(Part(f"n{i}", None), data) for i, data in enumerate(datas)]
    assert parse(form, sizes) == wanted


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_what_is_around_the_parts_is_ignored(size):
    form = join([(b"a", b"1")], before=b"hello\r\n", after=b"\r\n--xyz\r\nbye")
    assert parse(form, [size]) == [(Part("a", None), b"1")]
    padded = form.replace(b"--xyz\r\nCon", b"--xyz \t \r\nX-More: 1\r\nCon")
    assert parse(padded, [size]) == [(Part("a", None), b"1")]


@pytest.mark.parametrize(
    ("disposition", "name", "file_name"),
    [
        (b'form-data; name="file"; filename="a.txt"', "file", "a.txt"),
        (b"form-data; name=file; filename=a.txt", "file", "a.txt"),
        (b'form-data; filename=""; name="file"', "file", ""),
        (b'form-data; name="file"; filename="a\\"b\\\\c"', "file", 'a"b\\c'),
        (b'form-data; name="file"; filename="a%22b%0d%0Ac%41"', "file", 'a"b\r\nc%41'),
        (b'form-data; name="file"; filename="C:\\dir;x"', "file", "C:\\dir;x"),
        ('form-data; name="file"; filename="grün"'.encode(), "file", "grün"),
        (b"form-data", "", None),
        (b'attachment; name="file"', "", None),
    ],
)
def test_names_are_read_as_browsers_write_them(disposition, name, file_name):
    header = b"CONTENT-disposition: " + disposition
    form = b"--xyz\r\nX: y\r\n" + header + b"\r\nContent-Type: a/b\r\n\r\n1\r\n--xyz--"
    assert parse(form) == [(Part(name, file_name), b"1")]


def test_a_part_may_have_no_headers():
    assert parse(b"--xyz\r\n\r\n1\r\n--xyz--\r\n") == [(Part("", None), b"1")]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (b"", "ends before"),
        (b"nothing of the kind", "ends before"),
        (join([(b"a", b"1")])[:-2], "ends before"),
        (join([(b"a", b"1")])[:-1], "ends before"),
        (join([(b"a", b"1")])[:-10], "ends before"),
        (b"--xyz\nContent-Disposition: form-data\n\n1\n--xyz--", "where none should be"),
        (b"--xyzzy\r\n", "where none should be"),
        (b"--xyz-\r\n", "where none should be"),
        (b"--xyz" + b" " * 20000, "where none should be"),
        (b"--xyz\r\n" + b"x" * 20000, "16384 bytes of headers"),
        (b"--xyz\r\nA: " + b"x" * 20000 + b"\r\n\r\n\r\n--xyz--", "16384 bytes of headers"),
        (
            b'--xyz\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n1\r\n--xyz--',
            "not UTF-8",
        ),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("size", [1, 10**9])
def test_what_is_no_form_is_refused(form, words, size):
    with pytest.raises(UsageError, match=words):
        parse(form, [size])


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=xyz", b"xyz"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="x y;z"; a=b', b"x y;z"),
        ("application/json", None),
        ("", None),
    ],
)
def test_the_boundary_is_read(content_type, boundary):
    assert find_boundary(content_type) == boundary


@pytest.mark.parametrize("rest", ["", ";", "; boundary=", '; boundary="', "; x=y"])
def test_a_form_without_boundary_is_refused(rest):
    with pytest.raises(UsageError, match="names no boundary"):
        find_boundary("multipart/form-data" + rest)
