//! What a resource is billed for, in words that all clouds share. A provider
//! says it of its own resources; what it costs, a price table says.

use serde::{Deserialize, Serialize};

/// One thing on the bill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Charge {
    /// A machine while it runs, on demand.
    Machine {
        /// Type in the provider's words.
        machine_type: String,
    },
    /// A machine bought as spare capacity: its price changes by the hour.
    SpotMachine {
        /// Type in the provider's words.
        machine_type: String,
    },
    /// A disk, whether it is used or not.
    Disk {
        /// Type in the provider's words.
        disk_type: String,
        /// GB.
        size_gb: u32,
        /// Provisioned operations per second, where asked for.
        iops: Option<u32>,
        /// Provisioned throughput in MiB/s, where asked for.
        throughput: Option<u32>,
    },
    /// Something that costs by the hour as long as it is there: `nat-gateway`, `network-load-balancer`, `public-ipv4`.
    Service {
        /// Name in the price table.
        name: String,
    },
    /// Something that costs by what goes through it or into it, which nobody can know beforehand: `bucket`,
    /// `nat-gateway-data`.
    Usage {
        /// Name in the price table.
        name: String,
    },
}
