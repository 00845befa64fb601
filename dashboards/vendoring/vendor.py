"""Copies third-party browser files out of npm packages into the static files, unmodified.

    python dashboards/vendoring/vendor.py           # after a pin changed: npm, copy, hash, notices
    python dashboards/vendoring/vendor.py --check   # the same into a scratch folder; differs? 1

`vendor.json` says which files of which package, `package.json` which version, `package-lock.json`
what npm has to find. The copies, their hashes (`vendor.lock.json`) and THIRD_PARTY_NOTICES are
committed, so that installing Longpole needs no Node.js and no network.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VENDOR = Path("dashboards/longpole/dashboards/static/vendor")
LOCK = Path("dashboards/vendoring/vendor.lock.json")
NOTICES = Path("THIRD_PARTY_NOTICES")
# What may be shipped inside a package under Apache-2.0 without asking anybody.
LICENCES = frozenset({"MIT", "0BSD", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"})


@dataclass(frozen=True, slots=True)
class Library:
    """One package and what is taken from it."""

    package: str
    version: str
    licence: str
    licence_file: str
    files: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where it lies, with its version: two versions never mix in a browser's cache."""
        return VENDOR / f"{self.package.replace('/', '-').lstrip('@')}-{self.version}"


def libraries(here: Path = HERE) -> list[Library]:
    """What the manifests list; ValueError for a range instead of a version, a licence that is
    not on the list, or a package that only one of the manifests knows."""
    pins = json.loads((here / "package.json").read_text())["dependencies"]
    entries = json.loads((here / "vendor.json").read_text())
    if sorted(pins) != sorted(entry["package"] for entry in entries):
        raise ValueError("package.json and vendor.json list different packages")
    listed = []
    for entry in entries:
        version = pins[entry["package"]]
        if not version[:1].isdigit():
            raise ValueError(f"{entry['package']} {version} is a range; pin one version")
        if entry["licence"] not in LICENCES:
            raise ValueError(f"{entry['package']} has the licence {entry['licence']}")
        listed.append(
            Library(entry["package"], version, entry["licence"], entry["licence_file"],
                    tuple(entry["files"]))
        )  # fmt: skip
    return listed


def copy_all(modules: Path, into: Path) -> None:
    """Writes the vendor folder, its lock and the notices below `into`, from `node_modules`."""
    shutil.rmtree(into / VENDOR, ignore_errors=True)
    listed = libraries()
    for library in listed:
        said = json.loads((modules / library.package / "package.json").read_text())
        if (said["version"], said["license"]) != (library.version, library.licence):
            raise ValueError(f"npm has {library.package} {said['version']}, {said['license']}")
        folder = into / library.folder
        folder.mkdir(parents=True)
        for file in (*library.files, library.licence_file):
            shutil.copyfile(modules / library.package / file, folder / Path(file).name)
    for path, text in ((LOCK, lock_text(into)), (NOTICES, notices_text(listed, into))):
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        (into / path).write_text(text)


def lock_text(root: Path) -> str:
    """SHA-256 of every vendored file below `root`, as JSON."""
    hashes = {
        path.relative_to(root / VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendored(root)
    }
    return json.dumps(hashes, indent=2) + "\n"


def notices_text(listed: list[Library], root: Path) -> str:
    """Whose work is inside, with the whole text of each licence."""
    parts = ["Longpole's web pages load these third-party files, unmodified.\n"]
    for library in listed:
        licence = (root / library.folder / Path(library.licence_file).name).read_text().strip()
        title = f"{library.package} {library.version} ({library.licence})"
        parts.append(f"\n{title}\n{'=' * len(title)}\nin {library.folder}\n\n{licence}\n")
    return "".join(parts)


def vendored(root: Path) -> list[Path]:
    """Every file of the vendor folder."""
    return sorted(path for path in (root / VENDOR).rglob("*") if path.is_file())


def differences(fresh: Path, held: Path = ROOT) -> Iterator[str]:
    """What is not as a fresh copy would make it."""
    names = {p.relative_to(root) for root in (fresh, held) for p in vendored(root)}
    for name in sorted(names | {LOCK, NOTICES}):
        if not (held / name).is_file():
            yield f"{name} is missing"
        elif not (fresh / name).is_file():
            yield f"{name} belongs to no package"
        elif not filecmp.cmp(fresh / name, held / name, shallow=False):
            yield f"{name} differs"


def main(arguments: list[str]) -> int:
    """The command; 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, Path(scratch) / name)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=scratch, check=True, stdout=sys.stderr,
        )  # fmt: skip
        if not options.check:
            copy_all(Path(scratch) / "node_modules", ROOT)
            return 0
        fresh = Path(scratch) / "fresh"
        copy_all(Path(scratch) / "node_modules", fresh)
        found = list(differences(fresh))
        for line in found:
            print(line)
        return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
