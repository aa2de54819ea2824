//! Machines: launched together, named one by one, waited for together, reached over SSH.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    blueprint::{self, kind},
    calls::{Cloud, Found, Launch, LaunchError, MACHINE, MachineState, Making},
    first_start, launch,
    options::Access,
    permanent,
    provider::CloudProvider,
    reach::BASTION,
    tags::{self, Tags},
};
use crate::{
    event::StepLog,
    provider::{Host, Power, ProviderError, Resource, ResourceId},
    topology::Topology,
};

/// Calls at a time where each concerns one machine.
const AT_A_TIME: usize = 8;
/// How long a console may take to show the host keys.
const CONSOLE: Duration = Duration::from_secs(150);

/// How often a launch is tried anew where the cloud remembers one of its name.
const LAUNCHES: usize = 8;

/// Which resource a machine is: by its own tag, else by its place in the launch that made it.
#[must_use]
pub fn which(tags: &Tags, index: usize) -> Option<ResourceId> {
    if let Some(resource) = tags.get(tags::RESOURCE) {
        return Some(resource.clone());
    }
    let ordinal = tags.get(tags::LAUNCH)?.split(' ').nth(index)?;
    Some(format!("node/{}-{}-{ordinal}", tags.get(tags::ENVIRONMENT)?, tags.get(tags::GROUP)?))
}

fn text<'a>(resource: &'a Resource, attribute: &str) -> Option<&'a str> {
    resource.attributes.get(attribute).and_then(Value::as_str)
}

fn ordinal(resource: &Resource) -> u64 {
    resource.id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A place and a machine type that a launch may be tried with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    zone: usize,
    machine_type: Option<String>,
}

/// Where to look for capacity, in order: what is wanted; other types in the same zone, so that the spread stays;
/// other zones.
fn places(zone: usize, zones: usize, wanted: Option<&str>, equivalents: &BTreeMap<String, Vec<String>>) -> Vec<Place> {
    let types: Vec<Option<String>> = match wanted {
        Some(wanted) => {
            let others = equivalents.get(wanted).into_iter().flatten().cloned();
            std::iter::once(wanted.to_owned()).chain(others).map(Some).collect()
        }
        None => vec![None],
    };
    let zones = (0..zones).map(|step| (zone - 1 + step) % zones + 1);
    zones.flat_map(|zone| types.iter().map(move |kind| Place { zone, machine_type: kind.clone() })).collect()
}

impl<C: Cloud> CloudProvider<C> {
    pub(super) async fn create_machine(&self, resource: &Resource, log: &StepLog) -> Result<(), ProviderError> {
        // What a machine alone has (an interface, a disk) is named after it; all else its step has waited for.
        let is_own = |node: &str, need: &str| need.rsplit_once('/').is_some_and(|(_, name)| name == node);
        let ready = |member: &Resource| {
            let node = member.node.as_deref().unwrap_or_default();
            member.needs.iter().filter(|need| is_own(node, need)).all(|need| self.book.handle(need).is_some())
        };
        self.launches.join(resource, ready, |members| self.launch(members, log)).await?;
        let doing = format!("start {}", resource.id);
        let handle = self.book.need(&doing, &resource.id)?;
        self.await_running(&doing, &handle).await?;
        let tags = self.tags(resource)?;
        self.cloud.settle(Making { resource, tags: &tags, book: &self.book }, &handle).await
    }

    /// Makes those machines of a batch that are not there.
    async fn launch(&self, mut members: Vec<Resource>, log: &StepLog) -> Result<(), ProviderError> {
        members.sort_by_key(ordinal);
        if self.doubt.swap(false, Ordering::AcqRel)
            && let Err(error) = self.look_again().await
        {
            self.doubt.store(true, Ordering::Release);
            return Err(error);
        }
        let Some(first) = members.first().cloned() else { return Ok(()) };
        let zones = blueprint::zones(&self.options);
        let zone = first.attributes.get("zone").and_then(Value::as_u64).map_or(1, |zone| zone as usize).clamp(1, zones);
        let wanted = text(&first, "machine_type");
        let mut lacking = Vec::new();
        for place in places(zone, zones, wanted, &self.options.equivalents) {
            if place.zone != zone && !self.may_move(&members, zone, place.zone).await {
                continue;
            }
            match self.launch_at(&mut members, &place, wanted).await {
                Ok(()) => {
                    if place.zone != zone || place.machine_type.as_deref() != wanted {
                        let kind = place.machine_type.as_deref().unwrap_or("the type");
                        log.line(format!("no capacity where it was wanted: {kind} in zone {} instead", place.zone));
                    }
                    return Ok(());
                }
                Err(LaunchError::NoCapacity(error)) => {
                    log.line(error.message.clone());
                    lacking.push(error);
                }
                Err(LaunchError::Used) => {
                    let doing = format!("launch {}", first.id);
                    return Err(permanent(doing, "the cloud remembers this launch and does not show it", None));
                }
                Err(LaunchError::Other(error)) => {
                    self.doubt.store(true, Ordering::Release);
                    return Err(error);
                }
            }
        }
        let mut error = lacking.into_iter().next().unwrap_or_else(|| {
            permanent(format!("launch {}", first.id), "there is no zone left that it may go to", None)
        });
        error.hint = Some(
            "name types that may stand in under `cloud.equivalents`, or wait: `apply` again goes on where this one \
             stopped"
                .to_owned(),
        );
        error.class = crate::provider::ErrorClass::Permanent;
        Err(error)
    }

    async fn launch_at(
        &self,
        members: &mut Vec<Resource>,
        place: &Place,
        wanted: Option<&str>,
    ) -> Result<(), LaunchError> {
        for _ in 0..LAUNCHES {
            members.retain(|member| self.book.handle(&member.id).is_none());
            let Some(first) = members.first() else { return Ok(()) };
            let group = text(first, "group").unwrap_or_default().to_owned();
            let architecture = self.cloud.architecture(place.machine_type.as_deref().unwrap_or_default());
            let image = match text(first, "image").filter(|_| place.machine_type.as_deref() == wanted) {
                Some(image) => image.to_owned(),
                None => self.image(architecture).await.map_err(LaunchError::Other)?,
            };
            let own: Vec<Tags> =
                members.iter().map(|member| self.tags(member)).collect::<Result<_, _>>().map_err(LaunchError::Other)?;
            let mut shared: Tags = own[0].clone();
            shared.retain(|key, value| own.iter().all(|tags| tags.get(key) == Some(value)));
            if members.len() > 1 {
                let ordinals: Vec<String> = members.iter().map(|member| ordinal(member).to_string()).collect();
                shared.insert(tags::LAUNCH.to_owned(), ordinals.join(" "));
            }
            if let (Some(wanted), true) = (wanted, place.machine_type.as_deref() != wanted) {
                shared.insert(tags::INSTEAD_OF.to_owned(), wanted.to_owned());
            }
            let ids: Vec<ResourceId> = members.iter().map(|member| member.id.clone()).collect();
            let record = self.record.get().map_err(LaunchError::Other)?;
            let generation = record.generations.get(&group).copied().unwrap_or_default();
            // The key is another one in each life of an environment: its predecessor's launches are not remembered.
            let life = self.book.handle("key").unwrap_or_default();
            let kind = place.machine_type.as_deref().unwrap_or_default();
            let spot = format!("{life}/{}/{kind}/{image}", place.zone);
            let region = self.cloud.region().unwrap_or_default();
            let token = launch::token(&self.options.environment, &region, &spot, &ids, generation);
            let launch = Launch {
                machines: members,
                zone: place.zone,
                machine_type: place.machine_type.as_deref(),
                image: &image,
                tags: &shared,
                token: &token,
                first_start: &first_start::script(&self.options, self.cloud.tunnel_agent(), first),
                book: &self.book,
            };
            match self.cloud.launch(launch).await {
                Ok(handles) => {
                    for (id, handle) in ids.iter().zip(&handles) {
                        self.book.note(id, handle);
                    }
                    if members.len() == 1 {
                        return Ok(());
                    }
                    let names: Vec<_> = handles
                        .iter()
                        .zip(&own)
                        .map(|(handle, tags)| self.cloud.tag(kind::INSTANCE, handle, tags))
                        .collect();
                    return stream::iter(names)
                        .buffer_unordered(AT_A_TIME)
                        .try_collect::<Vec<()>>()
                        .await
                        .map(|_| ())
                        .map_err(LaunchError::Other);
                }
                Err(LaunchError::Used) => {
                    self.look_again().await.map_err(LaunchError::Other)?;
                    let next = |record: &mut super::record::Record| *record.generations.entry(group).or_default() += 1;
                    self.record.change(next).map_err(LaunchError::Other)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(LaunchError::Used)
    }

    /// Notes machines that came to be without an answer.
    async fn look_again(&self) -> Result<(), ProviderError> {
        for found in self.only_own(self.cloud.machines().await?) {
            self.book.note(&found.id, &found.handle);
        }
        Ok(())
    }

    /// Whether members of a group may go to another zone: not where all of the group would then be in one.
    async fn may_move(&self, members: &[Resource], from: usize, to: usize) -> bool {
        let Some(group) = members.first().and_then(|first| text(first, "group")) else { return true };
        let mut placed = self.placing.lock().await;
        let group = group.to_owned();
        // Members of the other zones stay where they are, or went where `placed` says.
        let zones = blueprint::zones(&self.options);
        let count = self.members_by_zone(&group);
        let others = (1..=zones).filter(|zone| *zone != from && count.get(zone).is_some_and(|count| *count > 0));
        let mut real: Vec<usize> =
            others.map(|zone| placed.get(&format!("{group}/{zone}")).copied().unwrap_or(zone)).collect();
        real.dedup();
        let fits = real.is_empty() || real.iter().any(|zone| *zone != to);
        if fits {
            placed.insert(format!("{group}/{from}"), to);
        }
        fits
    }

    /// Members of a group by zone number: those announced, and those that are there.
    fn members_by_zone(&self, group: &str) -> BTreeMap<usize, usize> {
        let mut count = self.launches.zones(group);
        let zones = blueprint::zones(&self.options);
        let start = format!("node/{}-{group}-", self.options.environment);
        for ordinal in self.book.ids().iter().filter_map(|id| id.strip_prefix(&start)?.parse::<usize>().ok()) {
            *count.entry((ordinal.max(1) - 1) % zones + 1).or_default() += 1;
        }
        count
    }

    async fn await_running(&self, doing: &str, handle: &str) -> Result<(), ProviderError> {
        use MachineState as S;
        let ended = |state: Option<&S>| !matches!(state, None | Some(S::Pending | S::Stopping));
        let ask = |handles| self.cloud.states(handles);
        match self.waits.until(doing, handle, ended, MACHINE, ask).await? {
            Some(S::Running) => Ok(()),
            state => {
                let what = if state == Some(S::Stopped) { "stopped" } else { "was removed" };
                let hint = "the cloud's own page of the machine tells why; `apply` again makes it anew";
                Err(permanent(doing, format!("{handle} {what} instead of running"), Some(hint)))
            }
        }
    }

    pub(super) async fn stop(&self, id: &str, handle: &str) -> Result<(), ProviderError> {
        let doing = format!("stop {id}");
        self.cloud.stop(handle).await?;
        let stopped = |state: Option<&MachineState>| {
            !matches!(state, Some(MachineState::Pending | MachineState::Running | MachineState::Stopping))
        };
        match self.waits.until(&doing, handle, stopped, MACHINE, |handles| self.cloud.states(handles)).await? {
            Some(MachineState::Stopped) => Ok(()),
            _ => {
                Err(permanent(doing, format!("{handle} was removed by somebody"), Some("`apply` again makes it anew")))
            }
        }
    }

    /// Whether it was for the cloud to do.
    pub(super) async fn power_now(&self, node: &str, power: Power) -> Result<bool, ProviderError> {
        use MachineState as S;
        // A restart in order is the machine's own affair: clouds only ask it for one.
        if power == Power::Restart {
            return Ok(false);
        }
        self.ready().await?;
        let id = format!("node/{node}");
        let handle = self.book.need(&format!("switch {node}"), &id)?;
        let ask = |handles| self.cloud.states(handles);
        let doing = if power == Power::Off { format!("switch off {id}") } else { format!("switch on {id}") };
        if power == Power::Off {
            self.cloud.cut(&handle).await?;
            let off = |state: Option<&S>| !matches!(state, Some(S::Pending | S::Running));
            self.waits.until(&doing, &handle, off, MACHINE, ask).await?;
            return Ok(true);
        }
        // It takes a while until a machine that was switched off can be switched on.
        let settled = |state: Option<&S>| !matches!(state, Some(S::Stopping));
        if self.waits.until(&doing, &handle, settled, MACHINE, ask).await? != Some(S::Running) {
            self.run_again(&id, &handle).await?;
        }
        Ok(true)
    }

    pub(super) async fn run_again(&self, id: &str, handle: &str) -> Result<(), ProviderError> {
        self.cloud.start(handle).await?;
        self.await_running(&format!("start {id}"), handle).await
    }

    pub(super) async fn hosts_now(&self, topology: &Topology) -> Result<Vec<Host>, ProviderError> {
        let machines: BTreeMap<ResourceId, Found> =
            self.only_own(self.cloud.machines().await?).into_iter().map(|found| (found.id.clone(), found)).collect();
        let bastion = machines.get(BASTION);
        let host = |node: &crate::topology::Node| {
            self.host(&node.name, machines.get(&format!("node/{}", node.name))?, bastion)
        };
        Ok(topology.nodes.iter().filter_map(host).collect())
    }

    /// A node as it is now. Many who ask at once are answered by one question.
    pub(super) async fn rehost_now(&self, node: &str) -> Result<Option<Host>, ProviderError> {
        let came = Instant::now();
        let mut shared = self.machines.lock().await;
        let machines = self.seen_since(came, &mut shared).await?;
        let by_id = |id: &str| machines.iter().find(|found| found.id == id);
        Ok(by_id(&format!("node/{node}")).and_then(|found| self.host(node, found, by_id(BASTION))))
    }

    /// The machines as they were at this moment or later.
    async fn seen_since<'a>(
        &self,
        moment: Instant,
        shared: &'a mut Option<(Instant, Vec<Found>)>,
    ) -> Result<&'a [Found], ProviderError> {
        if shared.as_ref().is_none_or(|(asked, _)| *asked < moment) {
            let asked = Instant::now();
            *shared = Some((asked, self.only_own(self.cloud.machines().await?)));
        }
        Ok(shared.as_ref().map(|(_, machines)| machines.as_slice()).unwrap_or_default())
    }

    fn host(&self, node: &str, found: &Found, bastion: Option<&Found>) -> Option<Host> {
        let machine = found.machine.as_ref()?;
        let private = machine.private?;
        let user = self.options.user().to_owned();
        let address = bastion.and_then(|bastion| bastion.machine.as_ref()?.public);
        let (connect, jump, proxy) = match (self.options.access, address) {
            // What is after the last slash, where it is an id like a path: ssh takes it for the machine's name.
            (Access::Tunnel, _) => {
                let name = found.handle.rsplit('/').next().unwrap_or(&found.handle).to_owned();
                (name, None, self.cloud.tunnel(&found.handle))
            }
            (Access::Bastion, Some(bastion)) => (private.to_string(), Some(format!("{user}@{bastion}")), None),
            _ => (machine.public.unwrap_or(private).to_string(), None, None),
        };
        Some(Host {
            node: node.to_owned(),
            private,
            connect,
            port: self.options.ssh_port,
            user,
            jump_key: bastion.filter(|_| jump.is_some()).and_then(|found| found.tags.get(tags::HOST_KEY).cloned()),
            jump,
            proxy,
            identity: Some(self.options.identity.clone().unwrap_or_else(|| self.keys.client())),
            host_key: found.tags.get(tags::HOST_KEY).cloned(),
        })
    }

    /// Reads a machine's host key from its console and keeps it as a tag, where everybody finds it who may list the
    /// machines at all. The bastion's as well, since the way to the node leads over it.
    pub(super) async fn identify_now(&self, node: &str, log: &StepLog) -> Result<(), ProviderError> {
        if !self.options.console_keys {
            return Ok(());
        }
        let id = format!("node/{node}");
        tokio::try_join!(self.identify_bastion(log), self.identify_one(&id, kind::INSTANCE, log)).map(drop)
    }

    /// Once for all nodes that ask.
    async fn identify_bastion(&self, log: &StepLog) -> Result<(), ProviderError> {
        if self.options.access != Access::Bastion {
            return Ok(());
        }
        let mut done = self.bastion_known.lock().await;
        if !*done {
            self.identify_one(BASTION, kind::BASTION, log).await?;
            *done = true;
        }
        Ok(())
    }

    async fn identify_one(&self, id: &str, kind: &str, log: &StepLog) -> Result<(), ProviderError> {
        let Some(handle) = self.book.handle(id) else { return Ok(()) };
        let came = Instant::now();
        let known = {
            let mut shared = self.machines.lock().await;
            let machines = self.seen_since(came, &mut shared).await?;
            machines.iter().any(|found| found.handle == handle && found.tags.contains_key(tags::HOST_KEY))
        };
        if known {
            return Ok(());
        }
        let end = Instant::now() + CONSOLE;
        let mut pause = Duration::from_secs(2);
        loop {
            match self.cloud.host_key(&handle).await {
                Ok(Some(key)) => {
                    let tags = Tags::from([(tags::HOST_KEY.to_owned(), key)]);
                    return self.cloud.tag(kind, &handle, &tags).await;
                }
                Ok(None) => {}
                Err(error) if error.class == crate::provider::ErrorClass::Transient => {}
                Err(error) => return Err(error),
            }
            if Instant::now() + pause > end {
                let name = id.trim_start_matches("node/");
                log.line(format!(
                    "{name}: its console shows no host key; the one of the first connection will be kept"
                ));
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_secs(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_looked_for_in_the_same_zone_first() {
        let equivalents = BTreeMap::from([("c5.large".to_owned(), vec!["c5a.large".to_owned()])]);
        let told: Vec<String> = places(2, 3, Some("c5.large"), &equivalents)
            .into_iter()
            .map(|place| format!("{} {}", place.zone, place.machine_type.unwrap()))
            .collect();
        assert_eq!(told, ["2 c5.large", "2 c5a.large", "3 c5.large", "3 c5a.large", "1 c5.large", "1 c5a.large"]);
    }

    #[test]
    fn a_machine_without_a_name_is_known_by_its_place_in_the_launch() {
        let tag = |pairs: &[(&str, &str)]| -> Tags {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let unnamed = tag(&[(tags::ENVIRONMENT, "demo"), (tags::GROUP, "app"), (tags::LAUNCH, "1 4 7")]);
        assert_eq!(which(&unnamed, 1).as_deref(), Some("node/demo-app-4"));
        assert_eq!(which(&unnamed, 3), None);
        let named = tag(&[(tags::RESOURCE, "bastion"), (tags::LAUNCH, "1")]);
        assert_eq!(which(&named, 0).as_deref(), Some("bastion"));
    }
}
