//! Looking for everything that users were told is done.

use std::time::Duration;

use super::conduct::Conduct;
use crate::{
    drill::Acked,
    remote::{Program, Remote as _},
};

/// For looking whether all that was answered is there.
const AUDIT: Duration = Duration::from_secs(900);

impl Conduct<'_> {
    /// What was answered and is not there.
    pub(super) async fn lost(&self, acked: &[Acked]) -> Result<Vec<String>, String> {
        let said = self.ask("audit", acked).await?;
        if !said.iter().any(|line| line.starts_with("audited ")) {
            return Err(said.last().cloned().unwrap_or_else(|| "it said nothing".to_owned()));
        }
        let lost = said.into_iter().filter_map(|line| line.strip_prefix("lost ").map(str::to_owned));
        // What was taken back while it was looked for is not lost.
        Ok(lost
            .filter(|line| {
                let mut words = line.split(' ');
                let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                !self.recorder.is_gone(kind, key)
            })
            .collect())
    }

    /// Has the workload's script do something with a list of what was answered.
    pub(super) async fn ask(&self, what: &str, acked: &[Acked]) -> Result<Vec<String>, String> {
        let mut text = format!("{}\n{what} <<'REFARCH_LIST'\n", self.script);
        for (kind, key, value) in acked {
            text.push_str(&format!("acked {kind} {key} {value}\n"));
        }
        text.push_str("REFARCH_LIST\n");
        let program =
            Program { command: "sh -s 2>&1".to_owned(), stdin: text.into_bytes(), root: true, deadline: AUDIT };
        let output = self.reach.remote.run(self.host, program, &|_| {}).await.map_err(|error| error.to_string())?;
        let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        match output.code {
            Some(0) => Ok(lines),
            _ => Err(lines.last().cloned().unwrap_or_else(|| "it ended without a word".to_owned())),
        }
    }
}
