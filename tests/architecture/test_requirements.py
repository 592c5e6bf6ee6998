"""The locks agree with the distributions, and every pin is checked by hash."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.architecture.tree import read

# Needed to install the two distributions in place; nothing imports them.
_BUILDS = {"editables", "hatchling"}
_LOCKS = ("requirements/runtime.txt", "requirements/dev.txt")
_PIN = re.compile(r"^([a-z0-9.-]+)==([^ ;\\]+)(?: ; .+?)?(?: \\)?$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def _project(path: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(read(path))["project"]
    return project


def _wanted(path: str) -> set[str]:
    """Return the requirements of an .in file, without comments and options."""
    lines = (line.partition("#")[0].strip() for line in read(path).splitlines())
    return {str(Requirement(line)) for line in lines if line and not line.startswith("-")}


def _pins(text: str) -> dict[str, tuple[str, int]]:
    """Return name -> (version, number of hashes), refusing any other kind of line."""
    pins: dict[str, tuple[str, int]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if pin := _PIN.match(line):
            name = pin[1]
            pins[name] = (pin[2], 0)
        elif _HASH.match(line):
            version, hashes = pins[name]
            pins[name] = (version, hashes + 1)
        else:
            pytest.fail(f"neither a pin nor a hash: {line!r}")
    return pins


def test_the_runtime_requirements_are_those_of_the_two_distributions() -> None:
    server, client = _project("pyproject.toml"), _project("services/sdk/pyproject.toml")
    declared = [*server["dependencies"], *client["dependencies"]]
    declared += server["optional-dependencies"]["local"]
    wanted = {str(Requirement(text)) for text in declared}
    wanted.remove(str(Requirement(f"suanli=={client['version']}")))
    found = _wanted("requirements/runtime.in")
    builds = {text for text in found if Requirement(text).name in _BUILDS}
    assert found - builds == wanted


def test_both_distributions_carry_one_version() -> None:
    server, client = _project("pyproject.toml"), _project("services/sdk/pyproject.toml")
    assert server["version"] == client["version"]
    assert server["requires-python"] == client["requires-python"]


@pytest.mark.parametrize("lock", _LOCKS)
def test_every_pin_has_a_hash_and_no_address(lock: str) -> None:
    pins = _pins(read(lock))
    assert pins
    assert not [name for name, (_, hashes) in pins.items() if hashes == 0]


@pytest.mark.parametrize("lock", _LOCKS)
def test_every_requirement_is_pinned_within_its_bounds(lock: str) -> None:
    pins = _pins(read(lock))
    for text in _wanted(lock.replace(".txt", ".in")):
        wanted = Requirement(text)
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        assert name in pins, f"{name} is not in {lock}; run `make lock`"
        assert wanted.specifier.contains(pins[name][0], prereleases=True)


def test_the_checks_run_on_the_versions_of_the_runtime() -> None:
    runtime, dev = (_pins(read(lock)) for lock in _LOCKS)
    assert {name: dev.get(name) for name in runtime} == runtime
