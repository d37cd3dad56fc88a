# SPDX-License-Identifier: Apache-2.0
"""One real Kafka broker (KRaft, controller and broker in one process) in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from streamer.errors import StreamerError

if TYPE_CHECKING:
    from collections.abc import Mapping

ARTEFACTS = Path(__file__).resolve().parents[2] / "var" / "kafka" / "libs"
# A broker that lives for minutes: little memory, and no second compiler competing for the cores.
JVM_OPTIONS = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
POLL_S = 0.1


@dataclass(frozen=True)
class SecureListener:
    """A second listener: TLS, and SCRAM-SHA-512 for these users (name -> password)."""

    keystore: Path
    keystore_password: str
    users: Mapping[str, str] = field(default_factory=dict)


class EmbeddedKafka:
    """Starts, stops, kills and restarts one broker on loopback ports that were free.

    Call `start` from a thread that outlives the broker (the main thread): the kernel kills the
    broker when the thread that started it ends, so that nothing is left behind by a parent that
    was itself killed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        artefacts: Path | None = None,
        secure: SecureListener | None = None,
        properties: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.secure = secure
        self._artefacts = artefacts or Path(os.environ.get("STREAMER_KAFKA_LIBS", ARTEFACTS))
        self._properties = dict(properties or {})
        self._address = address
        self._ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address of the plain listener."""
        return f"{self._address}:{self._ports[0]}"

    @property
    def secure_bootstrap_servers(self) -> str:
        """The address of the SASL_SSL listener."""
        return f"{self._address}:{self._ports[2]}"

    @property
    def log_file(self) -> Path:
        """What the broker and its tools print."""
        return self.folder / "kafka.log"

    @property
    def data_folder(self) -> Path:
        """Where the partitions' log segments are."""
        return self.folder / "data"

    @property
    def process_id(self) -> int | None:
        """The running broker's, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self, timeout_s: float = 60.0) -> None:
        """Formats the storage the first time, starts the broker, returns when it answers."""
        if self.process_id is not None:
            return
        java, class_path = find_java(), self._class_path()
        deadline = time.monotonic() + timeout_s
        if not self._ports:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._ports = free_ports(self._address, 3 if self.secure else 2)
        configuration = self.folder / "server.properties"
        configuration.write_text(self._server_properties())
        if not (self.data_folder / "meta.properties").exists():
            await self._format(java, class_path, configuration, deadline)
        self._process = self._launch(java, class_path, "kafka.Kafka", str(configuration))
        try:
            await self._wait_until_ready(self._process, deadline)
        except BaseException:
            self.kill()
            raise

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Ends the broker in good order; kills it if that takes too long."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
        try:
            await self._wait_for_exit(self._process, time.monotonic() + timeout_s)
        except TimeoutError:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends the broker at once, as a power cut would (kill -9)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freezes the broker: its sockets stay open and nothing answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # until all its threads stand still

    def resume(self) -> None:
        """Lets a frozen broker go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def tool(self, main_class: str, *arguments: str, timeout_s: float = 60.0) -> str:
        """Runs one of Kafka's own command-line tools and returns what it printed."""
        command = [str(find_java()), *JVM_OPTIONS, "-cp", self._class_path(), main_class]
        result = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if result.returncode != 0:
            raise StreamerError(f"{main_class} failed: {result.stdout}{result.stderr}".strip())
        return result.stdout

    # ------------------------------------------------------------------ starting

    def _class_path(self) -> str:
        if not any(self._artefacts.glob("kafka_2.13-*.jar")):
            raise StreamerError(
                f"the Kafka artefacts are not in {self._artefacts}",
                hint="fetch them with: make var/kafka/.complete",
            )
        return f"{self._artefacts}/*"

    def _launch(self, java: Path, class_path: str, *arguments: str) -> subprocess.Popen[bytes]:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise StreamerError(
                "the program setpriv was not found", hint="install the package util-linux"
            )
        # A session of its own: Ctrl-C on the terminal is for the caller, who then stops the broker.
        command = [setpriv, "--pdeathsig", "KILL", "--", str(java), *JVM_OPTIONS]
        log_level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*command, log_level, "-cp", class_path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )

    async def _format(
        self, java: Path, class_path: str, configuration: Path, deadline: float
    ) -> None:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        scram = [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]"
            for name, password in (self.secure.users if self.secure else {}).items()
        ]
        arguments = ("format", f"--cluster-id={cluster_id}", "-c", str(configuration), *scram)
        process = self._launch(java, class_path, "kafka.tools.StorageTool", *arguments)
        try:
            await self._wait_for_exit(process, deadline)
        except TimeoutError:
            raise self._failure("Kafka's storage was not formatted in time") from None
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise self._failure("Kafka's storage could not be formatted")

    async def _wait_until_ready(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise self._failure(f"Kafka ended at its start (status {process.returncode})")
            if await asyncio.to_thread(answers, self._address, self._ports[0]):
                return
            await asyncio.sleep(POLL_S)
        raise self._failure("Kafka did not become ready in time")

    @staticmethod
    async def _wait_for_exit(process: subprocess.Popen[bytes], deadline: float) -> None:
        while process.poll() is None:
            if time.monotonic() >= deadline:
                raise TimeoutError
            await asyncio.sleep(POLL_S / 2)

    def _failure(self, what: str) -> StreamerError:
        lines = self.log_file.read_text(errors="replace").splitlines()
        told = [line for line in lines if "ERROR" in line or "Exception" in line] or lines
        return StreamerError(
            what + (f": {told[-1].strip()}" if told else ""), hint=f"see {self.log_file}"
        )

    def _server_properties(self) -> str:
        plain, controller = self._ports[:2]
        listeners = {
            "PLAINTEXT": f"{self._address}:{plain}",
            "CONTROLLER": f"{self._address}:{controller}",
        }
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self._address}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.data_folder),
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # a killed broker comes back only when its old registration has run out
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }
        if self.secure is not None:
            listeners["SECURE"] = f"{self._address}:{self._ports[2]}"
            protocols["SECURE"] = "SASL_SSL"
            properties |= {
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.secure.scram-sha-512.sasl.jaas.config": (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                ),
                "listener.name.secure.ssl.keystore.type": "PKCS12",
                "listener.name.secure.ssl.keystore.location": str(self.secure.keystore),
                "listener.name.secure.ssl.keystore.password": self.secure.keystore_password,
            }
        properties["listeners"] = ",".join(f"{n}://{a}" for n, a in listeners.items())
        properties["listener.security.protocol.map"] = ",".join(
            f"{name}:{protocol}" for name, protocol in protocols.items()
        )
        properties |= self._properties
        return "".join(f"{key}={value}\n" for key, value in properties.items())


def find_java() -> Path:
    """The Java of JAVA_HOME, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if not java.exists():
            raise StreamerError(f"there is no bin/java in JAVA_HOME, {home}")
        return java
    found = shutil.which("java")
    if found is None:
        raise StreamerError(
            "Java was not found: Kafka needs version 17 or newer",
            hint="install openjdk-17-jre-headless, or set JAVA_HOME",
        )
    return Path(found)


def free_ports(address: str, count: int) -> list[int]:
    """TCP ports that nothing listens on now.

    Below the range the kernel gives to clients: a client that keeps trying a port of that range
    while the broker is away can be given this very port, and then talks to itself.
    """
    candidates = list(range(20_000, 32_000))
    random.shuffle(candidates)
    ports: list[int] = []
    for port in candidates:
        with socket.socket() as attempt, contextlib.suppress(OSError):
            attempt.bind((address, port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise StreamerError(f"no free TCP ports on {address}")


def answers(address: str, port: int, timeout_s: float = 1.0) -> bool:
    """True when a Kafka broker there knows at least one broker that takes requests."""
    # Metadata request, version 1, for no topic: length, key, version, correlation, client, topics
    request = struct.pack(">ihhih", 14, 3, 1, 1, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection((address, port), timeout=timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(request)
            with connection.makefile("rb") as stream:
                return _brokers_in(stream) > 0
    except (OSError, struct.error):
        return False


def _brokers_in(stream: IO[bytes]) -> int:
    _length, _correlation, brokers = struct.unpack(">iii", stream.read(12))
    return int(brokers)
