"""What a check found, in the words that programs know: those of Tahoe-LAFS.

    {"storage-index": "…", "summary": "Healthy", "results":
     {"count-shares-good": 10, "sharemap": {"0": ["nodeid"]}, "healthy": true, …}}

A file that lies in its capability has no shares, and a directory has none here either:
of both it is only told whether they are well.  One member is ours,
``count-spare-servers``: how many servers, whichever they are, may still die; -1 for a
file that is lost now.  Pure.  Format: docs/webapi.md.
"""

from __future__ import annotations

from typing import Any

Words = dict[str, Any]


def of_check(report: Any) -> Words:
    """Return what is told of a check report."""
    if report.is_literal:
        return of_literal()
    words = {"storage-index": report.storage_index, "summary": summary(report)}
    return words | {"results": _results(report)}


def of_repair(report: Any) -> Words:
    """Return what is told of a repair report."""
    before, after = of_check(report.before), of_check(report.after)
    if report.before.is_literal:
        return before
    if report.was_needed:
        after["summary"] = "healthy" if report.after.is_healthy else "not healthy"
    words = {
        "storage-index": report.before.storage_index,
        "repair-attempted": report.was_needed,
        "repair-successful": report.is_success,
        "pre-repair-results": before,
        "post-repair-results": after,
    }
    if report.error is not None:
        error = report.error
        words["repair-error"] = "; ".join(filter(None, [error.message, error.why]))
    return words


def of_literal() -> Words:
    """Return what is told of a file that lies in its capability."""
    return {"storage-index": "", "results": {"healthy": True}}


def of_directory(trouble: str = "") -> Words:
    """Return what is told of a directory, or of anything that can't be looked at.

    :param trouble: why it can't be read; empty if it can
    """
    words = f"Not Healthy: {trouble}" if trouble else "Healthy"
    return {"storage-index": "", "summary": words, "results": {"healthy": not trouble}}


def not_repaired() -> Words:
    """Return what is told of a thing without shares where files are repaired."""
    return {"storage-index": "", "repair-attempted": False}


def summary(report: Any) -> str:
    """Return what is to be said first."""
    if report.is_healthy:
        return "Healthy"
    if hasattr(report, "num_wrong"):
        return _unhealthy(report)
    return f"Not Healthy: {report.num_good} shares (enc {report.needed}-of-{report.total})"


def _unhealthy(report: Any) -> str:
    """Return what is said of a mutable file."""
    if not report.is_recoverable:
        return "Unhealthy: no versions are recoverable"
    return f"Unhealthy: {report.num_good} shares (enc {report.needed}-of-{report.total})"


def _results(report: Any) -> Words:
    is_recoverable = report.is_recoverable
    index = report.storage_index
    return {
        "count-happiness": report.happiness,
        "count-shares-good": report.num_good,
        "count-shares-needed": report.needed,
        "count-shares-expected": report.total,
        "count-good-share-hosts": sum(map(bool, report.holdings.values())),
        "count-corrupt-shares": len(report.damages),
        "list-corrupt-shares": [[server, index, n] for n, server in report.corrupt],
        "servers-responding": [one for one in report.names if one not in report.silent],
        "sharemap": {str(n): servers for n, servers in report.sharemap.items()},
        "count-wrong-shares": getattr(report, "num_wrong", 0),
        "count-recoverable-versions": getattr(
            report, "num_recoverable", int(is_recoverable)
        ),
        "count-unrecoverable-versions": getattr(
            report, "num_lost", int(not is_recoverable)
        ),
        "count-spare-servers": report.spare,
        "healthy": report.is_healthy,
        "recoverable": is_recoverable,
    }
