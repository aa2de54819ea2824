//! Connections to AWS, made at the first call: planning offline needs neither credentials nor a network.

use std::{collections::HashMap, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use tokio::sync::{Mutex, OnceCell};

use super::AwsOptions;
use crate::provider::{ProviderError, cloud::permanent};

/// Clients of all services that are used.
#[derive(Debug)]
pub struct Clients {
    /// Machines and network.
    pub ec2: aws_sdk_ec2::Client,
    /// Machines and network, for calls that must not be made twice: the caller looks first, then tries again.
    pub ec2_once: aws_sdk_ec2::Client,
    /// Balancers.
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    /// Roles.
    pub iam: aws_sdk_iam::Client,
    /// Buckets.
    pub s3: aws_sdk_s3::Client,
    /// Prices, of every region.
    pub pricing: aws_sdk_pricing::Client,
    /// Quotas.
    pub quotas: aws_sdk_servicequotas::Client,
    /// Who am I.
    pub sts: aws_sdk_sts::Client,
    /// Region.
    pub region: String,
    /// Images that were asked for: they do not change, and every launch wants to know its image.
    pub images: Mutex<HashMap<String, aws_sdk_ec2::types::Image>>,
}

/// Makes the clients once.
#[derive(Debug, Default)]
pub struct Connection(OnceCell<Clients>);

impl Connection {
    /// The clients.
    pub async fn get(&self, aws: &AwsOptions, region: Option<&str>) -> Result<&Clients, ProviderError> {
        self.0.get_or_try_init(|| connect(aws, region)).await
    }

    /// The region, where it is known already.
    pub fn region(&self) -> Option<String> {
        self.0.get().map(|clients| clients.region.clone())
    }
}

async fn connect(aws: &AwsOptions, region: Option<&str>) -> Result<Clients, ProviderError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // Adaptive: slows down when AWS says so, for all calls together.
        .retry_config(RetryConfig::adaptive().with_max_attempts(6))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(10))
                .operation_attempt_timeout(Duration::from_secs(60))
                .operation_timeout(Duration::from_secs(240))
                .build(),
        );
    if let Some(profile) = &aws.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config: SdkConfig = loader.load().await;
    let Some(region) = config.region().map(ToString::to_string) else {
        let hint = "say `cloud: { region: eu-central-1 }` in the file, or set AWS_REGION";
        return Err(permanent("connect to AWS", "no region is named", Some(hint)));
    };
    let once = aws_sdk_ec2::config::Builder::from(&config).retry_config(RetryConfig::disabled()).build();
    // An endpoint of one's own (an emulator, a gateway) rarely has a name for each bucket.
    let own = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL").is_some();
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(own).build();
    let pricing = aws_sdk_pricing::config::Builder::from(&config).region(Region::new(super::prices::REGION)).build();
    Ok(Clients {
        ec2: aws_sdk_ec2::Client::new(&config),
        ec2_once: aws_sdk_ec2::Client::from_conf(once),
        elb: aws_sdk_elasticloadbalancingv2::Client::new(&config),
        iam: aws_sdk_iam::Client::new(&config),
        s3: aws_sdk_s3::Client::from_conf(s3),
        pricing: aws_sdk_pricing::Client::from_conf(pricing),
        quotas: aws_sdk_servicequotas::Client::new(&config),
        sts: aws_sdk_sts::Client::new(&config),
        region,
        images: Mutex::default(),
    })
}
