"""`python -m shop settings`: every setting with its default and its meaning."""

from __future__ import annotations

from shop.chassis.settings import settings_table


def print_settings(is_markdown: bool) -> int:
    """Print the table, for a terminal or as Markdown."""
    rows = settings_table()
    if is_markdown:
        print("| Variable | Default | Meaning |\n|---|---|---|")
        for row in rows:
            default = f"`{row.default}`" if row.default else ""
            also = f" (or `{row.variable}_FILE`)" if row.is_secret else ""
            print(f"| `{row.variable}`{also} | {default} | {row.about} |")
        return 0
    width = max(len(row.variable) for row in rows)
    for row in rows:
        default = f" [{row.default}]" if row.default else ""
        also = f" (or {row.variable}_FILE)" if row.is_secret else ""
        print(f"{row.variable:{width}}  {row.about}{default}{also}")
    return 0
