"""The pages in a real browser: what the script adds, the shape at two widths and in two lights, and axe's opinion."""

import shutil
from threading import Thread

import pytest
from werkzeug.serving import make_server

from indexer.index import Index
from indexer.settings import Settings
from web.app import create_app

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

CODE = "".join(
    f'def load_settings_{n}(path):\n    """Load the settings number {n}."""\n    return open(path).read() + "{"x" * 200}"\n\n\n'
    for n in range(14)
)


@pytest.fixture(scope="module")
def site(tmp_path_factory, stub_module):
    """The address of a server on a small index."""
    folder = tmp_path_factory.mktemp("site")
    tree = folder / "tree"
    tree.mkdir()
    (tree / "settings.py").write_text(CODE)
    (tree / "save.go").write_text("package save\n\nfunc SaveSettings(path string) error {\n\treturn nil\n}\n")
    settings = Settings(index=folder / "index", processes=1)
    encoder = stub_module.StubEncoder()
    index = Index.build(settings.index, [str(tree)], settings=settings, encoder=encoder)
    server = make_server("127.0.0.1", 0, create_app(settings, index=index, encoder=encoder), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def opened(browser, site, **options):
    """Return a page that collects what goes wrong in it as `faults`."""
    context = browser.new_context(base_url=site, **options)
    context.set_default_timeout(20_000)
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    return page, faults


@pytest.fixture
def page(browser, site):
    page, faults = opened(browser, site)
    yield page
    page.context.close()
    assert faults == []


def focused(page, what="id"):
    return page.evaluate(f"document.activeElement.{what}")


def test_keys_go_to_the_box_through_results_and_open_one(page):
    page.goto("/?q=load+settings")
    page.keyboard.press("/")
    assert focused(page) == "q"
    page.keyboard.press("ArrowDown")
    first = page.locator(".result .open").first
    assert focused(page, "href") == first.evaluate("link => link.href")
    page.keyboard.press("ArrowDown")
    second = page.locator(".result .open").nth(1).evaluate("link => link.href")
    assert focused(page, "href") == second
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert focused(page) == "q"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(second)


def test_c_copies_the_result_that_is_focused(browser, site):
    page, faults = opened(browser, site, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/?q=load_settings_3")
    page.locator(".result .open").first.focus()
    page.keyboard.press("c")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("def load_settings_3(path):")
    page.context.close()
    assert faults == []


def test_suggestions_are_a_combobox(page):
    page.goto("/")
    box = page.get_by_role("combobox")
    box.press_sequentially("load_set")
    page.get_by_role("option").first.wait_for()
    assert box.get_attribute("aria-expanded") == "true"
    box.press("ArrowDown")
    offered = page.get_by_role("option", selected=True)
    assert box.get_attribute("aria-activedescendant") == offered.get_attribute("id")
    value = offered.get_attribute("data-value")
    box.press("Enter")
    assert box.input_value() == value
    assert box.get_attribute("aria-expanded") == "false"
    box.press("Enter")
    page.locator(".result").first.wait_for()


def test_escape_closes_suggestions(page):
    page.goto("/")
    box = page.get_by_role("combobox")
    box.press_sequentially("load_set")
    page.get_by_role("option").first.wait_for()
    box.press("Escape")
    assert page.get_by_role("listbox").count() == 0
    assert box.input_value() == "load_set"


def test_pasted_code_keeps_its_lines(page):
    page.goto("/")
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "def load(path):\\n    return path");
          document.getElementById("q").dispatchEvent(
            new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
    )
    assert page.locator("textarea#q").input_value() == "def load(path):\n    return path"
    page.get_by_role("button", name="Search").click()
    page.locator(".result").first.wait_for()
    assert page.locator("textarea#q").input_value() == "def load(path):\n    return path"


def test_from_a_result_to_its_file_at_the_line_and_to_what_is_like_it(page):
    page.goto("/?q=load_settings_13")
    page.locator(".row.hit a").first.click()
    page.wait_for_url("**/file/**#L*")
    assert page.locator(".row:target").is_visible()
    page.go_back()
    page.get_by_role("link", name="Similar code").first.click()
    page.wait_for_url("**/similar/**")
    assert page.locator(".result").count() >= 1


def test_why_filters_and_pages(page):
    page.goto("/?q=load+settings&k=5")
    page.get_by_text("Why this result").first.click()
    assert page.locator(".why").first.is_visible()
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**page=2**")
    page.locator(".filters a").first.click()
    page.get_by_text("take it away").first.wait_for(state="attached")


def test_a_plain_search_needs_no_script(browser, site):
    page, faults = opened(browser, site, java_script_enabled=False)
    page.goto("/")
    page.fill("#q", "load settings")
    page.get_by_role("button", name="Search").click()
    page.locator(".result").first.wait_for()
    page.get_by_role("link", name="Next").click()
    page.locator(".result").first.wait_for()
    page.context.close()
    assert faults == []


ADDRESSES = ["/", "/?form=code", "/?q=load+settings", "/?q=%22zzqq%22", "/index", "/help", "/file/tree/settings.py"]


@pytest.mark.parametrize("light", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_and_axe_finds_no_serious_fault(browser, site, width, light):
    axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    # The policy of the page keeps scripts out; axe is one.
    size = {"width": width, "height": 740}
    page, faults = opened(browser, site, viewport=size, color_scheme=light, bypass_csp=True)
    for address in ADDRESSES:
        page.goto(address)
        for closed in page.locator("details:not([open]) > summary").all()[:3]:
            closed.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        found = axe_api.Axe().run(page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == [], address
    page.context.close()
    assert faults == []
