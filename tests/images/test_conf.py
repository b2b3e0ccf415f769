# SPDX-License-Identifier: MIT
"""The YAML of conf/ and .github/: real parsers take it, initd knows what it is told there, and the parts fit."""

import json
import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

import compose
from harness import ROOT

CONF = ROOT / "conf"
WORKFLOWS = ROOT / ".github" / "workflows"
FILES = [*CONF.glob("*.yaml"), *WORKFLOWS.glob("*.yml")]
by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)

KUBERNETES = kubernetes_validate.utils.all_versions()[0], kubernetes_validate.latest_version()
# What Knative has beside the fields of a Pod.
KNATIVE_FIELDS = ("containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds")


def load(path):
    """The documents of a file; a key that is there twice is an error."""
    return list(YAML(typ="safe").load_all(path))


def run(*command, **environment):
    """With nothing else in the environment."""
    return subprocess.run(command, env={"PATH": os.environ["PATH"]} | environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


# Each says what is wrong with a file; nothing is good.


def compose_config(*files, words=()):
    """`docker compose config`"""
    return run(compose.plugin(), *(word for file in files for word in ("-f", file)), "config", *words)


def compose_complains(path):
    files = [CONF / "compose.yaml", path] if "develop:" in path.read_text() else [path]
    answers = [compose_config(*files, words=words) for words in (("--quiet",), ("--quiet", "--no-interpolate"))]
    return "".join(answer.stderr for answer in answers)


def stack_complains(path):
    """`docker stack deploy` reads the file before it asks the engine: there is none."""
    docker = shutil.which("docker") or pytest.skip("not installed: docker")
    answer = run(docker, "--host", "unix:///dev/null/docker.sock", "stack", "deploy", "-c", path, "agent",
                 DOCKER_CONFIG="/dev/null/docker")
    read = re.search("Cannot connect to the Docker daemon|failed to connect to the docker API", answer.stderr)
    return "" if read else answer.stderr or "no answer"


def schema_complains(document):
    try:
        for version in KUBERNETES:
            kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{error.version}: {'.'.join(map(str, error.path))}: {error.message}"
    return ""


def kubernetes_complains(path):
    return "".join(map(schema_complains, load(path)))


def knative_complains(path):
    """A revision is a Pod with some fields more. The real types are asked in long/."""
    service, = load(path)
    assert (service["apiVersion"], service["kind"]) == ("serving.knative.dev/v1", "Service")
    revision = service["spec"]["template"]
    known = {name: value for name, value in revision["spec"].items() if name not in KNATIVE_FIELDS}
    for container in known["containers"]:
        container.setdefault("name", "user-container")
        port, = container["ports"]
        for probe in container["startupProbe"], container["livenessProbe"]:
            probe["httpGet"].setdefault("port", port["containerPort"])
    return schema_complains({"apiVersion": "v1", "kind": "Pod", "spec": known,
                             "metadata": service["metadata"] | revision["metadata"]})


def builtin(schema):
    def complains(path):
        answer = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path)
        return answer.stdout + answer.stderr if answer.returncode else ""

    return complains


github_complains = builtin("vendor.github-workflows")

PARSERS = {
    # the file: who reads it, and a field in it
    "compose.yaml": (compose_complains, "read_only"),
    "compose.dev.yaml": (compose_complains, "rebuild"),
    "swarm.yaml": (stack_complains, "failure_action"),
    "kubernetes.yaml": (kubernetes_complains, "readOnlyRootFilesystem"),
    "cloudrun.yaml": (knative_complains, "failureThreshold"),
    "github-actions.yaml": (github_complains, "runs-on"),
    "gitlab-ci.yaml": (builtin("vendor.gitlab-ci"), "parallel"),
    "ci.yml": (github_complains, "runs-on"),
    "release.yml": (github_complains, "runs-on"),
}


@by_name
def test_its_own_parser_takes_it(path):
    complains, _ = PARSERS[path.name]
    assert complains(path) == ""


@by_name
def test_the_same_parser_refuses_a_word_with_a_mistake(path, tmp_path):
    complains, word = PARSERS[path.name]
    text = path.read_text()
    assert word in text
    mistaken = tmp_path / path.name
    mistaken.write_text(text.replace(word, f"{word}x"))
    assert word in complains(mistaken)


# What initd is told


class Deployed(NamedTuple):
    """What an orchestrator makes of a file."""
    environment: dict
    grace: float            # seconds from SIGTERM to SIGKILL
    probes: list            # (argv of a probe, the seconds that it may take)


def seconds(text):
    """A duration of initd's or Compose's."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    assert re.fullmatch(r"0|(\d+(ms|[smh]))+", text), text
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|[smh])", text))


def of_service(service):
    check = service["healthcheck"]
    kind, *argv = check["test"]
    assert kind == "CMD"
    return Deployed(service["environment"], seconds(service["stop_grace_period"]), [(argv, seconds(check["timeout"]))])


def of_pod(spec, grace):
    container, = spec["containers"]
    probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe") if name in container]
    return Deployed({row["name"]: row["value"] for row in container["env"]}, grace,
                    [(probe["exec"]["command"], probe["timeoutSeconds"]) for probe in probes if "exec" in probe])


def composed(*names):
    answer = compose_config(*(CONF / name for name in names), words=("--format", "json"))
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def kubernetes_pod():
    deployment, _ = load(CONF / "kubernetes.yaml")
    return deployment["spec"]["template"]["spec"]


DEPLOYED = {
    "compose.yaml": lambda: of_service(composed("compose.yaml")["services"]["agent"]),
    "compose.dev.yaml": lambda: of_service(composed("compose.yaml", "compose.dev.yaml")["services"]["agent"]),
    "swarm.yaml": lambda: of_service(load(CONF / "swarm.yaml")[0]["services"]["agent"]),
    "kubernetes.yaml": lambda: of_pod(kubernetes_pod(), kubernetes_pod()["terminationGracePeriodSeconds"]),
    "cloudrun.yaml": lambda: of_pod(load(CONF / "cloudrun.yaml")[0]["spec"]["template"]["spec"], 10),
}


@pytest.fixture(params=DEPLOYED.items(), ids=DEPLOYED)
def deployed(request):
    name, make = request.param
    return make()


def options(binary, environment):
    """What initd makes of an environment: its options by their names."""
    answer = run(binary, "check", "--json", "-c", "/dev/null", **environment)
    assert answer.stdout, answer.stderr
    return {row["option"]: row for row in json.loads(answer.stdout)["options"]}


def told(environment):
    return {name: value for name, value in environment.items() if name.startswith("INITD_")}


def test_initd_knows_every_variable_and_takes_its_value(deployed, initd_binary):
    variables = told(deployed.environment)
    rows = options(initd_binary, variables).values()
    assert {row["origin"]: row["value"] for row in rows if row["origin"] != "default"} == variables


@by_name
def test_no_option_is_anywhere_else(path):
    """Such as in a script: nobody would have asked initd about it."""
    text = re.sub(r"#.*", "", path.read_text())
    asked = told(DEPLOYED[path.name]().environment) if path.name in DEPLOYED else {}
    # The tests' own.
    assert set(re.findall(r"\bINITD_[A-Z_]+", text)) - {"INITD_BINARY"} <= asked.keys()
    assert not re.search(r"-o\W+[a-z]+\.\w+=", text)


def test_initd_has_ended_everything_before_it_is_killed_itself(deployed, initd_binary):
    rows = options(initd_binary, told(deployed.environment))
    drain, stop = (seconds(rows[f"server.{name}"]["value"]) for name in ("drain_delay", "stop_timeout"))
    assert stop > 0
    # What the server leaves behind gets a second.
    assert drain + stop + 1 <= deployed.grace


def test_initd_answers_every_probe_in_time(deployed, initd_binary):
    timeout = seconds(options(initd_binary, told(deployed.environment))["health.timeout"]["value"])
    for (program, *words), limit in deployed.probes:
        assert program == "/usr/local/bin/initd"
        answer = run(initd_binary, *words, "-o", "health.target=http://127.0.0.1:1/")
        assert (answer.returncode, answer.stdout.partition(":")[0]) == (1, "unhealthy"), answer
        assert timeout < limit


# The parts of a file


def test_compose_starts_each_service_when_those_below_it_are_healthy():
    services = composed("compose.yaml")["services"]
    below = {name: service.get("depends_on", {}) for name, service in services.items()}
    assert {name: set(others) for name, others in below.items() if others} == {
        "gateway": {"agent"}, "agent": {"postgres", "redis"}}
    for others in below.values():
        for name, how in others.items():
            assert how["condition"] == "service_healthy"
            assert services[name]["healthcheck"]["test"]


def test_the_gateway_of_compose_is_configured(tmp_path):
    if not shutil.which("nginx"):
        pytest.skip("not installed: nginx")
    # What Compose prints is a Compose file: a dollar sign is two.
    site = tmp_path / "site"
    site.write_text(composed("compose.yaml")["configs"]["gateway"]["content"].replace("$$", "$"))
    main = tmp_path / "nginx.conf"
    main.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; include {site}; }}")
    answer = run("nginx", "-t", "-c", main, "-e", "stderr")
    assert answer.returncode == 0, answer.stderr
    assert "[warn]" not in answer.stderr


def test_compose_only_copies_in_a_dev_container(initd_binary):
    production, agent = (composed(*names)["services"]["agent"] for names in
                         (["compose.yaml"], ["compose.yaml", "compose.dev.yaml"]))
    rules = {os.path.relpath(rule["path"], CONF): (rule["action"], rule.get("target"))
             for rule in agent["develop"]["watch"]}
    assert rules == {"src": ("sync", "/app/src"), "pyproject.toml": ("rebuild", None), "uv.lock": ("rebuild", None)}
    assert rules["src"][1] == options(initd_binary, {})["server.agent_dir"]["value"]
    assert agent["build"]["args"] == {"editable": "true"}
    # An editable image must not be mistaken for the other one.
    assert agent["image"] != production["image"]
    # Compose can write neither as another user nor into a container that is read-only.
    assert agent["user"] == "root" and not agent.get("read_only") and not agent.get("cap_drop")
    assert production["read_only"] and production["cap_drop"] == ["ALL"]


def test_the_parts_of_kubernetes_find_each_other(initd_binary):
    deployment, service = load(CONF / "kubernetes.yaml")
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    container, = template["spec"]["containers"]
    port, = container["ports"]
    assert str(port["containerPort"]) == options(initd_binary, {})["server.port"]["value"]
    probes = [container[f"{kind}Probe"].get("httpGet") for kind in ("startup", "readiness", "liveness")]
    named = {probe["port"] for probe in probes if probe} | {row["targetPort"] for row in service["spec"]["ports"]}
    assert named == {port["name"]}
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


# What is fetched from elsewhere


HOST = r"(?:[\w-]+\.)+(?:io|com|dev|org|net|cloud)\b(?!\.)|localhost|\b\d+\.\d+\.\d+\.\d+\b|[\w.-]+:\d+/"
# No registries: groups of names in Kubernetes and Knative, Docker's DNS, and a database that asks itself.
OTHERS = {"app.kubernetes.io", "autoscaling.knative.dev", "serving.knative.dev", "run.googleapis.com",
          "127.0.0.11", "127.0.0.1", "redis:6379/"}


@pytest.mark.parametrize("path", [*FILES, *ROOT.glob("*Dockerfile*"), *CONF.glob("*Dockerfile*")],
                         ids=lambda path: path.name)
def test_no_registry_is_named(path):
    assert set(re.findall(HOST, path.read_text())) <= OTHERS


@by_name
def test_every_action_is_pinned_to_a_commit(path):
    for name in re.findall(r"\buses: (.*)", path.read_text()):
        assert re.fullmatch(r"\./[\w./-]+|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", name), name


def scripts(path):
    """What a CI runs, as one script for each job or step."""
    document, = load(path)
    if path.name == "gitlab-ci.yaml":
        return ["\n".join(job["script"]) for job in document.values() if "script" in job]
    steps = [step for job in document["jobs"].values() for step in job.get("steps", ())]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("path", [CONF / "github-actions.yaml", CONF / "gitlab-ci.yaml", *WORKFLOWS.glob("*.yml")],
                         ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say_about_its_scripts(path):
    if not shutil.which("shellcheck"):
        pytest.skip("not installed: shellcheck")
    for script in scripts(path):
        shell = "sh" if path.name == "gitlab-ci.yaml" else "bash"
        answer = subprocess.run(["shellcheck", "--shell", shell, "-"], input=script, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout
