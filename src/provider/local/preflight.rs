//! Looks at this machine before anything is done.

use bollard::{Docker, models::SystemInfo};
use tokio::process::Command;

use super::{
    image::{self, bootstrap_possible},
    network,
    provider::LocalProvider,
};
use crate::{
    provider::{Finding, Verdict},
    topology::Topology,
};

/// What systemd and its services hold in each node; the kernel's default of 128 ends at about 21 nodes.
const INOTIFY_PER_NODE: u64 = 6;
/// What else on this machine may hold some.
const INOTIFY_SPARE: u64 = 32;
/// Memory of a node with its services, on average over an environment, in MB.
const MEMORY_PER_NODE: u64 = 100;
/// Disk of a node, in MB, and of the image while it is built.
const DISK_PER_NODE: u64 = 100;
const DISK_OF_IMAGE: u64 = 2500;

/// Everything an `apply` would stumble over.
pub async fn look(provider: &LocalProvider, topology: &Topology) -> Vec<Finding> {
    let nodes = topology.nodes.len() as u64;
    let mut findings = Vec::new();
    let engine = match provider.engine().await {
        Ok(engine) => engine,
        Err(error) => return vec![fail("engine", error.message, error.hint.unwrap_or_default())],
    };
    let info = match engine.info().await {
        Ok(info) => info,
        Err(error) => return vec![fail("engine", error.to_string(), "`docker info` tells more".to_owned())],
    };
    findings.push(engine_kind(&info));
    let cached = image::exists(engine, provider.hash()).await.unwrap_or(false);
    findings.push(node_image(engine, provider, cached).await);
    let keygen = Command::new("ssh-keygen").arg("-?").output().await.is_ok();
    findings.push(if keygen {
        pass("ssh-keygen", "found")
    } else {
        fail("ssh-keygen", "not found".to_owned(), "install openssh-client".to_owned())
    });
    findings.push(inotify(nodes));
    let subnet = provider.subnet(topology);
    findings.push(match network::conflict(engine, &provider.options.environment, subnet).await {
        Ok(None) => pass("subnet", format!("{subnet} is free")),
        Ok(Some(conflict)) => fail("subnet", conflict, network::subnet_hint()),
        Err(error) => fail("subnet", error.message, error.hint.unwrap_or_default()),
    });
    findings.extend(memory(nodes));
    findings.extend(disk(info.docker_root_dir.as_deref(), nodes, cached).await);
    findings
}

fn engine_kind(info: &SystemInfo) -> Finding {
    let version = info.server_version.as_deref().unwrap_or("of unknown version");
    let driver = info.driver.as_deref().unwrap_or("unknown");
    let found = format!("version {version}, storage {driver}");
    let system = info.operating_system.as_deref().unwrap_or_default();
    if info.os_type.as_deref().is_some_and(|kind| kind != "linux") {
        return fail(
            "engine",
            format!("{found}, not for Linux containers"),
            "switch it to Linux containers".to_owned(),
        );
    }
    if system.contains("Docker Desktop") {
        let hint = "use an engine that runs on this machine itself (on Debian: apt install docker.io)";
        return fail("engine", format!("{found}, inside a virtual machine: nodes cannot be reached"), hint.to_owned());
    }
    if info.security_options.iter().flatten().any(|option| option.contains("name=rootless")) {
        let hint = "systemd in containers of a rootless engine is not tested";
        return finding("engine", Verdict::Warn, format!("{found}, rootless"), Some(hint.to_owned()));
    }
    pass("engine", found)
}

async fn node_image(engine: &Docker, provider: &LocalProvider, cached: bool) -> Finding {
    if cached {
        return pass("node image", format!("{} is there", image::tag(provider.hash())));
    }
    if let Some(from) = provider.given() {
        return pass("node image", format!("comes from {}", from.display()));
    }
    if provider.is_pinned() {
        let found = format!("{} came with a bundle and is not here any more", image::tag(provider.hash()));
        return fail("node image", found, image::GIVE_AGAIN.to_owned());
    }
    let public = format!("debian:{}-slim", provider.recipe.suite);
    if engine.inspect_image(&public).await.is_ok() {
        return pass("node image", format!("will be built from {public}"));
    }
    match bootstrap_possible().await {
        Ok(()) => pass("node image", format!("will be built (a minute or two) from {}", provider.recipe.mirror)),
        Err(hint) => finding("node image", Verdict::Warn, "has to be built from a registry's Debian", Some(hint)),
    }
}

fn inotify(nodes: u64) -> Finding {
    let name = "inotify instances";
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap_or_default();
    let Ok(limit) = limit.trim().parse::<u64>() else { return pass(name, "no limit to be read") };
    let needed = nodes * INOTIFY_PER_NODE + INOTIFY_SPARE;
    if limit >= needed {
        return pass(name, format!("{limit}, about {needed} needed"));
    }
    let hint = "sudo sysctl -w fs.inotify.max_user_instances=4096 (scripts/setup.sh does, and makes it last)";
    fail(name, format!("{limit}, but {nodes} nodes need about {needed}"), hint.to_owned())
}

fn memory(nodes: u64) -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let free = line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024;
    Some(enough("memory", free, nodes * MEMORY_PER_NODE, "use a smaller architecture or lower counts"))
}

async fn disk(folder: Option<&str>, nodes: u64, cached: bool) -> Option<Finding> {
    let output = Command::new("df").args(["-Pm", folder?]).output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let free = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    let needed = nodes * DISK_PER_NODE + if cached { 0 } else { DISK_OF_IMAGE };
    Some(enough("disk", free, needed, "`docker system df` shows what takes room"))
}

fn enough(name: &str, free: u64, needed: u64, hint: &str) -> Finding {
    let found = format!("{free} MB free, about {needed} MB needed");
    if free >= needed { pass(name, found) } else { finding(name, Verdict::Warn, found, Some(hint.to_owned())) }
}

fn pass(name: &str, found: impl Into<String>) -> Finding {
    finding(name, Verdict::Pass, found, None)
}

fn fail(name: &str, found: String, hint: String) -> Finding {
    finding(name, Verdict::Fail, found, Some(hint).filter(|hint| !hint.is_empty()))
}

fn finding(name: &str, verdict: Verdict, found: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { name: name.to_owned(), verdict, found: found.into(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_that_cannot_carry_nodes_are_refused() {
        let info = |system: &str, option: &str| SystemInfo {
            server_version: Some("20.10.24".into()),
            driver: Some("overlay2".into()),
            os_type: Some("linux".into()),
            operating_system: Some(system.into()),
            security_options: Some(vec![option.into()]),
            ..SystemInfo::default()
        };
        let good = engine_kind(&info("Debian GNU/Linux 12", "name=seccomp"));
        assert_eq!((good.verdict, good.found.as_str()), (Verdict::Pass, "version 20.10.24, storage overlay2"));
        assert_eq!(engine_kind(&info("Docker Desktop", "name=seccomp")).verdict, Verdict::Fail);
        assert_eq!(engine_kind(&info("Debian GNU/Linux 12", "name=rootless")).verdict, Verdict::Warn);
        let windows = SystemInfo { os_type: Some("windows".into()), ..info("Windows", "") };
        assert_eq!(engine_kind(&windows).verdict, Verdict::Fail);
    }

    #[test]
    fn more_nodes_than_the_kernel_allows_are_refused_with_the_cure() {
        let finding = inotify(1_000_000_000);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.hint.is_some_and(|hint| hint.contains("fs.inotify.max_user_instances")));
    }

    #[test]
    fn scarce_memory_is_a_warning() {
        assert_eq!(enough("memory", 100, 200, "less").verdict, Verdict::Warn);
        assert_eq!(enough("memory", 200, 200, "less").verdict, Verdict::Pass);
    }
}
