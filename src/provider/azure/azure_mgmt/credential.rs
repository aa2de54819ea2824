//! Who we are: the first of client secret, federated token, managed identity and the developer's own login that works.
//!
//! `azure_identity` has the credentials but no chain of them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, DeveloperToolsCredential,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use tokio::sync::OnceCell;

use super::Place;

/// Where a machine in Azure asks for its identity's tokens.
const MACHINE_IDENTITY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);
/// How long a machine in Azure may take to answer there at all; elsewhere nobody answers.
const MACHINE_ANSWERS: Duration = Duration::from_secs(1);

/// What the process's variables say.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// `AZURE_TENANT_ID`.
    pub tenant: Option<String>,
    /// `AZURE_CLIENT_ID`.
    pub client: Option<String>,
    /// `AZURE_CLIENT_SECRET`.
    pub secret: Option<Secret>,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub token_file: Option<std::path::PathBuf>,
}

impl Login {
    /// Reads the standard variables.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            tenant: variable("AZURE_TENANT_ID"),
            client: variable("AZURE_CLIENT_ID"),
            secret: variable("AZURE_CLIENT_SECRET").map(Secret::new),
            token_file: variable("AZURE_FEDERATED_TOKEN_FILE").map(Into::into),
        }
    }
}

/// The chain. What worked first is used from then on.
#[derive(Debug)]
pub(super) struct Chain {
    place: Place,
    login: Login,
    found: OnceCell<Arc<dyn TokenCredential>>,
}

impl Chain {
    pub(super) fn new(place: Place, login: Login) -> Self {
        Self { place, login, found: OnceCell::new() }
    }

    /// Tries each in turn. What was configured must work: another identity in its place would be a surprise.
    async fn find(&self) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let Login { tenant, client, secret, token_file } = &self.login;
        if let (Some(tenant), Some(client), Some(secret)) = (tenant, client, secret) {
            let options = ClientSecretCredentialOptions { client_options: self.place.options() };
            return Ok(ClientSecretCredential::new(tenant, client.clone(), secret.clone(), Some(options))?);
        }
        if let (Some(tenant), Some(client), Some(file)) = (tenant, client, token_file) {
            return Ok(WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options: self.place.options() },
                client_id: Some(client.clone()),
                tenant_id: Some(tenant.clone()),
                token_file_path: Some(file.clone()),
            }))?);
        }
        if self.on_a_machine_of_azure().await {
            return Ok(ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client.clone().map(UserAssignedId::ClientId),
                client_options: self.place.options(),
            }))?);
        }
        Ok(DeveloperToolsCredential::new(None)?)
    }

    async fn on_a_machine_of_azure(&self) -> bool {
        if self.place.is_custom() {
            return false;
        }
        if std::env::var_os("IDENTITY_ENDPOINT").is_some() {
            return true;
        }
        let asked = tokio::net::TcpStream::connect(MACHINE_IDENTITY);
        matches!(tokio::time::timeout(MACHINE_ANSWERS, asked).await, Ok(Ok(_)))
    }
}

#[async_trait::async_trait]
impl TokenCredential for Chain {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let credential = self.found.get_or_try_init(|| self.find()).await.map_err(no_token)?;
        credential.get_token(scopes, options).await.map_err(no_token)
    }
}

/// Marks an error as one of logging in, whatever the credential called it.
fn no_token(error: azure_core::Error) -> azure_core::Error {
    let words = error.to_string();
    azure_core::Error::with_error(ErrorKind::Credential, error, words)
}
