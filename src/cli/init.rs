//! `refarch init`: a first environment file.

use std::{
    fs::File,
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
};

use crate::{
    environment::{Architecture, InitAnswers, ProviderKind, Stack, template},
    exit,
};

/// Write a commented environment file; asks for what is not given
#[derive(Debug, Clone, Default, clap::Args)]
pub struct InitArgs {
    /// File to write [default: <name>.yaml]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Reference architecture: 1k, 2k, 3k, 5k, 10k, 25k, 50k
    #[arg(long, value_name = "SIZE", value_parser = parse::<Architecture>)]
    pub size: Option<Architecture>,
    /// Where machines come from: local, static, aws, gcp, azure
    #[arg(long, value_name = "PROVIDER", value_parser = parse::<ProviderKind>)]
    pub provider: Option<ProviderKind>,
    /// Name of the environment [default: demo]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Roles to use: sandbox, gitlab [default: sandbox]
    #[arg(long, value_name = "STACK", value_parser = parse::<Stack>)]
    pub stack: Option<Stack>,
}

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Nobody can be asked.
    #[error("{} must be given where nobody can be asked", .0.join(" and "))]
    Missing(Vec<&'static str>),
    /// The name does not do.
    #[error("`{0}` is a name no cloud accepts: lower-case letters, digits and single hyphens, at most 20 characters")]
    Name(String),
    /// There is such a file.
    #[error("{} is there already: name another file", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// File.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The answers cannot be read.
    #[error("no answer: {0}")]
    Answer(io::Error),
}

impl InitError {
    /// The exit code for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Missing(_) | Self::Name(_) => exit::USAGE,
            Self::Exists(_) | Self::Write { .. } | Self::Answer(_) => exit::FAILED,
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}

/// Writes the file, asking on the terminal for what is missing. Returns the exit code.
///
/// # Errors
/// When something is missing and nobody can be asked, or the file is there already or cannot be written.
#[allow(clippy::print_stderr)]
pub fn run(args: &InitArgs) -> Result<u8, InitError> {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    let answers = match can_ask {
        true => ask(args, &mut io::stdin().lock(), &mut io::stderr().lock())?,
        false => without_asking(args)?,
    };
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from(format!("{}.yaml", answers.name)));
    let mut file = match File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(InitError::Exists(path)),
        Err(source) => return Err(InitError::Write { path, source }),
    };
    if let Err(source) = file.write_all(template(&answers).as_bytes()) {
        return Err(InitError::Write { path, source });
    }
    eprintln!("wrote {}", path.display());
    if answers.provider == ProviderKind::Static {
        eprintln!("next: list your machines in inventory.yaml beside it, then `refarch validate {}`", path.display());
    } else {
        eprintln!("next: `refarch plan {0}` shows what it means, `refarch apply {0}` brings it up", path.display());
    }
    Ok(exit::DONE)
}

fn without_asking(args: &InitArgs) -> Result<InitAnswers, InitError> {
    let missing = [("--size", args.size.is_none()), ("--provider", args.provider.is_none())];
    let missing: Vec<_> = missing.into_iter().filter(|(_, missing)| *missing).map(|(flag, _)| flag).collect();
    let (Some(size), Some(provider)) = (args.size, args.provider) else { return Err(InitError::Missing(missing)) };
    let name = name(args.name.as_deref().unwrap_or("demo")).map_err(InitError::Name)?;
    Ok(InitAnswers { name, size, provider, stack: args.stack.unwrap_or_default(), schema: None })
}

fn ask(args: &InitArgs, input: &mut dyn BufRead, screen: &mut dyn Write) -> Result<InitAnswers, InitError> {
    let mut question = Question { input, screen };
    let given = args.name.as_deref().map(name).transpose().map_err(InitError::Name)?;
    Ok(InitAnswers {
        name: question.unless(given, "name of the environment", "demo", name)?,
        size: question.unless(args.size, "size: 1k 2k 3k 5k 10k 25k 50k", "3k", parse)?,
        provider: question.unless(args.provider, "provider: local static aws gcp azure", "local", parse)?,
        stack: args.stack.unwrap_or_default(),
        schema: None,
    })
}

/// The name, where every cloud accepts it; else the name as the error.
fn name(word: &str) -> Result<String, String> {
    let good = crate::environment::is_environment_name(word);
    if good { Ok(word.to_owned()) } else { Err(word.to_owned()) }
}

struct Question<'a> {
    input: &'a mut dyn BufRead,
    screen: &'a mut dyn Write,
}

impl Question<'_> {
    /// What is given, or else the first answer that will do; an empty line takes the default.
    fn unless<T>(
        &mut self,
        given: Option<T>,
        what: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, InitError> {
        if let Some(given) = given {
            return Ok(given);
        }
        loop {
            write!(self.screen, "{what} [{default}]: ")
                .and_then(|()| self.screen.flush())
                .map_err(InitError::Answer)?;
            let mut line = String::new();
            if self.input.read_line(&mut line).map_err(InitError::Answer)? == 0 {
                return Err(InitError::Answer(io::ErrorKind::UnexpectedEof.into()));
            }
            let answer = if line.trim().is_empty() { default } else { line.trim() };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(_) => writeln!(self.screen, "`{answer}` will not do").map_err(InitError::Answer)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_again_until_the_answer_will_do() {
        let mut screen = Vec::new();
        let answers = ask(&InitArgs::default(), &mut "My Env\nshop\n4k\n10k\n\n".as_bytes(), &mut screen).unwrap();
        assert_eq!((answers.name.as_str(), answers.size), ("shop", Architecture::K10));
        assert_eq!(answers.provider, ProviderKind::Local);
        let screen = String::from_utf8(screen).unwrap();
        assert!(screen.contains("`My Env` will not do") && screen.contains("`4k` will not do"), "{screen}");
    }

    #[test]
    fn asks_nothing_that_is_given() {
        let args = InitArgs {
            size: Some(Architecture::K3),
            provider: Some(ProviderKind::Static),
            name: Some("a".to_owned()),
            ..InitArgs::default()
        };
        let mut screen = Vec::new();
        assert_eq!(ask(&args, &mut "".as_bytes(), &mut screen).unwrap(), without_asking(&args).unwrap());
        assert!(screen.is_empty());
    }

    #[test]
    fn the_end_of_input_ends_the_questions() {
        assert!(matches!(ask(&InitArgs::default(), &mut "".as_bytes(), &mut Vec::new()), Err(InitError::Answer(_))));
    }

    #[test]
    fn names_every_missing_flag_at_once() {
        let error = without_asking(&InitArgs::default()).unwrap_err();
        assert_eq!(error.to_string(), "--size and --provider must be given where nobody can be asked");
    }
}
