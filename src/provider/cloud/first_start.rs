//! The script of a machine's first start. The same for all machines of one launch, and without secrets: whoever may
//! describe the machine, and every program on it, can read it.

use serde_json::Value;

use super::options::{Access, CloudOptions};
use crate::provider::Resource;

/// Text for the machine's user data; empty where there is nothing to do.
#[must_use]
pub(super) fn script(options: &CloudOptions, tunnel_agent: &str, resource: &Resource) -> String {
    let mut parts = Vec::new();
    if let Some(mount) = resource.attributes.get("data_mount").and_then(Value::as_str) {
        parts.push(DATA_DISK.replace("@MOUNT@", mount));
    }
    if options.access == Access::Tunnel {
        parts.push(tunnel_agent.to_owned());
    }
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { String::new() } else { format!("#!/bin/sh\nset -eu\n{}", parts.join("")) }
}

/// The data disk is the one that holds nothing: no partition, no file system, and is not what the system runs from.
const DATA_DISK: &str = r#"
mount=@MOUNT@
if ! grep -q " $mount " /etc/fstab; then
    tries=0
    disk=
    while [ -z "$disk" ] && [ $tries -lt 60 ]; do
        for name in $(lsblk -dnpo NAME,TYPE | awk '$2 == "disk" { print $1 }'); do
            [ "$(lsblk -nro NAME "$name" | wc -l)" = 1 ] || continue
            [ -z "$(blkid -o value -s TYPE "$name" || :)" ] || continue
            disk=$name
            break
        done
        tries=$((tries + 1))
        [ -n "$disk" ] || sleep 2
    done
    [ -n "$disk" ] || { echo "refarch: no empty disk for $mount" >&2; exit 1; }
    mkfs.ext4 -q -L refarch-data "$disk"
    mkdir -p "$mount"
    echo "UUID=$(blkid -o value -s UUID "$disk") $mount ext4 defaults,nofail 0 2" >>/etc/fstab
    mount "$mount"
fi
"#;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, process::Command};

    use super::*;

    #[test]
    fn it_says_nothing_where_nothing_is_to_be_done_and_is_sound_where_it_does() {
        let mut resource = Resource {
            id: "node/a".to_owned(),
            kind: "instance".to_owned(),
            node: None,
            attributes: BTreeMap::new(),
            needs: Vec::new(),
            data_bearing: true,
            reason: String::new(),
            shared: false,
        };
        let mut options = CloudOptions::new("demo", "/nowhere");
        assert_eq!(script(&options, "echo agent\n", &resource), "");
        resource.attributes.insert("data_mount".to_owned(), "/var/opt/gitlab".into());
        options.access = Access::Tunnel;
        let text = script(&options, "echo agent\n", &resource);
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("mount=/var/opt/gitlab\n"), "{text}");
        assert!(text.ends_with("echo agent\n"), "{text}");
        assert!(Command::new("sh").args(["-n", "-c", &text]).status().unwrap().success());
    }
}
