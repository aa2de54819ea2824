//! `apply`.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, IsTerminal as _, Write as _},
    time::Duration,
};

use super::{Failure, Format, Output, Target, bundle::FromBundle};
use crate::{
    engine::{FailedStep, Report, StopHandle, StopSignal},
    event::{Event, Events},
    exit,
    journal::{OutputLog, RunId},
    lock::Lease,
    plan::{Action, Plan, Risk, StepId, Verb},
    provider::{Change, Verdict},
    session::{self, Held, Probed, Ran, Reach, RunRequest, SavedPlan, Session, Watch},
    verify::CheckResult,
    view::{self, PlanStyle},
};

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    pub run: RunArgs,
    /// Make this node anew; may be repeated
    #[arg(long, value_name = "NODE")]
    replace: Vec<String>,
    /// Take the newest image for machines that are made from now on, instead of the one that was pinned; nodes that are
    /// there keep theirs until `--replace`
    #[arg(long)]
    newer_image: bool,
    /// End without proving the whole paths
    #[arg(long)]
    no_verify: bool,
    /// Make machines and what they stand on, and configure nothing on them
    #[arg(long)]
    infrastructure: bool,
    #[command(flatten)]
    bundle: FromBundle,
}

/// Arguments of every verb that changes something.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Consent to lose the data of this node, or of the whole environment by its name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub destroy_data: Vec<String>,
    /// Steps at a time
    #[arg(short, long, value_name = "N", default_value_t = 32, env = "REFARCH_JOBS")]
    pub concurrency: usize,
    /// Seconds to wait for somebody else's lock
    #[arg(long, value_name = "SECONDS")]
    pub lock_wait: Option<u64>,
}

/// Makes the environment what its file says, and proves that it works.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let file = args.target.file()?;
    let saved = SavedPlan::load(&file)?;
    let request = match &saved {
        Some(saved) => saved.request(),
        None => args.target.request()?,
    };
    let session = args.bundle.enter(&request, output).await?;
    warn(&session, output);
    let change = Making {
        command: format!("apply {}", session.topology().environment),
        replace: &args.replace,
        saved: saved.as_ref(),
        verify: !args.no_verify,
        infrastructure: saved.as_ref().map_or(args.infrastructure, SavedPlan::is_infrastructure_only),
        newer_image: args.newer_image,
        agreed: &|| Ok(()),
    };
    self::change(&session, &args.run, change, output).await
}

/// What to make of an environment, and why.
pub struct Making<'a> {
    /// What the user asked for, in words.
    pub command: String,
    /// Nodes to make anew.
    pub replace: &'a [String],
    /// The plan that was agreed to before.
    pub saved: Option<&'a SavedPlan>,
    /// Prove the whole paths at the end.
    pub verify: bool,
    /// Make machines and what they stand on, and configure nothing on them.
    pub infrastructure: bool,
    /// Look for newer images in the cloud.
    pub newer_image: bool,
    /// Done when somebody agreed, before anything changes.
    pub agreed: &'a dyn Fn() -> Result<(), Failure>,
}

/// Looks, plans, asks, and makes the environment so.
pub async fn change(session: &Session, args: &RunArgs, change: Making<'_>, output: &Output) -> Result<u8, Failure> {
    let Making { command, replace, saved, verify, infrastructure, newer_image, agreed } = change;
    let id = session.runs().new_id();
    let lock = take_lock(session, &command, Some(&id), args.lock_wait).await?;
    preflight(session, output).await?;
    if newer_image {
        if saved.is_some() {
            return Err(Failure::usage("a saved plan has its images already").hint("plan anew without `-o`"));
        }
        newer_images(session, output).await?;
    }
    let reach = session.reach().await?;
    let (events, viewing) = output.start();
    events.send(Event::Note { text: format!("looking at {}", view::count(session.topology().nodes.len(), "node")) });
    let survey = match infrastructure {
        true => session.survey_infrastructure(replace).await,
        false => session.survey(&reach, replace, &events).await,
    };
    drop(events);
    viewing.finish().await;
    let survey = survey?;
    session.note_settled(&survey)?;
    let plan = survey.plan;
    if let Some(saved) = saved {
        saved.still_holds(&plan)?;
    }
    if plan.is_empty() {
        // The file may say it in other words than what is there was made from.
        agreed()?;
        session.provider().keep_images().map_err(session::Error::from)?;
        match output.json() {
            true => output.document(&Ended::nothing(&plan))?,
            false => output.print(&view::plan_text(&plan, PlanStyle { color: output.color(), diff: false }))?,
        }
        return Ok(exit::DONE);
    }
    consent(&plan, args, output, saved.is_some())?;
    agreed()?;
    session.provider().keep_images().map_err(session::Error::from)?;

    let run = session.begin(id, &plan, &command)?;
    under_lock(lock, async |stop| {
        let work = Work { plan: &plan, run, finished: BTreeSet::new(), concurrency: args.concurrency, stop };
        carry_out(session, &reach, work, verify && !infrastructure, output).await
    })
    .await?
}

/// Works until it is done, somebody asks it to stop, or the lock is taken away; then gives the lock back.
///
/// # Errors
/// When signals cannot be listened to, or the lock cannot be given back.
pub async fn under_lock<T>(lock: Held, work: impl AsyncFnOnce(StopSignal) -> T) -> Result<T, Failure> {
    let (stop, signal) = StopHandle::new();
    let watching = stop.listen()?;
    let lost: Vec<_> = lock.lost().into_iter().map(|lost| stop.finish_when(lost, "the lock was taken away")).collect();
    let outcome = work(signal).await;
    watching.abort();
    lost.iter().for_each(tokio::task::JoinHandle::abort);
    super::enter::give_back(lock).await?;
    Ok(outcome)
}

/// A plan with all that running it takes.
pub struct Work<'a> {
    pub plan: &'a Plan,
    pub run: crate::journal::Run,
    pub finished: BTreeSet<crate::plan::StepId>,
    pub concurrency: usize,
    pub stop: StopSignal,
}

/// Runs a plan, proves what came of it, and says what to type next.
pub async fn carry_out(
    session: &Session,
    reach: &Reach,
    work: Work<'_>,
    verify: bool,
    output: &Output,
) -> Result<u8, Failure> {
    let Work { plan, run, finished, concurrency, stop } = work;
    let log = OutputLog::new(std::sync::Arc::new(crate::clock::SystemClock));
    let (events, receiver) = Events::channel();
    let viewing = output.watch(log.filter(receiver));
    let id = run.id().to_string();
    let request = RunRequest { plan, run, finished, concurrency, events: &events, log: &log, stop };
    let watch = if plan.verb == Verb::Upgrade { session.watch(reach)? } else { None };
    let working = async {
        let Ran { report, run } = session.execute(reach, request).await?;
        let mut code = report.exit_code();
        let mut checks = Vec::new();
        // A cloud gave addresses to what it made since.
        let late = session.provider().addresses_come_late() && plan.verb != Verb::Destroy;
        let found = if late && code == exit::DONE { Some(session.reach().await?) } else { None };
        let reach = found.as_ref().unwrap_or(reach);
        if code == exit::DONE && verify {
            events.send(Event::Note { text: "proving the whole paths".to_owned() });
            checks = session.verify(reach, &events).await?;
            if checks.iter().any(|check| !check.ok) {
                code = exit::CHECKS_FAILED;
            }
        }
        Ok::<_, Failure>((report, run, code, checks, found))
    };
    let (report, run, code, checks, found) = match &watch {
        Some(watch) => tokio::select! {
            done = working => done?,
            () = watch.run(reach) => unreachable!("it asks until it is dropped"),
        },
        None => working.await?,
    };
    let probed = watch.as_ref().map(Watch::probed);
    run.finish(code).map_err(session::Error::from)?;
    events.send(report.finished(&id, code));
    drop(events);
    viewing.finish().await;
    if output.format() == Format::Json {
        let ended = Ended { probe: probed.as_ref(), ..Ended::of(plan, &id, &report, &checks, code) };
        output.document(&ended)?;
    }
    if output.json() {
        return Ok(code);
    }
    if !checks.is_empty() {
        output.print(&view::checks(&checks, output.color()))?;
    }
    if let Some(probed) = &probed {
        output.print(&asked(probed))?;
    }
    match code {
        exit::DONE if verify => output.print(&summary(session, found.as_ref().unwrap_or(reach))?)?,
        exit::DONE | exit::CHECKS_FAILED => {}
        // Whoever moves data from one environment to another says how that goes on.
        _ if plan.source.is_some() => {}
        _ => {
            let file = session.file().display();
            let _ = writeln!(
                std::io::stderr(),
                "{} steps are left; go on with `refarch resume -e {file}`, or plan anew with `refarch apply {file}`",
                report.left.len() + report.blocked.len() + report.failed.len()
            );
        }
    }
    Ok(code)
}

/// What a program reads when a run has ended.
#[derive(serde::Serialize)]
pub struct Ended<'a> {
    run: Option<&'a str>,
    verb: Verb,
    environment: &'a str,
    done: usize,
    total: usize,
    changed: usize,
    failed: Vec<serde_json::Value>,
    left: Vec<&'a StepId>,
    checks: &'a [CheckResult],
    elapsed_ms: u128,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<&'a Probed>,
}

impl<'a> Ended<'a> {
    /// There was nothing to do.
    pub fn nothing(plan: &'a Plan) -> Self {
        let Plan { verb, environment, .. } = plan;
        Self {
            run: None,
            verb: *verb,
            environment,
            done: 0,
            total: 0,
            changed: 0,
            failed: Vec::new(),
            left: Vec::new(),
            checks: &[],
            elapsed_ms: 0,
            exit_code: exit::DONE,
            probe: None,
        }
    }

    fn of(plan: &'a Plan, run: &'a str, report: &'a Report, checks: &'a [CheckResult], exit_code: u8) -> Self {
        let failed = report.failed.iter().map(|failed| {
            let FailedStep { step, node, title, error } = failed;
            serde_json::json!({"step": step, "node": node, "title": title, "error": error.to_string()})
        });
        Self {
            run: Some(run),
            done: report.done,
            total: report.total,
            changed: report.changed,
            failed: failed.collect(),
            left: report.left.iter().chain(report.blocked.iter().map(|blocked| &blocked.step)).collect(),
            checks,
            elapsed_ms: report.elapsed.as_millis(),
            exit_code,
            ..Self::nothing(plan)
        }
    }
}

/// What users would have noticed.
fn asked(probed: &Probed) -> String {
    let Probed { requests, failed, longest_gap_ms, interrupted } = probed;
    let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
    let requests = view::count(usize::try_from(*requests).unwrap_or(usize::MAX), "request");
    let gap = seconds(*longest_gap_ms);
    let none = if failed.is_empty() { "none failed".to_owned() } else { format!("{} failed", failed.len()) };
    let mut text =
        format!("{requests} through the external URL meanwhile: {none}; longest time without an answer {gap:.1} s\n");
    for request in failed {
        text.push_str(&format!("  after {:.1} s: {}\n", seconds(request.at_ms), request.what));
    }
    if *interrupted > 0 {
        text.push_str(&format!("  {interrupted} times nobody asked: the connection to the asking node broke\n"));
    }
    text
}

/// What runs, where, and what to type next.
fn summary(session: &Session, reach: &Reach) -> Result<String, Failure> {
    let topology = session.topology();
    let mut lines = vec![(
        "Environment".to_owned(),
        format!("{}: {}, stack {}", topology.environment, view::count(topology.nodes.len(), "node"), topology.stack),
    )];
    lines.extend(session.summary(reach)?);
    let file = session.file().display();
    lines.push(("Next".to_owned(), format!("refarch status {file}")));
    lines.push((String::new(), format!("refarch verify {file}")));
    lines.push((String::new(), format!("refarch ssh -e {file} {}", topology.nodes[0].name)));
    lines.push((String::new(), format!("refarch destroy {file}")));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    Ok(lines.into_iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect())
}

/// Warnings of the environment file.
pub fn warn(session: &Session, output: &Output) {
    let loaded = session.loaded();
    if !loaded.warnings.is_empty() && !output.json() {
        let text = view::diagnostic::render(&loaded.warnings, &loaded.sources, 100, console::colors_enabled_stderr());
        let _ = write!(std::io::stderr(), "{text}");
    }
}

/// Takes the lock, and mends what a drill broke whose process did not live to mend it.
pub async fn take_lock(
    session: &Session,
    command: &str,
    run: Option<&RunId>,
    wait: Option<u64>,
) -> Result<Held, Failure> {
    let lock = session.lock(command, run, wait.map(Duration::from_secs), say_waiting).await?;
    super::enter::say(session);
    if session.has_open_faults()? {
        let _ = writeln!(std::io::stderr(), "a drill was ended before it mended what it broke: mending that first");
        let reach = session.reach().await?;
        for fault in session.mend(&reach).await? {
            let _ = writeln!(std::io::stderr(), "mended: {} on {}", fault.drill, fault.node);
        }
    }
    Ok(lock)
}

/// Says whose lock is waited for.
fn say_waiting(lease: &Lease) {
    let _ = writeln!(std::io::stderr(), "waiting for the lock: {} has it for `{}`", lease.holder, lease.command);
}

/// Looks for newer images, and says what there is.
pub async fn newer_images(session: &Session, output: &Output) -> Result<(), Failure> {
    let found = session.provider().newer_images(session.topology()).await.map_err(session::Error::from)?;
    if !output.json() {
        for line in found {
            let _ = writeln!(std::io::stderr(), "image for {line}");
        }
    }
    Ok(())
}

pub(super) async fn preflight(session: &Session, output: &Output) -> Result<(), Failure> {
    let findings = session.provider().preflight(session.topology()).await;
    let bad: Vec<_> = findings.into_iter().filter(|finding| finding.verdict != Verdict::Pass).collect();
    if !bad.is_empty() && !output.json() {
        let _ = write!(std::io::stderr(), "{}", view::findings(&bad, console::colors_enabled_stderr()));
    }
    if bad.iter().any(|finding| finding.verdict == Verdict::Fail) {
        return Err(Failure::new(
            exit::CHECKS_FAILED,
            "this place is not ready for the environment; nothing was changed",
        )
        .hint("mend what is marked FAIL above; `refarch check` looks again"));
    }
    Ok(())
}

/// Asks, where there is somebody to ask; loss of data needs its own consent, by name.
pub fn consent(plan: &Plan, args: &RunArgs, output: &Output, exact: bool) -> Result<(), Failure> {
    let losing: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| step.risk == Risk::DataLoss)
        .map(|step| match (&step.node, &step.action) {
            (Some(node), _) => node.as_str(),
            (None, Action::Infrastructure(Change::Delete { live })) => live.id.as_str(),
            _ => step.id.as_str(),
        })
        .filter(|name| !args.destroy_data.iter().any(|given| given == name || *given == plan.environment))
        .collect();
    if !losing.is_empty() {
        return Err(Failure::new(exit::FAILED, format!("this would destroy the data of {}", losing.join(", "))).hint(
            format!(
                "if that is wanted, add `--destroy-data NAME` for each, or `--destroy-data {}` for all",
                plan.environment
            ),
        ));
    }
    if args.yes || exact {
        return Ok(());
    }
    if !output.json() {
        output.print(&view::plan_text(plan, PlanStyle { color: output.color(), diff: false }))?;
    }
    ask()
}

/// Asks whoever sits at the terminal.
pub fn ask() -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody can be asked here, and there is no `--yes`")
            .hint("add `--yes`, or save a plan with `plan -o FILE` and apply that"));
    }
    let _ = write!(std::io::stderr(), "Do this? Type yes: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::new(exit::FAILED, "nothing was done")) }
}
