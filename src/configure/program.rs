//! Compiles stages to one program for `sh`.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use indexmap::IndexSet;

use super::{
    resource::{Item, Stage, Want},
    template::sha256,
    upload::CONTENTS,
};
use crate::remote::{Program, shell::quote};

/// What a program does about what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Report it.
    Check,
    /// Mend it.
    Apply,
}

/// Bytes in a second below which an upload is given up on.
const SLOWEST: u64 = 128 * 1024;

/// Files in a folder from which on they are moved to their places together.
const SEVERAL: usize = 3;

/// Bytes of a text that the shell writes by itself.
const LONGEST_TEXT: usize = 64 * 1024;

/// Exit code of a program in which a resource failed.
pub const FAILED: i32 = 10;

/// Places on the node.
pub(super) struct Layout<'a> {
    /// Folder for records.
    pub(super) state: &'a str,
    /// What tells package scripts not to start services.
    pub(super) policy: &'a str,
    /// What tells which distribution it is.
    pub(super) release: &'a str,
    /// Folder for packages from a bundle.
    pub(super) packages: &'a str,
    /// Where dpkg keeps what it knows.
    pub(super) dpkg: &'a str,
}

/// Where things lie on every node.
pub(super) const LAYOUT: Layout<'static> = Layout {
    state: "/var/lib/refarch",
    policy: "/usr/sbin/policy-rc.d",
    release: "/etc/os-release",
    packages: "/var/cache/refarch/packages",
    dpkg: "/var/lib/dpkg",
};

/// Compiles one stage.
#[must_use]
pub fn compile(stage: &Stage, mode: Mode) -> Program {
    compile_at(&[stage], mode, &LAYOUT)
}

/// Compiles several stages of one node to one program that only looks. Results are numbered through all stages.
#[must_use]
pub fn compile_check(stages: &[&Stage]) -> Program {
    compile_at(stages, Mode::Check, &LAYOUT)
}

pub(super) fn compile_at(stages: &[&Stage], mode: Mode, layout: &Layout<'_>) -> Program {
    let items: Vec<&Item> = stages.iter().flat_map(|stage| &stage.resources).collect();
    let mut compiler = Compiler::new(&items, mode);
    if mode == Mode::Check {
        compiler.ask_questions(&items);
    }
    let depot = items.iter().find_map(|item| match &item.want {
        Want::Packages { depot, .. } => depot.as_deref(),
        _ => None,
    });
    // Packages of a bundle come before the contents of files, over the same connection: these wait until they are asked for.
    let late = depot.is_some() && !contents(&items).is_empty();
    for (number, item) in items.iter().enumerate() {
        compiler.item(number, &item.want);
        if matches!(item.want, Want::Packages { depot: Some(_), .. }) && mode == Mode::Apply && late {
            compiler.words("say", [&number.to_string(), &"send".to_owned(), &format!("0 {CONTENTS}")]);
        }
        let is_file = |item: &&Item| matches!(item.want, Want::File { .. });
        if mode == Mode::Apply && is_file(item) && !items.get(number + 1).is_some_and(is_file) {
            compiler.text.push_str("settle\n");
        }
    }
    let mode_name = if mode == Mode::Check { "check" } else { "apply" };
    let Layout { state, policy, release, packages, dpkg } = layout;
    let bundle = if depot.is_some() { packages } else { "" };
    let [state, policy, release, bundle, dpkg] = [state, policy, release, &bundle, dpkg].map(|place| quote(place));
    let mut text = format!("M={mode_name} S={state} P={policy} O={release} B={bundle} D={dpkg}\n");
    if let Some(depot) = depot {
        text.push_str("shelf() { case $1 in\n");
        for (platform, shelf) in depot.shelves() {
            let _ = writeln!(text, "{}) echo {} {} ;;", quote(&platform.to_string()), shelf.sha256, shelf.size);
        }
        text.push_str("esac; }\n");
    }
    text.push_str(&without_comments(include_str!("program.sh")));
    text.push_str(&compiler.text);
    text.push_str("exit \"$BAD\"\n");
    let unasked = if late || mode == Mode::Check { Vec::new() } else { contents(&items) };
    program(text, &unasked, deadline(&items, mode))
}

/// What travels on standard input when stages are applied: the contents of the files that the shell does not write by itself.
pub(super) fn contents(items: &[&Item]) -> Vec<u8> {
    let travelling = items.iter().filter_map(|item| match &item.want {
        Want::File { content, secret, .. } if written(content, *secret).is_none() => Some(content.as_ref()),
        _ => None,
    });
    travelling.collect::<Vec<&[u8]>>().concat()
}

/// The text of a file that the shell writes by itself.
fn written(content: &[u8], secret: bool) -> Option<&str> {
    if secret && !content.is_empty() { None } else { plain(content) }
}

/// A program whose text travels on standard input, before what it reads from there itself.
pub(super) fn program(text: String, input: &[u8], deadline: Duration) -> Program {
    // dd reads exactly as many bytes as it is told, so that what follows stays in the pipe.
    let command = format!("eval \"$(dd bs={} count=1 iflag=fullblock status=none)\"", text.len());
    let mut stdin = text.into_bytes();
    stdin.extend_from_slice(input);
    Program { command, stdin, root: true, deadline }
}

/// How long a program may take: the sum of what its parts may take, and something for the rest.
fn deadline(items: &[&Item], mode: Mode) -> Duration {
    let seconds: u64 = items
        .iter()
        .map(|item| match (&item.want, mode) {
            // They come over the controller's line, which all nodes share.
            (Want::Packages { depot: Some(_), .. }, Mode::Apply) => 2 * 3600,
            (Want::Packages { .. }, Mode::Apply) => 1800,
            // A node may have to wait until others have theirs.
            (Want::Upload { size, .. }, Mode::Apply) => 600 + size / SLOWEST,
            (Want::Command { deadline, .. }, Mode::Apply) => u64::from(*deadline) + 40,
            (Want::Service { .. }, Mode::Apply) => 400,
            (Want::Ready { deadline, .. }, Mode::Apply) => u64::from(*deadline) + 15,
            (Want::Command { .. } | Want::Upload { .. }, Mode::Check) => 35,
            (Want::Ready { .. }, Mode::Check) => 15,
            (Want::Requirement { .. }, _) => 35,
            _ => 1,
        })
        .sum();
    Duration::from_secs(60 + seconds)
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    // Indentation inside the one quoted line break would change it; that line begins in the first column anyway.
    lines.fold(String::with_capacity(text.len()), |mut result, line| {
        result.push_str(line);
        result.push('\n');
        result
    })
}

struct Compiler<'a> {
    mode: Mode,
    paths: IndexSet<&'a str>,
    hashed: Vec<&'a str>,
    /// Folder -> files in it.
    folders: HashMap<&'a str, usize>,
    units: IndexSet<&'a str>,
    packages: IndexSet<&'a str>,
    seen: Seen,
    text: String,
}

/// Which questions have been asked already.
#[derive(Default)]
struct Seen {
    paths: bool,
    units: bool,
    packages: bool,
}

impl<'a> Compiler<'a> {
    fn new(items: &[&'a Item], mode: Mode) -> Self {
        let mut compiler = Self {
            mode,
            paths: IndexSet::new(),
            hashed: Vec::new(),
            folders: HashMap::new(),
            units: IndexSet::new(),
            packages: IndexSet::new(),
            seen: Seen::default(),
            text: String::new(),
        };
        for item in items {
            match &item.want {
                Want::Packages { names, .. } => compiler.packages.extend(names.iter().map(String::as_str)),
                Want::File { path, initial, .. } => {
                    *compiler.folders.entry(parent(path)).or_default() += 1;
                    if compiler.paths.insert(path) && !initial {
                        compiler.hashed.push(path);
                    }
                }
                Want::Directory { path, .. } | Want::Absent { path } | Want::Link { path, .. } => {
                    compiler.paths.insert(path);
                }
                Want::Service { name, .. } => {
                    compiler.units.insert(name);
                }
                Want::Requirement { .. } | Want::Upload { .. } | Want::Command { .. } | Want::Ready { .. } => {}
            }
        }
        compiler
    }

    fn item(&mut self, number: usize, want: &'a Want) {
        match want {
            Want::Requirement { run } => self.words("requirement", [&number.to_string(), run]),
            Want::Packages { names, .. } => {
                self.ask_packages();
                self.call("packages", [number.to_string()].into_iter().chain(names.iter().cloned()));
            }
            Want::Directory { path, mode, owner, group } => {
                let fact = self.fact(path);
                let kind = kind_and_mode(0o040_000, mode);
                self.words("directory", [&number.to_string(), &fact, &kind, mode, owner, group, path]);
            }
            Want::File { path, content, mode, owner, group, secret, initial } => {
                let fact = self.fact(path);
                let kind = kind_and_mode(0o100_000, mode);
                let text = if self.mode == Mode::Check { None } else { written(content, *secret) };
                let several = self.folders[parent(path)] >= SEVERAL;
                let marks = [("s", *secret), ("i", *initial), ("t", text.is_some()), ("d", several)];
                let marks: String = marks.iter().filter(|(_, holds)| *holds).map(|(mark, _)| *mark).collect();
                let flags = format!("-{marks}");
                let (hash, size) = (sha256(content), content.len().to_string());
                let words = [&number.to_string(), &fact, &hash, &size, &kind, mode, owner, group, &flags, path];
                if let Some(text) = text {
                    let _ = writeln!(self.text, "TEXT={}", quote(text));
                }
                self.words("file", words);
            }
            Want::Link { path, target } => {
                let fact = self.fact(path);
                self.words("link", [&number.to_string(), &fact, target, path]);
            }
            Want::Absent { path } => {
                let fact = self.fact(path);
                self.words("absent", [&number.to_string(), &fact, path]);
            }
            Want::Upload { path, size, sha256, unless, .. } => {
                self.words("upload", [&number.to_string(), unless, sha256, &size.to_string(), path]);
            }
            Want::Command { run, unless, interrupts, deadline, .. } => {
                let interrupts = interrupts.clone().unwrap_or_default();
                // A check has asked already, and runs nothing.
                let [unless, run] =
                    [unless, run].map(|text| if self.mode == Mode::Check { "" } else { text }.to_owned());
                self.words("guarded", [&number.to_string(), &deadline.to_string(), &unless, &run, &interrupts]);
            }
            Want::Service { name, restart_on, reload_on, validate, stamp } => {
                self.ask_units();
                let unit = self.units.get_index_of(name.as_str()).unwrap_or_default().to_string();
                let (restart, reload) = halves(stamp);
                let (restarts, reloads) = (restart_on.join(" "), reload_on.join(" "));
                let validate = validate.clone().unwrap_or_default();
                let words = [&number.to_string(), &unit, name, &restart, &restarts, &reload, &reloads, &validate];
                self.words("service", words);
            }
            Want::Ready { run, deadline, .. } => {
                let run = if self.mode == Mode::Check { String::new() } else { run.clone() };
                self.words("ready", [&number.to_string(), &deadline.to_string(), &run]);
            }
        }
    }

    fn words<const N: usize>(&mut self, function: &str, words: [&String; N]) {
        self.call(function, words.into_iter().cloned());
    }

    fn call(&mut self, function: &str, words: impl Iterator<Item = String>) {
        self.text.push_str(function);
        for word in words {
            self.text.push(' ');
            self.text.push_str(&quote(&word));
        }
        self.text.push('\n');
    }

    /// Number of a path among the facts, which are asked for at the first use.
    fn fact(&mut self, path: &str) -> String {
        if !self.seen.paths {
            self.seen.paths = true;
            self.ask_paths();
        }
        self.paths.get_index_of(path).unwrap_or_default().to_string()
    }

    /// All guards and probes in one go.
    fn ask_questions(&mut self, items: &[&'a Item]) {
        let numbered = || items.iter().enumerate();
        let guards = numbered().filter_map(|(number, item)| match &item.want {
            Want::Command { unless, .. } => Some([number.to_string(), unless.clone()]),
            _ => None,
        });
        let probes = numbered().filter_map(|(number, item)| match &item.want {
            Want::Ready { run, .. } => Some([number.to_string(), run.clone()]),
            _ => None,
        });
        for (seconds, questions) in [("30", guards.collect::<Vec<_>>()), ("10", probes.collect())] {
            if !questions.is_empty() {
                self.call("ask", [seconds.to_owned()].into_iter().chain(questions.into_iter().flatten()));
            }
        }
    }

    /// One `stat` over all paths and one `sha256sum` over all files.
    fn ask_paths(&mut self) {
        self.text.push_str("while read -r p x; do case $p in\n");
        for (number, path) in self.paths.iter().enumerate() {
            let _ = writeln!(self.text, "{}) f{number}=$x ;;", quote(path));
        }
        self.text.push_str("esac; done <<E\n$(stat -c '%n %f %a %U %G %s %N' --");
        for path in &self.paths {
            let _ = write!(self.text, " {}", quote(path));
        }
        self.text.push_str(" 2>/dev/null)\nE\n");
        if self.hashed.is_empty() {
            return;
        }
        self.text.push_str("while read -r x p; do case $p in\n");
        for path in &self.hashed {
            let number = self.paths.get_index_of(path).unwrap_or_default();
            let _ = writeln!(self.text, "{}) h{number}=$x ;;", quote(path));
        }
        self.text.push_str("esac; done <<E\n$(sha256sum --");
        for path in &self.hashed {
            let _ = write!(self.text, " {}", quote(path));
        }
        self.text.push_str(" 2>/dev/null)\nE\n");
    }

    fn ask_packages(&mut self) {
        if self.seen.packages {
            return;
        }
        self.seen.packages = true;
        self.text.push_str("ask_packages");
        for name in &self.packages {
            let _ = write!(self.text, " {}", quote(name));
        }
        self.text.push('\n');
    }

    /// One `systemctl show` over all units, after systemd has read what changed.
    fn ask_units(&mut self) {
        if self.seen.units {
            return;
        }
        self.seen.units = true;
        let ask = |text: &mut String, properties: &str| {
            let _ = write!(text, "$(systemctl show -p {properties} --");
            for unit in &self.units {
                let _ = write!(text, " {}", quote(unit));
            }
            text.push_str(" 3<&-)");
        };
        if self.mode == Mode::Apply {
            self.text.push_str("if [ -z \"$RELOAD\" ]; then case ");
            ask(&mut self.text, "NeedDaemonReload");
            self.text.push_str(" in *=yes*) RELOAD=1 ;; esac; fi\n");
            self.text.push_str("[ -z \"$RELOAD\" ] || systemctl daemon-reload 3<&-\n");
        }
        self.text.push_str("n=0\nwhile IFS= read -r x; do case $x in\n'') n=$((n + 1)) ;;\n");
        self.text.push_str("*=*) eval \"u${n}_${x%%=*}=\\${x#*=}\" ;;\nesac; done <<E\n");
        ask(&mut self.text, "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload");
        self.text.push_str("\nE\n");
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A content that the shell can hold and write by itself, without a process. Shells differ in what they make of other
/// bytes, and where one has no `printf` of its own a secret would become an argument: both travel on standard input.
fn plain(content: &[u8]) -> Option<&str> {
    let fits = content.len() <= LONGEST_TEXT && content.is_ascii() && !content.contains(&0);
    // What is empty cannot be read from the input: `dd` reads no blocks of no bytes.
    if fits { std::str::from_utf8(content).ok() } else { None }
}

/// Type and mode as `stat %f` prints them.
fn kind_and_mode(kind: u32, mode: &str) -> String {
    format!("{:x}", kind | u32::from_str_radix(mode, 8).unwrap_or_default())
}

/// The two hashes of a service's stamp: what needs a restart, what only a reload.
fn halves(stamp: &str) -> (String, String) {
    let part = |mark: &str| stamp.split(' ').find_map(|word| word.strip_prefix(mark)).unwrap_or(stamp).to_owned();
    (part("r:"), part("l:"))
}
