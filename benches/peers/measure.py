"""CPU, memory and time of a tool with all its processes, also those that it leaves running: a control group each."""

import pathlib
import subprocess
import threading
import time

ROOT = pathlib.Path("/sys/fs/cgroup")
UNIFIED = (ROOT / "cgroup.controllers").exists()


class Group:
    """A control group, of version 1 or 2."""

    def __init__(self, name):
        if UNIFIED:
            (ROOT / "cgroup.subtree_control").write_text("+cpu +memory")
            self.cpu = self.memory = ROOT / name
        else:
            self.cpu, self.memory = ROOT / "cpuacct" / name, ROOT / "memory" / name
        for folder in {self.cpu, self.memory}:
            folder.mkdir(exist_ok=True)

    def start(self, command, **options):
        """Starts a command inside of the group."""
        enter = " ".join(f"echo $$ >{folder}/cgroup.procs;" for folder in {self.cpu, self.memory})
        return subprocess.Popen(["sh", "-c", f'{enter} exec "$@"', "sh", *command], **options)

    def cpu_seconds(self):
        if UNIFIED:
            for line in (self.cpu / "cpu.stat").read_text().splitlines():
                if line.startswith("usage_usec"):
                    return int(line.split()[1]) / 1e6
        return int((self.cpu / "cpuacct.usage").read_text()) / 1e9

    def megabytes(self):
        """Memory of its processes themselves, without files that the kernel keeps."""
        wanted = "anon" if UNIFIED else "total_rss"
        for line in (self.memory / "memory.stat").read_text().splitlines():
            word, value = line.split()
            if word == wanted:
                return int(value) / 2**20
        return 0.0

    def processes(self):
        return [int(pid) for pid in (self.cpu / "cgroup.procs").read_text().split()]

    def remove(self):
        for folder in {self.cpu, self.memory}:
            folder.rmdir()


class Figures:
    """What one run took."""

    def __init__(self, seconds, controller, hosts, megabytes, kilobytes):
        self.seconds, self.controller, self.hosts = seconds, controller, hosts
        self.megabytes, self.kilobytes = megabytes, kilobytes


def measure(tools, hosts, command, environment, folder, log):
    """Runs a command to its end. The groups are those of the tools and of the hosts."""
    before = tools.cpu_seconds(), hosts.group.cpu_seconds(), hosts.bytes()
    peak, ended = [tools.megabytes()], threading.Event()

    def watch():
        while not ended.wait(0.05):
            peak.append(tools.megabytes())

    watcher = threading.Thread(target=watch)
    start = time.monotonic()
    with open(log, "ab") as output:
        process = tools.start(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        watcher.start()
        code = process.wait()
    seconds = time.monotonic() - start
    ended.set()
    watcher.join()
    if code != 0:
        tail = pathlib.Path(log).read_text(errors="replace")[-3000:]
        raise SystemExit(f"{' '.join(command)} ended with code {code}\n{tail}")
    after = tools.cpu_seconds(), hosts.group.cpu_seconds(), hosts.bytes()
    return Figures(seconds, after[0] - before[0], after[1] - before[1], max(peak), (after[2] - before[2]) / 1024)
