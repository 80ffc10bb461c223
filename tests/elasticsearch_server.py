"""A real Elasticsearch for tests and benchmarks: fetched once, started on free ports, stopped by process id.

Knows nothing of Fathom but its cache folder. Run it to try things by hand: `python tests/elasticsearch_server.py 3`.
"""

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import platformdirs

VERSION = "8.19.21"
_ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
_HEAP = "-Xms512m -Xmx512m"
_START_SECONDS = 180
# It refuses to run as root: then this user runs it ("nobody" on Debian and its like).
_OTHER_USER = 65534
_PASSWORD = "for tests only"


class ServerMissing(Exception):
    """There can be no server here; says why."""


class Node:
    """One process: its address, and the id of the server itself."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.launcher = None

    @property
    def pid(self):
        """The id of the server's own process."""
        return int((self.folder / "pid").read_text())

    def kill(self):
        """End it at once, as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        self.launcher.wait(30)

    def pause(self):
        """Let it answer nothing, with its port open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def stop(self):
        """End it in order, or by force where that takes too long."""
        if self.launcher is None or self.launcher.poll() is not None:
            return
        self.launcher.send_signal(signal.SIGTERM)
        try:
            self.launcher.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class Cluster:
    """One node or several in one cluster; `url` is the first one's address, `urls` are all."""

    def __init__(self, nodes=1, *, secured=False, tls=None):
        """Start them; with `secured` they ask for the user elastic's password, with `tls` (certificate, key) for TLS."""
        self.folder = Path(tempfile.mkdtemp(prefix="fathom-elasticsearch-"))
        self.password = _PASSWORD if secured else None
        self._tls = tls
        self.nodes = []
        try:
            self._home = unpacked(self.folder)
            self._settings = self._prepared(nodes, secured)
            for node in self.nodes:
                self.start(node)
            self.wait(nodes)
        except BaseException:
            self.close()
            raise

    @property
    def urls(self):
        scheme = "https" if self._tls else "http"
        return [f"{scheme}://127.0.0.1:{node.port}" for node in self.nodes]

    @property
    def url(self):
        return self.urls[0]

    def start(self, node):
        """Start a node, or start it again."""
        command = [str(self._home / "bin" / "elasticsearch"), "-p", str(node.folder / "pid")]
        environment = {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(java_home()),
            "ES_JAVA_OPTS": _HEAP,
            "ES_PATH_CONF": str(node.folder / "config"),
            "ES_TMPDIR": str(node.folder / "tmp"),
        }
        log = (node.folder / "output").open("ab")
        with log:
            node.launcher = subprocess.Popen(
                [*_as_other_user(), *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, nodes, status="green"):
        """Wait until so many nodes are a healthy cluster."""
        until, last = time.monotonic() + _START_SECONDS, None
        while time.monotonic() < until:
            try:
                query = f"/_cluster/health?wait_for_nodes=>={nodes}&wait_for_status={status}&timeout=2s"
                if not self.ask(query)["timed_out"]:
                    return
            except (OSError, ValueError) as error:
                last = error
            ended = [node for node in self.nodes if node.launcher.poll() is not None]
            if len(self.nodes) - len(ended) < nodes:
                said = (ended[0].folder / "output").read_text()[-2000:]
                raise ServerMissing(f"Elasticsearch ended at its start: {said}")
            time.sleep(0.25)
        raise ServerMissing(f"Elasticsearch was not ready within {_START_SECONDS} s: {last}")

    def ask(self, path):
        """Return what the first node that answers says to a GET."""
        error = OSError("no node")
        for url in self.urls:
            request = urllib.request.Request(url + path)
            if self.password:
                said = base64.b64encode(f"elastic:{self.password}".encode()).decode()
                request.add_header("Authorization", f"Basic {said}")
            try:
                with urllib.request.urlopen(request, timeout=10, context=self._context()) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refused:
                with refused:
                    error = refused
            except OSError as failed:
                error = failed
        raise error

    def close(self):
        """Stop all and remove what they wrote."""
        for node in self.nodes:
            node.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _context(self):
        if not self._tls:
            return None
        return ssl.create_default_context(cafile=str(self._tls[0]))

    def _prepared(self, count, secured):
        ports, transports = free_ports(count), free_ports(count)
        names = [f"node-{number}" for number in range(count)]
        for number, name in enumerate(names):
            folder = self.folder / name
            shutil.copytree(self._home / "config", folder / "config")
            (folder / "tmp").mkdir()
            settings = {
                "cluster.name": self.folder.name,
                "node.name": name,
                "path.data": str(folder / "data"),
                "path.logs": str(folder / "logs"),
                "http.host": "127.0.0.1",
                "http.port": ports[number],
                "transport.host": "127.0.0.1",
                "transport.port": transports[number],
                "cluster.routing.allocation.disk.threshold_enabled": False,
                "xpack.security.enabled": secured,
            }
            if count > 1:
                settings["discovery.seed_hosts"] = [f"127.0.0.1:{port}" for port in transports]
                settings["cluster.initial_master_nodes"] = names
            else:
                settings["discovery.type"] = "single-node"
            self._secure(folder, settings, secured)
            lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
            (folder / "config" / "elasticsearch.yml").write_text("\n".join(lines) + "\n")
            self.nodes.append(Node(folder, ports[number]))
        _give_away(self.folder)

    def _secure(self, folder, settings, secured):
        if self._tls:
            certificate, key = (shutil.copy(path, folder / "config") for path in self._tls)
            settings["xpack.security.http.ssl.enabled"] = True
            settings["xpack.security.http.ssl.certificate"] = certificate
            settings["xpack.security.http.ssl.key"] = key
        if secured:
            environment = {
                "PATH": os.environ["PATH"],
                "ES_JAVA_HOME": str(java_home()),
                "ES_PATH_CONF": str(folder / "config"),
            }
            keystore = str(self._home / "bin" / "elasticsearch-keystore")
            subprocess.run([keystore, "create"], env=environment, check=True, capture_output=True)
            subprocess.run(
                [keystore, "add", "--stdin", "--force", "bootstrap.password"],
                env=environment,
                input=_PASSWORD.encode(),
                check=True,
                capture_output=True,
            )


def java_home():
    """Return where Java 17 or newer lies; raise ServerMissing where it is not."""
    java = shutil.which("java")
    if java is None:
        raise ServerMissing("Elasticsearch needs Java 17 or newer, and there is none here")
    return Path(java).resolve().parents[1]


def archive():
    """Return the server's archive, fetched from Maven Central into the cache at first use."""
    base = Path(os.environ.get("FATHOM_CACHE") or platformdirs.user_cache_dir("fathom")) / "elasticsearch"
    target = base / f"elasticsearch-{VERSION}.zip"
    if target.is_file():
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerMissing(f"Elasticsearch is fetched with Maven (mvn), and there is none here; or put {target} there")
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as partial:
        fetch = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={partial}"]
        done = subprocess.run(fetch, cwd=partial, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            raise ServerMissing(f"Elasticsearch cannot be fetched: {(done.stdout + done.stderr)[-500:]}")
        (Path(partial) / target.name).replace(target)
    return target


def unpacked(folder):
    """Unpack the archive below a folder; return the server's own."""
    java_home()
    with zipfile.ZipFile(archive()) as packed:
        packed.extractall(folder)
    home = folder / f"elasticsearch-{VERSION}"
    for path in [*(home / "bin").iterdir(), *home.glob("modules/*/platform/**/bin/*")]:
        path.chmod(0o755)
    return home


def free_ports(count):
    """Return ports that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _as_other_user():
    if os.geteuid() != 0:
        return []
    user = str(_OTHER_USER)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _give_away(folder):
    """Let the other user own what the server reads and writes."""
    folder.chmod(0o755)
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, _OTHER_USER, _OTHER_USER, follow_symlinks=False)


if __name__ == "__main__":
    cluster = Cluster(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    sys.stdout.write(",".join(cluster.urls) + "\n")
    sys.stdout.flush()
    try:
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        cluster.close()
