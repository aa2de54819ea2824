//! Reaching an environment's nodes.

use std::{collections::BTreeMap, path::PathBuf, sync::PoisonError, time::Duration};

use super::{Error, Session, open::Addresses};
use crate::{
    exit,
    provider::Host,
    remote::ssh::{SshOptions, SshRemote},
};

/// Seconds until a connection attempt is given up, where the environment does not say.
const CONNECT: u32 = 10;

/// A way to the nodes.
pub struct Reach {
    /// Node -> how to reach it. Nodes without an address yet are not here.
    pub hosts: BTreeMap<String, Host>,
    /// SSH with the environment's own configuration and known hosts.
    pub remote: SshRemote,
    /// The configuration file that `ssh -F` takes.
    pub ssh_config: PathBuf,
}

impl Session {
    /// Finds out how to reach the nodes, and writes the environment's SSH configuration.
    ///
    /// # Errors
    /// When the provider does not answer, or the workspace cannot be written.
    pub async fn reach(&self) -> Result<Reach, Error> {
        self.workspace.create()?;
        let hosts: Vec<Host> = self.provider.hosts(&self.topology).await?;
        self.find_balancers().await?;
        let ssh = &self.loaded.environment.ssh;
        let folder = self.workspace.root();
        let unusable = |error: std::io::Error| {
            Error::refused(exit::FAILED, format!("ssh cannot be set up in {}: {error}", folder.display()), None)
        };
        let remote = SshRemote::new(SshOptions {
            connect_timeout: Duration::from_secs(u64::from(ssh.connect_timeout.unwrap_or(CONNECT))),
            ..SshOptions::new(folder)
        })
        .map_err(unusable)?;
        remote.write_config(&hosts).map_err(unusable)?;
        Ok(Reach {
            ssh_config: remote.config_path(),
            hosts: hosts.into_iter().map(|host| (host.node.clone(), host)).collect(),
            remote,
        })
    }

    /// Address of every node and host of every balancer; a stand-in from the documentation range where none is known yet.
    pub(super) fn addresses(&self, hosts: &BTreeMap<String, Host>) -> Addresses {
        self.topology
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let stand_in = std::net::Ipv4Addr::from_bits(
                    std::net::Ipv4Addr::new(198, 18, 0, 1).to_bits() + u32::try_from(index).unwrap_or_default(),
                );
                let address = hosts.get(&node.name).map_or(stand_in.into(), |host| host.private);
                (node.name.clone(), address.to_string())
            })
            .chain(self.topology.balancers.iter().map(|balancer| {
                let known = self.balancers.read().unwrap_or_else(PoisonError::into_inner);
                let host = known.get(&balancer.name).unwrap_or(&balancer.name).clone();
                (balancer.name.clone(), host)
            }))
            .collect()
    }

    /// Asks where the cloud's balancers are.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub(super) async fn find_balancers(&self) -> Result<(), Error> {
        if !self.topology.balancers.is_empty() {
            let found = self.provider.balancers(&self.topology).await?;
            *self.balancers.write().unwrap_or_else(PoisonError::into_inner) = found;
        }
        Ok(())
    }
}
