//! Secrets that come from outside: an environment variable, or a program's output.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Error, Session};
use crate::{catalog::SecretSpec, environment::SecretOrigin, exit, secrets::Secret};

/// Fewest characters of a value: shorter ones are guessed, and cannot be taken out of logs.
const SHORTEST: usize = 8;

impl Session {
    /// The value of a secret at its source; none where refarch makes it itself.
    ///
    /// # Errors
    /// When the source does not give one, or gives one that cannot be used.
    pub(super) fn outside(&self, name: &str, spec: &SecretSpec) -> Result<Option<Secret>, Error> {
        let Some(origin) = self.loaded.environment.secrets.get(name) else { return Ok(None) };
        let folder = self.file().parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let refused = |why: String| {
            let message = format!("secret `{name}` cannot be had from {}: {why}", place(origin));
            Error::refused(exit::FAILED, message, Some("see `secrets` in the environment file; nothing was changed"))
        };
        let text = read(origin, folder).map_err(refused)?;
        fault(&text, spec).map_or(Ok(Some(Secret::new(text))), |why| Err(refused(why)))
    }
}

fn place(origin: &SecretOrigin) -> String {
    match (&origin.env, &origin.command) {
        (Some(name), _) => format!("the variable {name}"),
        (None, command) => {
            format!("`{}`", command.iter().flatten().next().map_or("", String::as_str))
        }
    }
}

fn read(origin: &SecretOrigin, folder: &Path) -> Result<String, String> {
    if let Some(name) = &origin.env {
        return match std::env::var(name) {
            Ok(text) => Ok(text),
            Err(std::env::VarError::NotPresent) => Err("it is not set".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
    let words = origin.command.as_deref().unwrap_or_default();
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    // What it says on standard error goes to the user's terminal: it may ask for a login.
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    let mut text = String::from_utf8(output.stdout).map_err(|_| "it printed no text".to_owned())?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// Why a value cannot be used. Values stand in configuration files, URLs and shell texts of many programs.
fn fault(text: &str, spec: &SecretSpec) -> Option<String> {
    let strange = |c: char| !c.is_ascii_alphanumeric() && !"-._+/=".contains(c);
    let bytes = match spec {
        SecretSpec::Base64 { bytes } => Some((STANDARD.decode(text).ok().map(|found| found.len()), *bytes, "base64")),
        SecretSpec::Hex { bytes } => {
            let hex = text.chars().all(|c| c.is_ascii_hexdigit()) && text.len().is_multiple_of(2);
            Some((hex.then_some(text.len() / 2), *bytes, "hexadecimal"))
        }
        _ => None,
    };
    if text.chars().count() < SHORTEST {
        return Some(format!("the value has fewer than {SHORTEST} characters"));
    }
    if text.contains(strange) {
        return Some("the value has other characters than letters, digits and `-._+/=`".to_owned());
    }
    match bytes {
        Some((found, wanted, coding)) if found != Some(wanted) => {
            Some(format!("the value is not {wanted} bytes in {coding}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> SecretOrigin {
        SecretOrigin { env: None, command: Some(words.iter().map(|word| (*word).to_owned()).collect()) }
    }

    #[test]
    fn a_program_gives_the_value_that_it_prints() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("word"), "correct-horse\n").unwrap();
        let told = |words: &[&str]| read(&command(words), folder.path());
        assert_eq!(told(&["cat", "word"]).unwrap(), "correct-horse");
        assert_eq!(told(&["false"]).unwrap_err(), "it ended with exit status: 1");
        assert!(told(&["/nowhere/program"]).is_err());
        let missing = SecretOrigin { env: Some("REFARCH_TEST_NO_SUCH_VARIABLE".to_owned()), command: None };
        assert_eq!(read(&missing, folder.path()).unwrap_err(), "it is not set");
    }

    #[test]
    fn values_that_would_break_a_file_or_mean_something_else_are_refused() {
        let word = SecretSpec::Password { length: 32 };
        assert_eq!(fault("correct-horse.battery", &word), None);
        assert!(fault("short", &word).unwrap().contains("fewer than 8"));
        assert!(fault("with 'quotes'", &word).unwrap().contains("other characters"));
        let key = SecretSpec::Base64 { bytes: 32 };
        assert_eq!(fault(&STANDARD.encode([7; 32]), &key), None);
        assert!(fault(&STANDARD.encode([7; 16]), &key).unwrap().contains("32 bytes in base64"));
        assert!(fault("0123456789abcdeg", &SecretSpec::Hex { bytes: 8 }).unwrap().contains("hexadecimal"));
        assert_eq!(fault("0123456789abcdef", &SecretSpec::Hex { bytes: 8 }), None);
    }
}
