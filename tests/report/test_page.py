"""The page in a real browser: what it shows, how it is used without a mouse, and how fast."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import queue
import re
import shutil
import threading
import time

import pytest

import simclock

# A driver and a browser serve all the tests of this module.
pytestmark = [
    pytest.mark.unclean("the browser of the module is started with its first test"),
    pytest.mark.hang_limit(300),
]
REQUIRED = "SIMCLOCK_BROWSER_REQUIRED"
# Things that are drawn for one picture of 100,000 records, where it was 8,230 at most.
MOST_DRAWN = 20_000


@pytest.fixture(scope="module")
def browser():
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        missing = "there is no chromium with its driver: apt-get install chromium chromium-driver"
        assert REQUIRED not in os.environ, missing
        pytest.skip(missing)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{option}")
    # The page is as wide as on a desk.
    options.add_argument("--window-size=1400,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield started
    finally:
        started.quit()


class Page:
    """What a person sees and does."""

    def __init__(self, browser, path):
        self.browser = browser
        browser.get_log("performance")
        browser.get(path.as_uri())
        # On a busy machine a browser may say that it has loaded a page before its script is through.
        ready = "return document.documentElement.dataset.ready"
        end = time.monotonic() + 30
        while browser.execute_script(ready) != "true":
            assert time.monotonic() < end
            time.sleep(0.05)

    def text(self, selector):
        return self.browser.execute_script(
            "return document.querySelector(arguments[0]).textContent", selector
        )

    def texts(self, selector):
        return self.browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(each => each.textContent)",
            selector,
        )

    def run(self, script, *args):
        return self.browser.execute_script(script, *args)

    def press(self, *keys):
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            focused = self.browser.switch_to.active_element
            focused.send_keys(getattr(Keys, key, key))

    def on_the_chart(self, *keys):
        self.run("document.getElementById('scroll').focus()")
        self.press(*keys)

    @property
    def heading(self):
        return self.text("#details h3")

    @property
    def details(self):
        return dict(zip(self.texts("#details dt"), self.texts("#details dd"), strict=True))

    @property
    def selected(self):
        return self.texts("#rows [aria-selected=true] > *")

    def pixels(self):
        """Return the colours of the chart, with how many dots have each, as drawn last."""
        return dict(
            self.browser.execute_async_script(
                """
                const done = arguments[0];
                requestAnimationFrame(() => requestAnimationFrame(() => {
                    const canvas = document.querySelector("#plot canvas"), counts = {};
                    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                    for (let i = 0; i < data.length; i += 4) {
                        const key = `${data[i]},${data[i + 1]},${data[i + 2]},${data[i + 3]}`;
                        counts[key] = (counts[key] ?? 0) + 1;
                    }
                    done(Object.entries(counts));
                }));
                """
            )
        )


@pytest.fixture
def page(browser, tmp_path):
    """Return a function that shows a timeline."""

    def shown(timeline):
        return Page(browser, timeline.write(tmp_path / "page.html"))

    yield shown
    # Whatever was done: no error of the page's script, and nothing asked of a network.
    # A hint, on how the tests read dots, is no error.
    told = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry["message"] for entry in told] == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in asked
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in urls if not url.startswith(("file:", "data:"))] == []


def together(*threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def color(page, name):
    """Return a colour of the page's as its dots have it."""
    hexadecimal = page.run(
        "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])", name
    ).strip()
    return ",".join(str(int(hexadecimal[at : at + 2], 16)) for at in (1, 3, 5)) + ",255"


# ------------------------------------------------------------------------ what it shows


def test_the_head_says_test_verdict_and_error(page, deadlocked):
    deadlocked.details["again"] = "pytest test_bank.py::test --simclock-seed=0"
    shown = page(deadlocked)

    assert shown.browser.title == "failed: test_bank.py::test"
    assert shown.text("#verdict") == "✖ failed"
    assert shown.text("h1") == "test_bank.py::test"
    assert shown.texts("#facts b") == ["1 s", "25 records", "3 threads", "0 deviations", "0"]
    assert shown.text("#error b") == "✖ Deadlock: 3 threads can never run again, at virtual +1 s"
    assert re.fullmatch(
        r"cycle: there -> back -> there · conftest\.py:\d+", shown.text("#error span")
    )
    assert "cycle: there -> back -> there" in shown.text("#error pre")
    assert shown.text("#more code") == "pytest test_bank.py::test --simclock-seed=0"


def test_the_error_is_selected_at_first(page, deadlocked):
    shown = page(deadlocked)

    assert shown.heading == "✖ Deadlock is found"
    assert shown.selected == ["16", "+1 s", "back (0.2)", "✖", "Deadlock is found"]


def test_lanes_have_names_and_paths(page, deadlocked):
    shown = page(deadlocked)

    assert shown.texts("#labels > div") == ["root0", "there0.1", "back0.2"]


def test_what_is_drawn_is_there(page, deadlocked):
    shown = page(deadlocked)
    drawn = shown.pixels()

    for name in ("--running", "--waiting", "--bad", "--jump", "--wire"):
        assert drawn.get(color(shown, name), 0) > 20, name


def test_dark_colours_are_others_and_follow_the_system(page, deadlocked):
    shown = page(deadlocked)
    light = color(shown, "--running")
    shown.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    try:
        shown.pixels()  # what follows the system does so before the next picture
        dark = color(shown, "--running")
        assert shown.text("#theme") == "Light"
        assert shown.pixels().get(dark, 0) > 20
        assert dark != light
        shown.on_the_chart("t")
        assert color(shown, "--running") == light
    finally:
        shown.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_text_of_the_program_is_only_text(page, run, monkeypatch):
    hostile = "</script><script>document.title='taken'</script><!--<b>&amp;"

    def scenario():
        monkeypatch.setattr(threading.current_thread(), "name", "main")
        simclock.active().checkpoint(hostile)
        logging.getLogger(hostile).error(hostile)
        raise AssertionError(hostile)

    simulation, error = run(scenario)
    shown = page(
        simclock.Timeline(simulation, title=hostile, error=error, details={hostile: hostile})
    )

    assert shown.browser.title == f"failed: {hostile}"
    assert shown.text("h1") == hostile
    assert shown.texts("#rows .row > :last-child") == [
        hostile,
        f"ERROR {hostile}: {hostile}",
        f"AssertionError: {hostile}",
    ]


def test_a_run_without_records(page, run):
    shown = page(simclock.Timeline(run(lambda: None)[0]))
    shown.on_the_chart("ARROW_RIGHT", "ARROW_DOWN", "+", "a", "n", "END", "f", "0")

    assert shown.text("#verdict") == "✔ passed"
    assert shown.texts("#rows .row") == []


def test_without_lanes_the_chart_says_so(page, run):
    simulation, error = run(lambda: json.loads(""))
    shown = page(simclock.Timeline(simulation, error=error))

    assert shown.run("return document.getElementById('none').hidden") is False
    assert shown.details["of"] == "the test"
    assert shown.details["line"] == 'simulation, error = run(lambda: json.loads(""))'


def test_with_lanes_nothing_is_said_of_none(page, deadlocked):
    assert page(deadlocked).run("return document.getElementById('none').hidden") is True


def test_of_long_names_the_end_can_be_seen(page, run):
    def scenario():
        names = [f"{'a-worker-with-a-long-name-' * 3}{number}" for number in range(2)]
        together(*(threading.Thread(target=time.sleep, args=(1,), name=name) for name in names))

    shown = page(simclock.Timeline(run(scenario)[0]))
    cut = shown.run(
        """
        const cut = e => e.scrollWidth > e.clientWidth + 1;
        return [...document.querySelectorAll("#labels .name")].slice(1).map(e => [...e.children].map(cut));
        """
    )

    assert cut == [[True, False], [True, False]]
    assert [each[-12:] for each in shown.texts("#labels .name")[1:]] == [
        "-long-name-0",
        "-long-name-1",
    ]


def test_warnings_are_told_from_other_log_lines(page, run):
    def scenario():
        log = logging.getLogger("feed")
        log.setLevel(logging.INFO)
        log.info("a price")
        log.warning("no price")
        time.sleep(1)

    shown = page(simclock.Timeline(run(scenario)[0]))

    assert shown.texts("#rows .row > .log:last-child") == ["INFO feed: a price"]
    assert shown.texts("#rows .row > .fault:last-child") == ["WARNING feed: no price"]


# Their edges, in order; what reaches below the window cannot be seen.
EDGES = """
const parts = [...document.body.children].filter(e => e.checkVisibility() && getComputedStyle(e).position === "relative"
    || ["bottom", "tools", "error", "split"].includes(e.id));
return parts.map(e => e.getBoundingClientRect()).map(box => [Math.round(box.top), Math.round(box.bottom)]);
"""


@pytest.mark.parametrize("size", [(1400, 900), (800, 600), (420, 740)])
def test_nothing_is_cut_off_or_over_another(page, run, size):
    def scenario():
        together(*(threading.Thread(target=time.sleep, args=(1,)) for _ in range(40)))
        raise AssertionError("a long story " * 200)

    simulation, error = run(scenario)
    timeline = simclock.Timeline(simulation, title="test_it.py::" + "name_" * 20, error=error)
    shown = page(timeline)
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    shown.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        shown.pixels()
        edges = shown.run(EDGES)
        wide = shown.run("return document.documentElement.scrollWidth")
        chart = shown.run("return document.getElementById('scroll').clientHeight")
        drawn = shown.run("return document.querySelector('#plot canvas').clientWidth")
        room = shown.run("return document.getElementById('plot').clientWidth")
    finally:
        shown.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert len(edges) >= 6
    assert all(above[1] <= below[0] + 1 for above, below in itertools.pairwise(edges))
    assert edges[-1][1] <= size[1]
    assert wide <= size[0]
    # Two lanes at least.
    assert chart >= 60
    # Beside the scroll bar.
    assert drawn <= room


def test_lanes_that_fit_are_shown_without_scrolling(page, deadlocked):
    shown = page(deadlocked)

    assert shown.run(
        "const e = document.getElementById('scroll'); return e.scrollHeight <= e.clientHeight"
    )
    bar = "return document.getElementById('split').getAttribute('aria-valuenow')"
    before = int(shown.run(bar))
    shown.run("document.getElementById('split').focus()")
    shown.press("ARROW_DOWN", "ARROW_DOWN")
    assert int(shown.run(bar)) < before


def test_tasks_are_lanes_below_their_thread_and_can_be_folded(page, run):
    async def nap(seconds):
        await asyncio.sleep(seconds)
        time.sleep(0.25)

    async def main():
        await asyncio.gather(nap(1), nap(2))

    shown = page(simclock.Timeline(run(lambda: asyncio.run(main()))[0]))

    assert shown.texts("#labels > div")[:4] == ["▾root0", "Task-1", "Task-2", "Task-3"]
    assert shown.pixels().get(color(shown, "--blocking"), 0) > 20

    fold = shown.run("return document.querySelector('#labels button')")
    assert fold.get_attribute("aria-label") == f"{len(shown.texts('#labels .task'))} tasks of root"
    fold.click()
    shown.pixels()

    assert shown.texts("#labels .task") == []


def test_kinds_that_are_not_known_are_findings_with_a_sign(page):
    with simclock.Simulation(timeline=True) as simulation:
        kernel = simulation._known()
        kernel.trace.add(kernel.world.now_ns, "0", "fault", "disk full")
        kernel.trace.add(kernel.world.now_ns, "0", "omen", "")
        kernel.trace.add(kernel.world.now_ns, "0", "deviation", "timers 1 of 2")
    shown = page(simclock.Timeline(simulation))

    shown.on_the_chart("n")
    assert (shown.heading, shown.details["kind"]) == ("▲ fault: disk full", "fault")
    shown.on_the_chart("n")
    assert shown.heading == "● omen"
    shown.on_the_chart("n")
    assert shown.heading == "◆ not the canonical choice: timers 1 of 2"
    assert shown.text("#next") == "3 findings ▶"


def test_deviations_are_findings(page, run):
    def scenario():
        items = queue.Queue()
        threading.Timer(1.0, items.put, ("item",)).start()
        items.get(timeout=1.0)

    failure = simclock.explore(scenario, runs=100).failure
    schedule = simclock.Schedule.from_token(failure.token)
    from simclock._core.recording import Follow, Recorder

    recorder = Recorder(Follow(schedule, strict=True), schedule.fidelity, schedule.latency_ns)
    simulation, error = run(scenario, choices=recorder, seed=schedule.seed)
    shown = page(simclock.Timeline(simulation, error=error))

    assert f"{len(schedule.deviations)} deviation" in shown.text("#facts")
    assert shown.heading == "✖ Empty"
    assert shown.details["line"] == "items.get(timeout=1.0)"
    # What led to the error is a key away, or a click.
    assert len(shown.texts("#details .deviation")) == len(schedule.deviations)
    shown.run("document.querySelector('#details .deviation').click()")
    assert shown.details["kind"] == "deviation"
    shown.on_the_chart("HOME", "n")
    assert shown.details["kind"] == "deviation"
    assert " runs before " in shown.heading or "the clock moves on" in shown.heading
    assert shown.pixels().get(color(shown, "--deviation"), 0) > 10


# ---------------------------------------------------------------------------- its use


def test_arrows_go_from_record_to_record_and_from_lane_to_lane(page, deadlocked):
    shown = page(deadlocked)

    shown.on_the_chart("HOME")
    assert shown.selected[0] == "0"
    shown.press("ARROW_RIGHT", "ARROW_RIGHT")
    assert shown.selected[0] == "2"
    shown.press("ARROW_LEFT")
    assert (shown.selected[0], shown.heading) == ("1", "root (0) waits: lock")
    assert shown.details["line"] == "thread.start()"
    shown.press("ARROW_DOWN")
    assert shown.heading.startswith("there (0.1)")
    shown.press("ARROW_UP")
    assert shown.heading.startswith("root (0)")
    shown.press("END")
    assert shown.selected[0] == "24"
    shown.press("ESCAPE")
    assert shown.selected == []


def test_shift_stays_in_the_lane(page, deadlocked):
    from selenium.webdriver.common.keys import Keys

    shown = page(deadlocked)
    shown.on_the_chart("HOME")
    lanes = set()
    for _ in range(6):
        shown.browser.switch_to.active_element.send_keys(Keys.SHIFT, Keys.ARROW_RIGHT)
        lanes.add(shown.selected[2])

    assert lanes == {"there (0.1)"}
    assert shown.selected[0] != "0"


def test_what_is_selected_is_said(page, deadlocked):
    shown = page(deadlocked)
    shown.on_the_chart("HOME", "ARROW_RIGHT")

    assert shown.text("#live") == "root (0) waits: lock, root (0), +0 s"
    assert shown.run("return document.getElementById('live').getAttribute('aria-live')") == "polite"


def test_search_tells_how_many_and_goes_through_them(page, deadlocked):
    shown = page(deadlocked)
    shown.on_the_chart("/")
    shown.press(*"with other:", "ENTER")

    # After what was selected, the error, the first one again.
    assert shown.text("#hits") == "1 of 2"
    shown.press("ENTER")
    assert shown.text("#hits") == "2 of 2"
    assert "with other:" in shown.details["line"]
    assert len(shown.texts("#rows .hit")) == 2
    shown.press("ESCAPE")
    assert shown.text("#hits") == ""
    assert shown.run("return document.activeElement.id") == "scroll"


def test_a_search_without_a_hit_says_so(page, deadlocked):
    shown = page(deadlocked)
    shown.on_the_chart("/")
    shown.press(*"nowhere", "ENTER")

    assert shown.text("#hits") == "nothing found"


def view(shown):
    """Return how many dots are of who runs, which zooming changes."""
    return shown.pixels().get(color(shown, "--running"), 0)


def test_zoom_and_fit(page, deadlocked):
    shown = page(deadlocked)
    shown.on_the_chart("HOME")
    whole = view(shown)
    shown.press("+", "+", "+")
    near = view(shown)
    shown.press("0")

    assert near != whole
    assert view(shown) == whole


def test_the_axis_is_by_step_or_virtual_time(page, deadlocked):
    shown = page(deadlocked)
    by_step = view(shown)
    shown.on_the_chart("a")

    # What happens at one instant has no width.
    assert view(shown) < by_step / 3
    assert shown.run("return document.getElementById('by-time').ariaPressed") == "true"
    assert shown.pixels().get(color(shown, "--jump"), 0) == 0


def test_help_lists_the_keys_and_closes(page, deadlocked):
    shown = page(deadlocked)
    shown.on_the_chart("?")
    assert shown.run("return document.getElementById('help').open") is True
    shown.press("ESCAPE")

    assert shown.run("return document.getElementById('help').open") is False


def test_kinds_can_be_hidden_in_the_list(page, deadlocked):
    shown = page(deadlocked)
    for button in shown.run("return [...document.querySelectorAll('#kinds button')]"):
        if "error" not in button.text:
            button.click()

    assert shown.texts("#rows .row > :last-child") == ["Deadlock is found"]


def test_pointing_at_a_stretch_tells_of_it(page, deadlocked):
    from selenium.webdriver.common.action_chains import ActionChains

    shown = page(deadlocked)
    plot = shown.run("return document.querySelector('#plot canvas')")
    # The second lane, in the middle: there the first thread sleeps. From the canvas' centre.
    ActionChains(shown.browser).move_to_element_with_offset(
        plot, 0, 45 - plot.size["height"] // 2
    ).perform()
    assert shown.text("#tip b") == "there (0.1) waits: sleep"
    assert shown.text("#tip code") == "time.sleep(1)"

    ActionChains(shown.browser).click().perform()
    assert shown.heading == "there (0.1) waits: sleep"
    assert shown.details["virtual time"] == "1 s"


def test_all_that_is_used_by_keys_has_a_name_and_a_visible_focus(page, deadlocked):
    shown = page(deadlocked)
    found = shown.run(
        """
        const named = e => e.getAttribute("aria-label") || e.textContent.trim()
            || (e.labels && e.labels.length && e.labels[0].textContent) || e.title;
        const all = [...document.querySelectorAll("button, input, summary, [tabindex='0']")];
        return all.filter(e => !named(e)).map(e => e.outerHTML);
        """
    )
    assert found == []
    shown.press("TAB")
    for _ in range(8):
        shown.press("TAB")
        width = shown.run("return getComputedStyle(document.activeElement).outlineStyle")
        chart = shown.run("return document.activeElement.id === 'scroll'")
        assert width != "none" or chart


def contrast(one, other):
    def light(text):
        values = [int(part) / 255 for part in text.split(",")[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read(page, deadlocked, theme):
    """WCAG 2 asks for 4.5 for text, and 3 for what is drawn."""
    shown = page(deadlocked)
    shown.run("document.documentElement.dataset.theme = arguments[0]", theme)
    pairs = [
        ("--text", "--back"), ("--soft", "--back"), ("--soft", "--panel"), ("--text", "--select"),
        ("--text", "--hit"), ("--soft", "--bad-back"), ("--ready-text", "--ready"),
        ("--running-text", "--running"), ("--fault", "--select"),
        ("--waiting-text", "--waiting"), ("--blocking-text", "--blocking"),
        ("--bad", "--bad-back"), ("--good", "--good-back"), ("--deviation", "--back"),
        ("--fault", "--back"), ("--log", "--back"), ("--bad", "--back"), ("--bad", "--select"),
        ("--soft", "--select"), ("--deviation", "--select"), ("--log", "--select"),
    ]  # fmt: skip
    drawn = [("--running", "--back"), ("--focus", "--back"), ("--ready-line", "--back"),
             ("--blocking-line", "--blocking"), ("--running", "--waiting")]  # fmt: skip

    poor = {
        pair: round(found, 2)
        for pairs_, least in ((pairs, 4.5), (drawn, 3.0))
        for pair in pairs_
        if (found := contrast(*(color(shown, name) for name in pair))) < least
    }
    assert poor == {}


# -------------------------------------------------------------------------------- speed


@pytest.fixture(scope="module")
def long_run():
    """Return the timeline of a run with more records than a trace keeps."""

    def scenario():
        queues = [queue.Queue(10) for _ in range(20)]

        def put(number):
            for item in range(12_500):
                queues[number].put(item)
                if item % 50 == 0:
                    time.sleep(0.01 * (number + 1))

        def get(number):
            for _ in range(12_500):
                queues[number].get()

        threads = [
            threading.Thread(target=each, args=(number,), name=f"{each.__name__}-{number}")
            for number in range(20)
            for each in (put, get)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with simclock.Simulation(timeline=True) as simulation:
        scenario()
    return simclock.Timeline(simulation)


# How often something is drawn for the picture that follows each key: that does not depend on what
# else the machine does, as the time would.
COUNTED = """
const [keys, done] = arguments, chart = document.getElementById("scroll"), counts = [];
const drawing = CanvasRenderingContext2D.prototype;
let count = 0;
for (const name of ["fillRect", "fillText", "fill", "stroke", "strokeRect", "measureText"]) {
    const original = drawing[name];
    drawing[name] = function (...args) { count++; return original.apply(this, args); };
}
const next = () => {
    if (!keys.length) { done(counts); return; }
    count = 0;
    chart.dispatchEvent(new KeyboardEvent("keydown", { key: keys.shift(), bubbles: true }));
    requestAnimationFrame(() => requestAnimationFrame(() => { counts.push(count); next(); }));
};
next();
"""


@pytest.mark.slow
def test_100_000_records_stay_usable(page, long_run):
    assert len(long_run.records) == 100_000
    shown = page(long_run)
    keys = (
        ["+"] * 8 + ["-"] * 8 + ["a", "a"] + ["ArrowRight"] * 20 + ["PageDown"] * 8 + ["End", "t"]
    )
    counts = shown.browser.execute_async_script(COUNTED, keys)

    # What lies in one dot is drawn once: a picture is as large as the screen, not as the run.
    assert min(counts) > 100
    assert max(counts) < MOST_DRAWN
    # Of the list, only what can be seen is there.
    assert len(shown.texts("#rows .row")) < 60
    shown.on_the_chart("/")
    shown.press(*"put-7 sleep", "ENTER")
    assert shown.text("#hits").endswith(f"of {hits(long_run)}")


def hits(timeline):
    lanes = {n for n, lane in enumerate(timeline.lanes) if timeline.names[lane.path] == "put-7"}
    number = sum(
        lane in lanes and record.kind == "park" and "sleep" in record.detail
        for lane, record in zip(timeline.lane_of, timeline.records, strict=True)
    )
    assert number
    return number


@pytest.mark.slow
def test_the_page_of_100_000_records_is_no_larger_than_a_picture(long_run):
    assert len(long_run.html()) < 5_000_000


@pytest.fixture(scope="module")
def many():
    """Return a timeline of many threads."""

    def nap(number):
        time.sleep(number / 1000)

    with simclock.Simulation(timeline=True) as simulation:
        threads = [threading.Thread(target=nap, args=(n,), name=f"nap-{n}") for n in range(2000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return simclock.Timeline(simulation)


def test_of_2000_lanes_those_are_there_that_can_be_seen(page, many):
    shown = page(many)
    assert len(shown.texts("#labels > div")) < 40
    shown.on_the_chart("/")
    shown.press(*"nap-1999 ended", "ENTER")
    shown.pixels()

    assert shown.text("#labels .current") == "nap-19990.2000"
