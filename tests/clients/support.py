"""What the tests of other people's clients share: the real server, and programs against it."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DURAMEN = os.environ.get("DURAMEN", str(ROOT / "target/debug/duramen"))
# On a real disk rather than in memory.
SCRATCH = os.environ.get("SCRATCH", str(ROOT / "target"))
KCAT = shutil.which("kcat")

# What is waited for comes long before; a test that waits for so long has failed.
PATIENCE_S = 60
# A step that takes longer says more about the machine than about the server.
STEP_S = 1

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]

# The kernel ends a program that is started so when this one ends, however it ends.
WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]

# Members come and go within seconds, and the journals are no larger than need be.
SETTINGS = """
group.initial.rebalance.delay.ms = 200
group.min.session.timeout.ms = 1000
journal.bytes = 67108864
"""


def folder():
    """A folder that is removed when it is forgotten."""
    return tempfile.TemporaryDirectory(dir=SCRATCH, prefix="clients-")


# Notified with each line of any program: who waits may do so for several.
HEARD = threading.Condition()


class Lines:
    """What a program says, line by line, as it comes."""

    def __init__(self, stream):
        self.stream = stream
        self.lines = []
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        for line in self.stream:
            with HEARD:
                self.lines.append(line.rstrip("\n"))
                HEARD.notify_all()

    def end(self):
        """Takes the rest, of a program that has ended."""
        self.thread.join()
        self.stream.close()

    def __str__(self):
        return "\n".join(self.lines)


def wait_until(holds, what):
    """Waits until something holds of what programs have said, and gives what that is."""
    with HEARD:
        found = HEARD.wait_for(holds, PATIENCE_S)
        assert found, f"{what}: not within {PATIENCE_S} s"
        return found


class Server:
    """A server on free ports. Its `kafka` has an address a core, `native` the other protocol's."""

    def __init__(self, data, *flags):
        self.data = pathlib.Path(data)
        settings = self.data.with_name(self.data.name + ".toml")
        settings.write_text(SETTINGS)
        command = [DURAMEN, "serve", "--data", str(data), "--config", str(settings)]
        command += ["--listen", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--cores", "2", *flags]
        self.process = subprocess.Popen(
            WITH_PARENT + command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = Lines(self.process.stderr)
        self.native, self.kafka = None, []
        self.read_addresses()

    def read_addresses(self):
        for line in self.process.stdout:
            words = line.split()
            if words[:2] == ["listening", "native"]:
                self.native = words[2]
            elif words[:2] == ["listening", "kafka"]:
                self.kafka.append(words[2])
            elif words == ["ready"]:
                return
        self.process.wait()
        self.said.end()
        raise AssertionError(f"the server did not start:\n{self.said}")

    @property
    def bootstrap(self):
        """Where a client finds the rest."""
        return self.kafka[0]

    def cli(self, *arguments, stdin=b""):
        """Runs a command of our own against it, and gives its output."""
        command = [DURAMEN, *arguments, "--server", self.native]
        return run(command, stdin=stdin).stdout

    def create(self, topic, partitions=1, **configs):
        """Makes a topic."""
        flags = []
        for name, value in configs.items():
            flags += ["--config", f"{name.replace('_', '.')}={value}"]
        self.cli("topic", "create", topic, "--partitions", str(partitions), *flags)

    def stop(self):
        """Asks it to end, and waits for that."""
        self.process.terminate()
        status = self.process.wait(PATIENCE_S)
        self.clean_up()
        assert status == 0, f"exit status {status}:\n{self.said}"

    def kill(self):
        """Ends it, if it has not ended yet."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.clean_up()

    def clean_up(self):
        self.said.end()
        self.process.stdout.close()


class ServerTest(unittest.TestCase):
    """Tests that share a server; each has topics and groups of its own."""

    flags = []

    @classmethod
    def setUpClass(cls):
        cls.folder = folder()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = Server(pathlib.Path(cls.folder.name) / "data", *cls.flags)
        cls.addClassCleanup(cls.server.kill)

    def setUp(self):
        # Unique, and what the output of a failed test is looked up by.
        self.topic = self._testMethodName
        self.group = f"group-of-{self._testMethodName}"

    def tearDown(self):
        self.assertIsNone(self.server.process.poll(), str(self.server.said))


def run(command, stdin=b"", status=0):
    """Runs a program to its end, which comes with this status."""
    done = subprocess.run(
        [*WITH_PARENT, *map(str, command)],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_S,
    )
    words = " ".join(map(str, command))
    told = done.stderr.decode(errors="replace")
    assert done.returncode == status, f"{words}: exit status {done.returncode}\n{told}"
    return done


def repeat(step, until, what):
    """Takes a step again and again until something holds."""
    waited = 0
    while not until():
        assert waited < PATIENCE_S, f"{what}: not within {PATIENCE_S} s"
        began = time.monotonic()
        step()
        waited += min(time.monotonic() - began, STEP_S)


def real_logs():
    """Files of real lines where this machine has them, else a few of our own."""
    folder = pathlib.Path(os.environ.get("LOGS", ROOT / "../shared/data/logs"))
    return sorted(folder.glob("*.log")) or [ROOT / "tests/fixtures/lines.log"]
