//! The texts of a stack's roles, parsed once.

use std::collections::BTreeMap;

use minijinja::Environment;

use super::{inputs::RenderError, resource::Moment, template};
use crate::catalog::{CommandSpec, Role, StackCatalog};

/// A text of `role.yaml`: most have nothing to fill in.
pub(super) enum Text {
    Plain(String),
    /// Name of the template in the environment, place in `role.yaml`.
    Template(String, Place),
}

/// Where a text was written.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
}

/// A text together with the condition under which it counts.
pub(super) struct Conditional {
    pub(super) when: Option<Text>,
    pub(super) texts: Vec<Text>,
    pub(super) place: Place,
}

/// The texts of one role, in the order of the lists in `role.yaml`.
pub(super) struct CompiledRole {
    pub(super) requires: Vec<Conditional>,
    pub(super) fetches: Vec<Conditional>,
    pub(super) directories: Vec<Conditional>,
    pub(super) files: Vec<Conditional>,
    pub(super) links: Vec<Conditional>,
    pub(super) absent: Vec<Conditional>,
    pub(super) uploads: Vec<Conditional>,
    pub(super) commands: Vec<Conditional>,
    pub(super) services: Vec<Conditional>,
    pub(super) ready: Vec<Conditional>,
    pub(super) status: Vec<Conditional>,
    pub(super) leader: Option<Text>,
    pub(super) tasks: Vec<(Moment, Text)>,
    /// `role.yaml` as messages name it.
    pub(super) place: Place,
}

/// Every template of a stack in one environment, and the texts of its roles.
pub(super) struct Compiled {
    pub(super) templates: Environment<'static>,
    pub(super) roles: BTreeMap<String, CompiledRole>,
}

impl Compiled {
    pub(super) fn new(catalog: &StackCatalog) -> Result<Self, RenderError> {
        let mut templates = template::environment();
        for (path, source) in catalog.templates() {
            templates.add_template_owned(path.to_owned(), template::standalone_tags(source)).map_err(|error| {
                RenderError::Template {
                    file: catalog.place(path),
                    line: error.line().unwrap_or(1),
                    node: String::new(),
                    message: message(&error),
                }
            })?;
        }
        let mut roles = BTreeMap::new();
        for (name, role) in &catalog.roles {
            let path = format!("{name}/role.yaml");
            let source = catalog.text(&path).unwrap_or_default();
            let mut compiler =
                Compiler { templates: &mut templates, file: catalog.place(&path), path, source, count: 0 };
            roles.insert(name.clone(), compiler.role(role)?);
        }
        Ok(Self { templates, roles })
    }
}

fn tasks(role: &Role) -> Vec<(Moment, &Option<String>)> {
    let mut tasks = Vec::new();
    if let Some(spec) = &role.upgrade {
        tasks.extend([(Moment::Leave, &spec.leave), (Moment::Settle, &spec.settle), (Moment::Finish, &spec.finish)]);
    }
    if let Some(spec) = &role.backup {
        tasks.extend([
            (Moment::Backup, &spec.now),
            (Moment::List, &spec.list),
            (Moment::Verify, &spec.verify),
            (Moment::Prepare, &spec.prepare),
            (Moment::Halt, &spec.halt),
            (Moment::Swap, &spec.swap),
            (Moment::Return, &spec.settle),
            (Moment::Quiet, &spec.quiet),
            (Moment::Still, &spec.still),
            (Moment::Place, &spec.place),
        ]);
    }
    if let Some(spec) = &role.leave {
        tasks.extend([(Moment::Possible, &spec.possible), (Moment::Part, &spec.run), (Moment::Forget, &spec.forget)]);
        if let Some(spec) = &spec.drain {
            tasks.extend([(Moment::Drainable, &spec.possible), (Moment::Drain, &spec.run)]);
        }
    }
    tasks
}

/// What went wrong in a template, in one line.
pub(super) fn message(error: &minijinja::Error) -> String {
    let mut text = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

struct Compiler<'a> {
    templates: &'a mut Environment<'static>,
    path: String,
    file: String,
    source: &'a str,
    count: usize,
}

impl Compiler<'_> {
    fn role(&mut self, role: &Role) -> Result<CompiledRole, RenderError> {
        Ok(CompiledRole {
            requires: self.list(&role.requires, |spec| (spec.when.as_ref(), vec![&spec.run]))?,
            directories: self.list(&role.directories, |spec| (spec.when.as_ref(), vec![&spec.path]))?,
            files: self.list(&role.files, |spec| (spec.when.as_ref(), vec![&spec.path]))?,
            links: self.list(&role.links, |spec| (spec.when.as_ref(), vec![&spec.path, &spec.target]))?,
            absent: self.list(&role.absent, |path| (None, vec![path]))?,
            fetches: self.list(&role.fetches, |spec| (spec.when.as_ref(), vec![&spec.what]))?,
            uploads: self
                .list(&role.uploads, |spec| (spec.when.as_ref(), vec![&spec.path, &spec.source, &spec.unless]))?,
            commands: self.list(&role.commands, |spec: &CommandSpec| {
                (spec.when.as_ref(), [&spec.run, &spec.unless].into_iter().chain(&spec.interrupts).collect())
            })?,
            services: self.list(&role.services, |spec| {
                (spec.when.as_ref(), [&spec.name].into_iter().chain(&spec.validate).collect())
            })?,
            ready: self.list(&role.ready, |spec| (spec.when.as_ref(), vec![&spec.run]))?,
            status: self.list(&role.status, |spec| (None, vec![&spec.run]))?,
            leader: role.leader.as_deref().map(|text| self.text(text)).transpose()?,
            tasks: tasks(role)
                .into_iter()
                .filter_map(|(moment, text)| Some((moment, text.as_deref()?)))
                .map(|(moment, text)| Ok((moment, self.text(text)?)))
                .collect::<Result<_, RenderError>>()?,
            place: Place { file: self.file.clone(), line: 1 },
        })
    }

    fn list<T>(
        &mut self,
        specs: &[T],
        parts: impl for<'b> Fn(&'b T) -> (Option<&'b String>, Vec<&'b String>),
    ) -> Result<Vec<Conditional>, RenderError> {
        let mut list = Vec::with_capacity(specs.len());
        for spec in specs {
            let (when, texts) = parts(spec);
            let place = self.place(texts.first().map(|text| text.as_str()).unwrap_or_default());
            let when = match when {
                Some(expression) => {
                    let place = self.place(expression);
                    Some(self.template(format!("{{% if {expression} %}}yes{{% endif %}}"), place)?)
                }
                None => None,
            };
            let texts = texts.into_iter().map(|text| self.text(text)).collect::<Result<_, _>>()?;
            list.push(Conditional { when, texts, place });
        }
        Ok(list)
    }

    fn text(&mut self, text: &str) -> Result<Text, RenderError> {
        if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
            return Ok(Text::Plain(text.to_owned()));
        }
        let place = self.place(text);
        self.template(template::standalone_tags(text), place)
    }

    fn template(&mut self, source: String, place: Place) -> Result<Text, RenderError> {
        self.count += 1;
        let name = format!("{}#{}", self.path, self.count);
        self.templates.add_template_owned(name.clone(), source).map_err(|error| RenderError::Template {
            file: place.file.clone(),
            line: place.line + error.line().unwrap_or(1) - 1,
            node: String::new(),
            message: message(&error),
        })?;
        Ok(Text::Template(name, place))
    }

    /// The line of `role.yaml` where a text begins.
    fn place(&self, text: &str) -> Place {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let line = self.source.lines().position(|line| line.contains(first)).map_or(1, |line| line + 1);
        Place { file: self.file.clone(), line }
    }
}
