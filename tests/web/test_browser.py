"""The pages in a real browser: what the script adds, the shape at two widths and in two lights, and axe's opinion."""

import shutil
import subprocess
from contextlib import contextmanager
from threading import Thread

import pytest
from werkzeug.serving import make_server

from indexer.index import Index, load_encoder
from indexer.settings import Settings
from indexer.watch_status import telling
from web.app import create_app

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.slow

CODE = "".join(
    f'def load_settings_{n}(path):\n    """Load the settings number {n}."""\n    return open(path).read() + "{"x" * 200}"\n\n\n'
    for n in range(14)
)
DOUBTED = "/?q=photosynthesis+of+tomato+plants+in+greenhouses"


@contextmanager
def served(settings, encoder, index=None):
    """Yield the address of a server."""
    server = make_server("127.0.0.1", 0, create_app(settings, index=index, encoder=encoder), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(Settings())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(folder, encoder):
    """The address of a server on a small index."""
    tree = folder / "tree"
    tree.mkdir()
    (tree / "settings.py").write_text(CODE)
    (tree / "save.go").write_text("package save\n\nfunc SaveSettings(path string) error {\n\treturn nil\n}\n")
    settings = Settings(index=folder / "index", processes=1)
    index = Index.build(settings.index, [str(tree)], settings=settings, encoder=encoder)
    with served(settings, encoder, index) as address:
        yield address


def chromium():
    """Return a Chromium of this machine that runs; a system may have one in name only."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def opened(browser, site, **options):
    """Return a page that collects what goes wrong in it as `faults`."""
    context = browser.new_context(base_url=site, **options)
    context.set_default_timeout(20_000)
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if fault(message) else None)
    page.on("response", lambda reply: faults.append(reply.url) if unexpected(reply) else None)
    return page, faults


def fault(message):
    """Tell whether a line of the console says that something went wrong; what was not answered is seen by itself."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def unexpected(reply):
    """Tell whether something that a page needs was not there; a page itself may be one of a fault."""
    return reply.status >= 400 and not reply.request.is_navigation_request() and not reply.url.endswith("/readyz")


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


def test_a_page_shows_that_a_search_is_under_way(page):
    page.goto("/?q=load+settings")
    shown = page.evaluate(
        """() => {
          const form = document.querySelector(".ask");
          form.addEventListener("submit", (event) => event.preventDefault());
          form.requestSubmit();
          const at = (what) => document.querySelector(what);
          return [at(".is-loading .progress") !== null, at("#content").ariaBusy, at("#said").textContent];
        }"""
    )
    assert shown == [True, "true", "Searching"]


def test_a_keyboard_reaches_the_content_and_everything_in_a_result(page):
    page.goto("/?q=load+settings")
    page.keyboard.press("Tab")
    assert focused(page, "className") == "skip"
    page.keyboard.press("Enter")
    assert focused(page) == "content"
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert shown != "none", reached[-1]
    for wanted in ("Similar code", "Copy", "Plain text", "Why this result"):
        assert wanted in reached


def test_code_is_sent_with_control_and_enter(page):
    page.goto("/?form=code")
    assert focused(page) == "q"
    page.keyboard.type("def load_settings_3(path):\n    return open(path)")
    page.keyboard.press("Control+Enter")
    page.locator(".result").first.wait_for()
    assert "load_settings_3" in page.locator(".result .open").first.text_content()


def test_hits_that_are_probably_none_are_grey_until_one_looks_at_them(page):
    page.goto(DOUBTED)
    page.get_by_role("heading", name="Probably nothing here answers this").wait_for()
    name = page.locator(".result .src .nf").first
    grey = name.evaluate("name => getComputedStyle(name).color")
    name.hover()
    assert name.evaluate("name => getComputedStyle(name).color") != grey


def test_how_up_to_date_the_index_is_changes_while_one_looks(page, folder):
    with telling(folder / "index", ["tree"]) as status:
        status.tell("refreshing", 2)
        page.goto("/?q=load+settings")
        assert "Behind by 2 changed files" in page.locator(".bar .live").text_content()
        status.tell("watching")
        page.locator(".bar .live", has_text="Up to date with tree").wait_for()


def test_a_page_that_waits_for_an_index_shows_answers_when_they_are_there(browser, tmp_path, encoder):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "settings.py").write_text(CODE)
    settings = Settings(index=tmp_path / "index", processes=1)
    with served(settings, encoder) as address, telling(settings.index, ["tree"]):
        page, faults = opened(browser, address)
        page.goto("/?q=load+settings")
        page.get_by_role("heading", name="The index is being built.").wait_for()
        Index.build(settings.index, [str(tmp_path / "tree")], settings=settings, encoder=encoder)
        page.locator(".result").first.wait_for()
        page.context.close()
        assert faults == []


def test_a_first_search_with_its_styles_is_small_and_a_second_asks_for_the_page_only(browser, site):
    page, faults = opened(browser, site)
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    sizes = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto("/?q=load+settings", wait_until="networkidle")
    assert len(sizes) >= 3
    assert sum(sizes) <= 60_000
    sizes.clear()
    page.goto("/?q=save+settings", wait_until="networkidle")
    assert len([size for size in sizes if size]) == 1
    page.context.close()
    assert faults == []


ADDRESSES = [
    "/", "/?form=code", "/?q=load+settings", DOUBTED, "/?q=%22zzqq%22", "/?q=%22open", "/index", "/help",
    "/file/tree/settings.py", "/unit/nope", "/nope",
]  # fmt: skip


@pytest.mark.parametrize("light", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_and_axe_finds_no_serious_fault(browser, site, folder, width, light):
    # The policy of the page keeps scripts out; axe is one.
    size = {"width": width, "height": 740}
    page, faults = opened(browser, site, viewport=size, color_scheme=light, bypass_csp=True)
    page.goto("/?q=load+settings")
    first = page.locator(".result .open").first.get_attribute("href")
    with telling(folder / "index", ["tree"]) as status:
        for number, address in enumerate([*ADDRESSES, first, first.replace("/unit/", "/similar/")]):
            status.tell(("watching", "refreshing", "failed")[number % 3], 1, "a word")
            page.goto(address)
            check(page, address, width)
    page.context.close()
    assert faults == []


@pytest.mark.parametrize("light", ["light", "dark"])
def test_axe_finds_no_serious_fault_while_there_is_no_index(browser, tmp_path, encoder, light):
    settings = Settings(index=tmp_path / "index", processes=1)
    with served(settings, encoder) as address:
        page, faults = opened(browser, address, color_scheme=light, bypass_csp=True)
        page.goto("/?q=load")
        check(page, "missing", 1280)
        with telling(settings.index, ["tree"]):
            page.goto("/?q=load")
            check(page, "building", 1280)
        page.context.close()
        assert faults == []


def check(page, address, width):
    """Check a page as it is, with what can be opened in it open."""
    axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    for closed in page.locator("details:not([open]) > summary").all()[:3]:
        closed.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    found = axe_api.Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == [], address
