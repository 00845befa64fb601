"""Pictures of every page for the documentation, from a made busy hour of a shop.

    python bench/screenshots.py            into docs/screenshots
    python bench/screenshots.py --to /tmp/pictures --page trace

Every page of tests/browser/pages_table.py at 1440 px, light and dark; some of them at 390 px, too,
and all of them with --phone.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import ARGUMENTS, PHONE, WIDE
from tests.browser.pages_table import PageCase, page_cases
from tests.browser.shop_rules import SHOP_RULES
from tests.browser.shop_stories import MINUTE, NOW, PLOTS, Told, healthy, logs_of, told
from tests.browser.site import Site, serving

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
ON_A_PHONE = ("trace", "search", "service", "findings")
_HOUR = 60 * MINUTE


# Where the address of the tests shows less than a picture should.
PATHS = {
    "cause": "/findings/cause?since=20m",
    "map": "/map?since=1h",
    "findings": "/findings?since=1h",
    "logs": "/logs?since=1h",
    "log-patterns": "/logs?since=20m&tab=patterns",
    "alerts": "/alerts?since=1h",
}


def busy_hour() -> list[Told]:
    """About a thousand orders, after an hour of as many that were well; a release twenty minutes
    ago brought an N+1, other faults come and go. The last trace is the one that is shown."""
    chance = random.Random(7)
    stories = [healthy(1_000 + i, chance.randrange(_HOUR)) for i in range(900)]
    stories += [healthy(10_000 + i, _HOUR + chance.randrange(_HOUR)) for i in range(900)]
    for i in range(40):
        stories.append(told("n-plus-one", 3_000 + i, chance.randrange(20 * MINUTE)))
    others = [name for name in PLOTS if name != "n-plus-one"]
    for i in range(30):
        stories.append(told(chance.choice(others), 4_000 + i, chance.randrange(_HOUR)))
    return [*stories, told("n-plus-one")]


def picture(
    browser: Browser, site: Site, case: PageCase, size: tuple[int, int], dark: bool
) -> bytes:
    """A PNG of what is in sight."""
    context = browser.new_context(
        base_url=site.address, viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light", reduced_motion="reduce", timezone_id="UTC",
        locale="en-GB",
    )  # fmt: skip
    try:
        context.set_default_navigation_timeout(180_000)
        page = context.new_page()
        page.goto(PATHS.get(case.name, case.path), wait_until="networkidle")
        page.wait_for_function("() => !document.querySelector('[aria-busy]')", timeout=60_000)
        page.wait_for_timeout(500)
        raw = page.screenshot()
    finally:
        context.close()
    # The way of choosing 256 colours that keeps each within 5 of 255; others gave services the
    # colours of their neighbours.
    packed = io.BytesIO()
    whole = Image.open(io.BytesIO(raw)).convert("RGB")
    few = whole.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=FOLDER)
    parser.add_argument("--page", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--phone", action="store_true", help="every page at 390 px, too")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    stories = busy_hour()
    spans = [span for story in stories for span in story.spans]
    with sync_playwright() as playwright, serving(spans, logs_of(stories), NOW, SHOP_RULES) as site:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(ARGUMENTS)
        )
        for case in page_cases(stories[-1], stories[0]):
            if options.page and case.name not in options.page:
                continue
            on_phone = options.phone or case.name in ON_A_PHONE
            looks = [("", WIDE), *([("-phone", PHONE)] if on_phone else [])]
            for suffix, size in looks:
                for dark in (False, True):
                    name = f"{case.name}{suffix}-{'dark' if dark else 'light'}.png"
                    png = picture(browser, site, case, size, dark)
                    (options.to / name).write_bytes(png)
                    print(f"{name} {len(png):,} bytes", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
