//! Listening to a program on a node that never ends, for as long as it takes.

use std::time::Duration;

use super::Reach;
use crate::{
    provider::Host,
    remote::{LineSink, Program, Remote as _},
};

/// How long such a program may run: longer than anything that it is listened to for.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Until a program whose connection broke is started again.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs a script until the future is dropped, anew whenever its connection broke; `broken` is told of that.
pub(super) async fn listen(reach: &Reach, host: &Host, script: &[u8], lines: LineSink<'_>, broken: impl Fn()) {
    loop {
        let program = Program {
            command: "sh -s".to_owned(),
            stdin: script.to_vec(),
            // As a user of the environment, not of the machine; the script may need to read what only root may.
            root: true,
            deadline: LONGEST,
        };
        let _ = reach.remote.run(host, program, lines).await;
        broken();
        tokio::time::sleep(AGAIN).await;
    }
}
