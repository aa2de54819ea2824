"""How each tool is called."""

import os
import pathlib
import subprocess


class Tool:
    """A tool: how to call it, and how to take its warm connections away."""

    def __init__(self, name, command, folder, check=None, environment=None, sockets=None, warm=False, rounds=1):
        self.name, self.command, self.check, self.folder = name, command, check, folder
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", **(environment or {})}
        self.sockets, self.warm, self.rounds = sockets, warm, rounds

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


def tools(scratch, venv, refarch, hosts, rounds):
    """All tools; `rounds` is how often the quick ones run."""
    few = max(1, rounds // 3)
    bin_ = pathlib.Path(venv) / "bin"
    (scratch / "lp").mkdir(exist_ok=True)
    (scratch / "run").mkdir(mode=0o700, exist_ok=True)
    limit, ansible = scratch / "limit", scratch / "ansible"
    play = [str(bin_ / "ansible-playbook"), "play.yml"]

    def ansible_tool(name, file, rounds_):
        environment = {"ANSIBLE_CONFIG": str(ansible / file), "ANSIBLE_HOST_KEY_CHECKING": "true"}
        return Tool(name, play, ansible, [*play, "--check"], environment, scratch / "cp", rounds=rounds_)

    ours = {"XDG_RUNTIME_DIR": str(scratch / "run"), "REFARCH_OUTPUT": "plain",
            "REFARCH_ROLES": str(scratch / "refarch/roles"), "HOME": str(scratch)}
    apply, plan = [refarch, "apply", "--yes", "--concurrency", "64"], [refarch, "plan"]
    pyinfra = [str(bin_ / "pyinfra"), "-y", "inventory.py", "deploy.py"]
    dry = [str(bin_ / "pyinfra"), "--dry", "-y", "inventory.py", "deploy.py"]
    every = [
        Tool("limit", ["sh", "all.sh"], limit, rounds=rounds),
        Tool("limit, warm", ["sh", "all.sh"], limit, sockets=scratch / "lp", warm=True, rounds=rounds),
        Tool("refarch", apply, scratch / "refarch", plan, ours, scratch / "run", rounds=rounds),
        Tool("refarch, warm", apply, scratch / "refarch", plan, ours, scratch / "run", warm=True, rounds=rounds),
        Tool("pyinfra", pyinfra, scratch / "pyinfra", dry, rounds=few),
        ansible_tool("ansible + mitogen", "mitogen.cfg", few),
        ansible_tool("ansible, tuned", "tuned.cfg", 1),
        ansible_tool("ansible, default", "default.cfg", 1),
    ]
    masters = "for a in $(cut -d' ' -f2 hosts); do ssh -F ssh_config -M -N -f -o ControlPersist=300 $a & done; wait"
    every[1].opening = ["sh", "-c", masters]
    every[3].opening = [refarch, "exec", "--on", "*", "--", "true"]
    return every
