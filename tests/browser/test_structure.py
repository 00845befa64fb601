"""What pages are made of, as assistive technology reads it: headings, tables, links, their words.

Stable where pixels are not. `LONGPOLE_RENEW_GOLDEN=1` writes the files anew; read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.browser.conftest import Open
from tests.browser.pages_table import PageCase, page_cases
from tests.browser.shop_stories import HEALTHY, told

pytestmark = pytest.mark.browser
GOLDEN = Path(__file__).parent.parent / "golden" / "pages"
# Rows beyond these say the same again.
_LINES = 120
CASES = [case for case in page_cases(told("n-plus-one"), HEALTHY[0]) if case.reads_without_scripts]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_page_has_the_structure_it_had_and_reads_without_scripts(
    open_page: Open, case: PageCase
) -> None:
    page = open_page(case.path, java_script_enabled=False)

    assert page.locator("h1").count() == 1
    for text in case.says:
        assert text in page.locator("main").inner_text(), f"{text!r} is missing"
    lines = page.locator("main").aria_snapshot().splitlines()
    text = "\n".join(lines[:_LINES]) + "\n"
    # Addresses of static files change with their content.
    text = re.sub(r"/static/[0-9a-f]+/", "/static/BUILD/", text)
    golden = GOLDEN / f"{case.name}.yaml"
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()
