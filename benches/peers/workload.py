"""The same work for every tool, written from one description: about 45 things on each host.

Per host: a user and its group, 5 directories, 20 files from templates of 1 to 4 KiB whose content names all hosts, 10
packages that must be there, a kernel setting with its file, 5 links, 3 guarded commands.
"""

import json
import textwrap

from hosts import PACKAGES, USER

DIRECTORIES = ["/etc/bench", "/srv/bench", "/srv/bench/data", "/var/lib/bench", "/var/log/bench"]
FILES = [f"/etc/bench/service-{number}.conf" for number in range(1, 21)]
LINKS = {f"/usr/local/bin/bench-{number}": FILES[number - 1] for number in range(1, 6)}
SYSCTL = ("net.ipv4.tcp_keepalive_time", "600", "/etc/sysctl.d/90-bench.conf")
# What it makes, the command, the guard that says that it was done.
COMMANDS = [(f"/var/lib/bench/step-{number}", f"date >/var/lib/bench/step-{number}", f"test -s /var/lib/bench/step-{number}")
            for number in range(1, 4)]


def template(number):
    """Jinja2. Longer with every number: with 10 hosts 1 to 4 KiB."""
    lines = [f"# service {number} of {{{{ node.name }}}}, managed", "[cluster]"]
    lines += ["{% for peer in nodes %}server {{ loop.index }} {{ peer.name }} {{ peer.address }}:" + str(7000 + number)
              + "{% if peer.name == node.name %} self{% endif %}", "{% endfor %}", "[settings]"]
    lines += [f"option_{index} = {{{{ nodes | length * {index} }}}}  # tuned for service {number}, see its manual"
              for index in range(5 + 2 * number)]
    return "\n".join(lines) + "\n"


class Workload:
    def __init__(self, hosts, scratch):
        self.hosts, self.scratch = hosts, scratch
        self.nodes = [{"name": host.name, "address": host.address} for host in hosts.hosts]

    def write(self):
        self._templates(self.scratch / "templates")
        self._ansible()
        self._pyinfra()
        self._limit()
        self._refarch()

    def _templates(self, folder):
        folder.mkdir(parents=True)
        for number in range(1, 21):
            (folder / f"service-{number}.conf.j2").write_text(template(number))

    def _ansible(self):
        folder = self.scratch / "ansible"
        folder.mkdir()
        common = f"[defaults]\ninventory = inventory.json\nremote_user = {USER}\nprivate_key_file = {self.hosts.key}\n"
        ssh = f"\n[ssh_connection]\ncontrol_path_dir = {self.scratch}/cp\n"
        args = "ssh_args = -C -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=%s\n" % (self.scratch / "known_hosts")
        (folder / "default.cfg").write_text(common + ssh + args)
        tuned = common + "forks = 50\nstrategy = free\ngathering = explicit\n"
        (folder / "tuned.cfg").write_text(tuned + ssh + args + "pipelining = true\n")
        return_path = next(self.scratch.parent.glob("venv/lib/python3*/site-packages/ansible_mitogen/plugins/strategy"), "")
        mitogen = tuned.replace("strategy = free", f"strategy_plugins = {return_path}\nstrategy = mitogen_free")
        (folder / "mitogen.cfg").write_text(mitogen + ssh + args + "pipelining = true\n")
        hosts = {node["name"]: {"ansible_host": node["address"], "ansible_python_interpreter": "/usr/bin/python3",
                                "node": node} for node in self.nodes}
        (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": {"nodes": self.nodes}}}))
        files = [{"template": {"src": f"{self.scratch}/templates/{path.rsplit('/', 1)[1]}.j2", "dest": path, "mode": "0644",
                               "owner": "root", "group": "root"}} for path in FILES]
        tasks = [
            {"group": {"name": "bench", "system": True}},
            {"user": {"name": "bench", "group": "bench", "system": True, "create_home": False}},
            *[{"file": {"path": path, "state": "directory", "mode": "0755"}} for path in DIRECTORIES],
            *files,
            {"apt": {"name": PACKAGES, "state": "present"}},
            {"copy": {"dest": SYSCTL[2], "content": f"{SYSCTL[0]} = {SYSCTL[1]}\n", "mode": "0644"}},
            {"shell": f"test $(sysctl -n {SYSCTL[0]}) = {SYSCTL[1]} || sysctl -qp {SYSCTL[2]}"},
            *[{"file": {"src": target, "path": path, "state": "link"}} for path, target in LINKS.items()],
            *[{"shell": run, "args": {"creates": made}} for made, run, _ in COMMANDS],
        ]
        (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "become": True, "tasks": tasks}]))

    def _pyinfra(self):
        folder = self.scratch / "pyinfra"
        folder.mkdir()
        data = {"ssh_user": USER, "ssh_key": str(self.hosts.key), "ssh_known_hosts_file": str(self.scratch / "known_hosts")}
        inventory = [(node["address"], {**data, "node": node}) for node in self.nodes]
        (folder / "inventory.py").write_text(f"hosts = {inventory!r}\n")
        (folder / "deploy.py").write_text(textwrap.dedent(f"""\
            from pyinfra import config, host
            from pyinfra.operations import apt, files, server
            config.SUDO = True
            nodes = {self.nodes!r}
            server.group(group="bench", system=True)
            server.user(user="bench", group="bench", system=True, create_home=False)
            for path in {DIRECTORIES!r}:
                files.directory(path=path, mode="755")
            for path in {FILES!r}:
                files.template(src="{self.scratch}/templates/" + path.rsplit("/", 1)[1] + ".j2", dest=path, mode="644",
                               user="root", group="root", nodes=nodes, node=host.data.node)
            apt.packages(packages={PACKAGES!r})
            files.line(path="{SYSCTL[2]}", line="{SYSCTL[0]} = {SYSCTL[1]}")
            server.sysctl(key="{SYSCTL[0]}", value={SYSCTL[1]})
            for path, target in {LINKS!r}.items():
                files.link(path=path, target=target)
            for made, run, unless in {COMMANDS!r}:
                server.shell(commands=[unless + " || " + run])
            """))

    def _limit(self):
        """One script and one tar for each host, rendered beforehand: what is left is sending and doing."""
        from jinja2 import Environment

        folder = self.scratch / "limit"
        folder.mkdir()
        (folder / "ssh_config").write_text(
            f"Host *\n  User {USER}\n  IdentityFile {self.hosts.key}\n  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {self.scratch}/known_hosts\n  ControlPath {self.scratch}/lp/%h\n")
        templates = [Environment(keep_trailing_newline=True).from_string(template(number)) for number in range(1, 21)]
        packages = " ".join(PACKAGES)
        script = ["set -e", "cd \"$1\"", "getent group bench >/dev/null || groupadd --system bench",
                  "getent passwd bench >/dev/null || useradd --system -g bench -M bench"]
        script += [f"[ -d {path} ] || mkdir -p -m 755 {path}" for path in DIRECTORIES]
        script += ["for f in service-*.conf; do cmp -s $f /etc/bench/$f || install -m 644 $f /etc/bench/$f; done"]
        script += [f"[ $(dpkg-query -W -f '${{db:Status-Status}}\\n' {packages} | grep -cx installed) = {len(PACKAGES)} ] || apt-get install -y {packages}"]
        script += [f"printf '%s = %s\\n' {SYSCTL[0]} {SYSCTL[1]} | cmp -s - {SYSCTL[2]} || printf '%s = %s\\n' {SYSCTL[0]} {SYSCTL[1]} >{SYSCTL[2]}"]
        script += [f"[ $(sysctl -n {SYSCTL[0]}) = {SYSCTL[1]} ] || sysctl -qp {SYSCTL[2]}"]
        script += [f"[ \"$(readlink {path})\" = {target} ] || ln -sfn {target} {path}" for path, target in LINKS.items()]
        script += [f"{unless} || {run}" for _, run, unless in COMMANDS]
        for node in self.nodes:
            files = folder / node["name"]
            files.mkdir()
            for path, ready in zip(FILES, templates):
                (files / path.rsplit("/", 1)[1]).write_text(ready.render(nodes=self.nodes, node=node))
            (files / "script.sh").write_text("\n".join(script) + "\n")
        (folder / "all.sh").write_text(textwrap.dedent("""\
            one() {
                tar -C "$1" -cf - . | ssh -F ssh_config "$2" 'sudo sh -c '\\''d=$(mktemp -d); tar -C $d -xf - && sh $d/script.sh $d; r=$?; rm -rf $d; exit $r'\\'
            }
            pids=
            while read -r name address; do one "$name" "$address" & pids="$pids $!"; done <hosts
            for pid in $pids; do wait "$pid" || exit 1; done
            """))
        (folder / "hosts").write_text("".join(f"{node['name']} {node['address']}\n" for node in self.nodes))

    def _refarch(self):
        folder = self.scratch / "refarch"
        role = folder / "roles/sandbox/workload"
        account = folder / "roles/sandbox/account"
        account.mkdir(parents=True)
        self._templates(role / "templates")
        (folder / "roles/sandbox/stack.yaml").write_text("summary: the benchmark's work\nbase: account\n")
        (account / "role.yaml").write_text(json.dumps({"summary": "a user and its group", "commands": [
            {"name": "group", "run": "groupadd --system bench", "unless": "getent group bench"},
            {"name": "user", "run": "useradd --system -g bench -M bench", "unless": "getent passwd bench"}]}))
        spec = {
            "summary": "the rest", "packages": PACKAGES,
            "directories": [{"path": path} for path in DIRECTORIES],
            "files": [{"path": path, "template": path.rsplit("/", 1)[1] + ".j2"} for path in FILES]
            + [{"path": SYSCTL[2], "template": "sysctl.j2"}],
            "links": [{"path": path, "target": target} for path, target in LINKS.items()],
            "commands": [{"name": "kernel setting", "run": f"sysctl -qp {SYSCTL[2]}",
                          "unless": f"test $(sysctl -n {SYSCTL[0]}) = {SYSCTL[1]}"}]
            + [{"name": made, "run": run, "unless": unless} for made, run, unless in COMMANDS],
        }
        (role / "role.yaml").write_text(json.dumps(spec))
        (role / "templates/sysctl.j2").write_text(f"{SYSCTL[0]} = {SYSCTL[1]}\n")
        hosts = [{"name": host.name, "address": host.address, "group": "bench", "host_key": self.hosts.host_key(host)}
                 for host in self.hosts.hosts]
        (folder / "inventory.yaml").write_text(json.dumps(
            {"defaults": {"user": USER, "identity": str(self.hosts.key)}, "hosts": hosts}))
        (folder / "refarch.yaml").write_text(
            "name: bench\nprovider: static\ninventory: inventory.yaml\nnodes:\n"
            f"  bench: {{ count: {len(hosts)}, roles: [workload] }}\n")
