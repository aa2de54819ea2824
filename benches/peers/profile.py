#!/usr/bin/env python3
"""Where the time of one host goes: CPU of each part of a run with nothing to do, by leaving the others out."""

import argparse
import os
import pathlib
import shutil
import subprocess
import tempfile

import measure
from hosts import PACKAGES, Hosts
from workload import FILES, Workload

TIMES = 30


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", required=True, type=pathlib.Path)
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("network namespaces need root")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="profile.", dir=options.cache))
    group, controller = measure.Group("refarch-bench-hosts"), measure.Group("refarch-bench-tools")
    hosts = Hosts(options.cache, scratch, group)
    hosts.group = group
    try:
        hosts.start(1)
        (scratch / "known_hosts").write_text(hosts.known_hosts())
        Workload(hosts, scratch).write()
        folder, host = scratch / "limit", hosts.hosts[0].address
        subprocess.run(["sh", "all.sh"], cwd=folder, check=True)
        (scratch / "lp").mkdir()
        cold = ["ssh", "-F", "ssh_config", "-o", "ControlPath=none"]
        subprocess.run(["ssh", "-F", "ssh_config", "-M", "-N", "-f", host], cwd=folder, check=True)
        paths, names = " ".join(FILES), " ".join(PACKAGES)
        root = "sudo -n -- timeout 60 sh -c "
        parts = [
            ("ssh, a new connection", [*cold, host, "true"]),
            ("the same with curve25519", [*cold, "-o", "KexAlgorithms=curve25519-sha256", host, "true"]),
            ("a program over an open connection", ["ssh", "-F", "ssh_config", host, "true"]),
            ("with sudo", ["ssh", "-F", "ssh_config", host, "sudo -n true"]),
            ("with sudo, timeout and sh", ["ssh", "-F", "ssh_config", host, root + "true"]),
            ("that, and `stat` of 21 files", ["ssh", "-F", "ssh_config", host, f"{root}'stat -c %n,%f {paths}; :' >/dev/null"]),
            ("that, and `sha256sum` of them", ["ssh", "-F", "ssh_config", host, f"{root}'sha256sum {paths}; :' >/dev/null"]),
            ("that, and `dpkg-query` for 10 packages", ["ssh", "-F", "ssh_config", host, f"{root}'dpkg-query -W {names}; :' >/dev/null"]),
            ("that, and 10 times `true` in a process", ["ssh", "-F", "ssh_config", host, f"{root}'{'/bin/true;' * 10} :' >/dev/null"]),
        ]
        print("| what | CPU, controller | CPU, host | clock |\n|---|---|---|---|")
        for name, command in parts:
            runs = [measure.measure(controller, hosts, command, dict(os.environ), folder, scratch / "log") for _ in range(TIMES)]
            ms = [1000 * sum(getattr(one, field) for one in runs) / TIMES for field in ("controller", "hosts", "seconds")]
            print(f"| {name} | {ms[0]:.1f} ms | {ms[1]:.1f} ms | {ms[2]:.0f} ms |", flush=True)
        subprocess.run(["ssh", "-F", "ssh_config", "-O", "exit", host], cwd=folder, capture_output=True, check=False)
    finally:
        hosts.stop()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
