"""How each tool is called."""

import os
import pathlib
import subprocess


class Tool:
    """A tool: how to call it, and how to take its warm connections away."""

    def __init__(self, name, command, folder, check=None, environment=None, sockets=None, opening=None, rounds=1):
        self.name, self.command, self.check, self.folder = name, command, check, folder
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", **(environment or {})}
        self.sockets, self.opening, self.rounds = sockets, opening, rounds

    def cold(self):
        """Ends connections that an earlier run left open, by asking their masters."""
        for socket in pathlib.Path(self.sockets).glob("**/*") if self.sockets else ():
            if socket.is_socket():
                subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "x"], capture_output=True, check=False)
                socket.unlink(missing_ok=True)

    def warm_up(self, log):
        """Opens the connections that a warm run finds: by a command that does nothing."""
        with open(log, "ab") as output:
            subprocess.run(self.opening, env=self.environment, cwd=self.folder, stdout=output, stderr=output, check=True)


def tools(scratch, venv, refarch, hosts, rounds, full):
    """All tools; `rounds` is how often the quick ones run. What takes minutes on a few hosts runs once, or where asked for."""
    many = len(hosts.hosts) > 10
    bin_ = pathlib.Path(venv) / "bin"
    (scratch / "lp").mkdir(exist_ok=True)
    (scratch / "run").mkdir(mode=0o700, exist_ok=True)
    limit, ansible = scratch / "limit", scratch / "ansible"
    play = [str(bin_ / "ansible-playbook"), "play.yml"]

    def ansible_tool(name, file, check=True):
        environment = {"ANSIBLE_CONFIG": str(ansible / file), "ANSIBLE_HOST_KEY_CHECKING": "true"}
        return Tool(name, play, ansible, [*play, "--check"] if check else None, environment, scratch / "cp")

    ours = {"XDG_RUNTIME_DIR": str(scratch / "run"), "REFARCH_OUTPUT": "plain",
            "REFARCH_ROLES": str(scratch / "refarch/roles"), "HOME": str(scratch)}
    apply, plan = [refarch, "apply", "--yes", "--concurrency", "64"], [refarch, "plan"]
    pyinfra = [str(bin_ / "pyinfra"), "-y", "inventory.py", "deploy.py"]
    dry = [str(bin_ / "pyinfra"), "--dry", "-y", "inventory.py", "deploy.py"]
    masters = "for a in $(cut -d' ' -f2 hosts); do ssh -F ssh_config -M -N -f -o ControlPersist=300 $a & done; wait"
    hello = [refarch, "exec", "--on", "*", "--", "true"]
    # The key exchange that pyinfra's own SSH library agrees on with these hosts; ssh prefers a costlier one.
    (scratch / "bin").mkdir(exist_ok=True)
    (scratch / "bin/ssh").write_text('#!/bin/sh\nexec /usr/bin/ssh -o KexAlgorithms=curve25519-sha256 "$@"\n')
    (scratch / "bin/ssh").chmod(0o755)
    quick = {"PATH": f"{scratch / 'bin'}:{os.environ['PATH']}"}

    def our_tool(name, opening=None, environment=None):
        return Tool(name, apply, scratch / "refarch", plan, {**ours, **(environment or {})}, scratch / "run", opening, rounds)

    every = [
        Tool("limit", ["sh", "all.sh"], limit, rounds=rounds),
        our_tool("refarch"),
        Tool("limit, warm", ["sh", "all.sh"], limit, sockets=scratch / "lp", opening=["sh", "-c", masters], rounds=rounds),
        our_tool("refarch, warm", opening=hello),
        Tool("pyinfra", pyinfra, scratch / "pyinfra", dry, rounds=1 if many else 2),
    ]
    if not many or full:
        every[-1:-1] = [Tool("limit, curve25519", ["sh", "all.sh"], limit, environment=quick, rounds=rounds),
                        our_tool("refarch, curve25519", environment=quick)]
        every.append(ansible_tool("ansible + mitogen", "mitogen.cfg"))
    if not many:
        every.append(ansible_tool("ansible, tuned", "tuned.cfg", check=full))
        if full:
            every.append(ansible_tool("ansible, default", "default.cfg"))
    return every
