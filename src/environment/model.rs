//! What the user wrote, after layering: the environment file's types, and so its schema.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An environment: one file, layered over a reference architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Name of the environment. Starts every node's name and tags everything that belongs to it.
    /// Lower-case letters, digits and hyphens, starting with a letter, at most 20 characters.
    #[schemars(length(max = 20), regex(pattern = r"^[a-z]([a-z0-9]|-[a-z0-9])*$"), example = &"demo")]
    pub name: String,
    /// Reference architecture that the nodes come from.
    #[serde(default)]
    pub architecture: Option<Architecture>,
    /// Where machines come from.
    pub provider: ProviderKind,
    /// Roles to use: `sandbox` or `gitlab`.
    #[serde(default)]
    pub stack: Stack,
    /// Where users go: `http://` or `https://` and a host name. Default: `https://<name>.test`.
    #[serde(default)]
    #[schemars(example = &"https://git.example.com")]
    pub external_url: Option<String>,
    /// What the environment is for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Who answers for it, a name or an address; becomes a tag.
    #[serde(default)]
    pub owner: Option<String>,
    /// How long the environment may live, counted from its first machine: `8h`, `3d`, `30m`. Becomes a tag;
    /// `refarch reap` destroys what is over its time. Default: no end. Clouds only.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[1-9][0-9]*(m|h|d|w)$"), example = &"8h")]
    pub ttl: Option<String>,
    /// Node groups by name: counts, machines, roles. Those of the reference architecture are there already; what is
    /// said here changes or adds to them.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[a-z]([a-z0-9]|-[a-z0-9])*$"}))]
    pub nodes: IndexMap<String, NodeGroup>,
    /// Settings of roles: `settings.<role>.<name>`. `refarch explain settings.<role>` lists them.
    #[serde(default)]
    pub settings: IndexMap<String, IndexMap<String, Value>>,
    /// Secrets that refarch does not make itself: by name, where each comes from. The value is read when the secret is
    /// needed first and when it is rotated, and kept in the encrypted file.
    #[serde(default)]
    pub secrets: IndexMap<String, SecretOrigin>,
    /// Where a team shares the state of the environment (secrets, keys, runs, the lock): `s3://BUCKET/PREFIX`,
    /// `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, or the absolute path of a folder that everybody has mounted.
    /// Credentials come from the variables of each service. Default: on this machine only.
    #[serde(default)]
    #[schemars(example = &"s3://team-state/refarch")]
    pub workspace: Option<String>,
    /// Public keys (age) of all who may open the environment's secrets and its shared state; your own among them.
    /// Default: those that it was encrypted for last, or your own.
    #[serde(default)]
    pub recipients: Option<Vec<String>>,
    /// How nodes are reached.
    #[serde(default)]
    pub ssh: Ssh,
    /// Containers on this machine (`provider: local`).
    #[serde(default)]
    pub local: Local,
    /// Machines of a cloud (`provider: aws`, `gcp`, `azure`): what all clouds have in common.
    #[serde(default)]
    pub cloud: Cloud,
    /// What only Amazon Web Services has (`provider: aws`).
    #[serde(default)]
    pub aws: Aws,
    /// What only Microsoft Azure has (`provider: azure`).
    #[serde(default)]
    pub azure: Azure,
    /// What only Google Cloud has (`provider: gcp`).
    #[serde(default)]
    pub gcp: Gcp,
    /// Machines that exist already (`provider: static`): the inventory file, relative to this one.
    #[serde(default)]
    pub inventory: Option<String>,
}

/// A reference architecture: the largest number of users it is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Up to 1,000 users: one node.
    #[serde(rename = "1k")]
    K1,
    /// Up to 2,000 users: single services on nodes of their own.
    #[serde(rename = "2k")]
    K2,
    /// Up to 3,000 users: the smallest highly available one.
    #[serde(rename = "3k")]
    K3,
    /// Up to 5,000 users.
    #[serde(rename = "5k")]
    K5,
    /// Up to 10,000 users: Redis split into cache and persistent.
    #[serde(rename = "10k")]
    K10,
    /// Up to 25,000 users.
    #[serde(rename = "25k")]
    K25,
    /// Up to 50,000 users.
    #[serde(rename = "50k")]
    K50,
}

impl Architecture {
    /// All of them, smallest first.
    pub const ALL: [Self; 7] = [Self::K1, Self::K2, Self::K3, Self::K5, Self::K10, Self::K25, Self::K50];

    /// As users write it: `3k`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::K1 => "1k",
            Self::K2 => "2k",
            Self::K3 => "3k",
            Self::K5 => "5k",
            Self::K10 => "10k",
            Self::K25 => "25k",
            Self::K50 => "50k",
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Where machines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// Containers on this machine.
    Local,
    /// Machines that exist already.
    Static,
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
}

impl ProviderKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Local, Self::Static, Self::Aws, Self::Gcp, Self::Azure];

    /// As users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Static => "static",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }
}

impl std::fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stack {
    /// Real servers from the distribution's packages and a small sample application.
    #[default]
    Sandbox,
    /// The product's Linux package.
    Gitlab,
}

impl Stack {
    /// As users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Gitlab => "gitlab",
        }
    }
}

impl std::fmt::Display for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What an environment is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To be tested, also by faults.
    #[default]
    Test,
    /// To be shown.
    Demo,
    /// To be lived with.
    Production,
}

impl Purpose {
    /// As users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Demo => "demo",
            Self::Production => "production",
        }
    }
}

/// Nodes that are alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeGroup {
    /// How many nodes. 0 leaves the group out.
    #[schemars(range(max = 500))]
    pub count: Option<u32>,
    /// Roles that each of its nodes carries. Default: the role of the group's own name.
    #[schemars(extend("examples" = [["postgres", "pgbouncer"]]))]
    pub roles: Option<Vec<String>>,
    /// Machine type in the provider's words, instead of the architecture's.
    pub machine_type: Option<String>,
    /// Virtual CPUs of each node.
    #[schemars(range(min = 1, max = 1024))]
    pub vcpu: Option<u32>,
    /// Memory of each node in GB.
    #[schemars(range(min = 0.25, max = 24576.0))]
    pub memory_gb: Option<f64>,
    /// System disk of each node in GB.
    #[schemars(range(min = 8, max = 65536))]
    pub disk_gb: Option<u32>,
    /// Disk type in the provider's words.
    pub disk_type: Option<String>,
    /// Provisioned disk operations per second, where the disk type takes them.
    #[schemars(range(min = 100, max = 256_000))]
    pub disk_iops: Option<u32>,
    /// Provisioned disk throughput in MiB/s, where the disk type takes it. Clouds only.
    #[schemars(range(min = 125, max = 2000))]
    pub disk_throughput: Option<u32>,
    /// A disk of its own for data, beside the system disk. Clouds only.
    pub data_disk: Option<DataDisk>,
    /// Buy spare capacity at a lower price, which the cloud may take back at any time. Only for groups that keep no
    /// data and take part in no vote. Default false. Clouds only.
    pub spot: Option<bool>,
}

/// A disk beside the system disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataDisk {
    /// GB. May grow later, never shrink.
    #[schemars(range(min = 8, max = 65536))]
    pub size_gb: u32,
    /// Folder that it is mounted on. It is formatted at the node's first start.
    #[schemars(regex(pattern = r"^/[A-Za-z0-9._/-]+$"), example = &"/var/opt/gitlab")]
    pub mount: String,
    /// Disk type in the provider's words. Default: that of the system disk.
    #[serde(default)]
    pub disk_type: Option<String>,
    /// Provisioned operations per second, where the disk type takes them.
    #[serde(default)]
    #[schemars(range(min = 100, max = 256_000))]
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s, where the disk type takes it.
    #[serde(default)]
    #[schemars(range(min = 125, max = 2000))]
    pub throughput: Option<u32>,
}

/// Where a secret of the user's own comes from: one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretOrigin {
    /// Environment variable of the refarch process.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"), example = &"DATABASE_PASSWORD")]
    pub env: Option<String>,
    /// Program and its arguments, run without a shell in the environment file's folder; the value is what it prints,
    /// without the line break at the end.
    #[schemars(extend("examples" = [["vault", "kv", "get", "-field=password", "secret/demo"]]))]
    pub command: Option<Vec<String>>,
}

/// How nodes are reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ssh {
    /// User to log in as. Default: what the provider's machines have; `root` for local nodes.
    pub user: Option<String>,
    /// TCP port. Default 22.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Private key file. Default: the environment's own key; for static machines your agent and `~/.ssh/config`.
    pub identity: Option<String>,
    /// Jump host, as `ssh -J` takes it: `user@bastion.example.com:22`.
    pub jump: Option<String>,
    /// The way to a cloud's machines. Default `bastion`.
    pub via: Option<Via>,
    /// How a cloud machine's host key becomes known. Default `console`.
    pub host_keys: Option<HostKeys>,
    /// Seconds until a connection attempt is given up. Default 10.
    #[schemars(range(min = 1, max = 600))]
    pub connect_timeout: Option<u32>,
}

/// The way to a cloud's machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Private addresses behind a small machine that only forwards SSH.
    Bastion,
    /// Every node has a public address.
    Public,
    /// Private addresses, through AWS Systems Manager: no port is open to anybody. Needs `aws` and its
    /// session-manager-plugin on this machine, and the SSM agent in the image.
    Ssm,
    /// Private addresses, through Google's Identity-Aware Proxy: no port is open to anybody but Google. Needs `gcloud`
    /// on this machine.
    Iap,
    /// Private addresses, through Azure Bastion: no port is open to anybody but it. Needs `az` with its extensions
    /// `bastion` and `ssh` on this machine, logged in.
    #[serde(rename = "azure-bastion")]
    AzureBastion,
}

/// How a cloud machine's host key becomes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeys {
    /// From the machine's console, which the cloud hands out over TLS: no trust on first use.
    Console,
    /// Whatever the machine shows at the first connection.
    FirstUse,
}

/// Machines of a cloud: what all clouds have in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cloud {
    /// Region. Default: that of your credentials' profile or environment (`AWS_REGION`).
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*$"), example = &"eu-central-1")]
    pub region: Option<String>,
    /// Zones to spread over, in order. Default: the region's first three.
    pub zones: Vec<String>,
    /// Network of the nodes.
    pub network: CloudNetwork,
    /// Networks of those who use the environment: who may reach the balancers at the door. Default: everybody.
    #[schemars(extend("examples" = [["203.0.113.0/24"]]))]
    pub allowed_cidrs: Option<Vec<String>>,
    /// Networks of those who look after it: who may reach SSH (of the bastion, or of the nodes where they have
    /// public addresses) and the monitoring pages. Default: everybody, with a warning of `check`.
    #[schemars(extend("examples" = [["198.51.100.7/32"]]))]
    pub admin_cidrs: Option<Vec<String>>,
    /// Machine image.
    pub image: CloudImage,
    /// Whether the cloud refuses to remove nodes that keep data until `destroy` or `--replace` says so.
    /// Default: true for `purpose: production`.
    pub deletion_protection: Option<bool>,
    /// Object storage: a bucket for each name, private, encrypted, versioned.
    #[schemars(extend("examples" = [["artifacts", "lfs", "uploads"]]))]
    pub buckets: Vec<String>,
    /// What stands at the door. Default `haproxy`.
    pub balancer: Option<Balancer>,
    /// What stands between the nodes, where the architecture has balancers there. Default `haproxy`: nodes. With `cloud`
    /// those nodes are not made, and a network load balancer of the cloud does their work.
    pub internal_balancer: Option<Balancer>,
    /// Machine type -> types that may be taken in its place, in order, where the cloud has no capacity left.
    #[schemars(extend("examples" = [{"c5.xlarge": ["c5a.xlarge", "c6i.xlarge"]}]))]
    pub equivalents: IndexMap<String, Vec<String>>,
    /// Tags of your own on everything.
    #[schemars(extend("examples" = [{"cost-center": "4711"}]))]
    pub tags: IndexMap<String, String>,
}

/// What stands at the door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Balancer {
    /// The balancer nodes themselves, each with an address that stays.
    #[default]
    Haproxy,
    /// A network load balancer of the cloud, which shares connections over the nodes at the door.
    Cloud,
}

/// Network of a cloud's nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloudNetwork {
    /// Where it comes from. Default `create`; `existing` where an `id` is given.
    pub mode: Option<NetworkMode>,
    /// The cloud's identifier of a network that exists.
    #[schemars(example = &"vpc-0abc")]
    pub id: Option<String>,
    /// Range of a new network, IPv4, private, /16 to /22. Default `10.20.0.0/16`.
    #[schemars(example = &"10.20.0.0/16")]
    pub cidr: Option<String>,
    /// Subnets of an existing network that the internet reaches, one per zone, in the order of the zones.
    /// Default: those of the network that assign public addresses.
    pub public_subnets: Vec<String>,
    /// Subnets of an existing network that it does not, one per zone. Default: the others.
    pub private_subnets: Vec<String>,
    /// How private nodes reach the internet. Default `single`.
    pub nat: Option<Nat>,
}

/// Where a network comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// Made for this environment, removed with it.
    #[default]
    Create,
    /// The account's default network, with its subnets: all of them public.
    Default,
    /// A network that exists, with its subnets and routes.
    Existing,
}

/// How private nodes reach the internet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// One gateway for all zones: cheap, and gone when its zone is.
    #[default]
    Single,
    /// A gateway in each zone.
    PerZone,
    /// Not at all: packages come from inside.
    None,
}

/// Machine image of a cloud's nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloudImage {
    /// Family: the newest image of it is taken at the first `apply` and then kept. Default `debian-12`.
    pub family: Option<ImageFamily>,
    /// One image by the cloud's identifier, instead of a family's newest.
    #[schemars(example = &"ami-0abc")]
    pub id: Option<String>,
    /// Newest image with a name like this (`*` stands for anything), instead of a family. Needs `owner`.
    #[schemars(example = &"acme-hardened-debian-12-*")]
    pub name: Option<String>,
    /// Account that the image with this name belongs to.
    pub owner: Option<String>,
}

/// Images that are kept up to date by those who make the distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImageFamily {
    /// Debian 12.
    #[default]
    #[serde(rename = "debian-12")]
    Debian12,
    /// Debian 13.
    #[serde(rename = "debian-13")]
    Debian13,
    /// Ubuntu 22.04.
    #[serde(rename = "ubuntu-22.04")]
    Ubuntu2204,
    /// Ubuntu 24.04.
    #[serde(rename = "ubuntu-24.04")]
    Ubuntu2404,
}

impl ImageFamily {
    /// As users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian12 => "debian-12",
            Self::Debian13 => "debian-13",
            Self::Ubuntu2204 => "ubuntu-22.04",
            Self::Ubuntu2404 => "ubuntu-24.04",
        }
    }
}

/// What only Amazon Web Services has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Aws {
    /// Profile of your AWS configuration. Default: `AWS_PROFILE`, else the usual chain.
    pub profile: Option<String>,
    /// Account that this environment belongs to. Where it is given, any other is refused.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: Option<String>,
    /// KMS key that encrypts disks and buckets (ARN, id or `alias/...`). Default: AWS's own.
    pub kms_key: Option<String>,
    /// Path of the IAM role and instance profile. Default `/refarch/`.
    #[schemars(regex(pattern = r"^/([A-Za-z0-9._-]+/)*$"), example = &"/refarch/")]
    pub iam_path: Option<String>,
    /// ARN of the policy that bounds the IAM role.
    #[schemars(example = &"arn:aws:iam::123456789012:policy/boundary")]
    pub permissions_boundary: Option<String>,
    /// Instance profile that exists, instead of one made for this environment.
    pub instance_profile: Option<String>,
}

/// What only Microsoft Azure has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Azure {
    /// Subscription that this environment belongs to. Default: `AZURE_SUBSCRIPTION_ID`.
    pub subscription: Option<String>,
    /// Directory (tenant) of the subscription. Where it is given, any other is refused.
    pub tenant: Option<String>,
    /// Which Azure. Default `public`.
    pub cloud: Option<AzureCloud>,
    /// Resource group that exists. Default: one of the environment's own, `refarch-NAME`, removed with it.
    pub resource_group: Option<String>,
    /// Disk encryption set that the disks' keys come from (its id). Default: Azure's own keys.
    pub disk_encryption_set: Option<String>,
    /// Signed boot and a virtual TPM. Default true; images of your own have to be able to.
    pub trusted_launch: Option<bool>,
    /// Availability sets instead of zones, for regions that have none. Default false.
    pub availability_sets: Option<bool>,
    /// All machines close together, in one proximity placement group. Default false.
    pub proximity: Option<bool>,
    /// `apply` registers the resource providers that the subscription lacks, for good. Default false: `check` says how.
    pub register_providers: Option<bool>,
}

/// One of Azure's clouds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AzureCloud {
    /// The one that everybody can use.
    #[default]
    Public,
    /// Of the government of the United States.
    Government,
    /// In China.
    China,
}

impl AzureCloud {
    /// As users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Government => "government",
            Self::China => "china",
        }
    }
}

/// What only Google Cloud has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gcp {
    /// Project that this environment belongs to. Default: `GOOGLE_CLOUD_PROJECT`, else that of your credentials.
    #[schemars(example = &"my-project")]
    pub project: Option<String>,
    /// Cloud KMS key that encrypts disks and buckets. Default: Google's own.
    #[schemars(example = &"projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k")]
    pub kms_key: Option<String>,
    /// Service account of the nodes that exists, instead of one for each group that uses the buckets.
    #[schemars(example = &"nodes@my-project.iam.gserviceaccount.com")]
    pub service_account: Option<String>,
    /// Whether members of a group that share a zone stand on hardware of their own. Default `any`. For machine types of
    /// the families C2, G2, N1, N2 and N2D, eight of a group in a zone.
    pub placement: Option<Placement>,
}

/// Where in a zone members of a group stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Where Google puts them.
    #[default]
    Any,
    /// Apart: by a spread placement policy for each group and zone.
    Spread,
}

/// Containers on this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Local {
    /// Network of the nodes, IPv4, private, wide enough for all of them. Default: derived from the environment's name,
    /// inside 10.128.0.0/10.
    #[schemars(example = &"10.200.0.0/24")]
    pub subnet: Option<String>,
    /// Port of this machine's loopback address that leads to the external balancer's 443. Default: none;
    /// the nodes' addresses are reachable from this machine as they are.
    #[schemars(range(min = 1))]
    pub publish: Option<u16>,
    /// Debian suite of the node image. Default `bookworm`.
    pub suite: Option<String>,
    /// Package mirror for the node image. Default: this machine's own.
    pub mirror: Option<String>,
    /// Memory limit of each node in MB. Default: none.
    #[schemars(range(min = 64, max = 1_048_576))]
    pub memory_limit_mb: Option<u32>,
    /// The nodes have no way out of their network: nothing reaches them but this machine, and they reach nothing. Not together
    /// with `publish`. Default false.
    pub isolated: bool,
}

/// One of `environments/reference/<size>.yaml`: the nodes of a reference architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceArchitecture {
    /// Its name.
    pub architecture: Architecture,
    /// Users it is meant for.
    pub users_up_to: u32,
    /// Requests per second it is sized for.
    pub target_rps: TargetRps,
    /// Node groups.
    pub nodes: IndexMap<String, ReferenceGroup>,
    /// Where the figures come from.
    pub source: String,
}

/// Requests per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetRps {
    /// API.
    pub api: f64,
    /// Web.
    pub web: f64,
    /// git pull.
    pub git_pull: f64,
    /// git push.
    pub git_push: f64,
}

/// Nodes of a reference architecture that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceGroup {
    /// How many.
    pub count: u32,
    /// Roles of each; none means the role of the group's name.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// Virtual CPUs.
    pub vcpu: u32,
    /// Memory in GB.
    pub memory_gb: f64,
    /// Machine type per cloud: `aws`, `gcp`, `azure`.
    pub machine_types: IndexMap<String, String>,
    /// Disk per cloud.
    pub disks: IndexMap<String, ReferenceDisk>,
    /// Why the architecture has it, one sentence.
    pub because: String,
}

/// A system disk in one cloud's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceDisk {
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// GB.
    pub size_gb: u32,
    /// Provisioned operations per second.
    #[serde(default)]
    pub iops: Option<u32>,
}
