"""The page in a browser: it sorts, filters and opens by mouse and by keyboard, and asks nobody for anything."""

from __future__ import annotations

import pytest

from dropexp.page.origin import Beside
from dropexp.page.render import index_page, study_page, sums

pytestmark = pytest.mark.slow  # starts a browser, and is skipped where there is none

COLUMN = (
    """[...document.querySelectorAll('#arms-table tbody tr:not([hidden])')].map(r => r.cells[{}].textContent.trim())"""
)
BUTTON = "document.querySelectorAll('#arms-table thead button')[{}]"


@pytest.fixture(scope="module")
def page(cases, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(study_page(cases["patience"](), Beside("study: x\n")), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, page):
    browser.media()
    browser.size(1200)
    browser.open(page.as_uri())
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == []


def test_sorts_up_and_down_by_value(opened):
    first = opened.evaluate(COLUMN.format(4))
    opened.evaluate(BUTTON.format(4) + ".click()")
    up = opened.evaluate(COLUMN.format(4))
    assert up == sorted(first, key=lambda text: float(text.split("\u00a0")[0]))
    assert opened.evaluate(BUTTON.format(4) + ".parentElement.getAttribute('aria-sort')") == "ascending"
    opened.evaluate(BUTTON.format(4) + ".click()")
    assert opened.evaluate(BUTTON.format(4) + ".parentElement.getAttribute('aria-sort')") == "descending"
    assert sorted(opened.evaluate(COLUMN.format(4))) == sorted(up)
    assert float(opened.evaluate(COLUMN.format(4))[0].split("\u00a0")[0]) == max(
        float(t.split("\u00a0")[0]) for t in up
    )


def test_what_is_absent_sorts_last_either_way(opened):
    for _ in range(2):
        opened.evaluate(BUTTON.format(6) + ".click()")  # the difference, which a baseline has not
        assert opened.evaluate(COLUMN.format(6))[-3:] == ["", "", ""]


def test_patience_sorts_off_before_numbers(opened):
    opened.evaluate(BUTTON.format(0) + ".click()")
    assert opened.evaluate(COLUMN.format(0)) == ["off", "off", "5", "5", "20", "20"]


def test_filters_by_value_and_by_words_and_resets(opened):
    choose = "(() => {{ const s = document.querySelector('.tools {}'); s.value = {}; s.dispatchEvent(new Event('input')); }})()"
    status = "document.querySelector('.tools [role=status]').textContent"
    opened.evaluate(choose.format("select", "[...s.options].find(o => o.textContent === '5').value"))
    assert opened.evaluate(COLUMN.format(0)) == ["5", "5"]
    assert opened.evaluate(status) == "2 of 6 rows"
    opened.evaluate(choose.format("input", "'-5.4 underfit'"))  # a hyphen, as it is typed
    assert opened.evaluate(COLUMN.format(1)) == ["0.5"]
    opened.evaluate(choose.format("input", "'nothing like that'"))
    assert opened.evaluate(status) == "0 of 6 rows"
    opened.evaluate("[...document.querySelectorAll('.tools button')].find(b => b.textContent === 'Reset').click()")
    assert opened.evaluate(COLUMN.format(0)) == ["off", "off", "5", "5", "20", "20"]
    assert opened.evaluate(status) == "6 of 6 rows"


def active(browser) -> str:
    return browser.evaluate("document.activeElement.textContent.trim().slice(0, 40)")


def test_everything_is_reached_and_done_by_keyboard(opened):
    opened.press("Tab")
    assert active(opened) == "Skip to the content"
    assert opened.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "seen when focused"
    seen = []
    for _ in range(60):
        opened.press("Tab")
        seen.append(
            opened.evaluate(
                "document.activeElement.tagName + ' ' + document.activeElement.textContent.trim().slice(0, 20)"
            )
        )
        if seen[-1].startswith("BUTTON test p"):
            break
    assert "BUTTON patience" in seen
    style = opened.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid", "focus shows"
    opened.press("Enter")
    assert opened.evaluate("document.activeElement.parentElement.getAttribute('aria-sort')") == "ascending"
    opened.press(" ")
    assert opened.evaluate("document.activeElement.parentElement.getAttribute('aria-sort')") == "descending"
    opened.evaluate("document.querySelector('details.arm > summary').focus()")
    opened.press("Enter")
    opened.press("Tab")
    opened.press(" ")
    assert opened.evaluate("document.activeElement.parentElement.matches('details.run[open]')")
    assert opened.evaluate("document.querySelector('details.run[open] svg').getBoundingClientRect().height") > 20


def test_a_link_opens_the_runs_of_its_arm(opened):
    opened.evaluate("[...document.querySelectorAll('#arms-table tbody a')].at(-1).click()")
    opened.evaluate("new Promise(done => setTimeout(done, 100))")
    assert opened.evaluate("[...document.querySelectorAll('details.arm')].map(d => d.open)")[-1] is True
    assert opened.evaluate("document.activeElement.tagName") == "SUMMARY"
    buttons = "[...document.querySelectorAll('#runs .tools button')].find(b => b.textContent === '{}').click()"
    opened.evaluate(buttons.format("Open all arms"))
    assert opened.evaluate("document.querySelectorAll('details.arm:not([open])').length") == 0
    opened.evaluate(buttons.format("Close all"))
    assert opened.evaluate("document.querySelectorAll('details[open]').length") == 0


@pytest.mark.parametrize("width", [320, 360, 800, 1400])
def test_nothing_runs_out_of_the_page(opened, width):
    opened.size(width)
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 360])
def test_on_a_phone_nothing_scrolls_sideways(opened, width):
    opened.size(width)
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = "[...document.querySelectorAll('body *')].filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1"
    inline = " && getComputedStyle(e).display !== 'inline' && getComputedStyle(e).clipPath === 'none')"
    assert opened.evaluate(f"{wide}{inline}.map(e => `${{e.tagName}}.${{e.className}} ${{e.scrollWidth}}`)") == []
    right = "Math.max(...[...document.querySelectorAll('main *, footer *')].map(e => e.getBoundingClientRect().right))"
    assert opened.evaluate(right) <= width + 1


def test_on_a_phone_a_number_stands_beneath_the_name_of_its_column_and_rows_sort(opened):
    opened.size(360)
    cell = "document.querySelector('#arms-table tbody td.number')"
    assert opened.evaluate(f"getComputedStyle({cell}, '::before').content.includes({cell}.dataset.label)")
    assert opened.evaluate(f"getComputedStyle({cell}.parentElement).display") == "grid"
    first = opened.evaluate(COLUMN.format(4))
    opened.evaluate(BUTTON.format(4) + ".click()")
    assert opened.evaluate(COLUMN.format(4)) == sorted(first, key=lambda text: float(text.split("\u00a0")[0]))
    tree = opened.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in tree if not node.get("ignored")]
    assert {"table", "row", "cell", "rowheader"} <= set(roles), "still a table to who hears it"


def test_a_figure_fits_and_is_enlarged(opened):
    opened.size(360)
    opened.evaluate("new Promise(done => setTimeout(done, 100))")
    image, button = "document.querySelector('.card img')", "document.querySelector('.zoom')"
    assert opened.evaluate(f"{image}.clientWidth") < 340
    assert opened.evaluate(f"{button}.textContent") == "Enlarge"
    opened.evaluate(f"{button}.click()")
    assert opened.evaluate(f"{image}.clientWidth === Number({image}.getAttribute('width'))")
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360, "it scrolls in its own box"
    opened.evaluate(f"{button}.click()")
    assert opened.evaluate(f"{image}.clientWidth") < 340
    opened.size(1400)
    opened.evaluate("new Promise(done => setTimeout(done, 100))")
    assert opened.evaluate("[...document.querySelectorAll('.zoom')].every(b => b.hidden)"), "nothing to enlarge"


def test_a_wide_table_keeps_its_first_column_in_sight(opened):
    opened.size(700)
    opened.evaluate("document.querySelector('#arms-table').parentElement.scrollLeft = 150")
    left = "document.querySelector('#arms-table tbody th').getBoundingClientRect().left"
    assert opened.evaluate(left) >= 0
    assert opened.evaluate("document.querySelector('#arms-table').parentElement.scrollLeft") == 150


def luminance(browser, expression: str) -> float:
    red, green, blue = browser.evaluate(f"{expression}.match(/[0-9.]+/g).slice(0, 3).map(Number)")
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red / 255, green / 255, blue / 255)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_in_light_and_dark(opened, scheme):
    opened.media(scheme=scheme)
    ground = luminance(opened, "getComputedStyle(document.body).backgroundColor")
    assert (ground > 0.5) == (scheme == "light")
    for selector in ("body", ".note", ".question", "nav a", ".good .verdict", ".open .verdict, .same .verdict"):
        ink = luminance(opened, f"getComputedStyle(document.querySelector('{selector}')).color")
        contrast = (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05)
        assert contrast >= 4.5, f"{selector}: WCAG 2.2 asks for 4.5, this is {contrast:.1f}"


def test_paper_has_no_controls_and_all_that_matters(opened):
    opened.evaluate("document.querySelector('details.arm').open = true")
    opened.media("print")
    shown = "(s => {{ const e = document.querySelector(s); return !!e && e.getClientRects().length > 0 }})('{}')"
    for selector in (".tools", "nav", "td.link a", "details.arm:not([open])"):
        assert not opened.evaluate(shown.format(selector)), selector
    for selector in (
        ".headline",
        "figure img",
        "#arms-table",
        "#configuration pre",
        "#reproduce pre",
        "details.arm[open]",
    ):
        assert opened.evaluate(shown.format(selector)), selector
    assert opened.evaluate("document.querySelector('#glossary dd').checkVisibility()"), "its words are explained"
    opened.media("print", "dark")
    assert luminance(opened, "getComputedStyle(document.body).backgroundColor") == 1, "paper is white"


def test_paper_splits_no_figure_and_leaves_no_heading_alone(opened):
    """Each page is looked at by what begins on it: no figure is higher than a page, and headings keep what follows."""
    opened.media("print")
    opened.size(690, 1000)  # what A4 leaves between its margins
    assert opened.evaluate("Math.max(...[...document.querySelectorAll('figure')].map(e => e.offsetHeight))") < 1000
    for selector in ("h2", "h3", "figcaption"):
        kept = f"getComputedStyle(document.querySelector('{selector}')).breakAfter"
        assert opened.evaluate(kept) == "avoid"
    assert opened.evaluate("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    assert opened.evaluate("document.documentElement.scrollWidth") <= 690


def test_without_the_script_the_page_is_whole(browser, page):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.media()
        browser.open(page.as_uri())
        tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    roles = [node["role"]["value"] for node in tree if not node.get("ignored")]
    assert not {"button", "combobox", "searchbox", "textbox"} & set(roles), "a dead control"
    assert {"main", "navigation", "banner", "contentinfo", "table", "image"} <= set(roles)
    assert roles.count("DisclosureTriangle") == 6 + 1  # one per arm, and the glossary
    assert browser.complaints() == []


def test_everything_has_a_name(opened):
    tree = opened.call("Accessibility.getFullAXTree")["nodes"]
    for node in tree:
        role = node.get("role", {}).get("value")
        if not node.get("ignored") and role in ("button", "link", "combobox", "searchbox", "image", "table", "region"):
            assert node["name"]["value"].strip(), node


def test_the_index_sorts_by_date(browser, cases, tmp_path):
    made = sums(cases["one-seed"](), Beside())
    rows = [
        (f"{i}.html", type(made)(f"study-{i}", made.answer, "1", i, date)) for i, date in enumerate(("2030", "2029"))
    ]
    (tmp_path / "index.html").write_text(index_page("results", rows), encoding="utf-8")
    browser.size(800)
    browser.open((tmp_path / "index.html").as_uri())
    browser.evaluate("[...document.querySelectorAll('thead button')].at(-1).click()")
    assert browser.evaluate("[...document.querySelectorAll('tbody th')].map(e => e.textContent)") == [
        "study-1",
        "study-0",
    ]
    assert browser.complaints() == []
    assert browser.requests() == []


@pytest.mark.parametrize("width", [320, 360, 768])
def test_the_index_fits(browser, cases, tmp_path, width):
    made = sums(cases["patience"](), Beside())
    rows = [
        (f"{i}.html", type(made)(f"a-rather-long-name-of-a-study-{i}", made.answer, "1", i, "2030")) for i in (0, 1)
    ]
    (tmp_path / "index.html").write_text(index_page("results", rows), encoding="utf-8")
    browser.media()
    browser.size(width)
    browser.open((tmp_path / "index.html").as_uri())
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelector('.scroll').scrollWidth") <= width
    answer = "document.querySelector('td.long').clientWidth"
    assert browser.evaluate(answer) > 200, "a sentence has room"
