//! What the nodes are told of a balancer, against the fake Azure of `tests/support/azure_fake`.

use std::{sync::OnceLock, time::Duration};

use azure_core::credentials::Secret;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    Azure, AzureOptions,
    azure_fake::{AzureFake, CLIENT, SECRET, SUBSCRIPTION, TENANT},
    azure_mgmt::{Client, Login, Patience, Place},
};
use crate::provider::{
    Resource,
    cloud::{Book, CloudOptions, Making, blueprint::kind, tags},
};

fn azure(fake: &AzureFake) -> Azure {
    let login = Login {
        tenant: Some(TENANT.to_owned()),
        client: Some(CLIENT.to_owned()),
        secret: Some(Secret::new(SECRET)),
        token_file: None,
    };
    let patience = Patience { between: Duration::from_millis(50), total: Duration::from_secs(60) };
    let client = Client::new(Place::at(&fake.endpoint()).unwrap(), login, SUBSCRIPTION).with_patience(patience);
    let options = CloudOptions { region: Some("westeurope".to_owned()), ..CloudOptions::new("demo", "/nowhere") };
    let (group, sizes) = (OnceLock::new(), OnceCell::new());
    Azure { client, options, azure: AzureOptions::default(), group, sizes }
}

fn resource(id: &str, kind: &str, attributes: Value) -> Resource {
    Resource {
        id: id.to_owned(),
        kind: kind.to_owned(),
        node: None,
        attributes: attributes.as_object().cloned().unwrap_or_default().into_iter().collect(),
        needs: Vec::new(),
        data_bearing: false,
        reason: String::new(),
        shared: false,
    }
}

async fn make(azure: &Azure, book: &Book, resource: &Resource) {
    let tags = tags::lasting(&azure.options, resource);
    let making = Making { resource, tags: &tags, book };
    let made = match resource.kind.as_str() {
        kind::GROUP => azure.make_group(making).await,
        kind::NETWORK => azure.make_network(making).await,
        kind::SUBNET => azure.make_subnet(making).await,
        kind::FIREWALL => azure.make_firewall(making).await,
        kind::INTERFACE => azure.make_interface(making).await,
        _ => azure.make_balancer(making).await,
    };
    book.note(&resource.id, &made.unwrap());
}

#[tokio::test]
async fn nodes_are_told_the_address_that_the_balancer_keeps() {
    let fake = AzureFake::start();
    let (azure, book) = (azure(&fake), Book::default());
    let parts = [
        resource("group", kind::GROUP, json!({})),
        resource("network", kind::NETWORK, json!({ "cidr": "10.20.0.0/16" })),
        resource("subnet/private-1", kind::SUBNET, json!({ "cidr": "10.20.128.0/20" })),
        resource("firewall/everyone", kind::FIREWALL, json!({})),
        resource("firewall/pool", kind::FIREWALL, json!({})),
        resource(
            "interface/demo-pool-1",
            kind::INTERFACE,
            json!({ "subnet": "subnet/private-1", "firewalls": ["everyone", "pool"] }),
        ),
    ];
    for part in &parts {
        make(&azure, &book, part).await;
    }
    book.note("node/demo-pool-1", "/machines/demo-pool-1");
    assert_eq!(azure.balancer_address("inner", &book).await.unwrap(), None, "it is not there yet");

    let inner = |listen: u16| {
        let services = json!([format!("{listen} to 6432, asked at 6432: node/demo-pool-1")]);
        resource("balancer/inner", kind::BALANCER, json!({ "services": services, "public": false }))
    };
    make(&azure, &book, &inner(6432)).await;
    let address = azure.balancer_address("inner", &book).await.unwrap().unwrap();
    assert_eq!(address, "10.20.128.5", "the first is the machine's");
    make(&azure, &book, &inner(6433)).await;
    assert_eq!(azure.balancer_address("inner", &book).await.unwrap(), Some(address.clone()));
    // It was asked for by number: Azure would choose again.
    let sent = fake.log().into_iter().rfind(|call| call["method"] == "PUT").unwrap();
    let front = &sent["body"]["properties"]["frontendIPConfigurations"][0]["properties"];
    assert_eq!(front["privateIPAddress"], address.as_str(), "{sent}");
}
