//! The client against the fake Azure of `tests/support/azure_fake`, which the vendor's own clients were driven against.

use std::time::{Duration, Instant};

use azure_core::credentials::Secret;
use serde_json::{Value, json};

use super::super::azure_fake::{AzureFake, CLIENT, SECRET, SUBSCRIPTION, TENANT};
use super::{Client, Condition, Login, Patience, Place, compute, network, resources, storage};

const REGION: &str = "westeurope";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEDbPVexx3FVqfcbv5VSRpmj3v0o5xTBXgWcPPrMsvXY test";

fn login() -> Login {
    Login {
        tenant: Some(TENANT.to_owned()),
        client: Some(CLIENT.to_owned()),
        secret: Some(Secret::new(SECRET)),
        token_file: None,
    }
}

fn client_as(fake: &AzureFake, login: Login, subscription: &str) -> Client {
    let place = Place::at(&fake.endpoint()).unwrap();
    let patience = Patience { between: Duration::from_millis(50), total: Duration::from_secs(60) };
    Client::new(place, login, subscription).with_patience(patience)
}

fn client(fake: &AzureFake) -> Client {
    client_as(fake, login(), SUBSCRIPTION)
}

async fn group(client: &Client) {
    let body = json!({ "location": REGION, "tags": { "refarch-environment": "demo" } });
    client.put(&client.group("rg"), resources::VERSION, &body, Condition::Always).await.unwrap();
}

fn security_group() -> network::Tracked<network::SecurityGroup> {
    network::Tracked { location: REGION.to_owned(), ..Default::default() }
}

async fn put_security_group(client: &Client, name: &str) -> Result<Value, super::AzureError> {
    let id = client.id("rg", "Microsoft.Network/networkSecurityGroups", name);
    client.put(&id, network::VERSION, &security_group(), Condition::Always).await
}

/// A network with one subnet, and an interface in it: what a machine needs.
async fn interface(client: &Client, name: &str) -> String {
    let network = network::Tracked {
        location: REGION.to_owned(),
        properties: network::Network {
            address_space: network::AddressSpace { address_prefixes: vec!["10.1.0.0/16".to_owned()] },
            subnets: vec![network::Part::new(
                "nodes",
                network::Subnet { address_prefix: Some("10.1.0.0/24".to_owned()), ..Default::default() },
            )],
        },
        ..Default::default()
    };
    let vnet = client.id("rg", "Microsoft.Network/virtualNetworks", "net");
    client.put(&vnet, network::VERSION, &network, Condition::Always).await.unwrap();
    let body = network::Tracked {
        location: REGION.to_owned(),
        properties: network::Interface {
            ip_configurations: vec![network::Part::new(
                "main",
                network::IpConfiguration {
                    subnet: resources::Reference::to(format!("{vnet}/subnets/nodes")),
                    allocation: "Dynamic".to_owned(),
                    ..Default::default()
                },
            )],
            ..Default::default()
        },
        ..Default::default()
    };
    let id = client.id("rg", "Microsoft.Network/networkInterfaces", name);
    client.put(&id, network::VERSION, &body, Condition::Always).await.unwrap();
    id
}

fn machine(interface: &str) -> compute::VirtualMachine {
    compute::VirtualMachine {
        location: REGION.to_owned(),
        zones: Some(vec!["1".to_owned()]),
        properties: compute::MachineProperties {
            hardware_profile: compute::Hardware { vm_size: "Standard_D2s_v3".to_owned() },
            storage_profile: compute::Storage {
                image_reference: Some(compute::Image {
                    publisher: Some("Canonical".to_owned()),
                    offer: Some("ubuntu-24_04-lts".to_owned()),
                    sku: Some("server".to_owned()),
                    version: Some("latest".to_owned()),
                    id: None,
                }),
                os_disk: Some(compute::SystemDisk {
                    create_option: "FromImage".to_owned(),
                    delete_option: Some("Delete".to_owned()),
                    ..Default::default()
                }),
                data_disks: None,
            },
            os_profile: Some(compute::System {
                computer_name: "vm".to_owned(),
                admin_username: "refarch".to_owned(),
                custom_data: None,
                linux_configuration: Some(compute::Linux {
                    disable_password_authentication: true,
                    ssh: compute::Ssh {
                        public_keys: vec![compute::SshKey {
                            path: "/home/refarch/.ssh/authorized_keys".to_owned(),
                            key_data: KEY.to_owned(),
                        }],
                    },
                }),
            }),
            network_profile: compute::Interfaces {
                network_interfaces: vec![compute::MachineInterface {
                    id: interface.to_owned(),
                    properties: compute::MachineInterfaceProperties { delete_option: Some("Delete".to_owned()) },
                }],
            },
            ..Default::default()
        },
        ..Default::default()
    }
}

async fn put_machine(client: &Client) -> Result<Value, super::AzureError> {
    let interface = interface(client, "vm-1").await;
    let id = client.id("rg", "Microsoft.Compute/virtualMachines", "vm-1");
    client.put(&id, compute::VERSION, &machine(&interface), Condition::Always).await
}

#[tokio::test]
async fn a_machine_is_there_only_when_its_operation_has_ended_well() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    fake.set(json!({ "operation_seconds": 0.3 }));
    let made = put_machine(&client).await.unwrap();
    assert_eq!(super::provisioning_state(&made), Some("Succeeded"));

    let id = client.id("rg", "Microsoft.Compute/virtualMachines", "vm-1");
    let view = client.instance_view(&id).await.unwrap().unwrap();
    assert_eq!((view.power(), view.failure()), (Some("running"), None));
    let puts = fake.log().iter().filter(|call| call["method"] == "PUT" && call["path"] == id.as_str()).count();
    assert_eq!(puts, 1, "the PUT is sent once, and its operation is followed");
}

#[tokio::test]
async fn a_machine_that_fails_after_it_was_accepted_is_an_error_with_azures_own_words() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    let error = json!({ "code": "OSProvisioningTimedOut", "message": "OS Provisioning did not finish in time." });
    fake.rule(json!({ "method": "PUT", "path": "*/virtualmachines/vm-1", "operation_error": error }));
    let error = put_machine(&client).await.unwrap_err();
    assert_eq!(error.to_string(), "OSProvisioningTimedOut: OS Provisioning did not finish in time.");

    let id = client.id("rg", "Microsoft.Compute/virtualMachines", "vm-1");
    let view = client.instance_view(&id).await.unwrap().unwrap();
    assert_eq!(view.failure().as_deref(), Some("OSProvisioningTimedOut: OS Provisioning did not finish in time."));
    put_machine(&client).await.unwrap();
}

#[tokio::test]
async fn operations_are_asked_no_sooner_than_azure_wants() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    fake.set(json!({ "operation_seconds": 1.5, "retry_after": 1 }));
    let began = Instant::now();
    put_security_group(&client, "nsg").await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(fake.violations(), Vec::<Value>::new());
    let polls = fake.log().iter().filter(|call| call["path"].as_str().unwrap().contains("/operations/")).count();
    assert_eq!(polls, 2);
}

#[tokio::test]
async fn removal_follows_the_location_of_a_group_and_ends_when_everything_is_gone() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    put_machine(&client).await.unwrap();
    fake.set(json!({ "operation_seconds": 0.2 }));
    client.delete(&client.group("rg"), resources::VERSION).await.unwrap();
    assert!(fake.resources().is_empty());
    client.delete(&client.group("rg"), resources::VERSION).await.unwrap();
}

#[tokio::test]
async fn refusals_come_with_code_words_and_the_request_to_ask_the_administrator_about() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    fake.rule(json!({ "method": "PUT", "answer": {
        "status": 403, "code": "RequestDisallowedByPolicy", "message": "Resource 'nsg' was disallowed by policy."
    }}));
    let error = put_security_group(&client, "nsg").await.unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (403, "RequestDisallowedByPolicy"));
    let request = error.request_id.clone().unwrap();
    assert_eq!(
        error.to_string(),
        format!("RequestDisallowedByPolicy: Resource 'nsg' was disallowed by policy. (request {request})")
    );
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_throttled_call_waits_as_long_as_it_was_told_and_goes_through() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    fake.rule(json!({ "method": "PUT", "times": 2, "answer": {
        "status": 429, "code": "SubscriptionRequestsThrottled", "headers": { "Retry-After": "1" }
    }}));
    let began = Instant::now();
    put_security_group(&client, "nsg").await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(fake.violations(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_lost_answer_does_no_harm_whatever_was_asked() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    let interface = interface(&client, "vm-1").await;
    let id = client.id("rg", "Microsoft.Compute/virtualMachines", "vm-1");
    fake.set(json!({ "operation_seconds": 0.5 }));
    // Once before and once after the work was begun.
    for lost in ["request", "answer"] {
        fake.rule(json!({ "method": "change", "path": "*/virtualmachines/vm-1*", "lost": lost }));
    }
    client.put(&id, compute::VERSION, &machine(&interface), Condition::Always).await.unwrap();
    fake.rule(json!({ "method": "POST", "path": "*/deallocate", "lost": "answer" }));
    client.act(&id, "deallocate", compute::VERSION).await.unwrap();
    let view = client.instance_view(&id).await.unwrap().unwrap();
    assert_eq!(view.power(), Some("deallocated"));
    fake.rule(json!({ "method": "DELETE", "path": "*/virtualmachines/vm-1", "lost": "answer" }));
    client.delete(&id, compute::VERSION).await.unwrap();
    assert_eq!(client.get::<Value>(&id, compute::VERSION).await.unwrap(), None);
}

#[tokio::test]
async fn an_etag_keeps_two_from_writing_over_each_other() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    let made = put_security_group(&client, "nsg").await.unwrap();
    let etag = made["etag"].as_str().unwrap();
    let id = client.id("rg", "Microsoft.Network/networkSecurityGroups", "nsg");
    let body = json!({ "location": REGION });
    let put = |condition| client.put(&id, network::VERSION, &body, condition);
    put(Condition::Unchanged(etag)).await.unwrap();
    assert_eq!(put(Condition::Unchanged(etag)).await.unwrap_err().status, 412);
    assert_eq!(put(Condition::New).await.unwrap_err().status, 412);
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    for index in 0..7 {
        put_security_group(&client, &format!("nsg-{index}")).await.unwrap();
    }
    fake.set(json!({ "page_size": 3 }));
    let rg = client.group("rg");
    assert_eq!(client.resources_in(&rg).await.unwrap().len(), 7);
    assert_eq!(client.resources_in(&client.group("nobody")).await.unwrap(), Vec::new());
    let groups = client.groups_with_tag("refarch-environment").await.unwrap();
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["rg"]);
}

#[tokio::test]
async fn identities_reach_a_container_and_no_key_is_needed() {
    let fake = AzureFake::start();
    let client = client(&fake);
    group(&client).await;
    fake.set(json!({ "principal_delay": 60 }));
    assert!(!client.account_name("taken").await.unwrap().name_available);
    assert!(client.account_name("demostore").await.unwrap().name_available);
    let account = storage::StorageAccount {
        location: REGION.to_owned(),
        kind: "StorageV2".to_owned(),
        sku: storage::Sku { name: "Standard_ZRS".to_owned() },
        properties: storage::AccountProperties {
            supports_https_traffic_only: true,
            minimum_tls_version: "TLS1_2".to_owned(),
            ..Default::default()
        },
        ..Default::default()
    };
    let id = client.id("rg", "Microsoft.Storage/storageAccounts", "demostore");
    client.put(&id, storage::VERSION, &account, Condition::Always).await.unwrap();
    let container = format!("{id}/blobServices/default/containers/lfs");
    client.put(&container, storage::VERSION, &storage::Container::default(), Condition::Always).await.unwrap();
    let identity = client.id("rg", "Microsoft.ManagedIdentity/userAssignedIdentities", "app");
    let body = resources::Identity { location: REGION.to_owned(), ..Default::default() };
    let made = client.put(&identity, resources::IDENTITIES, &body, Condition::Always).await.unwrap();
    let principal = made["properties"]["principalId"].as_str().unwrap();
    for _ in 0..2 {
        client.allow_blobs(&container, "00000000-0000-4000-8000-000000000001", principal).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_secret_tenant_or_subscription_is_told_apart() {
    let fake = AzureFake::start();
    let wrong = Login { secret: Some(Secret::new("wrong")), ..login() };
    let error = client_as(&fake, wrong, SUBSCRIPTION).subscription().await.unwrap_err();
    assert_eq!(error.code, "NoToken");
    assert!(error.message.contains("AADSTS7000215"), "{error}");
    let wrong = Login { tenant: Some("99999999-1111-1111-1111-111111111111".to_owned()), ..login() };
    let error = client_as(&fake, wrong, SUBSCRIPTION).subscription().await.unwrap_err();
    assert!(error.message.contains("AADSTS90002"), "{error}");
    let nobody = client_as(&fake, login(), "99999999-2222-2222-2222-222222222222");
    assert_eq!(nobody.subscription().await.unwrap(), None);
    assert_eq!(client(&fake).subscription().await.unwrap().unwrap().tenant_id, TENANT);
}

#[tokio::test]
async fn a_token_file_logs_in_too() {
    let fake = AzureFake::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "federated").unwrap();
    let federated = Login { secret: None, token_file: Some(file.path().to_owned()), ..login() };
    assert!(client_as(&fake, federated, SUBSCRIPTION).subscription().await.unwrap().is_some());
}

#[tokio::test]
async fn sizes_zones_and_quotas_are_known_before_anything_is_made() {
    let fake = AzureFake::start();
    let client = client(&fake);
    fake.set(json!({ "restricted": { "Standard_D2s_v3": ["1"], "Standard_D4s_v3": "all" }, "cores": 40 }));
    let sizes = client.sizes(REGION).await.unwrap();
    let size = |name: &str| sizes.iter().find(|size| size.name == name).unwrap();
    assert_eq!(size("Standard_D2s_v3").zones(), Some(vec!["2", "3"]));
    assert_eq!(size("Standard_D4s_v3").zones(), None);
    assert_eq!(size("Standard_D8s_v3").can("vCPUs"), Some("8"));
    let cpus = client.cpu_usages(REGION).await.unwrap();
    assert!(cpus.iter().any(|usage| usage.name.value == "cores" && usage.limit == 40 && usage.current_value == 0));
    let images = client.image_versions(REGION, "Canonical", "ubuntu-24_04-lts", "server").await.unwrap();
    assert_eq!(images, ["1.0.20261101"]);
    fake.set(json!({ "unregistered": ["Microsoft.Network"] }));
    assert_eq!(client.registration("Microsoft.Network").await.unwrap().unwrap().registration_state, "NotRegistered");
    assert_eq!(client.register("Microsoft.Network").await.unwrap().registration_state, "Registering");
    client.register_and_wait("Microsoft.Network").await.unwrap();
    assert_eq!(client.registration("Microsoft.Network").await.unwrap().unwrap().registration_state, "Registered");
}

#[test]
fn a_token_never_leaves_without_tls_but_for_the_loopback_interface() {
    assert_eq!(Place::at("http://management.example.com").unwrap_err().code, "NoTls");
    assert_eq!(Place::at("nonsense").unwrap_err().code, "NoAddress");
    let place = Place::at("http://127.0.0.1:4711").unwrap();
    assert!(place.owns(&"http://127.0.0.1:4711/x".parse().unwrap()));
    assert!(!place.owns(&"https://evil.example.com/x".parse().unwrap()));
    let place = Place::at("https://management.example.com").unwrap();
    assert!(!place.owns(&"https://management.example.com:8443/x".parse().unwrap()));
}
