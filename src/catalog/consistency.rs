//! What must hold between the files of a stack, whatever environment uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::{PortSpec, Role, StackCatalog, Which, roles::CHECKS};
use crate::diagnostic::{Diagnostic, Place};

/// Names in `from` that are no roles.
const NOT_ROLES: [&str; 2] = ["users", "all"];

static NONE: Vec<String> = Vec::new();

/// Everything that is wrong with a parsed stack.
pub(super) fn faults(catalog: &StackCatalog) -> Vec<Diagnostic> {
    let mut found = Found { catalog, faults: Vec::new() };
    found.folders();
    for (name, role) in &catalog.roles {
        found.references(name, role);
        found.contents(name, role);
        found.ports(name, role);
    }
    found.cycles("with", |role| &role.with);
    found.cycles("after", |role| &role.after);
    found.cycles("upgrade.after", |role| role.upgrade.as_ref().map_or(&NONE, |spec| &spec.after));
    found.stack();
    found.drills();
    found.faults
}

/// One line per fault: `file:line:column: message`.
pub(super) fn summary(faults: &[Diagnostic]) -> String {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| match &fault.place {
            Some(place) => format!("{}:{}:{}: {}", place.source, place.line, place.column, fault.message),
            None => fault.message.clone(),
        })
        .collect();
    lines.join("\n")
}

struct Found<'a> {
    catalog: &'a StackCatalog,
    faults: Vec<Diagnostic>,
}

impl Found<'_> {
    /// Reports a fault at the first line of the file that has the word.
    fn report(&mut self, file: &str, word: &str, message: String) -> &mut Diagnostic {
        let place = self.catalog.text(file).and_then(|text| locate(text, word)).map(|(line, column, offset)| Place {
            source: self.catalog.place(file),
            line,
            column,
            offset,
            length: word.len(),
        });
        let message = if place.is_some() { message } else { format!("{}: {message}", self.catalog.place(file)) };
        self.faults.push(Diagnostic::error(word, message).at(place));
        let last = self.faults.len() - 1;
        &mut self.faults[last]
    }

    fn unknown_role(&mut self, file: &str, key: &str, name: &str) {
        if self.catalog.roles.contains_key(name) {
            return;
        }
        let near = self.nearest(name);
        let fault = self.report(file, name, format!("`{key}` names `{name}`, which is no role of this stack"));
        fault.hint = near.map(|near| format!("did you mean `{near}`?"));
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let scored = self.catalog.roles.keys().map(|known| (strsim::damerau_levenshtein(known, name), known));
        scored.filter(|(distance, _)| *distance <= 2).min().map(|(_, known)| known.clone())
    }

    fn folders(&mut self) {
        let strays: Vec<String> = self
            .catalog
            .folders()
            .filter(|folder| !folder.starts_with('_') && *folder != CHECKS && !self.catalog.roles.contains_key(*folder))
            .map(str::to_owned)
            .collect();
        for folder in strays {
            let place = self.catalog.place(&folder);
            self.faults.push(
                Diagnostic::error(folder, format!("{place} has no role.yaml"))
                    .hint("a folder that is no role has a name that begins with `_`"),
            );
        }
    }

    fn references(&mut self, name: &str, role: &Role) {
        let file = format!("{name}/role.yaml");
        for (key, list) in [
            ("with", &role.with),
            ("only_with", &role.only_with),
            ("unless_node_has", &role.unless_node_has),
            ("after", &role.after),
        ] {
            for other in list {
                self.unknown_role(&file, key, other);
            }
        }
        if let Some(drain) = role.leave.as_ref().and_then(|leave| leave.drain.as_ref()) {
            self.unknown_role(&file, "leave.drain.on", &drain.on);
        }
        for other in role.upgrade.iter().flat_map(|spec| &spec.after) {
            self.unknown_role(&file, "upgrade.after", other);
        }
        for reach in role.ports.iter().flat_map(|port| &port.from) {
            if !NOT_ROLES.contains(&reach.role.as_str()) {
                self.unknown_role(&file, "from", &reach.role);
            }
            for (key, other) in [("through", &reach.through), ("unless", &reach.unless)] {
                if let Some(other) = other {
                    self.unknown_role(&file, key, other);
                }
            }
        }
    }

    fn contents(&mut self, name: &str, role: &Role) {
        let file = format!("{name}/role.yaml");
        for spec in &role.files {
            match (&spec.template, &spec.source) {
                (Some(template), None) => {
                    if self.catalog.template(name, template).is_none() {
                        self.report(&file, template, format!("there is no template `{template}`"));
                    }
                }
                (None, Some(source)) => {
                    if self.catalog.file(name, source).is_none() {
                        self.report(&file, source, format!("there is no file `{source}`"));
                    }
                }
                _ => {
                    let message = format!("file `{}` needs either `template` or `source`", spec.path);
                    self.report(&file, &spec.path, message);
                }
            }
        }
        let modes = role.files.iter().map(|spec| &spec.mode).chain(role.directories.iter().map(|spec| &spec.mode));
        for mode in modes {
            if mode.len() > 4 || mode.len() < 3 || u32::from_str_radix(mode, 8).is_err() {
                self.report(&file, mode, format!("`{mode}` is not an octal mode such as \"0644\""));
            }
        }
    }

    fn ports(&mut self, name: &str, role: &Role) {
        let mut seen = BTreeSet::new();
        for PortSpec { name: port, .. } in &role.ports {
            if !seen.insert(port) {
                self.report(&format!("{name}/role.yaml"), port, format!("two ports are called `{port}`"));
            }
        }
    }

    fn stack(&mut self) {
        let catalog = self.catalog;
        self.unknown_role("stack.yaml", "base", &catalog.stack.base);
        if let Some(product) = &catalog.stack.product {
            if catalog.product_settings().is_none() {
                let message = format!("`{}` is no list of the product's settings", product.settings);
                self.report("stack.yaml", &product.settings, message);
            }
            for setting in std::iter::once(&product.version).chain(&product.consent) {
                let known =
                    setting.split_once('.').and_then(|(role, name)| catalog.roles.get(role)?.settings.get(name));
                if known.is_none() {
                    self.report("stack.yaml", setting, format!("`{setting}` is no setting of a role"));
                }
            }
            for stop in product.stops.iter().filter(|stop| super::version::parts(stop).is_none()) {
                self.report("stack.yaml", stop, format!("`{stop}` is no version"));
            }
            if let Some(probe) = &product.probe {
                self.script(&probe.on, &probe.script);
            }
        }
        for (role, setting) in &catalog.stack.stand_ins {
            self.unknown_role("stack.yaml", "stand_ins", role);
            let found = setting.split_once('.').and_then(|(role, name)| catalog.roles.get(role)?.settings.get(name));
            if found.is_none() {
                self.report("stack.yaml", setting, format!("`{setting}` is no setting of a role"));
            }
        }
        for (service, ports) in &catalog.stack.services {
            for target in ports {
                let known = target
                    .split_once('.')
                    .and_then(|(role, port)| Some(catalog.roles.get(role)?.ports.iter().any(|spec| spec.name == port)));
                if known != Some(true) {
                    let message =
                        format!("service `{service}` names `{target}`, which is no `role.port` of this stack");
                    self.report("stack.yaml", target, message);
                }
            }
        }
        let declared: BTreeSet<&String> = catalog.roles.values().flat_map(|role| role.secrets.keys()).collect();
        for name in catalog.stack.carries.iter().filter(|name| !declared.contains(name)) {
            self.report("stack.yaml", name, format!("no role has a secret `{name}`"));
        }
        for (name, role) in &catalog.roles {
            let Some(spec) = &role.backup else { continue };
            let file = format!("{name}/role.yaml");
            if let Some(script) = spec.source.as_ref().filter(|script| catalog.check_script(script).is_none()) {
                let message = format!("there is no script `{}`", StackCatalog::script_path(script));
                self.report(&file, script, message);
            }
            for setting in spec.same.iter().filter(|setting| !role.settings.contains_key(*setting)) {
                self.report(&file, setting, format!("`{setting}` is no setting of the role"));
            }
        }
        let before = catalog.stack.product.iter().flat_map(|product| &product.upgrade_checks);
        for check in catalog.stack.checks.iter().chain(before) {
            self.script(&check.on, &check.script);
        }
    }

    fn drills(&mut self) {
        const FILE: &str = "drills.yaml";
        let catalog = self.catalog;
        let Some(drills) = &catalog.drills else { return };
        self.script(&drills.workload.on, &drills.workload.script);
        let mut seen = BTreeSet::new();
        for drill in &drills.drills {
            let name = &drill.name;
            if !seen.insert(name) {
                self.report(FILE, name, format!("two drills are called `{name}`"));
            }
            for role in drill.on.roles.iter().chain(drill.watch.iter().map(|watch| &watch.on)) {
                self.unknown_role(FILE, "on", role);
            }
            if let Some(watch) = &drill.watch {
                self.script(&[], &watch.script);
            }
            if drill.machine.is_some() == drill.run.is_some() {
                self.report(FILE, name, format!("drill `{name}` needs either `machine` or `run`"));
            }
            let asks = matches!(drill.on.which, Which::Leader | Which::Follower);
            if asks
                && !drill.on.roles.iter().all(|role| catalog.roles.get(role).is_none_or(|role| role.leader.is_some()))
            {
                self.report(FILE, name, format!("drill `{name}` asks for the leader of a role that has none"));
            }
            if (drill.on.which == Which::Where) != drill.on.question.is_some() {
                self.report(FILE, name, format!("drill `{name}`: `which: where` and `where` belong together"));
            }
        }
    }

    fn script(&mut self, on: &[String], script: &str) {
        for role in on {
            self.unknown_role("stack.yaml", "on", role);
        }
        if self.catalog.check_script(script).is_none() {
            self.report("stack.yaml", script, format!("there is no script `{}`", StackCatalog::script_path(script)));
        }
    }

    /// Reports each role that reaches itself over the given lists.
    fn cycles(&mut self, key: &str, next: fn(&Role) -> &Vec<String>) {
        let mut done: BTreeMap<&str, bool> = BTreeMap::new();
        for start in self.catalog.roles.keys() {
            let mut way: Vec<(&str, usize)> = vec![(start, 0)];
            while let Some((name, position)) = way.last_mut() {
                let name: &str = name;
                let following = self.catalog.roles.get(name).and_then(|role| next(role).get(*position));
                *position += 1;
                match following {
                    None => {
                        done.insert(name, true);
                        way.pop();
                    }
                    Some(other) if done.contains_key(other.as_str()) => {}
                    Some(other) => match way.iter().position(|(name, _)| name == other) {
                        Some(first) => {
                            let names: Vec<&str> = way[first..].iter().map(|(name, _)| *name).collect();
                            let message = format!("`{key}` goes in a circle: {} -> {other}", names.join(" -> "));
                            let file = format!("{}/role.yaml", names[names.len() - 1]);
                            self.report(&file, other, message);
                            return;
                        }
                        None => way.push((other, 0)),
                    },
                }
            }
        }
    }
}

/// Line, column (both from 1) and offset of the first place that has the word with nothing of a name around it.
fn locate(text: &str, word: &str) -> Option<(usize, usize, usize)> {
    let part_of_name = |character: char| character.is_alphanumeric() || "_-".contains(character);
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let code = if line.trim_start().starts_with('#') { "" } else { line };
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            if !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name) {
                return Some((number + 1, code[..at].chars().count() + 1, offset + at));
            }
        }
        offset += line.len();
    }
    None
}
