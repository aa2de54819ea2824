"""Hosts for the benchmark: an sshd in a network namespace with an overlay of one Debian each."""

import pathlib
import shutil
import subprocess
import time

BRIDGE = "refarchbench"
NETWORK = "10.233.9"
PACKAGES = ["ca-certificates", "curl", "jq", "less", "openssl", "procps", "iproute2", "rsync", "zstd", "python3-apt"]
USER = "admin"


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


class Host:
    def __init__(self, folder, number):
        self.name = f"bench-{number}"
        self.address = f"{NETWORK}.{number + 10}"
        self.folder = folder / self.name
        self.root = self.folder / "root"


class Hosts:
    """`count` hosts that run until `stop`. Everything that they write lies on a tmpfs."""

    def __init__(self, cache, scratch, group):
        self.base, self.scratch, self.group = cache / "base", scratch, group
        self.key = scratch / "key"
        self.hosts, self.processes = [], []

    def build(self):
        """The Debian that all hosts share, made once."""
        if not (self.base / "done").exists():
            shutil.rmtree(self.base, ignore_errors=True)
            self.base.parent.mkdir(parents=True, exist_ok=True)
            names = ",".join(["openssh-server", "sudo", "python3", *PACKAGES])
            run("mmdebstrap", "--variant=minbase", f"--include={names}", "bookworm", str(self.base))
            (self.base / "done").touch()

    def start(self, count):
        self.build()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        run("mount", "-t", "tmpfs", "tmpfs", self.folder("hosts"))
        for number in range(1, count + 1):
            host = Host(self.scratch / "hosts", number)
            self.hosts.append(host)
            self._start(host)
        for host in self.hosts:
            self._await(host)

    def folder(self, name):
        path = self.scratch / name
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def _start(self, host):
        for part in ("root", "upper", "work"):
            (host.folder / part).mkdir(parents=True)
        layers = f"lowerdir={self.base},upperdir={host.folder}/upper,workdir={host.folder}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(host.root))
        run("ip", "netns", "add", host.name)
        near = f"rb{host.address.rsplit('.', 1)[1]}"
        run("ip", "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        run("ip", "link", "set", near, "master", BRIDGE, "up")
        inside = ["ip", "-n", host.name]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{host.address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        self._account(host)
        command = (
            f"echo $$ >/proc/self/comm; mount -t proc proc {host.root}/proc; mount --rbind /dev {host.root}/dev; "
            f"mount -t tmpfs tmpfs {host.root}/run; mkdir {host.root}/run/sshd; hostname {host.name}; "
            f"exec chroot {host.root} /usr/sbin/sshd -D"
        )
        wrapped = ["ip", "netns", "exec", host.name, "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child",
                   "sh", "-c", command]
        self.processes.append(self.group.start(wrapped, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _account(self, host):
        run("chroot", str(host.root), "sh", "-c", f"useradd -m -s /bin/bash {USER} && ssh-keygen -q -A")
        (host.root / "etc/sudoers.d/bench").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
        (host.root / "etc/hosts").write_text(f"127.0.0.1 localhost {host.name}\n")
        ssh = host.root / "home" / USER / ".ssh"
        ssh.mkdir(mode=0o700)
        shutil.copy(f"{self.key}.pub", ssh / "authorized_keys")
        run("chroot", str(host.root), "chown", "-R", f"{USER}:", f"/home/{USER}")
        # What is there now is what every first run begins with.
        for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"):
            shutil.copy2(host.root / "etc" / name, host.folder / name)

    def _await(self, host):
        for _ in range(200):
            if subprocess.run(["ssh-keyscan", "-t", "ed25519", host.address], capture_output=True).stdout:
                return
            time.sleep(0.1)
        raise SystemExit(f"{host.name} does not answer")

    def known_hosts(self):
        lines = []
        for host in self.hosts:
            key = (host.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
            lines.append(f"{host.address},{host.name} {key[0]} {key[1]}\n")
        return "".join(lines)

    def host_key(self, host):
        return " ".join((host.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    def reset(self):
        """Takes away what a tool did, without the tool: the next run is a first one."""
        for host in self.hosts:
            for path in ("etc/bench", "srv/bench", "var/lib/bench", "var/lib/refarch", "var/log/bench",
                         f"home/{USER}/.ansible", "root/.ansible"):
                shutil.rmtree(host.root / path, ignore_errors=True)
            (host.root / "etc/sysctl.d/90-bench.conf").unlink(missing_ok=True)
            for number in range(1, 6):
                (host.root / f"usr/local/bin/bench-{number}").unlink(missing_ok=True)
            for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"):
                shutil.copy2(host.folder / name, host.root / "etc" / name)
            run("ip", "netns", "exec", host.name, "sysctl", "-qw", "net.ipv4.tcp_keepalive_time=7200")

    def bytes(self):
        """Bytes that the hosts sent and received."""
        folder = pathlib.Path("/sys/class/net") / BRIDGE / "statistics"
        return sum(int((folder / name).read_text()) for name in ("rx_bytes", "tx_bytes"))

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for host in self.hosts:
            subprocess.run(["ip", "netns", "delete", host.name], check=False, stderr=subprocess.DEVNULL)
            subprocess.run(["umount", "-R", str(host.root)], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", str(self.scratch / "hosts")], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False, stderr=subprocess.DEVNULL)
