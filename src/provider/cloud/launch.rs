//! Machines that are alike are made together: one call for a group and a zone.
//!
//! Every node stays a resource and a step of its own, so that plan, journal, resume and consent know nodes only. A run
//! announces what it will make; the first step of a batch that runs makes the whole batch, and the others find theirs
//! made. No step waits for a clock to see whether others come.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};
use tokio::sync::Mutex as TurnMutex;

use crate::provider::{ProviderError, Resource, ResourceId};

/// Machines that one call makes at most: their ordinals have to fit into one tag.
const MOST: usize = 40;

/// What machines have in common that can be made together.
#[must_use]
pub fn alike(resource: &Resource) -> String {
    // Name and number of the node are not part of it; everything that the call says is.
    let own = ["tags", "address"];
    let shared: BTreeMap<&String, &serde_json::Value> =
        resource.attributes.iter().filter(|(name, _)| !own.contains(&name.as_str())).collect();
    format!("{} {}", resource.kind, serde_json::json!(shared))
}

/// A token for a launch: the same launch has the same one, also after the controller was killed, so that a cloud
/// which made the machines already answers with those.
#[must_use]
pub fn token(environment: &str, region: &str, place: &str, machines: &[ResourceId], generation: u64) -> String {
    let text = format!("{environment}\n{region}\n{place}\n{}\n{generation}", machines.join("\n"));
    Sha256::digest(text).iter().take(24).map(|byte| format!("{byte:02x}")).collect()
}

/// Launches of one run.
#[derive(Debug, Default)]
pub struct Launches {
    of: Mutex<BTreeMap<ResourceId, Arc<Batch>>>,
    /// Group -> zone -> how many were announced.
    zones: Mutex<BTreeMap<String, BTreeMap<usize, usize>>>,
}

#[derive(Debug, Default)]
struct Batch {
    turn: TurnMutex<Turn>,
    /// Attempts that ended: tells those who waited that one was made for them.
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct Turn {
    open: Vec<Resource>,
    made: BTreeSet<ResourceId>,
    /// Members of the last attempt, where it failed.
    failed: Option<(BTreeSet<ResourceId>, ProviderError)>,
}

impl Launches {
    /// How many of a group were announced for each zone.
    #[must_use]
    pub fn zones(&self, group: &str) -> BTreeMap<usize, usize> {
        let zones = self.zones.lock().expect("nothing panics while it holds the zones");
        zones.get(group).cloned().unwrap_or_default()
    }

    /// Says what will be made.
    pub fn announce(&self, creations: &[Resource]) {
        let mut zones: BTreeMap<String, BTreeMap<usize, usize>> = BTreeMap::new();
        for resource in creations {
            let group = resource.attributes.get("group").and_then(serde_json::Value::as_str).unwrap_or_default();
            let zone = resource.attributes.get("zone").and_then(serde_json::Value::as_u64).unwrap_or(1);
            let zone = usize::try_from(zone).unwrap_or(1);
            *zones.entry(group.to_owned()).or_default().entry(zone).or_default() += 1;
        }
        *self.zones.lock().expect("nothing panics while it holds the zones") = zones;
        let mut by: BTreeMap<String, Vec<Resource>> = BTreeMap::new();
        for resource in creations {
            by.entry(alike(resource)).or_default().push(resource.clone());
        }
        let mut of = self.of.lock().expect("nothing panics while it holds the batches");
        of.clear();
        for resources in by.values() {
            for open in resources.chunks(MOST) {
                let turn = TurnMutex::new(Turn { open: open.to_vec(), ..Turn::default() });
                let batch = Arc::new(Batch { turn, ..Batch::default() });
                of.extend(open.iter().map(|resource| (resource.id.clone(), batch.clone())));
            }
        }
    }

    /// Takes part in the launch of a resource's batch: makes all of it that is `ready`, or waits for whoever does. What is
    /// not ready, because something of its own is still being made, is launched when its turn comes.
    ///
    /// # Errors
    /// Where the launch failed, for everybody who waited for it. The next who comes tries again.
    pub async fn join<F, L>(
        &self,
        resource: &Resource,
        ready: impl Fn(&Resource) -> bool,
        launch: L,
    ) -> Result<(), ProviderError>
    where
        L: FnOnce(Vec<Resource>) -> F,
        F: Future<Output = Result<(), ProviderError>>,
    {
        let batch = {
            let mut of = self.of.lock().expect("nothing panics while it holds the batches");
            of.entry(resource.id.clone()).or_default().clone()
        };
        let before = batch.ended.load(Ordering::Acquire);
        let mut turn = batch.turn.lock().await;
        // Asked for once more, it is to be made once more: it may have been removed since.
        if turn.made.remove(&resource.id) {
            return Ok(());
        }
        let waited = batch.ended.load(Ordering::Acquire) != before;
        if let (true, Some((members, error))) = (waited, &turn.failed)
            && members.contains(&resource.id)
        {
            return Err(error.clone());
        }
        let together = turn.open.iter().any(|member| member.id == resource.id);
        let mut members = if together { turn.open.clone() } else { vec![resource.clone()] };
        members.retain(|member| member.id == resource.id || ready(member));
        let ids: BTreeSet<ResourceId> = members.iter().map(|member| member.id.clone()).collect();
        let outcome = launch(members).await;
        batch.ended.fetch_add(1, Ordering::Release);
        if outcome.is_ok() && together {
            turn.open.retain(|member| !ids.contains(&member.id));
            turn.made.extend(ids.iter().filter(|id| **id != resource.id).cloned());
        }
        turn.failed = outcome.as_ref().err().map(|error| (ids, error.clone()));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    use futures_util::future::join_all;
    use serde_json::json;

    use super::*;
    use crate::provider::ErrorClass;

    fn node(group: &str, ordinal: u32, zone: u32) -> Resource {
        let attributes = [("group", json!(group)), ("zone", json!(zone)), ("address", json!(ordinal))];
        Resource {
            id: format!("node/demo-{group}-{ordinal}"),
            kind: "instance".to_owned(),
            node: Some(format!("demo-{group}-{ordinal}")),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
            needs: Vec::new(),
            data_bearing: false,
            reason: String::new(),
            shared: false,
        }
    }

    fn always(_: &Resource) -> bool {
        true
    }

    fn nodes() -> Vec<Resource> {
        (1..=6).map(|ordinal| node("app", ordinal, (ordinal - 1) % 3 + 1)).chain([node("redis", 1, 1)]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_for_each_group_and_zone() {
        let (launches, nodes, calls) = (Launches::default(), nodes(), Mutex::new(Vec::new()));
        launches.announce(&nodes);
        let made = |members: Vec<Resource>| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            calls.lock().unwrap().push(members.into_iter().map(|member| member.id).collect::<Vec<_>>());
            Ok(())
        };
        let all = join_all(nodes.iter().map(|node| launches.join(node, always, made))).await;
        assert!(all.iter().all(Result::is_ok));
        let mut told = calls.lock().unwrap().clone();
        told.sort();
        assert_eq!(
            told,
            [
                vec!["node/demo-app-1", "node/demo-app-4"],
                vec!["node/demo-app-2", "node/demo-app-5"],
                vec!["node/demo-app-3", "node/demo-app-6"],
                vec!["node/demo-redis-1"],
            ]
        );
        // Removed and made anew, a node comes alone.
        launches.join(&nodes[0], always, made).await.unwrap();
        assert_eq!(calls.lock().unwrap().last().unwrap(), &["node/demo-app-1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_everybodys_and_the_next_attempt_is_one_call_again() {
        let (launches, nodes, calls) = (Launches::default(), nodes(), AtomicUsize::new(0));
        launches.announce(&nodes);
        let failing = |_: Vec<Resource>| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            calls.fetch_add(1, Ordering::SeqCst);
            let (doing, message) = ("launch".to_owned(), "no capacity".to_owned());
            Err(ProviderError { doing, message, hint: None, class: ErrorClass::Transient })
        };
        let twice = || [launches.join(&nodes[0], always, failing), launches.join(&nodes[3], always, failing)];
        assert!(join_all(twice()).await.iter().all(Result::is_err));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let made = |members: Vec<Resource>| async move {
            assert_eq!(members.len(), 2);
            Ok(())
        };
        let both = [launches.join(&nodes[3], always, made), launches.join(&nodes[0], always, made)];
        assert!(join_all(both).await.iter().all(Result::is_ok));
    }

    /// On Azure a machine's interface is a resource of its own, and may come later than another machine's.
    #[tokio::test(start_paused = true)]
    async fn who_is_not_ready_is_left_for_the_next_call() {
        let (launches, nodes, calls) = (Launches::default(), nodes(), Mutex::new(Vec::new()));
        launches.announce(&nodes);
        let late = |member: &Resource| member.id != "node/demo-app-4";
        let failing = |_: Vec<Resource>| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (doing, message) = ("launch".to_owned(), "no capacity".to_owned());
            Err(ProviderError { doing, message, hint: None, class: ErrorClass::Permanent })
        };
        let made = |members: Vec<Resource>| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            calls.lock().unwrap().push(members.into_iter().map(|member| member.id).collect::<Vec<_>>());
            Ok(())
        };
        // It waited for a launch that failed, and was no part of it.
        let (first, second) =
            tokio::join!(launches.join(&nodes[0], late, failing), launches.join(&nodes[3], always, made));
        assert!(first.is_err() && second.is_ok());
        assert_eq!(*calls.lock().unwrap(), [["node/demo-app-1", "node/demo-app-4"]]);
        launches.announce(&nodes);
        launches.join(&nodes[0], late, made).await.unwrap();
        launches.join(&nodes[3], always, made).await.unwrap();
        assert_eq!(calls.lock().unwrap()[1..], [["node/demo-app-1"], ["node/demo-app-4"]]);
    }

    #[test]
    fn a_token_changes_with_all_that_makes_another_launch() {
        let machines = ["node/a".to_owned(), "node/b".to_owned()];
        let one = token("demo", "eu", "app/1", &machines, 0);
        assert_eq!(one, token("demo", "eu", "app/1", &machines, 0));
        assert_eq!(one.len(), 48);
        for other in [
            token("demo", "eu", "app/2", &machines, 0),
            token("demo", "eu", "app/1", &machines[..1], 0),
            token("demo", "eu", "app/1", &machines, 1),
            token("live", "eu", "app/1", &machines, 0),
        ] {
            assert_ne!(one, other);
        }
    }
}
