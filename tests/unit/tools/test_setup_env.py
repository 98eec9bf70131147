# Copyright (c) 2026 the biomed.cert_hygiene authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting up: nothing is done twice, nothing is taken for done, and what a person must mend is one sentence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def checkout(tmp_path: Path, setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout with requirements and a pretended environment."""
    root = tmp_path / "checkout"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").write_text("", encoding="utf-8")
    (root / "tests" / "unit").mkdir(parents=True)
    for name in ("requirements.txt", "requirements-dev.txt", "tests/unit/requirements.txt"):
        (root / name).write_text("x>=1,<2\n", encoding="utf-8")
    monkeypatch.setattr(setup_env, "ROOT", root)
    link = root / "collections" / "ansible_collections" / "biomed" / "cert_hygiene"
    monkeypatch.setattr(setup_env, "COLLECTION_LINK", link)
    return root


def test_what_was_installed_is_remembered(checkout: Path, setup_env: ModuleType) -> None:
    assert not setup_env.is_fresh(setup_env.RUNTIME)
    setup_env.write_stamp(setup_env.RUNTIME, "/opt/python3.12")
    assert setup_env.is_fresh(setup_env.RUNTIME)
    assert not setup_env.is_fresh(setup_env.DEV)
    setup_env.write_stamp(setup_env.DEV, "/opt/python3.12")
    assert setup_env.is_fresh(setup_env.DEV)


@pytest.mark.parametrize("change", ["requirements", "interpreter", "environment", "stamps", "moved", "copied"])
def test_a_change_makes_the_environment_stale(
    checkout: Path, setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    setup_env.write_stamp(setup_env.RUNTIME, "/opt/python3.12")
    python = "/opt/python3.12"
    if change == "requirements":
        (checkout / "requirements.txt").write_text("x>=1,<3\n", encoding="utf-8")
    elif change == "interpreter":
        python = "/opt/python3.13"
    elif change == "environment":
        (checkout / ".venv" / "bin" / "python").unlink()
    elif change in ("moved", "copied"):
        other = checkout.with_name("other")
        shutil.copytree(checkout, other)
        if change == "moved":
            shutil.rmtree(checkout)
        monkeypatch.setattr(setup_env, "ROOT", other)
        # Not even worth reusing: the scripts in it begin with the path of the old place.
        assert setup_env.read_stamps(other / ".venv") == {}
    else:
        (checkout / ".venv" / ".stamps").write_text("not json", encoding="utf-8")
    assert not setup_env.is_fresh(setup_env.RUNTIME, python)


@pytest.mark.parametrize(
    ("first", "core", "versions"),
    [
        ((3, 11), "ansible-core>=2.19,<2.22", ("3.14", "3.13", "3.12")),
        ((3, 12), "ansible-core>=2.19,<2.20", ("3.11", "3.12", "3.13")),
        ((3, 14), "ansible-core>=2.19,<2.20", ("3.11", "3.12", "3.13")),
    ],
)
def test_the_second_pair_is_the_other_ansible_core(
    setup_env: ModuleType, first: tuple[int, int], core: str, versions: tuple[str, ...]
) -> None:
    kind, chosen = setup_env.other_kind(first)
    assert kind.packages[0] == core
    assert chosen == versions


def test_the_link_is_relative_and_made_once(checkout: Path, setup_env: ModuleType) -> None:
    for _again in range(2):
        setup_env.link_collection()
        assert os.readlink(setup_env.COLLECTION_LINK) == "../../.."
        assert setup_env.COLLECTION_LINK.resolve() == checkout.resolve()


def test_a_folder_in_the_links_place_is_left_alone(checkout: Path, setup_env: ModuleType) -> None:
    setup_env.COLLECTION_LINK.mkdir(parents=True)
    with pytest.raises(setup_env.SetupError, match="Move it away"):
        setup_env.link_collection()


def test_a_missing_venv_module_is_named_with_the_way_out(
    setup_env: ModuleType, debian: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(packages: list[str]) -> None:
        raise debian.AptError("only root may install it")

    monkeypatch.setattr(debian, "apt_install", refuse)
    monkeypatch.setattr(setup_env, "python_version", lambda python: (3, 12))
    with pytest.raises(setup_env.SetupError, match="only root may") as caught:
        setup_env.install_venv_module("/opt/python3.12")
    assert "apt-get install python3" in str(caught.value)
    assert "make PYTHON=" in str(caught.value)


def test_root_gets_the_venv_module(setup_env: ModuleType, debian: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(setup_env.os.path, "exists", lambda path: False)
    monkeypatch.setattr(setup_env, "python_version", lambda python: (3, 12))
    monkeypatch.setattr(debian, "apt_install", lambda packages: asked.append(list(packages)))
    monkeypatch.setattr(setup_env, "can_make_environments", lambda python: bool(asked))
    setup_env.install_venv_module("/opt/python3.12")
    assert asked == [["python3.12-venv"]]


def test_what_pip_says_is_shown_when_it_fails(setup_env: ModuleType) -> None:
    with pytest.raises(setup_env.SetupError, match="no such version"):
        setup_env.run(["sh", "-c", "echo no such version; exit 1"], "pip")


def test_an_error_is_one_line_and_status_1(
    setup_env: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: Any) -> None:
        raise setup_env.SetupError("the one apt line")

    monkeypatch.setattr(setup_env, "install", fail)
    assert setup_env.main(["runtime"]) == 1
    assert capsys.readouterr().err == "setup: the one apt line\n"
