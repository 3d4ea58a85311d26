"""The text of docs/benchmarks.md: results as tables, pictures, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill

from goals import cells_of, missed
from growth import PICTURES

Rows = Sequence[Mapping[str, float]]

WIDTH = 116
CURVES = {
    "sizes": (
        "By the size of a file",
        """From the first byte to the answer, through the gateway. A small file costs round
        trips and a sync on each server, whatever it holds; from a few MB on it is a matter
        of bytes. The client's peak must not follow the size.""",
    ),
    "servers": (
        "By the number of servers",
        """All servers are in one process, real ones, each with its Tub and its HTTPS; the
        client is a node of its own. It connects to every server, and for a file it asks
        about *n* of them: each connection costs time at the start, and memory.""",
    ),
    "directories": (
        "By the number of names in a directory",
        """A name added, and a file got by its name, concern one row. Listings are as long
        as the directory.""",
    ),
    "clients": (
        "By the number of clients",
        """Puts and gets of 1 KB to 1 MB, ranges, names added and listings, by clients that
        never pause. Once the machine's cores are busy, more clients wait longer and get no
        more done.""",
    ),
}


def whole(results: Mapping[str, dict]) -> str:
    """Return the page."""
    sections = {
        "side_by_side": side_by_side,
        "growth": curves,
        "memory": memory,
        "soak": soak,
    }
    parts = [*head(), *machine(results)]
    for name, section in sections.items():
        if name in results:
            parts += [*section(results[name])]
    return "\n\n".join(parts) + "\n"


def head() -> list[str]:
    """Return how the page begins."""
    intro = """What `make bench` found; [performance](performance.md) says how to measure,
    and what each program does. MB are 10^6 bytes. All nodes run on one machine, over
    loopback, so wall times are of clients and servers together."""
    return ["# Benchmarks", prose(intro), hand("summary")]


def machine(results: Mapping[str, dict]) -> list[str]:
    """Say what was measured on, and with."""
    found = next(iter(results.values()))["machine"]
    dates = " and ".join(sorted({one["date"] for one in results.values()}))
    told = prose(
        f"Measured {dates}: {found['cores']} cores ({found['processor']}),"
        f" {found['memory_GB']} GB of memory, {found['kernel']}."
    )
    if "side_by_side" not in results:
        return [told]
    ours, peers = (results["side_by_side"]["versions"][one] for one in ("ours", "peer"))
    names = dict.fromkeys([*ours, *peers])
    rows = [(name, ours.get(name, ""), peers.get(name, "")) for name in names]
    return [told, table(("", "this", "the peer"), rows)]


def side_by_side(found: dict) -> list[str]:
    """Return the table of both systems."""
    ours, peers = (" and ".join(found["protocols"][one]) for one in ("ours", "peer"))
    rows = [
        (f"{words}, {unit}", *rest) for words, unit, *rest in map(cells_of, found["lines"])
    ]
    top = ("", "this", "Tahoe-LAFS 1.20", "ratio", "spread", "first", "then")
    broken = ", ".join(missed(found["lines"]))
    how = f"""Two grids of ten storage nodes, 3-of-10, every node a process; this speaks
    {ours} between its nodes, the peer {peers}. Each work is done on one and then on the
    other, in turns; figures are medians of {found["rounds"]} rounds. A ratio says how many
    times better this is, faster or smaller; the spread is that of the rounds' own ratios.
    *First* is the floor, *then* the aim."""
    held = f"Floors not held: {broken}." if broken else "Every floor is held."
    more = f"""{held} The erasure code is measured without hashes or encryption, zfec alone
    on the peer's side. With one server frozen, each put is the first after it froze."""
    title = "## Side by side with Tahoe-LAFS 1.20"
    return [title, prose(how), table(top, rows, True), prose(more), hand("side_by_side")]


def curves(found: dict) -> list[str]:
    """Return pictures and figures of all curves."""
    parts = ["## Growth"]
    for name, rows in found["curves"].items():
        title, words = CURVES[name]
        parts += [f"### {title}", prose(words)]
        parts += [
            f"![{drawn[1]}](pictures/benchmarks/{drawn[0]}.svg)" for drawn in PICTURES[name]
        ]
        top = [column.replace("_", " ").replace("MBps", "MB/s") for column in rows[0]]
        body = [[_short(value) for value in row.values()] for row in rows]
        parts += [table(top, body, True), prose(REMARKS[name](rows)), hand(name)]
    return parts


def _of_sizes(rows: Rows) -> str:
    small, large = rows[0], rows[-1]
    return f"""{small["size"]:,.0f} bytes are put in {small["put_ms"]:.0f} ms and got in
    {small["get_ms"]:.0f}; the largest file moves at {large["put_MBps"]:.0f} MB/s up and
    {large["get_MBps"]:.0f} down, for {large["put_cpu_ms_per_MB"]:.0f} and
    {large["get_cpu_ms_per_MB"]:.0f} ms of processors a MB. The client's peak is
    {large["client_MB"] / small["client_MB"]:.1f} times that of the smallest."""


def _of_servers(rows: Rows) -> str:
    few, many = rows[0], rows[-1]
    more = max(many["servers"] - few["servers"], 1)
    kb = 1000 * (many["client_MB"] - few["client_MB"]) / more
    cpu = 1000 * (many["connected_cpu_s"] - few["connected_cpu_s"]) / more
    return f"""Each further server takes {kb:.0f} kB of the client's memory and {cpu:.0f} ms
    of its processor when it connects. At {many["servers"]:,} servers a put of 4 KiB takes
    {many["put_ms"]:.0f} ms, and {many["put_client_cpu_ms"]:.0f} ms of the client's
    processor."""


def _of_directories(rows: Rows) -> str:
    small, large = rows[0], rows[-1]
    each = 1000 / large["names"]
    return f"""A name is added to {large["names"]:,.0f} in {large["add_ms"]:.1f} ms, to
    {small["names"]:.0f} in {small["add_ms"]:.1f}. A name costs
    {each * large["json_ms"]:.0f} µs in a listing as JSON,
    {each * large["page_ms"]:.0f} in the page and
    {each * large["ls_ms"]:.0f} in `tahoe ls`."""


def _of_clients(rows: Rows) -> str:
    best, last = max(rows, key=lambda row: row["works_per_s"]), rows[-1]
    errors = sum(row["errors"] for row in rows)
    return f"""The most is {best["works_per_s"]:.0f} works a second, at {best["clients"]}
    clients; {last["clients"]} get {last["works_per_s"]:.0f}, and half of these wait
    {last["median_ms"] / 1000:.2g} s or more. {errors} errors."""


REMARKS = {
    "sizes": _of_sizes,
    "servers": _of_servers,
    "directories": _of_directories,
    "clients": _of_clients,
}


def memory(found: dict) -> list[str]:
    """Return peaks by file size."""
    top = (
        *("file", "client idle", "put: client", "a server", "get: client", "a server"),
        *("put, MB/s", "get, MB/s"),
    )
    keys = ("idle_client", "put_client", "put_server", "get_client", "get_server")
    columns = [*(f"{key}_MB" for key in keys), "put_MBps", "get_MBps"]
    rows = [
        (f"{row['size'] / 1e6:,.0f} MB", *(f"{row[one]:.0f}" for one in columns))
        for row in found["rows"]
    ]
    how = """The most, in MB, that a process had while one file was put and got; all
    processes begin anew for each size."""
    verdict = "; ".join(found["broken"]) or "the client's peak is flat, within its limit"
    return [
        "## Memory",
        prose(how),
        table(top, rows, True),
        f"So {verdict}.",
        hand("memory"),
    ]


def soak(found: dict) -> list[str]:
    """Return what a crowd met in some minutes."""
    times = ("median_ms", "p99_ms", "most_ms")
    kinds = [
        (kind, f"{one['count']:,}", *(f"{one[key]:,}" for key in times))
        for kind, one in found["kinds"].items()
    ]
    nodes = [
        (
            node["node"],
            f"{node['first_MB']} → {node['last_MB']}",
            "" if node["grown_MB"] is None else f"{node['grown_MB']:+}",
            *(node[one] for one in ("most_MB", "files", "most_files")),
        )
        for node in found["nodes"]
    ]
    how = f"""{found["clients"]} clients that never pause, for {found["minutes"]:g} minutes,
    on ten servers; {found["restarts"]} times a server was ended, by SIGTERM and SIGKILL in
    turns, and started again. {found["answers"]:,} answers, {found["works_per_s"]} a second,
    each compared with what was stored; {found["num_errors"]} errors. Nodes that grow:
    {", ".join(found["growing"]) or "none"}."""
    more = """*again*: files got once more when the crowd was gone. Of a server restarted
    late no growth is told."""
    top = ("", "MB", "in the second half", "most", "descriptors", "most")
    return [
        "## A crowd",
        prose(how),
        table(("", "answers", "median, ms", "99 of 100", "most"), kinds, True),
        table(top, nodes, True),
        prose(more),
        hand("soak"),
    ]


# ---- Markdown


def prose(text: str) -> str:
    """Return *text* as one paragraph."""
    return fill(" ".join(text.split()), WIDTH, break_on_hyphens=False)


def hand(name: str) -> str:
    """Return a place for what people write."""
    return f"<!-- by hand: {name} -->\n<!-- end -->"


def table(top: Sequence[str], rows: Iterable[Sequence[object]], right: bool = False) -> str:
    """Return a table; all columns but the first are set *right*."""
    marks = ["---", *(["---:" if right else "---"] * (len(top) - 1))]
    return "\n".join(
        "|" + "".join(_cell(one) for one in row) for row in (top, marks, *rows)
    )


def _cell(value: object) -> str:
    return f" {value} |" if value != "" else " |"


def _short(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
