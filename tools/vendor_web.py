"""Fetch the libraries of the page from npm, pinned, into `api/web/vendor/`, with their licences and a list of hashes.

    python -m tools.vendor_web

Run it to take a newer version: change PACKAGES, run, commit. Nothing is fetched when the page is served.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "api" / "web" / "vendor"

PACKAGES = {
    "echarts": (
        "6.1.0",
        {
            "package/dist/echarts.min.js": "echarts.min.js",
            "package/LICENSE": "echarts.LICENSE",
            "package/NOTICE": "echarts.NOTICE",
        },
    ),
}


def main() -> None:
    """Fetch every package and write what is used of it."""
    lines = ["# What is vendored here, from npm; written by `python -m tools.vendor_web`."]
    for name, (version, files) in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True)
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as package:
                for inside, target in files.items():
                    member = package.extractfile(inside)
                    assert member is not None, f"{name}@{version} has no {inside}"
                    (VENDOR / target).write_bytes(member.read())
        lines += ["", f"[{name}]", f'version = "{version}"', "", f"[{name}.sha256]"]
        for target in sorted(files.values()):
            lines.append(f'"{target}" = "{sha256((VENDOR / target).read_bytes()).hexdigest()}"')
    (VENDOR / "SOURCES.toml").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
