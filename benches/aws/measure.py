"""refarch and a plain boto3 script make the same infrastructure, each on an empty emulated account.

    measure.py REFARCH ENVIRONMENT [ROUNDS]       REFARCH: a binary built with `--features aws`

The front lets things take their time (`settle_polls`, `settle_seconds`), so that waiting counts; the two take turns.
Prints a table for docs/performance.md: the median of the rounds and their range, and the calls of each operation.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTLE = {"settle_polls": 1000, "settle_seconds": 3.0, "quotas": {"L-1216C47A": 4096}}


def main():
    refarch, environment = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    venv = subprocess.run([ROOT / "scripts/emulators.sh"], check=True, capture_output=True, text=True).stdout.strip()
    python = f"{venv}/bin/python"
    front = subprocess.Popen(
        [python, "-m", "aws_front"], cwd=ROOT / "tests/support", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    url = front.stdout.readline().strip()
    try:
        with tempfile.TemporaryDirectory() as folder:
            report(*measure(url, python, refarch, environment, rounds, pathlib.Path(folder)))
    finally:
        front.stdin.close()
        front.wait()


def measure(url, python, refarch, environment, rounds, folder):
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REFARCH_"))}
    env = {
        **keep,
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIABENCH",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    times, counts = {}, {}

    def run(what, command, workspace):
        control(url, "reset")
        control(url, "settings", SETTLE)
        # moto reads its images at the first question.
        control(url, "do", {"client": "ec2", "method": "describe_images", "params": {"Owners": ["self"]}})
        control(url, "calls/forget")
        start = time.monotonic()
        done = subprocess.run(command, env={**env, "REFARCH_WORKSPACE": str(workspace)}, capture_output=True, text=True)
        taken = time.monotonic() - start
        if done.returncode != 0:
            sys.exit(f"{what} failed: {done.stdout}\n{done.stderr}")
        times.setdefault(what, []).append(taken)
        counts[what] = control(url, "counts", method="GET")
        made = control(url, "inventory")
        print(f"{what}: {taken:.1f} s, {len(made.get('instances', []))} instances", file=sys.stderr)
        return done

    control(url, "settings", SETTLE)
    plan = subprocess.run(
        [refarch, "plan", "--infrastructure", "--output", "json", environment],
        env={**env, "REFARCH_WORKSPACE": str(folder / "plan")},
        check=True,
        capture_output=True,
    )
    (folder / "plan.json").write_bytes(plan.stdout)
    for round_ in range(rounds):
        workspace = folder / f"workspace-{round_}"
        run("plain script", [python, str(ROOT / "benches/aws/plain.py"), str(folder / "plan.json")], workspace)
        run("refarch apply", [refarch, "apply", "--infrastructure", "--yes", environment], workspace)
        destroy(url, env, refarch, environment, workspace, times, counts)
    return times, counts


def destroy(url, env, refarch, environment, workspace, times, counts):
    """What refarch made, it also removes; the plain script cannot."""
    control(url, "calls/forget")
    text = pathlib.Path(environment).read_text()
    name = re.search(r"^name: (\S+)", text, re.MULTILINE).group(1)
    for what, command in [
        ("refarch plan again", ["plan", "--infrastructure", "--detailed-exitcode"]),
        ("refarch destroy", ["destroy", "--yes", "--destroy-data", name]),
    ]:
        control(url, "calls/forget")
        start = time.monotonic()
        done = subprocess.run(
            [refarch, *command, environment], env={**env, "REFARCH_WORKSPACE": str(workspace)}, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"{what} failed: {done.stdout}\n{done.stderr}")
        times.setdefault(what, []).append(time.monotonic() - start)
        counts[what] = control(url, "counts", method="GET")
    if left := control(url, "inventory"):
        sys.exit(f"refarch left {json.dumps(left, indent=1)}")


def control(url, action, document=None, method="POST"):
    data = json.dumps(document or {}).encode() if method == "POST" else None
    with urllib.request.urlopen(urllib.request.Request(f"{url}/_front/{action}", data=data, method=method)) as answer:
        return json.load(answer)


def report(times, counts):
    print("| | seconds (median, range) | calls | of which looking |")
    print("|---|---|---|---|")
    for what, taken in times.items():
        all_, looks = counts[what], 0
        for name, count in all_.items():
            if re.match(r"\w+\.(Describe|Get|List|Head)", name):
                looks += count
        spread = f"{statistics.median(taken):.1f} ({min(taken):.1f} to {max(taken):.1f})"
        print(f"| {what} | {spread} | {sum(all_.values())} | {looks} |")
    for what, count in counts.items():
        print(f"\n{what}: " + ", ".join(f"{number} {name}" for name, number in sorted(count.items(), key=lambda one: -one[1])))


if __name__ == "__main__":
    main()
