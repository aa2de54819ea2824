//! The format of `roles/<stack>/<role>/role.yaml`: everything that refarch knows about a role.
//!
//! Plan, firewall, run order, rolling changes, scale-in, destroy and the documentation all read these
//! values; nothing about a particular role is written in Rust.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One role of a stack, as its `role.yaml` says.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What the role is for, one line.
    pub summary: String,
    /// Roles that every node of this role carries as well; their stages run before this one, in this order.
    #[serde(default)]
    pub with: Vec<String>,
    /// The role is left out of an environment in which no node has one of these roles.
    #[serde(default)]
    pub only_with: Vec<String>,
    /// The role is left out of a node that has one of these roles itself (a Consul server needs no agent).
    #[serde(default)]
    pub unless_node_has: Vec<String>,
    /// Roles whose stages must be done on every node before this role's stage starts anywhere.
    #[serde(default)]
    pub after: Vec<String>,
    /// How many nodes the role may have.
    #[serde(default)]
    pub count: CountRule,
    /// Losing a node of this role loses data: destroying it needs consent by name.
    #[serde(default)]
    pub data_bearing: bool,
    /// The role reads and writes the environment's buckets: on a cloud its nodes get the identity that may, and no others do.
    #[serde(default)]
    pub object_storage: bool,
    /// How a change reaches nodes that serve already.
    #[serde(default)]
    pub rolling: Rolling,
    /// What a node must offer before anything is changed on it. `plan` and `apply` refuse where it does not.
    #[serde(default)]
    pub requires: Vec<RequirementSpec>,
    /// Distribution packages by their names in Debian. Where RPM distributions call one otherwise, that name follows a slash:
    /// `gnupg/gnupg2`; `netbase/` where they need none, `/policycoreutils-python-utils` where only they need one.
    #[serde(default)]
    pub packages: Vec<String>,
    /// What nodes fetch by themselves, so that it is known where nothing can be fetched.
    #[serde(default)]
    pub fetches: Vec<FetchSpec>,
    /// Directories, made in this order.
    #[serde(default)]
    pub directories: Vec<DirectorySpec>,
    /// Files, each rendered from a template or copied.
    #[serde(default)]
    pub files: Vec<FileSpec>,
    /// Symbolic links.
    #[serde(default)]
    pub links: Vec<LinkSpec>,
    /// Paths that must not exist.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Large files of the user's, streamed to the node where it needs them.
    #[serde(default)]
    pub uploads: Vec<UploadSpec>,
    /// Guarded commands.
    #[serde(default)]
    pub commands: Vec<CommandSpec>,
    /// systemd services.
    #[serde(default)]
    pub services: Vec<ServiceSpec>,
    /// What must be true at the end of the stage; asked again and again until it is, or the deadline passes.
    #[serde(default)]
    pub ready: Vec<ProbeSpec>,
    /// Ports the role listens on, and who may reach them.
    #[serde(default)]
    pub ports: Vec<PortSpec>,
    /// Secrets the role uses. The same name in two roles is the same secret.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSpec>,
    /// What an environment file may set under `settings.<role>`.
    #[serde(default)]
    pub settings: BTreeMap<String, SettingSpec>,
    /// Facts shown by `status`: a name and a shell command whose first line of output is the value.
    #[serde(default)]
    pub status: Vec<StatusSpec>,
    /// Shell command that succeeds on the node that leads (PostgreSQL's leader, Redis' primary) and fails elsewhere.
    #[serde(default)]
    pub leader: Option<String>,
    /// What an upgrade of the product does on nodes of the role besides configuring them anew.
    #[serde(default)]
    pub upgrade: Option<UpgradeSpec>,
    /// What the role keeps that must be backed up, and how it comes back.
    #[serde(default)]
    pub backup: Option<BackupSpec>,
    /// How a node of the role takes its leave from the others before it goes for good (scale-in, replacement).
    #[serde(default)]
    pub leave: Option<LeaveSpec>,
}

/// Something that nodes fetch by themselves: a command downloads or installs it.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchSpec {
    /// What, in words.
    pub what: String,
    /// Distribution packages that make it unnecessary where they are installed before: a bundle holds them.
    #[serde(default)]
    pub packages: Vec<String>,
    /// What to do where nothing can be fetched, and no package helps.
    #[serde(default)]
    pub instead: Option<String>,
    /// Only where this holds.
    #[serde(default)]
    pub when: Option<String>,
}

impl Role {
    /// Its packages by their names in Debian.
    pub fn debian_packages(&self) -> impl Iterator<Item = &str> {
        let names = self.packages.iter().map(|name| name.split('/').next().unwrap_or(name));
        names.filter(|name| !name.is_empty())
    }

    /// Whether the role does anything on some node, rather than only bring others along.
    #[must_use]
    pub fn has_resources(&self) -> bool {
        let Self { requires, packages, directories, files, links, absent, uploads, commands, services, ready, .. } =
            self;
        !(requires.is_empty()
            && packages.is_empty()
            && directories.is_empty()
            && files.is_empty()
            && links.is_empty()
            && absent.is_empty()
            && uploads.is_empty()
            && commands.is_empty()
            && services.is_empty()
            && ready.is_empty())
    }
}

/// Which node counts a role accepts.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CountRule {
    /// Fewest nodes.
    pub min: u32,
    /// Most nodes, if there is a limit.
    pub max: Option<u32>,
    /// The nodes vote: the count must be odd.
    pub odd: bool,
    /// More than one node needs one of these roles somewhere in the environment.
    pub several_need: Vec<String>,
    /// Why, for the error message.
    pub because: Option<String>,
}

/// How a change is rolled over nodes that serve already.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rolling {
    /// Nodes that may be changed at the same time; 0 means all.
    pub max_unavailable: u32,
    /// The node for which `leader` succeeds is changed last.
    pub leader_last: bool,
}

/// How nodes of a role take part in an upgrade of the product: one after the other as `rolling` says, each of them
/// configured with the new version between `leave` and `settle`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpgradeSpec {
    /// Roles that are upgraded on every node before this one is on any.
    pub after: Vec<String>,
    /// POSIX shell, a template: before anything changes on the node. Hands over what the node leads, sends users away.
    pub leave: Option<String>,
    /// POSIX shell, a template: after it. Takes users again, and succeeds only when the node does its part.
    pub settle: Option<String>,
    /// POSIX shell, a template: once every node has the new version. Empty where the node has nothing to finish.
    pub finish: Option<String>,
    /// Seconds that each of them may take. 0 means half an hour.
    pub deadline: u32,
}

/// What must hold on a node before refarch changes anything there.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequirementSpec {
    /// What holds, a few words.
    pub name: String,
    /// POSIX shell; a template. It changes nothing, needs nothing that a role brings, and prints what is wrong and what to
    /// do about it where it fails.
    pub run: String,
    /// Template expression; false leaves the requirement out.
    #[serde(default)]
    pub when: Option<String>,
}

/// How a role's data is backed up and restored. All texts are templates of POSIX shell, run as root; what is empty on a
/// node is left out. All of them must be harmless when they run again.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSpec {
    /// Makes a backup now. `$REFARCH_KIND` is `full` or `incr`; `$REFARCH_SECRETS` the environment's encrypted secrets.
    pub now: Option<String>,
    /// Prints what there is, a JSON object per line: `kind`, `id`, `at` (seconds since 1970), `bytes`.
    pub list: Option<String>,
    /// Restores the newest backup beside the live data, reads all of it, and removes it again.
    pub verify: Option<String>,
    /// Restores beside the live data, as of `$REFARCH_TARGET` (empty: the newest). Changes nothing that serves.
    pub prepare: Option<String>,
    /// Once everything is prepared on every node: ends what writes to the live data.
    pub halt: Option<String>,
    /// Once everything is halted: puts what was prepared in the live data's place, and serves it.
    pub swap: Option<String>,
    /// Once everything is swapped: takes part again.
    pub settle: Option<String>,
    /// Before the last backup of an environment that moves: takes no more work from users, also after a restart, and
    /// finishes what it has. `apply` undoes it.
    pub quiet: Option<String>,
    /// Succeeds while what `quiet` did holds.
    pub still: Option<String>,
    /// Script of the stack (`/role/templates/…`), rendered by an environment that moves and run on the nodes of the other
    /// one before `prepare` (then `$REFARCH_SOURCE` is the first one's name) and `list`: how they get at its backups. It
    /// may hold secrets, and leaves nothing behind.
    pub source: Option<String>,
    /// Where its backups go, a word that is the same for two environments only where they would write into each other's.
    pub place: Option<String>,
    /// Settings of the role that must be the same where its backups are restored.
    pub same: Vec<String>,
    /// Seconds that each of them may take. 0 means four hours.
    pub deadline: u32,
}

/// How a node takes its leave from the others of its role. All texts are templates of POSIX shell, run as root, that see
/// the environment as it was with the node; they must be harmless when they run again.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveSpec {
    /// Asked on the node before anything changes anywhere: where it fails, nothing is done, and its last line says why.
    #[serde(default)]
    pub possible: Option<String>,
    /// On the node, when nobody is configured to use it any more and right before the machine goes.
    #[serde(default)]
    pub run: Option<String>,
    /// On the nodes of the role that stay, when it is gone, one after the other. Sees the environment as it is without it.
    #[serde(default)]
    pub forget: Option<String>,
    /// The others have all that the node has (`possible` makes sure of it): then no data is lost with it.
    #[serde(default)]
    pub keeps_data: bool,
    /// What the node keeps is moved to those that stay, before anybody is configured without it. Then `possible` is not
    /// asked: `run` should be sure.
    #[serde(default)]
    pub drain: Option<DrainSpec>,
    /// Seconds that each of them may take.
    #[serde(default = "default_leave_deadline")]
    pub deadline: u32,
}

/// How what a node keeps is moved to those of its role that stay. The texts see the environment as it was with the node,
/// `$REFARCH_NODE` is its name, `$REFARCH_GOING` names the other nodes that go. While somebody moves, users work.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainSpec {
    /// The texts run on the first node of this role that stays.
    pub on: String,
    /// What happens, for the plan.
    pub does: String,
    /// Asked before anything changes anywhere: where it fails, nothing is done, and its last line says why.
    #[serde(default)]
    pub possible: Option<String>,
    /// Moves everything. Killed at any moment it has lost nothing, and goes on when it runs again.
    #[serde(default)]
    pub run: Option<String>,
    /// Seconds that it may take.
    #[serde(default = "default_drain_deadline")]
    pub deadline: u32,
}

/// A directory.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectorySpec {
    /// Absolute path; a template.
    pub path: String,
    /// Octal mode, as a string: `"0755"`.
    #[serde(default = "default_directory_mode")]
    pub mode: String,
    /// Owner.
    #[serde(default = "root")]
    pub owner: String,
    /// Group.
    #[serde(default = "root")]
    pub group: String,
    /// Template expression; false leaves the directory out.
    #[serde(default)]
    pub when: Option<String>,
}

/// A file with its whole content.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Absolute path on the node; a template.
    pub path: String,
    /// Template below the role's `templates/`, rendered with the node's facts.
    #[serde(default)]
    pub template: Option<String>,
    /// File below the role's `files/`, copied as it is.
    #[serde(default)]
    pub source: Option<String>,
    /// Octal mode, as a string: `"0644"`.
    #[serde(default = "default_file_mode")]
    pub mode: String,
    /// Owner.
    #[serde(default = "root")]
    pub owner: String,
    /// Group.
    #[serde(default = "root")]
    pub group: String,
    /// The content holds a secret: never shown in a diff. Set by refarch itself where a template used one.
    #[serde(default)]
    pub secret: bool,
    /// Write the file only where there is none: something on the node changes it later.
    #[serde(default)]
    pub initial: bool,
    /// Template expression; false leaves the file out.
    #[serde(default)]
    pub when: Option<String>,
}

/// A symbolic link.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// Absolute path of the link.
    pub path: String,
    /// What it points to.
    pub target: String,
    /// Template expression; false leaves the link out.
    #[serde(default)]
    pub when: Option<String>,
}

/// A file of the user's that is too large for a template: streamed, never whole in memory, and only where the guard says
/// that the node needs it. A transfer that broke off goes on where it stopped.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadSpec {
    /// Absolute path on the node; a template. Written with mode 0600 for root.
    pub path: String,
    /// Path from the environment file's folder; a template.
    pub source: String,
    /// POSIX shell; a template. Success means that the node does not need the file (any more).
    pub unless: String,
    /// Template expression; false leaves the upload out.
    #[serde(default)]
    pub when: Option<String>,
}

/// A command that runs only when its guard says so.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    /// What the command achieves, a few words.
    pub name: String,
    /// POSIX shell; a template. Secrets must come from files, never from here.
    pub run: String,
    /// POSIX shell; a template. Success means that there is nothing to do.
    pub unless: String,
    /// POSIX shell; a template. Success means that something serves already which the command interrupts: then it
    /// counts as a restart, and nodes take turns as `rolling` says.
    #[serde(default)]
    pub interrupts: Option<String>,
    /// Before the role's services are started, or after its `ready` probes hold.
    #[serde(default)]
    pub phase: Phase,
    /// Seconds the command may take.
    #[serde(default = "default_command_deadline")]
    pub deadline: u32,
    /// Template expression; false leaves the command out.
    #[serde(default)]
    pub when: Option<String>,
}

/// When in a stage a command runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// After files, before services.
    #[default]
    Before,
    /// After services and `ready`.
    After,
}

/// A systemd service that is enabled and running.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Unit name without `.service`, or with its suffix for other kinds.
    pub name: String,
    /// Files of this role (or of roles before it on the node) whose change restarts the service.
    #[serde(default)]
    pub restart_on: Vec<String>,
    /// Files whose change only reloads it.
    #[serde(default)]
    pub reload_on: Vec<String>,
    /// Shell command that checks the new configuration before a restart or reload; failure leaves the
    /// running service alone.
    #[serde(default)]
    pub validate: Option<String>,
    /// Template expression; false leaves the service out.
    #[serde(default)]
    pub when: Option<String>,
}

/// A question asked on the node, in shell, that succeeds when the answer is good.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeSpec {
    /// What is true when the probe succeeds, for example `a leader is elected`.
    pub name: String,
    /// POSIX shell; a template.
    pub run: String,
    /// Seconds until the stage fails when it never succeeds.
    #[serde(default = "default_probe_deadline")]
    pub deadline: u32,
    /// What an administrator should look at when it never does.
    #[serde(default)]
    pub hint: Option<String>,
    /// Template expression; false leaves the probe out.
    #[serde(default)]
    pub when: Option<String>,
}

/// A port the role listens on.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortSpec {
    /// Name, unique in the role.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// What is spoken on it.
    #[serde(default)]
    pub protocol: Protocol,
    /// Who may reach it.
    pub from: Vec<Reach>,
    /// How a balancer in front asks whether a server is good. Absent: a TCP connection.
    #[serde(default)]
    pub check: Option<Check>,
    /// UDP on the same number too (Consul's gossip).
    #[serde(default)]
    pub udp: bool,
    /// Template expression over the environment's facts; false closes the port.
    #[serde(default)]
    pub when: Option<String>,
}

/// Protocol of a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Anything else.
    #[default]
    Tcp,
    /// HTTP.
    Http,
    /// HTTP inside TLS.
    Https,
    /// PostgreSQL's protocol, also spoken by PgBouncer.
    Postgres,
    /// Redis' protocol, also spoken by Sentinel.
    Redis,
    /// git's own protocol.
    Git,
    /// Secure shell.
    Ssh,
    /// Consul's gossip.
    Gossip,
    /// gRPC.
    Grpc,
    /// A Prometheus exporter.
    Metrics,
}

/// Someone who may reach a port.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// A role, or `users` (outside the environment), or `all` (every node).
    pub role: String,
    /// Balancer role in between, where the environment has one; else the way is direct.
    #[serde(default)]
    pub through: Option<String>,
    /// Port on the balancer, where it differs.
    #[serde(default)]
    pub listen: Option<u16>,
    /// Only where the environment has no node of this role.
    #[serde(default)]
    pub unless: Option<String>,
}

/// How a balancer asks whether a server is good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// A TCP connection.
    Tcp {},
    /// An HTTP request that must be answered with 200.
    Http {
        /// Port, where it is not the served one (Patroni's REST interface beside PostgreSQL).
        #[serde(default)]
        port: Option<u16>,
        /// Path.
        path: String,
    },
    /// PostgreSQL's start-up packet as this user.
    Postgres {
        /// User name.
        user: String,
    },
}

/// How a secret is made when the environment has none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSpec {
    /// Letters and digits.
    Password {
        /// Characters.
        #[serde(default = "default_password_length")]
        length: usize,
    },
    /// Random bytes as base64.
    Base64 {
        /// Bytes.
        bytes: usize,
    },
    /// Random bytes as lower-case hexadecimal.
    Hex {
        /// Bytes.
        bytes: usize,
    },
    /// RSA key as PEM (PKCS#1).
    RsaKey {
        /// Length of the modulus.
        bits: u16,
    },
    /// RSA key and a certificate that it signed itself, ten years good, one PEM after the other. The filter `pem` takes
    /// them apart.
    SelfSigned {
        /// Common name.
        common_name: String,
        /// Length of the modulus.
        bits: u16,
    },
    /// Host key of an SSH server, as sshd reads it.
    SshKey {
        /// Kind.
        kind: SshKeyKind,
    },
    /// The environment's own certificate authority. `secret('x')` is the certificate and the key, each in PEM:
    /// `secrets.x.certificate`, `secrets.x.key`.
    Authority {
        /// Common name.
        common_name: String,
    },
    /// A certificate signed by an authority, for these names (templates).
    Certificate {
        /// Name of the authority's secret.
        authority: String,
        /// DNS names and addresses; the first is the common name.
        names: Vec<String>,
    },
}

/// Kind of an SSH key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SshKeyKind {
    /// Ed25519.
    Ed25519,
    /// NIST P-256.
    Ecdsa,
    /// RSA, 3072 bits.
    Rsa,
}

/// A setting that an environment file may give a role.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingSpec {
    /// What it does, with its unit.
    pub summary: String,
    /// Its default; the type of the default is the type of the setting.
    pub default: serde_json::Value,
    /// Smallest number.
    #[serde(default)]
    pub min: Option<i64>,
    /// Largest number.
    #[serde(default)]
    pub max: Option<i64>,
    /// The values allowed.
    #[serde(default)]
    pub one_of: Vec<serde_json::Value>,
    /// What else its value must be.
    #[serde(default)]
    pub check: Option<SettingCheck>,
    /// Keys of a setting that is a map with a fixed set of them. Where the environment file gives some, the others have
    /// their defaults; where it gives none, the map is empty.
    #[serde(default)]
    pub fields: BTreeMap<String, SettingSpec>,
}

/// What a value must be beyond its type. An empty text is always good, but for `required`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingCheck {
    /// A file, by its path from the environment file's folder. Templates read it with `own_file`.
    File,
    /// A certificate in such a file: for the environment's domain, not expired, matching the key in the setting
    /// `key_file` beside it.
    Certificate,
    /// Where the setting `source` beside it is `file`: a .deb or .rpm of the product, by its path from the environment
    /// file's folder, whose name and version are those of the settings `edition` and `version` beside it.
    PackageFile,
    /// A file whose first line may stand in a URL: letters, digits and `-._~`.
    UrlPasswordFile,
    /// Not empty.
    Required,
    /// A product version, or `newest`.
    Version,
    /// A map by name of a node group.
    NodeGroups,
    /// A map by role, node group, node or `all` to lines of the product's configuration, held against the stack's
    /// `product_settings`.
    ProductSettings,
}

impl SettingSpec {
    /// The value that templates see: what the environment file says, completed by the defaults of `fields`.
    #[must_use]
    pub fn complete(&self, value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(own) if !self.fields.is_empty() && !own.is_empty() => {
                let complete = self.fields.iter().map(|(name, spec)| {
                    let value = own.get(name).map_or_else(|| spec.default.clone(), |value| spec.complete(value));
                    (name.clone(), value)
                });
                complete.collect::<serde_json::Map<_, _>>().into()
            }
            value => value.clone(),
        }
    }
}

/// A fact shown by `status`.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusSpec {
    /// Name: `state` (leader, replica), `version`, or another.
    pub name: String,
    /// POSIX shell; a template. The first line of its output is the value.
    pub run: String,
}

fn root() -> String {
    "root".to_owned()
}
fn default_directory_mode() -> String {
    "0755".to_owned()
}
fn default_file_mode() -> String {
    "0644".to_owned()
}
fn default_command_deadline() -> u32 {
    120
}
fn default_leave_deadline() -> u32 {
    120
}
fn default_drain_deadline() -> u32 {
    24 * 3600
}
fn default_probe_deadline() -> u32 {
    60
}
fn default_password_length() -> usize {
    32
}
