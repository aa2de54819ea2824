//! A machine to configure: an sshd on the loopback interface whose sessions see a `/var/lib` of the test's own, and a stack
//! of two roles that only touches the test's folder.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// The machine, and the roles that are made for it.
pub struct Machine {
    folder: tempfile::TempDir,
    port: u16,
    sshd: Child,
}

/// Keeps the first role's work from ending while it is there.
pub struct Gate(fs::File);

impl Machine {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "user"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path(name)]).status();
            assert!(made.unwrap().success());
        }
        for name in ["node", "var"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("gate"), "").unwrap();
        let enter = format!(
            "#!/bin/sh\n[ \"$(id -u)\" = 0 ] && own=-m || own=-rm\nexec unshare $own sh -c 'mount -t tmpfs none /var/lib && \
             mkdir /var/lib/refarch && mount --bind {} /var/lib/refarch && eval \"$SSH_ORIGINAL_COMMAND\"'\n",
            path("var")
        );
        fs::write(path("enter"), enter).unwrap();
        fs::set_permissions(path("enter"), fs::Permissions::from_mode(0o755)).unwrap();
        // Only root's sshd needs it, and finds it missing where no system's sshd ever ran.
        let _ = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f", "/dev/null", "-E", &path("log"), "-h", &path("host"), "-p", &port.to_string()])
            .args(["-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=no", "-o", "PidFile=none", "-o", "StrictModes=no"])
            .args(["-o", "PermitRootLogin=yes", "-o", &format!("AuthorizedKeysFile={}", path("user.pub"))])
            .args(["-o", "MaxStartups=100", "-o", &format!("ForceCommand={}", path("enter"))])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let machine = Self { folder, port, sshd };
        machine.write_roles();
        machine
    }

    /// `base` keeps a secret and waits for the gate; `tools` comes after it. Both note when they begin and end.
    fn write_roles(&self) {
        let node = self.path("node").display().to_string();
        let gate = self.path("gate").display().to_string();
        let stack = self.path("roles/sandbox");
        for role in ["base/templates", "tools"] {
            fs::create_dir_all(stack.join(role)).unwrap();
        }
        let write = |name: &str, text: String| fs::write(stack.join(name), text).unwrap();
        write("stack.yaml", "summary: Two roles.\nbase: base\n".to_owned());
        write("base/templates/word.j2", "{{ secrets.word }}\n".to_owned());
        let command = |role: &str, wait: &str| {
            format!(
                "commands:\n  - name: work\n    unless: test -e {node}/{role}\n    run: |\n      echo 'begin {role}' >>{node}/acts\n\
                 \x20     {wait}\n      touch {node}/{role}\n      echo 'end {role}' >>{node}/acts\n"
            )
        };
        write(
            "base/role.yaml",
            format!(
                "summary: A secret, and a wait.\nsecrets:\n  word: {{ password: {{ length: 32 }} }}\nfiles:\n  \
                 - {{ path: {node}/word, template: word.j2, mode: \"0600\" }}\n{}",
                command("base", &format!("flock -s {gate} true"))
            ),
        );
        write("tools/role.yaml", format!("summary: What comes after.\n{}", command("tools", "true")));
    }

    /// The machine, as an inventory lists it.
    pub fn inventory(&self) -> String {
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let key = fs::read_to_string(self.path("host.pub")).unwrap();
        let key: Vec<&str> = key.split_whitespace().take(2).collect();
        format!(
            "hosts:\n  - name: team-tools-1\n    address: 127.0.0.1\n    port: {}\n    user: {}\n    identity: {}\n    host_key: \
             {}\n    group: tools\n",
            self.port,
            user.trim(),
            self.path("user").display(),
            key.join(" ")
        )
    }

    pub fn roles(&self) -> PathBuf {
        self.path("roles")
    }

    /// From now on the first role's work does not end.
    pub fn close_gate(&self) -> Gate {
        let file = fs::File::open(self.path("gate")).unwrap();
        file.lock().unwrap();
        Gate(file)
    }

    /// What the roles did, in order.
    pub fn acts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("node/acts")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// As a machine that nobody configured yet.
    pub fn forget(&self) {
        for name in ["base", "tools"] {
            let _ = fs::remove_file(self.path("node").join(name));
        }
    }

    /// The secret that the machine was given.
    pub fn word(&self) -> String {
        fs::read_to_string(self.path("node/word")).unwrap().trim().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Gate {
    pub fn open(self) {
        self.0.unlock().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Connections of refarch end with it.
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}
