#!/usr/bin/env python3
"""The same work with refarch, with its peers, and with bare ssh. See README.md."""

import argparse
import datetime
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import measure
import report
from hosts import Hosts
from tools import tools
from workload import Workload

HERE = pathlib.Path(__file__).resolve().parent


def steal(line):
    """Seconds that all CPUs were busy, and seconds in all, since the machine started."""
    numbers = [int(word) for word in line.split()[1:9]]
    return sum(numbers) - numbers[3] - numbers[4], sum(numbers)


def bench(count, options, cache):
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="peers.", dir=cache))
    group, controller = measure.Group("refarch-bench-hosts"), measure.Group("refarch-bench-tools")
    hosts = Hosts(cache, scratch, group)
    hosts.group = group
    results = {}
    rounds = options.rounds if count <= 10 else min(options.rounds, 3)
    try:
        hosts.start(count)
        (scratch / "known_hosts").write_text(hosts.known_hosts())
        Workload(hosts, scratch).write()
        every = tools(scratch, cache / "venv", options.refarch, hosts, rounds, options.full)
        every = [tool for tool in every if not options.only or tool.name in options.only.split("; ")]
        log = scratch / "log"
        # Interleaved: every round runs every tool once, so that a busy moment strikes all of them.
        for number in range(rounds):
            for tool in every:
                if number >= tool.rounds:
                    continue
                phases = results.setdefault(tool.name, {phase: [] for phase in report.PHASES})
                hosts.reset()
                for phase in report.PHASES:
                    command = tool.check if phase == "check" else tool.command
                    if command is None:
                        continue
                    tool.cold()
                    if tool.opening:
                        tool.warm_up(log)
                    figures = measure.measure(controller, hosts, command, tool.environment, tool.folder, log)
                    phases[phase].append(figures)
                    print(f"{count} hosts, round {number + 1}, {tool.name}, {phase}: {figures.seconds:.2f} s, CPU "
                          f"{figures.controller:.2f} + {figures.hosts:.2f} s, {figures.megabytes:.0f} MB", flush=True)
                tool.cold()
        return results
    finally:
        for pid in controller.processes():
            os.kill(pid, signal.SIGTERM)
        hosts.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--refarch", required=True, type=os.path.abspath)
    parser.add_argument("--cache", required=True, type=pathlib.Path)
    parser.add_argument("--hosts", default="10,50")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="the slowest tools as well, for hours")
    parser.add_argument("--only", help="tools, separated by `; `")
    parser.add_argument("--out", type=pathlib.Path, help="folder for peers.md and peers-N.svg")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("network namespaces need root")
    text = []
    for count in map(int, options.hosts.split(",")):
        before = steal(open("/proc/stat").readline())
        load = os.getloadavg()[0]
        started = datetime.datetime.now(datetime.timezone.utc)
        results = bench(count, options, options.cache)
        after = steal(open("/proc/stat").readline())
        ticks = os.sysconf("SC_CLK_TCK")
        own = sum(one.controller + one.hosts for phases in results.values() for runs in phases.values() for one in runs)
        busy, whole = (after[0] - before[0]) / ticks, (after[1] - before[1]) / ticks
        other = max(0.0, busy - own) / whole
        title = (f"{count} hosts, {started:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs, {100 * other:.0f} % of them busy with "
                 f"other work; load {load:.1f} before")
        table = report.table(results)
        aims = report.goals(results, count)
        print(f"\n{title}\n\n{table}\n{aims}", flush=True)
        text.append(f"## {title}\n\n{table}\n{aims}\n![{count} hosts](peers-{count}.svg)\n")
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"peers-{count}.svg").write_text(report.plot(results, title))
    if options.out:
        version = subprocess.run([options.refarch, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        head = f"# refarch beside its peers\n\nWritten by `make bench`; what it compares: [benches/peers](../../benches/peers/README.md). {version}.\n"
        (options.out / "peers.md").write_text(head + "\n" + "\n".join(text))


if __name__ == "__main__":
    main()
