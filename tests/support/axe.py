"""What axe-core finds on a page that keeps somebody from using it."""

from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).parents[1] / "browser" / "axe.min.js"
GRAVE = ("serious", "critical")


def findings(page: Page, *rules: str) -> list[str]:
    """Return what is serious or critical; the context must bypass the page's policy.

    :param rules: that are asked for; all, if none is named
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(SOURCE.read_text())
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{one['impact']}: {one['help']} ({node['html'][:200]})"
        for one in found["violations"]
        for node in one["nodes"]
        if one["impact"] in GRAVE
    ]
