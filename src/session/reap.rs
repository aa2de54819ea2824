//! Destroying what is over its time, without its environment file: the tags say all that is needed.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, RwLock},
};

use futures_util::future::BoxFuture;

use super::{
    Error,
    work::{NO_SOURCES, Scene, Work},
};
use crate::{
    clock::SystemClock,
    configure::Author,
    engine::{self, Options, Report, StepError, StopSignal},
    environment::ProviderKind,
    event::Events,
    exit,
    journal::{Header, RunId, Runs},
    lock::{Lock, LockRequest},
    operator::Operator,
    plan::{self, Plan},
    provider::{Expiring, Provider, diff},
    remote::{SshOptions, SshRemote},
    workspace::Workspace,
};

/// Where to reap.
#[derive(Debug, Clone)]
pub struct Place {
    /// Provider.
    pub provider: ProviderKind,
    /// Region; none: what the credentials' configuration says.
    pub region: Option<String>,
    /// Profile of the credentials.
    pub profile: Option<String>,
    /// Folder of workspaces.
    pub workspaces: PathBuf,
}

impl Place {
    /// Everything of refarch's that is there, by environment.
    ///
    /// # Errors
    /// When the provider is not in this build or does not answer.
    pub async fn environments(&self) -> Result<Vec<Expiring>, Error> {
        Ok(self.provider("refarch", &self.workspace("refarch"))?.environments().await?)
    }

    /// What destroying an environment would do.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn plan(&self, environment: &str) -> Result<Plan, Error> {
        let provider = self.provider(environment, &self.workspace(environment))?;
        let live = provider.observe().await?;
        let plan = plan::destroy(environment, &diff::removal(&[], &live), Vec::new());
        plan.validate()?;
        Ok(plan)
    }

    /// Destroys an environment that is still over its time; none where it is not any more.
    ///
    /// # Errors
    /// When nothing could be started.
    pub async fn destroy(&self, environment: &str, events: &Events, stop: StopSignal) -> Result<Option<Report>, Error> {
        let workspace = self.workspace(environment);
        workspace.create()?;
        let command = format!("reap {environment}");
        let id = Runs::of(&workspace).new_id();
        let operator = Operator::current();
        let request =
            LockRequest { operator: operator.clone(), command: command.clone(), run: Some(id.to_string()), wait: None };
        let lock = Lock::acquire(&workspace.lock(), request, Arc::new(SystemClock), |_| ()).await?;
        let header = Header { command, operator };
        let outcome = self.destroy_locked(environment, &workspace, id, &header, events, stop).await;
        lock.release()?;
        outcome
    }

    async fn destroy_locked(
        &self,
        environment: &str,
        workspace: &Workspace,
        id: RunId,
        header: &Header,
        events: &Events,
        stop: StopSignal,
    ) -> Result<Option<Report>, Error> {
        // Somebody may have given it more time since it was listed.
        let now = jiff::Timestamp::now();
        let found = self.environments().await?;
        let over = found.iter().any(|one| one.environment == environment && one.expires.is_some_and(|end| end <= now));
        if !over {
            return Ok(None);
        }
        let provider = self.provider(environment, workspace)?;
        let plan = self.plan(environment).await?;
        let mut run = Runs::of(workspace).begin(id, &plan, header)?;
        let remote = SshRemote::new(SshOptions::new(workspace.root()))
            .map_err(|error| Error::refused(exit::FAILED, format!("ssh cannot be set up: {error}"), None))?;
        let look = || -> BoxFuture<'_, Result<Scene, StepError>> { Box::pin(async { Ok(Scene::default()) }) };
        let scene = RwLock::new(Arc::new(Scene::default()));
        let author = Author { run: run.id().to_string(), by: header.operator.to_string() };
        let work = Work {
            provider: provider.as_ref(),
            remote: &remote,
            scene,
            look: &look,
            told: "",
            sources: &NO_SOURCES,
            applied: None,
            author,
        };
        let options = Options { run: run.id().to_string(), finished: BTreeSet::new(), ..Options::default() };
        let report = engine::execute(&plan, &work, options, events, &mut run, stop).await;
        run.finish(report.exit_code())?;
        if report.exit_code() == exit::DONE {
            workspace.remove()?;
        }
        Ok(Some(report))
    }

    fn workspace(&self, environment: &str) -> Workspace {
        Workspace::for_environment(std::path::Path::new(""), environment, Some(self.workspaces.clone()))
    }

    #[cfg_attr(
        not(any(feature = "aws", feature = "azure", feature = "gcp")),
        expect(unused_variables, reason = "no cloud in this build")
    )]
    fn provider(&self, environment: &str, workspace: &Workspace) -> Result<Box<dyn Provider>, Error> {
        match self.provider {
            #[cfg(feature = "aws")]
            ProviderKind::Aws => {
                use crate::provider::{aws, cloud::CloudOptions};
                let options =
                    CloudOptions { region: self.region.clone(), ..CloudOptions::new(environment, workspace.root()) };
                let own = aws::AwsOptions { profile: self.profile.clone(), ..aws::AwsOptions::default() };
                Ok(Box::new(aws::provider(options, own)))
            }
            #[cfg(feature = "azure")]
            ProviderKind::Azure => {
                use crate::provider::{azure, cloud::CloudOptions};
                let options =
                    CloudOptions { region: self.region.clone(), ..CloudOptions::new(environment, workspace.root()) };
                let own = azure::AzureOptions { any_group: true, ..azure::AzureOptions::default() };
                Ok(Box::new(azure::provider(options, own)?))
            }
            #[cfg(feature = "gcp")]
            ProviderKind::Gcp => {
                use crate::provider::{cloud::CloudOptions, gcp};
                let options =
                    CloudOptions { region: self.region.clone(), ..CloudOptions::new(environment, workspace.root()) };
                Ok(Box::new(gcp::provider(options, gcp::GcpOptions::default())))
            }
            kind => Err(Error::refused(
                exit::USAGE,
                format!("provider `{kind}` has no environments that expire, or is not part of this build"),
                Some("builds with `--features aws`, `--features azure`, `--features gcp` have those"),
            )),
        }
    }
}

/// An environment and whether it is over its time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Expired {
    /// Name.
    pub environment: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// When it may be destroyed.
    pub expires: Option<jiff::Timestamp>,
    /// It may be destroyed now.
    pub over: bool,
    /// How many things carry its tag.
    pub resources: usize,
}

impl Expired {
    /// Judges by the time.
    #[must_use]
    pub fn of(found: Expiring, now: jiff::Timestamp) -> Self {
        let Expiring { environment, owner, expires, resources } = found;
        Self { over: expires.is_some_and(|end| end <= now), environment, owner, expires, resources }
    }
}
