"""The page's files: vendored as listed, packed, and nothing else served; names from the chain are never markup."""

from __future__ import annotations

import tomllib
import warnings
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from api.main import create_app
from api.settings import Settings
from tools.vendor_web import PACKAGES, VENDOR

with warnings.catch_warnings():  # as in tests/api: Starlette prefers httpx2
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

WEB = Path(str(files("api").joinpath("web")))


@pytest.fixture
def client() -> TestClient:
    """The app without its database: the page's files need none."""
    return TestClient(create_app(Settings("postgresql://127.0.0.1:1/none")))


def test_vendored_files_are_those_listed() -> None:
    listed = tomllib.loads((VENDOR / "SOURCES.toml").read_text())
    assert {name: entry["version"] for name, entry in listed.items()} == {
        name: version for name, (version, _) in PACKAGES.items()
    }
    hashes = {file: digest for entry in listed.values() for file, digest in entry["sha256"].items()}
    assert set(hashes) == {path.name for path in VENDOR.iterdir()} - {"SOURCES.toml"}
    for file, digest in hashes.items():
        assert sha256((VENDOR / file).read_bytes()).hexdigest() == digest, f"{file} is not what was fetched"
    assert any("LICENSE" in file for file in hashes)


def test_every_file_is_packed_and_served(client: TestClient) -> None:
    patterns = tomllib.loads((WEB.parents[1] / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "api"
    ]
    packed = {path for pattern in patterns for path in (WEB.parent).glob(pattern) if path.is_file()}
    ours = [path for path in WEB.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert set(ours) <= packed and len(ours) > 12
    for path in ours:
        answer = client.get(f"/assets/{path.relative_to(WEB)}")
        if path.suffix == ".toml":
            assert answer.status_code == 404
        else:
            assert answer.status_code == 200 and answer.content == path.read_bytes(), path
            assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_the_page_itself(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for hidden in ("__init__.py", "../main.py", "%2e%2e/main.py", "vendor/SOURCES.toml"):
        assert client.get(f"/assets/{hidden}").status_code == 404


def test_no_script_makes_markup_of_text() -> None:
    """`h()` and the ECharts tooltips made with `tip()` are the only ways to show something."""
    for path in (*WEB.glob("*.js"), *WEB.glob("lib/*.js"), *WEB.glob("views/*.js")):
        text = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "<br"):
            assert word not in text, f"{path.name} has {word}"
        assert "http://" not in text and "https://" not in text, f"{path.name} names another host"
