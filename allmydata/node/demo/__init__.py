"""A whole grid in one process, to try things on: ``tahoe demo``.

    plan      how many servers, which shares, which directories and ports
    grid      the nodes, and what is done to them: kill, revive, freeze, corrupt
    damage    bits flipped in share files
    control   how another process asks for that
    record    demo.json, and how that process finds the demo
    process   one run of it, from the first directory to the last signal

``plan`` and ``record`` load no network library.  What it does: docs/demo.md.
"""
