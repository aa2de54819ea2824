//! Reads a file that a user named.

use std::{fs, io, path::Path};

use crate::diagnostic::{Diagnostic, Place};

/// Largest file that is taken for an environment, in bytes.
const MOST: u64 = 1024 * 1024;

/// The text of a file, or what is wrong with it as a file.
pub(crate) fn read(path: &Path) -> Result<String, Box<Diagnostic>> {
    let name = path.display().to_string();
    let whole = || Some(whole_file(&name));
    let fault = |message: String| Diagnostic::error("", message).at(whole());
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Box::new(fault("no such file".to_owned()).hint(near(path))));
        }
        Err(error) => return Err(Box::new(fault(format!("cannot be read: {error}")))),
    };
    if metadata.is_dir() {
        let hint = match yaml_files(path).first() {
            Some(file) => format!("name a file in it, for example {}", path.join(file).display()),
            None => "name a file; `refarch init` writes one".to_owned(),
        };
        return Err(Box::new(fault("a directory, not a file".to_owned()).hint(hint)));
    }
    if metadata.len() > MOST {
        let message = format!("{} bytes: too large to be an environment file", metadata.len());
        return Err(Box::new(fault(message).hint("at most 1 MiB is read")));
    }
    let bytes = fs::read(path).map_err(|error| Box::new(fault(format!("cannot be read: {error}"))))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        let place = Place { source: name.clone(), line, column, offset: good, length: 0 };
        Box::new(Diagnostic::error("", "not UTF-8 text").at(Some(place)).hint("save the file as UTF-8"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A file as a whole.
pub(crate) fn whole_file(name: &str) -> Place {
    Place { source: name.to_owned(), line: 0, column: 0, offset: 0, length: 0 }
}

fn near(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let files = yaml_files(folder);
    match super::suggest::nearest(&wanted, files.iter().map(String::as_str)) {
        Some(file) => format!("did you mean {}?", path.with_file_name(file).display()),
        None => "`refarch init` writes one".to_owned(),
    }
}

fn yaml_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .filter(|name| !name.contains(".local."))
        .collect();
    names.sort();
    names
}
