"""Where a project's packages come from: what its own files and the user's settings say, and nothing made up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor.origins import origins_of
from gmcp_sandbox.policy.starting import Language, Origin, starting_profile


def hosts(work: Path, language: Language, **environ: str) -> list[tuple[str, str]]:
    return [(one.host, one.where) for one in origins_of(work, [language], home=work / "home", environ=environ)]


@pytest.mark.parametrize(
    ("language", "file", "text", "found"),
    [
        (
            Language.PYTHON,
            "pip.conf",
            "[global]\nindex-url = https://u:hunter2@Py.example.com:8443/simple\n",
            "py.example.com",
        ),
        (Language.PYTHON, "pip.conf", "extra-index-url=http://py.example.com\n", "py.example.com"),
        (Language.PYTHON, "requirements.txt", "--index-url https://py.example.com/simple\nx==1\n", "py.example.com"),
        (Language.PYTHON, "requirements.txt", "-i https://py.example.com/simple\n", "py.example.com"),
        (Language.PYTHON, "requirements.txt", "x @ https://files.example.com/x.whl\n", "files.example.com"),
        (Language.PYTHON, "pyproject.toml", '[[tool.uv.index]]\nurl = "https://py.example.com/s"\n', "py.example.com"),
        (Language.PYTHON, "uv.lock", 'source = { registry = "https://py.example.com/s" }\n', "py.example.com"),
        (Language.PYTHON, "Pipfile.lock", '{"url": "https://py.example.com/simple"}', "py.example.com"),
        (
            Language.NODE,
            ".npmrc",
            "@acme:registry=https://js.example.com/\n//js.example.com/:_authToken=t\n",
            "js.example.com",
        ),
        (Language.NODE, "package-lock.json", '"resolved": "https://js.example.com/a/-/a-1.tgz",', "js.example.com"),
        (Language.NODE, "yarn.lock", '  resolved "https://js.example.com/a-1.tgz#0"\n', "js.example.com"),
        (Language.NODE, ".yarnrc.yml", 'npmRegistryServer: "https://js.example.com"\n', "js.example.com"),
        (Language.NODE, "pnpm-lock.yaml", "  resolution: {tarball: https://js.example.com/a.tgz}\n", "js.example.com"),
        (Language.RUST, "Cargo.lock", 'source = "registry+https://crates.example.com/index"\n', "crates.example.com"),
        (Language.RUST, "Cargo.lock", 'source = "git+https://git.example.com/x?rev=1#1"\n', "git.example.com"),
        (Language.RUST, ".cargo/config.toml", 'index = "sparse+https://crates.example.com/"\n', "crates.example.com"),
        (Language.GO, "go.mod", "module m\nrequire (\n\tcode.example.com/x/y v1.2.3\n)\n", "code.example.com"),
    ],
)
def test_files_of_the_project(tmp_path: Path, language: Language, file: str, text: str, found: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert hosts(tmp_path, language) == [(found, file)]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("package-lock.json", '"funding": {"url": "https://money.example.com/x"}'),
        ("package-lock.json", '"resolved": "file:../x"'),
        ("package-lock.json", '"resolved": "https://"'),
        (".npmrc", "//js.example.com/:_authToken=registry-https-token\n"),
    ],
)
def test_what_names_no_source(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert hosts(tmp_path, Language.NODE) == []


def test_settings_of_the_user(tmp_path: Path) -> None:
    config = tmp_path / "home/.config"
    (config / "pip").mkdir(parents=True)
    (config / "pip/pip.conf").write_text("[global]\nindex-url = https://mirror.example.com/simple\n")
    (config / "go").mkdir()
    (config / "go/env").write_text("GOPROXY=https://one.example.com,https://two.example.com|direct\n")
    assert hosts(tmp_path, Language.PYTHON) == [("mirror.example.com", "~/.config/pip/pip.conf")]
    assert [host for host, _ in hosts(tmp_path, Language.GO)] == ["one.example.com", "two.example.com"]
    found = hosts(tmp_path, Language.PYTHON, PIP_INDEX_URL="https://t:hunter2@other.example.com/simple")
    assert found[1:] == [("other.example.com", "$PIP_INDEX_URL")]


def test_a_file_behind_a_link_or_a_fifo_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("registry=https://js.example.com/\n")
    (tmp_path / ".npmrc").symlink_to("elsewhere")
    assert hosts(tmp_path, Language.NODE) == []
    (tmp_path / ".npmrc").unlink()
    os.mkfifo(tmp_path / ".npmrc")
    assert hosts(tmp_path, Language.NODE) == []


def test_ten_thousand_hosts_are_not_all_written(tmp_path: Path) -> None:
    lines = [f'"resolved": "https://h{number}.example.com/a",' for number in range(10_000)]
    (tmp_path / "package-lock.json").write_text("\n".join(lines))
    assert len(hosts(tmp_path, Language.NODE)) == 32


@given(st.text(max_size=200))
def test_any_address_gives_a_plain_host_or_none(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    work = tmp_path_factory.getbasetemp() / "any"
    work.mkdir(exist_ok=True)
    (work / ".npmrc").write_bytes(f"registry=https://{text}\n".encode("utf-8", "replace"))
    for one in origins_of(work, [Language.NODE], home=work / "home", environ={}):
        assert isinstance(one, Origin)
        assert one.host.isascii() and one.host.isprintable() and not set(one.host) & set('"\\# \n')
        starting_profile("app", [Language.NODE], (one,), ())
