import pytest

from allmydata.node.demo.film import film as make_film
from tests.support.chromium import PATH, Watch, chromium
from tests.support.other_site import other_site as run_other_site
from tests.support.running_demo import make_folder, running_demo

# With pytest-xdist and --dist loadgroup there are two demos and two browsers at most.
ONE_HALF = {"test_hostile_content.py", "test_live.py", "test_login.py", "test_previews.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """These are system tests, share a demo, and need a browser."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            half = "one" if item.path.name in ONE_HALF else "other"
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.xdist_group(f"browser-{half}"))
            if PATH is None:
                item.add_marker(pytest.mark.skip(reason="chromium is not installed"))


@pytest.fixture(scope="session")
def demo():
    with running_demo() as demo:
        yield demo


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def session(browser, demo):
    """What a browser keeps that has opened the login link."""
    context = browser.new_context()
    context.new_page().goto(demo.login)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def make_page(browser, demo, session):
    """Make pages of a context of its own, with options of it; both are closed afterwards.

    What a page must never do is looked at in the end; ``page.watch`` is for a test that
    wants some of it to happen.
    """
    contexts, watches = [], []

    def make(*, logged_in=True, is_watched=True, **options):
        state = {"storage_state": session} if logged_in else {}
        context = browser.new_context(**state, **options)
        contexts.append(context)
        watch = Watch.over(context, demo.url)
        watches.extend([watch] if is_watched else [])
        page = context.new_page()
        page.watch = watch
        return page

    yield make
    for context in contexts:
        context.close()
    for watch in watches:
        watch.assert_quiet()


@pytest.fixture
def page(make_page):
    return make_page()


@pytest.fixture
def folder(demo, request):
    """A folder of this test's own."""
    name = request.node.name.partition("[")[0].removeprefix("test_")[:60]
    number = sum(map(ord, request.node.name))  # tells parameters apart
    return make_folder(demo, f"/vdrive/private/{name} {number}".replace(" ", "%20"))


@pytest.fixture(scope="session")
def film():
    """A film of some megabytes that can be sought in."""
    return make_film(6_000_000)


@pytest.fixture(scope="session")
def other_site():
    with run_other_site() as site:
        yield site
