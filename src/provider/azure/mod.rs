//! Machines on Microsoft Azure.

pub mod azure_mgmt;
