//! What an environment file says about its cloud, in plain values.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ipnet::{IpNet, Ipv4Net};

use super::tags::Tags;

/// All that a cloud provider is made from. No cloud's own words but identifiers and machine types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudOptions {
    /// Environment name.
    pub environment: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// `test`, `demo`, `production`.
    pub purpose: String,
    /// How long it may live.
    pub ttl: Option<Ttl>,
    /// Region; none: what the credentials' configuration says.
    pub region: Option<String>,
    /// Zones in order; empty: the region's first three.
    pub zones: Vec<String>,
    /// Network.
    pub network: NetworkOptions,
    /// Who may reach the door.
    pub allowed: Vec<IpNet>,
    /// Who may reach SSH and the monitoring pages.
    pub admins: Vec<IpNet>,
    /// The way to the nodes.
    pub access: Access,
    /// SSH user; none: the image's own.
    pub ssh_user: Option<String>,
    /// SSH port of the nodes.
    pub ssh_port: u16,
    /// The user's own private key; none: the environment's.
    pub identity: Option<PathBuf>,
    /// Host keys are read from the machines' consoles.
    pub console_keys: bool,
    /// Machine image.
    pub image: ImageOptions,
    /// Nodes that keep data cannot be removed by accident.
    pub protection: bool,
    /// What is special about a node group's machines.
    pub groups: BTreeMap<String, GroupOptions>,
    /// Object storage.
    pub buckets: Vec<String>,
    /// The cloud's balancer stands at the door.
    pub balancer: bool,
    /// Machine type -> what may stand in for it.
    pub equivalents: BTreeMap<String, Vec<String>>,
    /// The user's own tags.
    pub tags: Tags,
    /// The environment's folder, for the keys and the record.
    pub folder: PathBuf,
}

/// How long an environment may live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ttl {
    /// As the file says it.
    pub text: String,
    /// In time.
    pub time: Duration,
}

impl Ttl {
    /// Reads `8h`, `3d`, `30m`, `2w`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().last()?;
        let number: u64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
        let seconds = match unit {
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let time = Duration::from_secs(number.checked_mul(seconds)?);
        (number > 0).then(|| Self { text: text.to_owned(), time })
    }
}

/// Where the network comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkOptions {
    /// Made for this environment.
    Create {
        /// Its range.
        range: Ipv4Net,
        /// How private nodes reach the internet.
        nat: NatOptions,
    },
    /// The account's default network.
    Default,
    /// One that exists.
    Existing {
        /// Its identifier.
        id: String,
        /// Subnets that the internet reaches, by zone; empty: those that assign public addresses.
        public: Vec<String>,
        /// Subnets that it does not, by zone; empty: the others.
        private: Vec<String>,
    },
}

/// How private nodes reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatOptions {
    /// One gateway.
    Single,
    /// One in each zone.
    PerZone,
    /// None.
    None,
}

/// The way to the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every node has a public address.
    Public,
    /// A small machine forwards SSH.
    Bastion,
    /// A tunnel of the cloud's own.
    Tunnel,
}

/// Where the image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageOptions {
    /// Newest of a family: `debian-12`.
    Family(String),
    /// This one.
    Id(String),
    /// Newest of a name (`*` stands for anything) and an owner.
    Named {
        /// Pattern.
        name: String,
        /// Owner.
        owner: String,
    },
}

/// What is special about a node group's machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupOptions {
    /// Spare capacity that the cloud may take back.
    pub spot: bool,
    /// Throughput of the system disk in MiB/s.
    pub throughput: Option<u32>,
    /// A disk for data.
    pub data_disk: Option<DataDiskOptions>,
}

/// A disk for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDiskOptions {
    /// GB.
    pub size_gb: u32,
    /// Folder that it is mounted on.
    pub mount: String,
    /// Type; none: the system disk's.
    pub disk_type: Option<String>,
    /// Operations per second.
    pub iops: Option<u32>,
    /// MiB/s.
    pub throughput: Option<u32>,
}

/// What an image is chosen by, in words.
#[must_use]
pub fn choice(image: &ImageOptions) -> String {
    match image {
        ImageOptions::Family(family) => family.clone(),
        ImageOptions::Id(id) => id.clone(),
        ImageOptions::Named { name, owner } => format!("{owner}/{name}"),
    }
}

impl CloudOptions {
    /// What a file without any key for the cloud means.
    #[must_use]
    pub fn new(environment: &str, folder: impl Into<PathBuf>) -> Self {
        let everybody: Vec<IpNet> = vec![IpNet::V4(Ipv4Net::default())];
        Self {
            environment: environment.to_owned(),
            owner: None,
            purpose: "test".to_owned(),
            ttl: None,
            region: None,
            zones: Vec::new(),
            network: NetworkOptions::Create {
                range: Ipv4Net::new_assert([10, 20, 0, 0].into(), 16),
                nat: NatOptions::Single,
            },
            allowed: everybody.clone(),
            admins: everybody,
            access: Access::Bastion,
            ssh_user: None,
            ssh_port: 22,
            identity: None,
            console_keys: true,
            image: ImageOptions::Family("debian-12".to_owned()),
            protection: false,
            groups: BTreeMap::new(),
            buckets: Vec::new(),
            balancer: false,
            equivalents: BTreeMap::new(),
            tags: Tags::new(),
            folder: folder.into(),
        }
    }

    /// User that the image lets in.
    #[must_use]
    pub fn user(&self) -> &str {
        let family = match &self.image {
            ImageOptions::Family(family) => family.as_str(),
            ImageOptions::Id(_) => "",
            ImageOptions::Named { name, .. } => name,
        };
        match &self.ssh_user {
            Some(user) => user,
            None if family.contains("ubuntu") => "ubuntu",
            None => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live() {
        assert_eq!(Ttl::parse("8h").unwrap().time, Duration::from_secs(8 * 3600));
        assert_eq!(Ttl::parse("2w").unwrap().time, Duration::from_secs(14 * 86_400));
        for bad in ["", "h", "0h", "8", "8y", "-1h", "8 h", "99999999999999999999h", "8ĥ"] {
            assert_eq!(Ttl::parse(bad), None, "{bad}");
        }
    }
}
