//! What must hold before an environment's data moves into another one.

use std::collections::BTreeSet;

use super::off_duty;
use crate::{
    configure::Moment,
    exit,
    session::{Error, Session},
};

/// The two belong together, as far as their files tell.
pub(super) fn fit(from: &Session, to: &Session) -> Result<(), Error> {
    let (a, b) = (&from.topology, &to.topology);
    let mut faults = Vec::new();
    if a.environment == b.environment {
        faults.push(format!(
            "both files name the environment `{}`: the one that is moved into needs another name",
            a.environment
        ));
    }
    if a.stack != b.stack {
        faults
            .push(format!("`{}` has stack `{}`, `{}` has stack `{}`", a.environment, a.stack, b.environment, b.stack));
        return refuse(faults);
    }
    let version = from.catalog.stack.product.as_ref().map(|product| product.version.as_str());
    let same = from.catalog.roles.iter().flat_map(|(role, spec)| {
        let settings = spec.backup.iter().flat_map(|spec| &spec.same);
        settings.map(move |setting| format!("{role}.{setting}"))
    });
    for setting in same.chain(version.map(str::to_owned)).collect::<BTreeSet<_>>() {
        let (role, name) = setting.split_once('.').unwrap_or_default();
        let value = |session: &Session| session.topology.settings.get(role).and_then(|own| own.get(name)).cloned();
        let (theirs, ours) = (value(from), value(to));
        if a.has_role(role) && theirs != ours {
            let text = |value: Option<serde_json::Value>| {
                value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
            };
            faults.push(format!(
                "`settings.{setting}` is {} in `{}` and {} in `{}`: a backup is restored only where it is the same",
                text(theirs),
                a.environment,
                text(ours),
                b.environment
            ));
        }
    }
    for (name, role) in &from.catalog.roles {
        if role.backup.as_ref().is_some_and(|spec| spec.source.is_some()) && a.has_role(name) && !b.has_role(name) {
            faults.push(format!(
                "`{}` has no node of role `{name}`, where the data of `{}` could go",
                b.environment, a.environment
            ));
        }
    }
    if faults.is_empty() {
        let (theirs, ours) = (places(from)?, places(to)?);
        for place in theirs.intersection(&ours) {
            faults.push(format!(
                "`{}` and `{}` both back up to {place}: they would write into each other's backups",
                a.environment, b.environment
            ));
        }
    }
    refuse(faults)
}

fn refuse(faults: Vec<String>) -> Result<(), Error> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Error::refused(exit::FAILED, faults.join("; "), Some("nothing was changed anywhere"))),
    }
}

/// Where an environment's backups go.
fn places(session: &Session) -> Result<BTreeSet<String>, Error> {
    let named = |error: Error| match error {
        Error::Refused { code, message, hint } => {
            let name = &session.topology.environment;
            Error::Refused { code, message: format!("`{name}`: {message}"), hint }
        }
        other => other,
    };
    let tasks = session.with_backups(session.preview_tasks()?).map_err(named)?;
    let places = tasks.into_values().flatten().filter(|task| task.moment == Moment::Place);
    Ok(places.map(|task| task.run.trim().to_owned()).collect())
}

/// Every node is there.
pub(super) async fn runs(session: &Session) -> Result<(), Error> {
    let away = off_duty(session).await?;
    if away.is_empty() {
        return Ok(());
    }
    let message = format!("`{}` does not run: {}", session.topology.environment, away.join(", "));
    let hint = format!("`refarch apply {}` first; nothing was changed anywhere", session.file().display());
    Err(Error::refused(exit::FAILED, message, Some(&hint)))
}

/// No secret is between two values.
pub(super) fn settled(session: &Session) -> Result<(), Error> {
    let store = session.stored_secrets()?;
    let Some((name, _)) = store.rotating() else { return Ok(()) };
    let message = format!("secret `{name}` of `{}` is being rotated", session.topology.environment);
    let hint = format!("finish it first: `refarch secrets rotate {name} -e {}`", session.file().display());
    Err(Error::refused(exit::FAILED, message, Some(&hint)))
}

/// Every node says what backups there are.
pub(super) fn answers(name: &str, silent: &[String]) -> Result<(), Error> {
    if silent.is_empty() {
        return Ok(());
    }
    let message = format!("the backups of `{name}` cannot be read: {}", silent.join("; "));
    let hint = "look at `refarch backup list` and the object storage; nothing was changed anywhere";
    Err(Error::refused(exit::FAILED, message, Some(hint)))
}

/// A secret that goes along has no other source in the environment that it goes to.
pub(super) fn origins(from: &Session, to: &Session) -> Result<(), Error> {
    let store = from.stored_secrets()?;
    let specs = to.secret_specs();
    for name in &from.catalog.stack.carries {
        let Some(spec) = specs.get(name) else { continue };
        let Some(given) = to.outside(name, spec)? else { continue };
        if store.text(name) != Some(&given) {
            let (a, b) = (&from.topology.environment, &to.topology.environment);
            let message = format!(
                "secret `{name}` goes along with the data, and `{b}` has another value at its source than `{a}`"
            );
            let hint = format!("put the value of `{a}` there, or take `secrets.{name}` out of {}", to.file().display());
            return Err(Error::refused(exit::FAILED, message, Some(&hint)));
        }
    }
    Ok(())
}
