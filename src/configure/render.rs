//! From a role to a stage: everything rendered for one node, nothing left to decide.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use minijinja::Value;

use super::{
    compiled::{Compiled, CompiledRole, Conditional, Place, Text, message},
    context::{Context, SecretNames},
    facts::Facts,
    inputs::{Inputs, RenderError},
    names,
    resource::{Item, Moment, REQUIREMENT, Stage, Task, Want},
    status::{Fact, NodeQuestions, Probe},
    template, upload,
};
use crate::{
    bundle::Depot,
    catalog::{PathCheck, Phase, Role, SecretSpec, ServiceSpec},
    remote::shell::quote,
};

/// Seconds that a text of an upgrade may take where its role says nothing.
const UPGRADE_DEADLINE: u32 = 1800;
/// Seconds that a role's part in a backup or a restore may take, where it does not say.
const BACKUP_DEADLINE: u32 = 4 * 3600;

/// Renders roles for nodes. Made once per environment; then a node costs little.
pub struct Renderer<'a> {
    inputs: Inputs<'a>,
    facts: Arc<Facts>,
    compiled: Compiled,
    shared: Mutex<Shared>,
    depot: Option<Arc<Depot>>,
}

/// Something that a node fetches by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fetched {
    /// Role that does.
    pub role: String,
    /// What, in words.
    pub what: String,
    /// What to do where nothing can be fetched.
    pub instead: Option<String>,
    /// Distribution packages that make it unnecessary.
    pub packages: Vec<String>,
}

/// What is the same on every node that carries a role is rendered once. Keys are role and name.
#[derive(Default)]
struct Shared {
    texts: HashMap<String, Arc<str>>,
    /// With their SHA-256.
    files: HashMap<String, (Arc<[u8]>, String)>,
}

/// A script with what it may be shown as.
#[derive(Clone)]
pub struct Script {
    /// Text; may hold secrets.
    pub text: String,
    /// Whether it does.
    pub secret: bool,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = if self.secret { "[secret]" } else { &self.text };
        formatter.debug_struct("Script").field("text", &text).finish()
    }
}

/// SHA-256 of what a path shall hold; none where the path is left out on this node.
type Contents = BTreeMap<String, Option<String>>;

impl<'a> Renderer<'a> {
    /// Parses every template of the stack and computes the facts of the environment.
    ///
    /// # Errors
    /// When a template cannot be parsed or the address of a node is missing.
    pub fn new(inputs: Inputs<'a>) -> Result<Self, RenderError> {
        Ok(Self {
            facts: Arc::new(Facts::new(&inputs)?),
            compiled: Compiled::new(inputs.catalog)?,
            inputs,
            shared: Mutex::default(),
            depot: None,
        })
    }

    /// Lets nodes take their packages out of a bundle, and from nowhere else.
    #[must_use]
    pub fn with_depot(self, depot: Option<Arc<Depot>>) -> Self {
        Self { depot, ..self }
    }

    /// All stages of a node, in the order in which they run.
    ///
    /// # Errors
    /// When something in a role is wrong for this node.
    pub fn stages(&self, node: &str) -> Result<Vec<Stage>, RenderError> {
        let roles = self.roles(node)?;
        let mut contents = Contents::new();
        roles.iter().map(|role| self.role(node, role)?.stage(&mut contents)).collect()
    }

    /// One stage of a node. Where several are wanted, [`Self::stages`] is cheaper.
    ///
    /// # Errors
    /// When something in the role, or in one before it on the node, is wrong for this node.
    pub fn stage(&self, node: &str, role: &str) -> Result<Stage, RenderError> {
        let found = self.stages(node)?.into_iter().find(|stage| stage.role == role);
        found.ok_or_else(|| RenderError::UnknownRole { node: node.to_owned(), role: role.to_owned() })
    }

    /// What `status` asks a node.
    ///
    /// # Errors
    /// When something in a role is wrong for this node.
    pub fn questions(&self, node: &str) -> Result<NodeQuestions, RenderError> {
        let mut questions = NodeQuestions { node: node.to_owned(), ..NodeQuestions::default() };
        for role in self.roles(node)? {
            self.role(node, role)?.questions(&mut questions)?;
        }
        Ok(questions)
    }

    /// What the node's roles do at the moments of an upgrade, a backup or a restore, and when a node goes for good. What is
    /// empty on this node is left out.
    ///
    /// # Errors
    /// When something in a role is wrong for this node.
    pub fn tasks(&self, node: &str) -> Result<Vec<Task>, RenderError> {
        let mut tasks = Vec::new();
        for name in self.roles(node)? {
            let role = self.role(node, name)?;
            for (moment, text) in &role.compiled.tasks {
                let (deadline, otherwise) = match moment {
                    Moment::Leave | Moment::Settle | Moment::Finish => {
                        (role.role.upgrade.as_ref().map_or(0, |spec| spec.deadline), UPGRADE_DEADLINE)
                    }
                    Moment::Possible | Moment::Part | Moment::Forget => {
                        (role.role.leave.as_ref().map_or(0, |spec| spec.deadline), UPGRADE_DEADLINE)
                    }
                    Moment::Drainable | Moment::Drain => {
                        let drain = role.role.leave.as_ref().and_then(|spec| spec.drain.as_ref());
                        (drain.map_or(0, |spec| spec.deadline), BACKUP_DEADLINE)
                    }
                    _ => (role.role.backup.as_ref().map_or(0, |spec| spec.deadline), BACKUP_DEADLINE),
                };
                let deadline = if deadline == 0 { otherwise } else { deadline };
                let run = role.shown(text, "a text of an upgrade, a backup or a leave")?;
                if !run.trim().is_empty() {
                    tasks.push(Task { role: name.clone(), moment: *moment, run, deadline, on: None });
                }
            }
        }
        Ok(tasks)
    }

    /// What a node's roles fetch by themselves, besides the packages that they name.
    ///
    /// # Errors
    /// When something in a role is wrong for this node.
    pub fn fetched(&self, node: &str) -> Result<Vec<Fetched>, RenderError> {
        let mut fetched = Vec::new();
        for name in self.roles(node)? {
            fetched.extend(self.role(node, name)?.fetched()?);
        }
        Ok(fetched)
    }

    /// The script of a whole-path check for a node that it runs on.
    ///
    /// # Errors
    /// When the script is wrong for this node.
    pub fn check_script(&self, node: &str, check: &PathCheck) -> Result<Script, RenderError> {
        self.script(node, &check.script)
    }

    /// A script below the stack's `checks/` for a node that it runs on.
    ///
    /// # Errors
    /// When the script is wrong for this node.
    pub fn script(&self, node: &str, name: &str) -> Result<Script, RenderError> {
        let catalog = self.inputs.catalog;
        let roles = self.roles(node)?;
        let declared = roles.iter().filter_map(|role| catalog.roles.get(role)).flat_map(|role| &role.secrets);
        let secrets = SecretNames::fetch(self.inputs.secrets, node, declared);
        let taken = Arc::clone(&secrets.taken);
        let context = self.context(node, None, Some(secrets), None)?;
        let path = crate::catalog::StackCatalog::script_path(name);
        let place = Place { file: catalog.place(&path), line: 1 };
        let text = self.fill(&path, &place, node, &context)?;
        Ok(Script { text, secret: taken.load(Ordering::Relaxed) })
    }

    /// The certificates that a node's roles ask for: name of the secret, and the names that it shall be good for.
    /// Uses no secrets, so it works before there are any.
    ///
    /// # Errors
    /// When a name is no template or wrong for this node.
    pub fn certificates(&self, node: &str) -> Result<Vec<(String, Vec<String>)>, RenderError> {
        let mut wanted = Vec::new();
        for name in self.roles(node)? {
            let Some(role) = self.inputs.catalog.roles.get(name) else { continue };
            for (secret, spec) in &role.secrets {
                let SecretSpec::Certificate { names, .. } = spec else { continue };
                let context = self.context(node, Some(name), None, None)?;
                let fill = |text: &String| {
                    self.compiled.templates.render_named_str("name", text, context.clone()).map_err(|error| {
                        RenderError::Template {
                            file: self.inputs.catalog.place(&format!("{name}/role.yaml")),
                            line: 1,
                            node: node.to_owned(),
                            message: message(&error),
                        }
                    })
                };
                // A template may give several names, one a line.
                let rendered: Vec<String> = names.iter().map(fill).collect::<Result<_, _>>()?;
                let names =
                    rendered.iter().flat_map(|text| text.lines()).map(str::trim).filter(|name| !name.is_empty());
                wanted.push((secret.clone(), names.map(str::to_owned).collect()));
            }
        }
        Ok(wanted)
    }

    /// A text about the whole environment, such as a line of the summary.
    ///
    /// # Errors
    /// When the text is no template or uses names that belong to a node.
    pub fn text(&self, text: &str) -> Result<String, RenderError> {
        let facts = Arc::clone(&self.facts);
        let context = Context { facts, node: None, role: None, secrets: None, taken: None, own: None };
        self.compiled.templates.render_named_str("text", text, Value::from_object(context)).map_err(|error| {
            RenderError::Template {
                file: self.inputs.catalog.place("stack.yaml"),
                line: error.line().unwrap_or(1),
                node: String::new(),
                message: message(&error),
            }
        })
    }

    /// A text about one node, such as a fault of a drill. It appears in logs, so it sees no secrets.
    ///
    /// # Errors
    /// When the text is no template or wrong for this node.
    pub fn node_text(&self, node: &str, text: &str) -> Result<String, RenderError> {
        let context = self.context(node, None, None, None)?;
        self.compiled.templates.render_named_str("drill", text, context).map_err(|error| RenderError::Template {
            file: self.inputs.catalog.place("drills.yaml"),
            line: error.line().unwrap_or(1),
            node: node.to_owned(),
            message: message(&error),
        })
    }

    /// Whether a `when` expression about the whole environment holds.
    ///
    /// # Errors
    /// When it is no expression or uses names that belong to a node.
    pub fn holds(&self, when: Option<&str>) -> Result<bool, RenderError> {
        match when {
            Some(expression) => Ok(!self.text(&format!("{{% if {expression} %}}yes{{% endif %}}"))?.is_empty()),
            None => Ok(true),
        }
    }

    fn roles(&self, node: &str) -> Result<&'a [String], RenderError> {
        let topology = self.inputs.topology;
        let number = self.facts.number(node).ok_or_else(|| RenderError::UnknownNode(node.to_owned()))?;
        Ok(&topology.nodes[number as usize].roles)
    }

    fn context(
        &self,
        node: &str,
        role: Option<&str>,
        secrets: Option<SecretNames>,
        own: Option<Arc<AtomicBool>>,
    ) -> Result<Value, RenderError> {
        let number = self.facts.number(node).ok_or_else(|| RenderError::UnknownNode(node.to_owned()))?;
        let role = role.map(str::to_owned);
        let taken = secrets.as_ref().map(|secrets| Arc::clone(&secrets.taken));
        let facts = Arc::clone(&self.facts);
        Ok(Value::from_object(Context { facts, node: Some(number), role, secrets, taken, own }))
    }

    fn role<'b>(&'b self, node: &'b str, name: &'b str) -> Result<RoleOnNode<'b>, RenderError> {
        let unknown = || RenderError::UnknownRole { node: node.to_owned(), role: name.to_owned() };
        let role = self.inputs.catalog.roles.get(name).ok_or_else(unknown)?;
        let compiled = self.compiled.roles.get(name).ok_or_else(unknown)?;
        let secrets = SecretNames::fetch(self.inputs.secrets, node, role.secrets.iter());
        let taken = Arc::clone(&secrets.taken);
        let own = Arc::new(AtomicBool::new(false));
        let context = self.context(node, Some(name), Some(secrets), Some(Arc::clone(&own)))?;
        Ok(RoleOnNode { renderer: self, node, name, role, compiled, context, taken, own })
    }

    fn shared<T>(&self, with: impl FnOnce(&mut Shared) -> T) -> T {
        with(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fill(&self, template: &str, place: &Place, node: &str, context: &Value) -> Result<String, RenderError> {
        let rendered =
            self.compiled.templates.get_template(template).and_then(|template| template.render(context.clone()));
        rendered.map_err(|error| {
            // An error inside an included template names that one.
            let inner = error.name().filter(|name| *name != template && !name.contains('#'));
            let file = inner.map_or_else(|| place.file.clone(), |name| self.inputs.catalog.place(name));
            let start = if inner.is_some() { 1 } else { place.line };
            let line = start + error.line().unwrap_or(1).max(1) - 1;
            RenderError::Template { file, line, node: node.to_owned(), message: message(&error) }
        })
    }
}

/// One role while it is rendered for one node.
struct RoleOnNode<'b> {
    renderer: &'b Renderer<'b>,
    node: &'b str,
    name: &'b str,
    role: &'b Role,
    compiled: &'b CompiledRole,
    context: Value,
    /// Raised when a text reads a secret.
    taken: Arc<AtomicBool>,
    /// Raised when a text reads what may differ from node to node.
    own: Arc<AtomicBool>,
}

impl RoleOnNode<'_> {
    fn stage(&self, contents: &mut Contents) -> Result<Stage, RenderError> {
        let mut items = Vec::new();
        let mut add = |id: String, want: Want| items.push(Item { id, want });
        for (spec, texts) in self.role.requires.iter().zip(&self.compiled.requires) {
            if self.wanted(texts)? {
                let run = self.shown(&texts.texts[0], "a requirement")?;
                add(format!("{REQUIREMENT}{}", spec.name), Want::Requirement { run });
            }
        }
        if !self.role.packages.is_empty() {
            let names = self.role.packages.clone();
            self.packages(names, &mut add)?;
        }
        for (spec, texts) in self.role.directories.iter().zip(&self.compiled.directories) {
            if !self.wanted(texts)? {
                continue;
            }
            let path = self.path(texts, 0)?;
            names::check([&spec.owner, &spec.group], names::user, &texts.place)?;
            let (mode, owner, group) = (four_digits(&spec.mode), spec.owner.clone(), spec.group.clone());
            add(format!("directory {path}"), Want::Directory { path, mode, owner, group });
        }
        for (spec, texts) in self.role.files.iter().zip(&self.compiled.files) {
            let path = self.path(texts, 0)?;
            if !self.wanted(texts)? {
                contents.entry(path).or_insert(None);
                continue;
            }
            names::check([&spec.owner, &spec.group], names::user, &texts.place)?;
            self.taken.store(false, Ordering::Relaxed);
            let (content, hash) = self.content(spec.template.as_deref(), spec.source.as_deref(), &texts.place)?;
            let secret = spec.secret || self.taken.load(Ordering::Relaxed);
            contents.insert(path.clone(), Some(hash));
            let (mode, owner, group) = (four_digits(&spec.mode), spec.owner.clone(), spec.group.clone());
            let initial = spec.initial;
            add(format!("file {path}"), Want::File { path, content, mode, owner, group, secret, initial });
        }
        for texts in &self.compiled.links {
            let path = self.path(texts, 0)?;
            let target = self.shown(&texts.texts[1], "a link's target")?;
            if self.wanted(texts)? {
                contents.insert(path.clone(), Some(template::sha256(target.as_bytes())));
                names::check([&target], names::target, &texts.place)?;
                add(format!("link {path}"), Want::Link { path, target });
            } else {
                contents.entry(path).or_insert(None);
            }
        }
        for texts in &self.compiled.absent {
            let path = self.path(texts, 0)?;
            add(format!("absent {path}"), Want::Absent { path });
        }
        for texts in &self.compiled.uploads {
            if self.wanted(texts)? {
                let path = self.path(texts, 0)?;
                add(format!("upload {path}"), self.upload(texts, path)?);
            }
        }
        self.commands(Phase::Before, &mut add)?;
        for (spec, texts) in self.role.services.iter().zip(&self.compiled.services) {
            if self.wanted(texts)? {
                let want = self.service(spec, texts, contents)?;
                if let Want::Service { name, .. } = &want {
                    add(format!("service {name}"), want);
                }
            }
        }
        for (spec, texts) in self.role.ready.iter().zip(&self.compiled.ready) {
            if self.wanted(texts)? {
                let run = self.shown(&texts.texts[0], "a probe")?;
                let (name, deadline, hint) = (spec.name.clone(), spec.deadline, spec.hint.clone());
                add(format!("ready {name}"), Want::Ready { name, run, deadline, hint });
            }
        }
        self.commands(Phase::After, &mut add)?;
        Ok(Stage { node: self.node.to_owned(), role: self.name.to_owned(), resources: items })
    }

    /// Packages from the machine's own sources, or out of the bundle, where that has some for such a machine.
    fn packages(&self, mut names: Vec<String>, add: &mut impl FnMut(String, Want)) -> Result<(), RenderError> {
        let depot = self.renderer.depot.clone();
        if let Some(depot) = &depot {
            names.extend(depot.also(self.name));
            names.extend(self.fetched()?.into_iter().flat_map(|fetched| fetched.packages));
            if !depot.shelves().is_empty() {
                let run = fits(depot);
                add(format!("{REQUIREMENT}the bundle has packages for this machine"), Want::Requirement { run });
            }
        }
        names.sort();
        names.dedup();
        names::check(&names, names::package, &self.compiled.place)?;
        add("packages".to_owned(), Want::Packages { names, depot });
        Ok(())
    }

    /// What this node fetches by itself.
    fn fetched(&self) -> Result<Vec<Fetched>, RenderError> {
        let mut fetched = Vec::new();
        for (spec, texts) in self.role.fetches.iter().zip(&self.compiled.fetches) {
            if self.wanted(texts)? {
                let what = self.shown(&texts.texts[0], "what a node fetches")?;
                let role = self.name.to_owned();
                fetched.push(Fetched { role, what, instead: spec.instead.clone(), packages: spec.packages.clone() });
            }
        }
        Ok(fetched)
    }

    fn upload(&self, texts: &Conditional, path: String) -> Result<Want, RenderError> {
        let source = self.shown(&texts.texts[1], "the source of an upload")?;
        let unless = self.shown(&texts.texts[2], "the guard of an upload")?;
        let Some(folder) = self.renderer.inputs.folder else {
            let (source, sha256) = (source.into(), template::sha256(b""));
            return Ok(Want::Upload { path, source, size: 0, sha256, unless });
        };
        let file = folder.join(&source);
        let (size, sha256) = upload::measure(&file).map_err(|error| RenderError::Value {
            file: texts.place.file.clone(),
            line: texts.place.line,
            message: format!("cannot read `{source}`: {error}"),
        })?;
        Ok(Want::Upload { path, source: file, size, sha256, unless })
    }

    fn commands(&self, phase: Phase, add: &mut impl FnMut(String, Want)) -> Result<(), RenderError> {
        for (spec, texts) in self.role.commands.iter().zip(&self.compiled.commands) {
            if spec.phase == phase && self.wanted(texts)? {
                let run = self.shown(&texts.texts[0], "a command")?;
                let unless = self.shown(&texts.texts[1], "the guard of a command")?;
                let interrupts =
                    texts.texts.get(2).map(|text| self.shown(text, "a question of a command")).transpose()?;
                let (name, deadline) = (spec.name.clone(), spec.deadline);
                add(format!("command {name}"), Want::Command { name, run, unless, interrupts, deadline });
            }
        }
        Ok(())
    }

    fn service(&self, spec: &ServiceSpec, texts: &Conditional, contents: &Contents) -> Result<Want, RenderError> {
        let name = self.shown(&texts.texts[0], "the name of a service")?;
        names::check([&name], names::unit, &texts.place)?;
        let validate = texts.texts.get(1).map(|text| self.shown(text, "a validation")).transpose()?;
        let stamp = |paths: &[String]| -> Result<String, RenderError> {
            let mut text = String::new();
            for path in paths {
                let hash = contents.get(path).ok_or_else(|| RenderError::Value {
                    file: texts.place.file.clone(),
                    line: texts.place.line,
                    message: format!(
                        "service `{name}` depends on `{path}`, which neither this role nor one before it on {} writes",
                        self.node
                    ),
                })?;
                text.push_str(&format!("{path} {}\n", hash.as_deref().unwrap_or("-")));
            }
            Ok(template::sha256(text.as_bytes()))
        };
        let stamp = format!("r:{} l:{}", stamp(&spec.restart_on)?, stamp(&spec.reload_on)?);
        let (restart_on, reload_on) = (spec.restart_on.clone(), spec.reload_on.clone());
        Ok(Want::Service { name, restart_on, reload_on, validate, stamp })
    }

    fn questions(&self, questions: &mut NodeQuestions) -> Result<(), RenderError> {
        for texts in &self.compiled.services {
            if self.wanted(texts)? {
                let unit = self.shown(&texts.texts[0], "the name of a service")?;
                names::check([&unit], names::unit, &texts.place)?;
                questions.services.push((self.name.to_owned(), unit));
            }
        }
        for (spec, texts) in self.role.ready.iter().zip(&self.compiled.ready) {
            if self.wanted(texts)? {
                let run = self.shown(&texts.texts[0], "a probe")?;
                let (role, name, hint) = (self.name.to_owned(), spec.name.clone(), spec.hint.clone());
                questions.probes.push(Probe { role, name, run, hint });
            }
        }
        for (spec, texts) in self.role.status.iter().zip(&self.compiled.status) {
            let run = self.shown(&texts.texts[0], "a status line")?;
            questions.facts.push(Fact { role: self.name.to_owned(), name: spec.name.clone(), run });
        }
        if let Some(leader) = &self.compiled.leader {
            questions.leaders.push((self.name.to_owned(), self.shown(leader, "the question for the leader")?));
        }
        Ok(())
    }

    /// A file's content and its SHA-256.
    fn content(
        &self,
        template: Option<&str>,
        source: Option<&str>,
        place: &Place,
    ) -> Result<(Arc<[u8]>, String), RenderError> {
        let catalog = self.renderer.inputs.catalog;
        let key = format!("{} {} {}", self.name, template.unwrap_or_default(), source.unwrap_or_default());
        if let Some(file) = self.renderer.shared(|shared| shared.files.get(&key).cloned()) {
            return Ok(file);
        }
        let missing = |name: &str| RenderError::Value {
            file: place.file.clone(),
            line: place.line,
            message: format!("there is no `{name}`"),
        };
        self.own.store(false, Ordering::Relaxed);
        let content: Arc<[u8]> = if let Some(name) = template {
            let (path, _) = catalog.template(self.name, name).ok_or_else(|| missing(name))?;
            let place = Place { file: catalog.place(&path), line: 1 };
            self.renderer.fill(&path, &place, self.node, &self.context)?.into_bytes().into()
        } else {
            let name = source.unwrap_or_default();
            catalog.file(self.name, name).ok_or_else(|| missing(name))?.into()
        };
        let hash = template::sha256(&content);
        let file = (content, hash);
        if !self.own.load(Ordering::Relaxed) {
            self.renderer.shared(|shared| shared.files.insert(key, file.clone()));
        }
        Ok(file)
    }

    fn wanted(&self, texts: &Conditional) -> Result<bool, RenderError> {
        match &texts.when {
            Some(when) => Ok(!self.shown(when, "a condition")?.is_empty()),
            None => Ok(true),
        }
    }

    fn path(&self, texts: &Conditional, number: usize) -> Result<String, RenderError> {
        let path = self.shown(&texts.texts[number], "a path")?;
        names::check([&path], names::path, &texts.place)?;
        Ok(path)
    }

    /// Renders a text that appears in logs: it may not read a secret.
    fn shown(&self, text: &Text, what: &str) -> Result<String, RenderError> {
        match text {
            Text::Plain(text) => Ok(text.clone()),
            Text::Template(name, place) => {
                let key = format!("{} {name}", self.name);
                if let Some(text) = self.renderer.shared(|shared| shared.texts.get(&key).cloned()) {
                    return Ok(text.to_string());
                }
                self.taken.store(false, Ordering::Relaxed);
                self.own.store(false, Ordering::Relaxed);
                let text = self.renderer.fill(name, place, self.node, &self.context)?;
                if !self.own.load(Ordering::Relaxed) {
                    self.renderer.shared(|shared| shared.texts.insert(key, text.as_str().into()));
                }
                if self.taken.load(Ordering::Relaxed) {
                    return Err(RenderError::SecretShown {
                        file: place.file.clone(),
                        line: place.line,
                        what: what.to_owned(),
                    });
                }
                Ok(text)
            }
        }
    }
}

/// Succeeds on a machine that the bundle has packages for; else says what the machine is.
fn fits(depot: &Depot) -> String {
    let known: Vec<String> = depot.shelves().keys().map(ToString::to_string).collect();
    let patterns: Vec<String> = known.iter().map(|platform| quote(platform)).collect();
    format!(
        "p=$(. /etc/os-release 2>/dev/null; printf '%s-%s-%s' \"${{ID-}}\" \"${{VERSION_ID-}}\" \
         \"$(dpkg --print-architecture 2>/dev/null || uname -m)\"); case $p in {}) ;; \
         *) echo \"the bundle has packages for {}, and this machine is $p\"; exit 1 ;; esac",
        patterns.join(" | "),
        known.join(", ")
    )
}

fn four_digits(mode: &str) -> String {
    format!("{mode:0>4}")
}
