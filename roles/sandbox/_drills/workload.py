"""Uses the environment through its door as users do, and remembers nothing: whoever reads its lines does."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid

CONFIG = json.loads(os.environ["CONFIG"])
DOMAIN = CONFIG["domain"]
TOKEN = {{ secrets.root_token | tojson }}
TLS = ssl.create_default_context(cafile="/etc/refarch/ca.crt")
# Longer than any failover that this environment promises; a request that takes longer has failed its user.
PATIENCE = 25
# Between two requests of one user, in seconds.
PAUSE = {"write": 0.25, "read": 0.25, "job": 1.5, "push": 1.5, "clone": 2.5}
screen = threading.Lock()


class Failed(Exception):
    """A request that did not do what was asked."""


def say(line):
    with screen:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            os._exit(0)


def door():
    """A connection to the first balancer that takes one: what browsers do with several addresses."""
    trouble = None
    for address in random.sample(CONFIG["doors"], len(CONFIG["doors"])):
        try:
            connection = socket.create_connection((address, 443), timeout=5)
            connection.settimeout(PATIENCE)
            return TLS.wrap_socket(connection, server_hostname=DOMAIN)
        except OSError as error:
            trouble = error
    raise Failed(f"no connection: {trouble}")


def ask(method, path, data=None, wanted=(200,)):
    """A request of its own connection; the status must be one of those wanted."""
    client = http.client.HTTPConnection(DOMAIN)
    try:
        client.sock = door()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        client.request(method, path, None if data is None else json.dumps(data), headers)
        answer = client.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(str(error) or type(error).__name__) from error
    finally:
        client.close()
    if answer.status not in wanted:
        raise Failed(f"{answer.status} {body[:120].decode(errors='replace')}")
    try:
        return answer.status, json.loads(body) if body else None
    except ValueError:
        return answer.status, None


class Git:
    """A folder with clones, and a git that knows the way."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="refarch-drill-"))
        import base64

        login = base64.b64encode(f"root:{TOKEN}".encode()).decode()
        settings = [
            "[user]\nname = drill\nemail = drill@refarch\n[init]\ndefaultBranch = main\n[gc]\nauto = 0\n",
            "[http]\nsslCAInfo = /etc/refarch/ca.crt\nlowSpeedLimit = 1\nlowSpeedTime = 20\n",
            f"curloptResolve = {DOMAIN}:443:{','.join(CONFIG['doors'])}\n",
            f'[http "https://{DOMAIN}/"]\nextraHeader = Authorization: Basic {login}\n',
        ]
        config = self.folder / ".gitconfig"
        config.touch(mode=0o600)
        config.write_text("".join(settings))

    def __call__(self, *arguments, at="."):
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder / at,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            timeout=PATIENCE + 5,
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise Failed(lines[-1][:160] if lines else f"git ended with {done.returncode}")
        return done.stdout.strip()

    def url(self, project):
        return f"https://{DOMAIN}/{project}.git"


class Users:
    """What the users of one run have done."""

    def __init__(self):
        self.writes = []
        self.git = Git()
        self.projects = {}
        self.turn = 0

    def forever(self, kind, act):
        while True:
            began = time.monotonic()
            try:
                act()
                result, why = "ok", ""
            except (Failed, OSError, subprocess.TimeoutExpired) as error:
                result, why = "failed", " " + " ".join(str(error).split())[:200]
            say(f"{result} {int((time.monotonic() - began) * 1000)} {kind}{why}")
            time.sleep(PAUSE[kind])

    def write(self):
        identity, value = str(uuid.uuid4()), uuid.uuid4().hex[:12]
        ask("POST", "/api/writes", {"id": identity, "value": value}, (201,))
        say(f"acked write {identity} {value}")
        self.writes = [*self.writes[-300:], (identity, value)]

    def read(self):
        if not self.writes:
            return
        identity, value = random.choice(self.writes)
        _, found = ask("GET", f"/api/writes/{identity}")
        if found["value"] != value:
            raise Failed(f"{identity} came back changed")

    def job(self):
        name = new_project()
        wait_ready(name)
        # It was done; from here on nobody needs to find it.
        say(f"gone job {name}")
        ask("DELETE", f"/api/projects/{name}", wanted=(202, 404))

    def next_project(self):
        names = list(self.projects)
        if not names:
            raise Failed("there is no project yet")
        self.turn += 1
        return names[self.turn % len(names)]

    def push(self):
        name = self.next_project()
        with (self.git.folder / name / "log.txt").open("a") as log:
            log.write(f"{uuid.uuid4()}\n")
        self.git("commit", "-qam", "more", at=name)
        sent = self.git("rev-parse", "HEAD", at=name)
        self.git("push", "-q", self.git.url(name), "main", at=name)
        say(f"acked push {name}:{sent}")
        self.projects[name] = sent

    def clone(self):
        name = self.next_project()
        last = self.projects[name]
        target = f"clone-{uuid.uuid4().hex[:8]}"
        try:
            self.git("clone", "-q", self.git.url(name), target)
            if last:
                self.git("merge-base", "--is-ancestor", last, "HEAD", at=target)
        finally:
            subprocess.run(["rm", "-rf", str(self.git.folder / target)], check=False)

    def prepare(self):
        """A project on every storage that can be had, so that pushes reach each of them."""
        storages = set()
        for _ in range(6 * CONFIG["storages"]):
            name = new_project("project")
            storage = wait_ready(name)["storage"]
            if storage in storages:
                say(f"gone project {name}")
                ask("DELETE", f"/api/projects/{name}", wanted=(202, 404))
                continue
            storages.add(storage)
            self.git("init", "-q", name)
            (self.git.folder / name / "log.txt").write_text("first\n")
            self.git("add", ".", at=name)
            self.git("commit", "-qm", "first", at=name)
            self.projects[name] = None
            if len(storages) == CONFIG["storages"]:
                break


def new_project(kind="job"):
    name = f"drill-{uuid.uuid4().hex[:12]}"
    ask("POST", "/api/projects", {"name": name}, (201,))
    say(f"acked {kind} {name}")
    return name


def wait_ready(name, patience=30):
    end = time.monotonic() + patience
    while True:
        _, found = ask("GET", f"/api/projects/{name}")
        if found["state"] == "ready":
            return found
        if time.monotonic() > end:
            raise Failed(f"{name} is {found['state']} after {patience} s")
        time.sleep(0.2)


def work():
    users = Users()
    while True:
        try:
            users.prepare()
            break
        except (Failed, OSError) as error:
            say(f"failed 0 job {error}")
            time.sleep(1)
    acts = [("write", users.write), ("write", users.write), ("read", users.read), ("read", users.read)]
    acts += [("job", users.job), ("push", users.push), ("clone", users.clone)]
    for kind, act in acts:
        threading.Thread(target=users.forever, args=(kind, act), daemon=True).start()
    # Ends with the connection: whoever listens is gone then.
    while True:
        time.sleep(2)
        say("alive")


def listed():
    lines = (line.split() for line in sys.stdin)
    return [(words[1], words[2], " ".join(words[3:])) for words in lines if words]


def patiently(check):
    """What was answered must be there; that it can be asked at all just now is another matter."""
    for _ in range(20):
        try:
            return check()
        except Failed as error:
            why = str(error)
            if why.startswith("404") or why.startswith("lost"):
                return why
            time.sleep(1)
    return why


def audit():
    git = Git()
    wanted = listed()
    pushes = {}
    for kind, key, _ in wanted:
        if kind == "push":
            name, _, commit = key.partition(":")
            pushes.setdefault(name, []).append(commit)

    def write(key, value):
        _, found = ask("GET", f"/api/writes/{key}")
        return None if found["value"] == value else "changed"

    def project(key):
        wait_ready(key)

    def pushed(name):
        if not (git.folder / name).exists():
            git("clone", "-q", "--bare", git.url(name), name)
        there = set(git("rev-list", "--all", at=name).split())
        return [commit for commit in pushes[name] if commit not in there]

    def one(item):
        kind, key, value = item
        if kind == "write":
            return kind, key, patiently(lambda: write(key, value))
        if kind in ("job", "project"):
            return kind, key, patiently(lambda: project(key))
        return None

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(one, wanted):
            if found and found[2]:
                say(f"lost {found[0]} {found[1]} {' '.join(found[2].split())}")
    for name in pushes:
        missing = patiently(lambda name=name: pushed(name))
        for commit in missing if isinstance(missing, list) else pushes[name]:
            say(f"lost push {name}:{commit} {missing if isinstance(missing, str) else 'not in the history'}")
    say(f"audited {len(wanted)}")


def clean():
    def one(item):
        kind, key, _ = item
        path = {"write": "/api/writes/", "job": "/api/projects/", "project": "/api/projects/"}.get(kind)
        if path:
            patiently(lambda: ask("DELETE", path + key, wanted=(200, 202, 404)) and None)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(one, listed()))
    say("cleaned")


globals()[sys.argv[1]]()
