"""The Containerfile and compose.yaml keep the rules of an image that is safe to run. `.ci/image` builds it."""

import json
import re
import tomllib
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from xoxo_async.cli.main import xoxo

ROOT = Path(__file__).parent.parent


class Step(NamedTuple):
    """One instruction, and the number of the stage that it is in."""

    stage: int
    name: str
    value: str


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    parser = DockerfileParser(fileobj=BytesIO((ROOT / "Containerfile").read_bytes()))
    found, stage = [], -1
    for step in parser.structure:
        stage += step["instruction"] == "FROM"
        if step["instruction"] != "COMMENT":
            found.append(Step(stage, step["instruction"], step["value"]))
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return compose["services"]


def last(steps: list[Step]) -> dict[str, list[str]]:
    """Return the instructions of the stage that becomes the image."""
    found: dict[str, list[str]] = {}
    for step in steps:
        if step.stage == steps[-1].stage:
            found.setdefault(step.name, []).append(step.value)
    return found


def test_each_base_is_named_with_its_tag(steps: list[Step]) -> None:
    """With its registry, by one tag that is not `latest`: another base is a change to review."""
    bases = {step.value.split()[0] for step in steps if step.name == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim", bases.pop())


def test_the_image_is_built_from_the_wheel(steps: list[Step]) -> None:
    """Sources and build tools stay in earlier stages, of which only the venv is copied."""
    assert [step.value.split(" AS ")[1] for step in steps if step.name == "FROM" and " AS " in step.value] == [
        "wheel",
        "installed",
    ]
    assert any("pip wheel" in step.value for step in steps if step.stage == 0)
    assert last(steps)["COPY"] == ["--from=installed /opt/xoxo /opt/xoxo"]
    assert not any("pip" in run for run in last(steps)["RUN"])


def test_the_image_has_no_root(steps: list[Step]) -> None:
    """By number, because Kubernetes (`runAsNonRoot`) knows no names; nothing is run as root after it."""
    image = last(steps)
    assert image["USER"] == ["10001:10001"]
    names = [step.name for step in steps if step.stage == steps[-1].stage]
    assert "RUN" not in names[names.index("USER") :]


def test_the_command_is_process_one(steps: list[Step]) -> None:
    """A list and not a text: a shell passes no signal on."""
    image = last(steps)
    assert json.loads(image["ENTRYPOINT"][0]) == ["xoxo"]
    assert json.loads(image["CMD"][0]) == ["--help"]


def test_only_the_volume_is_written(steps: list[Step]) -> None:
    """What programs keep lies there, so the root may be read-only."""
    image = last(steps)
    assert (image["VOLUME"], image["WORKDIR"]) == (["/data"], ["/data"])
    assert "PYTHONDONTWRITEBYTECODE=1" in image["ENV"][0]
    assert {"XDG_STATE_HOME=/data/state", "XDG_CONFIG_HOME=/data/config"} <= set(image["ENV"][0].split())
    assert any("install -d -o xoxo -g xoxo -m 0700 /data" in run for run in image["RUN"])


def test_no_secret_and_no_download(steps: list[Step]) -> None:
    """No ADD, no ARG or ENV that could hold a secret, no cache of pip, and what is copied is let through."""
    assert {step.name for step in steps} <= {
        "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "USER", "VOLUME", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    assert not any(re.search("SECRET|TOKEN|PASSWORD", step.value) for step in steps)
    assert all("--no-cache-dir" in step.value for step in steps if re.search(r"pip (install|wheel)", step.value))
    let_through = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [word for step in steps if step.name == "COPY" and "--from" not in step.value
              for word in step.value.split()[:-1]]  # fmt: skip
    assert let_through[0] == "*"
    assert all(f"!{name}" in let_through and (ROOT / name).exists() for name in copied)


def test_the_extras_are_there(steps: list[Step]) -> None:
    """Those of the image are extras of the package."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (installed,) = [step.value for step in steps if "pip install" in step.value]
    named = re.search(r"\[([a-z,]+)\]", installed)
    assert named
    assert {"cli", "cluster", "encryption"} <= set(named[1].split(",")) <= set(extras)


def test_every_service_of_ours_is_confined(services: dict[str, dict[str, Any]]) -> None:
    """Read-only, without rights of the kernel's, and built from the one file."""
    ours = {name: service for name, service in services.items() if service["image"] == "xoxo"}
    assert {"sandbox", "migrate", "worker-1", "plan", "status"} <= set(ours)
    for service in ours.values():
        assert service["build"] == {"context": ".", "dockerfile": "Containerfile"}
        assert service["read_only"] is True
        assert (service["tmpfs"], service["cap_drop"]) == (["/tmp"], ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_sandbox_is_this_machines_alone(services: dict[str, dict[str, Any]]) -> None:
    """Its port is not open to the network."""
    assert services["sandbox"]["ports"] == ["127.0.0.1:8080:8080"]


def test_the_services_call_commands_that_exist(services: dict[str, dict[str, Any]]) -> None:
    """With flags that exist."""
    for service in services.values():
        words = service.get("command", []) if service["image"] == "xoxo" else []
        command: Any = xoxo
        while words and hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= flags
