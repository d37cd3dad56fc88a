# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml: valid by the specification, and what we promise beyond it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.capture.programs import needed_capabilities
from streamer.cli import main as program
from streamer.config import Settings, ShutdownSettings
from streamer.config.load import load
from tests.support.compose import EXAMPLE, FILE, ROOT, VARIABLE, interpolated, services
from tests.support.yaml_files import load_yaml

SERVICES = interpolated(services())
ONE_SHOT = {name: each for name, each in SERVICES.items() if each["restart"] == "no"}
LASTING = {name: each for name, each in SERVICES.items() if name not in ONE_SHOT}
PROFILES = {"elk", "monitoring"}
each_service = pytest.mark.parametrize("name", SERVICES)
each_lasting = pytest.mark.parametrize("name", LASTING)
OF_COMPOSE = {"COMPOSE_PROFILES"}  # variables that docker compose itself reads
UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


def size(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def test_the_specification_allows_it() -> None:
    checker = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", FILE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@each_service
def test_the_image_is_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.fullmatch(r"v?\d+(\.\d+)+", tag)


@each_service
def test_limits(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert size(limits["memory"]) >= 128 * 2**20
    assert limits["pids"] > 0
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}


@each_lasting
def test_a_service_that_stays_is_restarted_and_tells_its_health(name: str) -> None:
    service = LASTING[name]
    assert service["restart"] == "unless-stopped"
    health = service["healthcheck"]
    assert health["test"][0] in ("CMD", "CMD-SHELL")
    assert health.keys() == {"test", "interval", "timeout", "start_period", "retries"}


@pytest.mark.parametrize("name", ONE_SHOT)
def test_a_setup_command_is_ours_and_waits_for_its_server(name: str) -> None:
    service = ONE_SHOT[name]
    assert service["image"] == SERVICES["streamer"]["image"]
    server = name.removesuffix("-setup")
    assert service["depends_on"][server] == {"condition": "service_healthy"}
    assert service.get("profiles") == SERVICES[server].get("profiles")
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["read_only"] is True


@pytest.mark.parametrize("name", ONE_SHOT)
def test_a_setup_command_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its options are the command's."""
    words = ONE_SHOT[name]["command"]
    assert program.main([*words[:2], "--help"]) == 0
    told = capsys.readouterr().out
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"^ +{option}\b", told, re.MULTILINE), f"{name}: {option}\n{told}"


def test_dependencies_are_in_no_other_profile() -> None:
    for service in SERVICES.values():
        own = set(service.get("profiles", []))
        assert own <= PROFILES
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] in ("service_healthy", "service_completed_successfully")
            expected_end = (
                "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            )
            assert how["condition"] == expected_end
            assert set(SERVICES[other].get("profiles", [])) <= own


@each_service
def test_no_port_beyond_loopback(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    if service.get("network_mode") == "host":
        assert "ports" not in service
        text = str(service)
        assert "0.0.0.0" not in text  # noqa: S104 - looked for
        assert name == "streamer" or "127.0.0.1:9090" in text or "HTTP_ADDR': '127.0.0.1'" in text
    else:
        assert "network_mode" not in service


def test_streamer_listens_on_loopback_where_prometheus_looks() -> None:
    http = Settings().http
    (job,) = load_yaml(ROOT / "deploy" / "prometheus" / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{http.host}:{http.port}"]}]


@each_service
def test_what_is_mounted_exists(name: str) -> None:
    volumes = load_yaml(FILE)["volumes"]
    for mount in SERVICES[name].get("volumes", []):
        source, target, *mode = mount.split(":")
        assert target.startswith("/")
        if source.startswith("./"):
            assert (ROOT / source).exists()
            assert mode == ["ro"]
        elif source.startswith("/"):
            assert source == "/etc/machine-id"
            assert mode == ["ro"]
        else:
            assert source in volumes


def test_every_volume_is_used() -> None:
    used = {mount.split(":")[0] for each in SERVICES.values() for mount in each.get("volumes", [])}
    assert load_yaml(FILE)["volumes"].keys() <= used


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_streamer_has_exactly_its_privileges(hook: str) -> None:
    streamer = SERVICES["streamer"]
    assert streamer["user"] == "0:0"
    assert streamer["cap_drop"] == ["ALL"]
    assert {f"CAP_{name}" for name in streamer["cap_add"]} == set(needed_capabilities(hook))
    assert streamer["read_only"] is True
    assert "privileged" not in streamer
    assert [name for name, each in SERVICES.items() if "cap_add" in each] == ["streamer"]


def test_streamer_understands_its_settings() -> None:
    environment = SERVICES["streamer"]["environment"]
    environment["STREAMER_CAPTURE__INTERFACES"] = "eth0,veth*"
    loaded = load(None, {}, environment, Path("/absent"))
    assert {f"STREAMER_{a}__{b}".upper() for a, b in loaded.origins} == environment.keys()
    assert loaded.settings.capture.interfaces == ("eth0", "veth*")


def test_streamer_has_the_time_to_end() -> None:
    grace = SERVICES["streamer"]["stop_grace_period"]
    assert float(grace.removesuffix("s")) > ShutdownSettings().deadline_s


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("kafka", "KAFKA_HEAP_OPTS"),
        ("elasticsearch", "ES_JAVA_OPTS"),
        ("logstash", "LS_JAVA_OPTS"),
    ],
)
def test_the_heap_leaves_memory_for_the_rest(name: str, variable: str) -> None:
    service = SERVICES[name]
    smallest, largest = re.findall(r"-Xm[sx](\d+[mg])", service["environment"][variable])
    assert smallest == largest
    assert 2 * size(largest) <= size(service["deploy"]["resources"]["limits"]["memory"])


def test_logstash_finds_its_pipelines_and_they_their_servers() -> None:
    logstash = SERVICES["logstash"]
    mounts = [mount.split(":")[:2] for mount in logstash["volumes"]]
    ((source, target),) = [each for each in mounts if each[0] == "./deploy/elastic/logstash"]
    wanted = set()
    for pipeline in load_yaml(ROOT / source / "pipelines.yml"):
        configuration = pipeline["path.config"]
        assert configuration.startswith(f"{target}/")
        text = (ROOT / source / configuration.removeprefix(f"{target}/")).read_text()
        code = "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))
        wanted |= set(re.findall(r"\$\{(\w+)", code))
        kept = re.findall(r'path => "(.*)"', code)
        assert all(path.startswith("/usr/share/logstash/data/") for path in kept)
    assert wanted == {name for name in logstash["environment"] if name.startswith("STREAMER_")}


# ------------------------------------------------------------------ variables
def example() -> dict[str, tuple[str, str]]:
    """Each variable of .env.example: its value, and the comment of its paragraph before it."""
    found: dict[str, tuple[str, str]] = {}
    for paragraph in EXAMPLE.read_text(encoding="utf-8").split("\n\n"):
        comment = ""
        for line in paragraph.splitlines():
            if match := re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line):
                found[match[1]] = (match[2], comment)
            else:
                assert line.startswith("# "), line
                comment = line
    return found


def used() -> dict[str, set[str]]:
    """Each variable of the compose file, with its defaults; one that must be set has ''."""
    found: dict[str, set[str]] = {}
    text = FILE.read_text(encoding="utf-8")
    for name, how, value in VARIABLE.findall(text):
        found.setdefault(name, set()).add(value if how == "-" else "")
    assert text.count("${") == sum(1 for _ in VARIABLE.finditer(text)), "another way to write one"
    return found


def test_the_example_has_every_variable_with_its_default() -> None:
    listed = {name: {value} for name, (value, _) in example().items() if name not in OF_COMPOSE}
    assert listed == used()


def test_the_example_explains_them() -> None:
    unexplained = {
        name
        for name, (_, comment) in example().items()
        if not comment and not name.endswith(("_VERSION", "_RETENTION"))
    }
    assert unexplained == set()


def test_the_guide_has_every_variable() -> None:
    guide = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", guide, re.MULTILINE))
    assert listed == example().keys()


def test_only_the_interface_must_be_set() -> None:
    required = [match for match in VARIABLE.findall(FILE.read_text()) if match[1] == "?"]
    ((name, _, sentence),) = required
    assert name == "STREAMER_INTERFACE"
    assert "ip link" in sentence


def test_versions_agree() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.*)"$', project, re.MULTILINE)
    assert used()["STREAMER_VERSION"] == {version}
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text(encoding="utf-8")
    (kafka,) = used()["KAFKA_VERSION"]
    assert f">{kafka}<" in pom  # the broker of the tests
