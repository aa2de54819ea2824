//! Which Azure: the public cloud, a sovereign one, or a resource manager of one's own.

use std::{net::IpAddr, sync::Arc};

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    http::{AsyncRawResponse, ClientOptions, HttpClient, Request, Transport, Url, new_http_client},
};

use super::AzureError;

/// Variable that names another resource manager: Azure Stack, or the tests' own on the loopback interface.
pub const ENDPOINT_VARIABLE: &str = "REFARCH_AZURE_ENDPOINT";

/// Where the resource manager and the directory are.
#[derive(Debug, Clone)]
pub struct Place {
    /// Address of the resource manager, always `https`.
    pub(super) endpoint: Url,
    /// What tokens are asked for.
    pub(super) scope: String,
    cloud: CloudConfiguration,
    /// Host and port that are spoken to without TLS: the loopback interface only.
    plain: Option<(String, u16)>,
}

impl Place {
    /// The cloud of this name: `public`, `government` or `china`.
    ///
    /// # Errors
    /// When there is no such cloud, or `REFARCH_AZURE_ENDPOINT` is no usable address.
    pub fn named(cloud: &str) -> Result<Self, AzureError> {
        if let Ok(endpoint) = std::env::var(ENDPOINT_VARIABLE) {
            return Self::at(&endpoint);
        }
        let (endpoint, cloud) = match cloud {
            "public" => ("https://management.azure.com/", CloudConfiguration::AzurePublic),
            "government" => ("https://management.usgovcloudapi.net/", CloudConfiguration::AzureGovernment),
            "china" => ("https://management.chinacloudapi.cn/", CloudConfiguration::AzureChina),
            other => return Err(AzureError::new("NoSuchCloud", format!("there is no Azure cloud `{other}`"))),
        };
        let endpoint = parse(endpoint)?;
        Ok(Self { scope: format!("{endpoint}.default"), endpoint, cloud, plain: None })
    }

    /// A resource manager of one's own. Without TLS on the loopback interface alone: a token must not go further.
    ///
    /// # Errors
    /// When it is no address, or one without TLS elsewhere.
    pub fn at(endpoint: &str) -> Result<Self, AzureError> {
        let mut endpoint = parse(endpoint)?;
        let mut plain = None;
        if endpoint.scheme() == "http" {
            let host = endpoint.host_str().unwrap_or_default().to_owned();
            let loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
            let port = endpoint.port_or_known_default().unwrap_or(80);
            if !loopback || endpoint.set_scheme("https").is_err() || endpoint.set_port(Some(port)).is_err() {
                return Err(AzureError::new(
                    "NoTls",
                    format!("{ENDPOINT_VARIABLE}: http is for addresses of the loopback interface only"),
                ));
            }
            plain = Some((host, port));
        }
        let mut custom = CustomConfiguration::default();
        custom.authority_host = std::env::var("AZURE_AUTHORITY_HOST")
            .ok()
            .filter(|_| plain.is_none())
            .unwrap_or_else(|| endpoint.to_string());
        Ok(Self { scope: format!("{endpoint}.default"), endpoint, cloud: custom.into(), plain })
    }

    /// Options for a pipeline to this place.
    pub(super) fn options(&self) -> ClientOptions {
        let mut options = ClientOptions { cloud: Some(Arc::new(self.cloud.clone())), ..ClientOptions::default() };
        if let Some((host, port)) = &self.plain {
            let inner = new_http_client(None);
            options.transport = Some(Transport::new(Arc::new(Loopback { inner, host: host.clone(), port: *port })));
        }
        options
    }

    /// Whether an address that Azure gave is the resource manager's own: a token goes nowhere else.
    pub(super) fn owns(&self, url: &Url) -> bool {
        let port = |url: &Url| url.port_or_known_default();
        url.host_str() == self.endpoint.host_str() && port(url) == port(&self.endpoint)
    }

    /// Whether this is a machine of the place's own that may have an identity; elsewhere the question only costs time.
    pub(super) fn is_custom(&self) -> bool {
        matches!(self.cloud, CloudConfiguration::Custom(_))
    }
}

fn parse(text: &str) -> Result<Url, AzureError> {
    Url::parse(text).map_err(|error| AzureError::new("NoAddress", format!("`{text}` is no address: {error}")))
}

/// Speaks plain http to one host and port of the loopback interface; everything else goes on as it is.
///
/// The token policies of `azure_core` refuse plain http as a whole, which is right everywhere but here.
#[derive(Debug)]
struct Loopback {
    inner: Arc<dyn HttpClient>,
    host: String,
    port: u16,
}

#[async_trait::async_trait]
impl HttpClient for Loopback {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        if url.host_str() != Some(self.host.as_str()) || url.port_or_known_default() != Some(self.port) {
            return self.inner.execute_request(request).await;
        }
        let mut url = url.clone();
        // `url` refuses to turn https into http only for addresses without a host.
        let _ = url.set_scheme("http");
        let mut plain = Request::new(url, request.method());
        plain.set_body(request.body().clone());
        *plain.headers_mut() = request.headers().clone();
        self.inner.execute_request(&plain).await
    }
}
