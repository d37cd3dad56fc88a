# SPDX-License-Identifier: Apache-2.0
"""Where settings come from, which source wins, and the sentences for what is wrong."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streamer.config import DEFAULT_CONFIG_FILE, Settings, load
from streamer.config.load import environment_variable
from streamer.config.sections import section_models
from streamer.errors import ConfigError, ConfigErrors, ExitCode, UnknownSettingError


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        file = tmp_path / "streamer.toml"
        file.write_text(text)
        return file

    return write


def wrong(file: Path | None = None, overrides: Any = None, **environment: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(file, overrides, environment)
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


def test_defaults(tmp_path: Path) -> None:
    loaded = load(None, None, {}, tmp_path / "absent.toml")
    assert loaded.settings == Settings()
    assert loaded.file is None
    assert not loaded.origins
    assert str(DEFAULT_CONFIG_FILE) == "/etc/streamer/streamer.toml"


def test_default_file_is_read_if_there(toml: Any) -> None:
    file = toml("[kafka]\ntopic = 'a'\n")
    loaded = load(None, None, {}, file)
    assert loaded.settings.kafka.topic == "a"
    assert loaded.file == file


def test_flags_win_over_environment_over_file(toml: Any) -> None:
    file = toml("[kafka]\ntopic = 'file'\nstats_topic = 'file.stats'\nclient_id = 'file'\n")
    environment = {"STREAMER_KAFKA__TOPIC": "environment", "STREAMER_KAFKA__CLIENT_ID": "env"}
    loaded = load(file, {"kafka": {"topic": "flag", "client_id": None}}, environment)
    kafka = loaded.settings.kafka
    assert (kafka.topic, kafka.client_id, kafka.stats_topic) == ("flag", "env", "file.stats")
    assert loaded.origins == {
        ("kafka", "topic"): "--topic",
        ("kafka", "client_id"): "STREAMER_KAFKA__CLIENT_ID",
        ("kafka", "stats_topic"): str(file),
    }


def test_environment_is_parsed() -> None:
    settings = load(
        None,
        None,
        {
            "STREAMER_CAPTURE__INTERFACES": "eth0, veth*",
            "STREAMER_CAPTURE__RING_BYTES": "65536",
            "STREAMER_CAPTURE__EXCLUDE_OWN": "false",
            "STREAMER_STATS__INTERVAL_S": "2.5",
            "STREAMER_CAPTURE__NETNS": "/run/netns/a",
            "STREAMER_KAFKA__SASL_PASSWORD": "geheim",
            "STREAMER_REQUIRE_ALL": "1",  # no section: not a setting
            "STREAMER_LOG__LEVEL": "",  # empty: as if not set
        },
    ).settings
    assert settings.capture.interfaces == ("eth0", "veth*")
    assert settings.capture.ring_bytes == 65536
    assert settings.capture.exclude_own is False
    assert settings.stats.interval_s == 2.5
    assert settings.capture.netns == Path("/run/netns/a")
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "geheim"
    assert settings.log.level == "info"


def test_every_setting_can_be_set_by_its_variable() -> None:
    for section, model in section_models().items():
        for key in model.model_fields:
            with pytest.raises(UnknownSettingError) as caught:
                load(None, None, {environment_variable(section, key) + "X": "1"})
            assert caught.value.nearest == environment_variable(section, key)


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[kafka]\ntopik = 'a'", "kafka.topik", "kafka.topic"),
        ("[kafka]\nbootstrap-servers = 'a'", "kafka.bootstrap-servers", "kafka.bootstrap_servers"),
        ("[captur]\nhook = 'tc'", "captur", "capture"),
        ("[batch]\nring_bytes = 4096", "batch.ring_bytes", "capture.ring_bytes"),
        ("hook = 'tc'", "hook", "capture.hook"),
        ("[xyz]\nabc = 1", "xyz", None),
    ],
)
def test_unknown_key_names_the_nearest(toml: Any, text: str, key: str, nearest: str | None) -> None:
    file = toml(text)
    error = wrong(file)
    assert isinstance(error, UnknownSettingError)
    assert (error.key, error.nearest) == (key, nearest)
    assert error.message == f"{file}: {key} is not a setting"
    assert nearest is None or error.hint == f"did you mean {nearest}?"


def test_unknown_environment_variable() -> None:
    error = wrong(STREAMER_KAFKA__TOPPIC="a")
    assert error.key == "STREAMER_KAFKA__TOPPIC"
    assert error.hint == "did you mean STREAMER_KAFKA__TOPIC?"
    assert "STREAMER_CAPTURE__" in str(wrong(STREAMER_CAPTUR__HOOK="tc").hint)


@pytest.mark.parametrize(
    ("text", "key", "got", "expected"),
    [
        ("[kafka]\npartitions = '3'", "kafka.partitions", '"3"', "a whole number from 1 to 10000"),
        ("[kafka]\npartitions = 0", "kafka.partitions", "0", "a whole number from 1 to 10000"),
        ("[kafka]\npartitions = true", "kafka.partitions", "true", "whole number"),
        ("[kafka]\ntopic = 3", "kafka.topic", "3", "topic's name"),
        ("[kafka]\ntopic = '..'", "kafka.topic", '".."', "topic's name"),
        ("[kafka]\nbootstrap_servers = 'a:b'", "kafka.bootstrap_servers", '"a:b"', "HOST:PORT"),
        ("[kafka]\nbootstrap_servers = 'a:1,'", "kafka.bootstrap_servers", '"a:1,"', "HOST:PORT"),
        ("[kafka]\nbootstrap_servers = 'a:65536'", "kafka.bootstrap_servers", '"a:65', "HOST:PORT"),
        ("[kafka]\nssl_cafile = '/absent.pem'", "kafka.ssl_cafile", '"/absent.pem"', "can be read"),
        ("[capture]\nhook = 'tcp'", "capture.hook", '"tcp"', "one of tc, xdp, socket"),
        ("[capture]\ninterfaces = 'eth0'", "capture.interfaces", '"eth0"', "a list"),
        ("[capture]\ninterfaces = ['a', 3]", "capture.interfaces", "(item 2)", "a list"),
        ("[capture]\nexclude_own = 'no'", "capture.exclude_own", '"no"', "true or false"),
        ("[capture]\nnetns = 1979-05-27", "capture.netns", '"1979-05-27"', "a path"),
        ("[http]\nport = 65536", "http.port", "65536", "from 0 to 65535"),
        ("[shutdown]\ndeadline_s = 0", "shutdown.deadline_s", "0", "a number above 0"),
        ("capture = 3", "capture", "3", "a table, [capture]"),
        ("[batch]\nmemory_bytes = 1048576", "batch.memory_bytes", "1048576", "four times"),
        ("[capture]\nhook='xdp'\ndirection='egress'", "capture.direction", '"egress"', "XDP"),
        ("[kafka]\nstats_topic = 'packets.v1'", "kafka.stats_topic", '"packets.v1"', "another"),
        (
            "[kafka]\nsecurity_protocol = 'SASL_SSL'",
            "kafka.sasl_mechanism",
            "not set",
            "to be set, with SASL_SSL",
        ),
    ],
)
def test_wrong_value(toml: Any, text: str, key: str, got: str, expected: str) -> None:
    error = wrong(toml(text))
    assert error.key == key
    assert got in error.got
    assert expected in error.expected
    assert "\n" not in error.message


@pytest.mark.parametrize("size", [1, mmap.PAGESIZE - 1, 3 * mmap.PAGESIZE, 0, -4096, 1 << 31])
def test_ring_size_is_a_power_of_two_of_pages(size: int) -> None:
    error = wrong(STREAMER_CAPTURE__RING_BYTES=str(size))
    assert "a power of two" in error.expected
    assert str(mmap.PAGESIZE) in error.expected


def test_wake_up_fits_the_ring() -> None:
    error = wrong(STREAMER_CAPTURE__RING_BYTES="16384")
    assert error.key == "capture.wakeup_bytes"
    settings = load(
        None,
        None,
        {"STREAMER_CAPTURE__RING_BYTES": "16384", "STREAMER_CAPTURE__WAKEUP_BYTES": "4096"},
    ).settings
    assert settings.capture.ring_bytes == 16384


def test_all_errors_are_told(toml: Any) -> None:
    file = toml("[kafka]\ntopik = 'a'\npartitions = 'b'\n[captur]\n")
    error = wrong(file, {"capture": {"hook": "x"}}, STREAMER_HTTP__PORT="http")
    assert isinstance(error, ConfigErrors)
    assert {part.key for part in error.errors} == {
        "kafka.topik",
        "kafka.partitions",
        "captur",
        "--hook",
        "STREAMER_HTTP__PORT",
    }
    assert all(part.message in error.message for part in error.errors)


@pytest.mark.parametrize(
    ("content", "got"),
    [(b"[kafka", "not TOML"), (b"a = 1\na = 2", "not TOML"), (b"\xff\xfe", "not UTF-8")],
)
def test_bad_file(tmp_path: Path, content: bytes, got: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    error = wrong(file)
    assert error.key == str(file)
    assert got in error.got


def test_missing_file_and_directory(tmp_path: Path) -> None:
    assert wrong(tmp_path / "absent.toml").got == "missing"
    assert "unreadable" in wrong(tmp_path).got


def test_secrets_are_never_shown(toml: Any) -> None:
    file = toml("[kafka]\nsasl_password = ['geheim']\nssl_key_password = 'geheim'\n")
    assert "geheim" not in wrong(file).message
    settings = load(None, None, {"STREAMER_KAFKA__SASL_PASSWORD": "geheim"}).settings
    assert "geheim" not in repr(settings)
    assert "geheim" not in settings.model_dump_json()


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        setattr(settings.kafka, "topic", "other")  # noqa: B010


def test_directions() -> None:
    capture = Settings().capture
    assert capture.directions == ("ingress", "egress")
    assert capture.model_copy(update={"hook": "xdp"}).directions == ("ingress",)
    assert capture.model_copy(update={"direction": "egress"}).directions == ("egress",)


def test_servers() -> None:
    settings = load(None, {"kafka": {"bootstrap_servers": "a:1, [::1]:2,broker"}}, {}).settings
    assert settings.kafka.servers == ["a:1", "[::1]:2", "broker"]
