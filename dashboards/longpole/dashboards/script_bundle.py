"""Several scripts as one: what a page imports in one file, so that it costs one request.

Measured, a trace page of a thousand spans spent more time on asking for its 40 scripts than on
running them; naming them in its head beforehand (`modulepreload`) did not help. Every script
becomes a function that runs when it is first needed, as a module would, and once:

    import { bind } from "../keys.js";      const { bind } = $get("js/keys.js");
    export function draw() {}               function draw() {}  ...  return { draw };

This reads the form in which our own scripts are written and no other: imports at the beginning of
a line from relative paths, exports before a declaration, no cycles, no `export let`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

_IMPORT = re.compile(r'^import (?:(\{[^}]*\}|\* as \w+) from )?"(\.{1,2}/[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function\*? |class |const )(\w+)", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
# Whole lines and blocks only, which no string of ours contains.
_COMMENT = re.compile(
    r"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/[ \t]*)\n", re.MULTILINE | re.DOTALL
)
_LATER = re.compile(r"(?<![.\w\"'/])import\((`\./[^`]*`)\)")
_PRELUDE = """\
const $made = {}, $make = {};
const $get = (path) => $made[path] ??= $make[path]();
const $later = async (base, path) => $get(new URL(path, `http://x/${base}`).pathname.slice(1));
"""


def bundled(scripts: Mapping[str, str], entries: Sequence[str], address: str) -> str:
    """The text of one script that does what a page does with these entries, in this order.

    Args:
        scripts: the text of all scripts by path.
        entries: paths of those that a page names.
        address: the path at which the result is served, from which `import.meta.url` follows.

    Raises:
        ValueError: a script is written in a form that this does not read, or imports in a circle.
        KeyError: a script imports what does not exist.
    """
    order = _closure(scripts, entries)
    parts = [_PRELUDE]
    for path in order:
        body = _body(scripts[path], path, address)
        keyword = "async " if path in entries else ""
        parts.append(f'$make["{path}"] = {keyword}() => {{\n{body}\n}};\n')
    # An entry may wait for data; the next one does not wait for it.
    parts.extend(f'$get("{path}");\n' for path in entries)
    return "".join(parts)


def _closure(scripts: Mapping[str, str], entries: Sequence[str]) -> list[str]:
    """All that is needed, what is imported before what imports it."""
    order: list[str] = []
    done: set[str] = set()
    waiting = [(path, iter(_needed(scripts, path))) for path in reversed(entries)]
    above = set(entries)
    while waiting:
        path, needed = waiting[-1]
        following = next(needed, None)
        if following is None:
            waiting.pop()
            above.discard(path)
            if path not in done:
                done.add(path)
                order.append(path)
        elif following not in done:
            if following in above:
                raise ValueError(f"{path} imports {following} in a circle, or an entry")
            above.add(following)
            waiting.append((following, iter(_needed(scripts, following))))
    return order


def _needed(scripts: Mapping[str, str], path: str) -> list[str]:
    """What a script imports, and all beside it that it may import later."""
    text = scripts[path]
    found = [_resolved(path, relative) for _, relative in _IMPORT.findall(text)]
    if _LATER.search(text):
        found += [_resolved(path, f"./{name}.js") for name in _later_names(text)]
    return found


def _later_names(text: str) -> list[str]:
    table = re.search(r"^const MODULES = \{([^}]*)\};$", text, re.MULTILINE)
    if table is None:
        raise ValueError("a script imports later without a table MODULES")
    return re.findall(r':\s*"(\w+)"', table[1])


def _body(text: str, path: str, address: str) -> str:
    def imported(found: re.Match[str]) -> str:
        names, source = found[1], f'$get("{_resolved(path, found[2])}")'
        if names is None:
            return f"{source};"
        if names.startswith("*"):
            return f"const {names.removeprefix('* as ')} = {source};"
        return f"const {names.replace(' as ', ': ')} = {source};"

    text = _COMMENT.sub("", text)
    exported = [name for _, name in _EXPORT.findall(text)]
    body = _EXPORT.sub(r"\1\2", _IMPORT.sub(imported, text))
    strange = _UNKNOWN.search(body)
    if strange is not None:
        raise ValueError(f"{path}: cannot be bundled: {strange[0][:80]}")
    here = posixpath.relpath(path, posixpath.dirname(address))
    body = body.replace("import.meta.url", f'new URL("{here}", import.meta.url).href')
    body = _LATER.sub(rf'$later("{path}", \1)', body)
    return f"{body}\nreturn {{ {', '.join(exported)} }};"


def _resolved(path: str, relative: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))
