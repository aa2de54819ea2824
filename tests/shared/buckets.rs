//! The same on S3: moto, which knows `If-None-Match` on PutObject.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{team::Team, turns};

/// An S3 server of the test's own. Its bucket is `team-state`.
struct Bucket {
    process: Child,
    port: u16,
}

impl Bucket {
    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made = Command::new(root.join("scripts/emulators.sh")).stderr(Stdio::inherit()).output().unwrap();
        assert!(made.status.success(), "scripts/emulators.sh failed");
        let folder = String::from_utf8(made.stdout).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(Path::new(folder.trim()).join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bucket = Self { process, port };
        let patience = Instant::now();
        while !bucket.call("PUT", "/team-state").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            assert!(patience.elapsed() < Duration::from_secs(60), "the S3 server does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        bucket
    }

    fn call(&self, method: &str, path: &str) -> Option<String> {
        use std::io::Write as _;
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential=any/20261130/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn team(&self) -> Team {
        let variables = vec![
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "any".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "hunter22hunter22".to_owned()),
        ];
        Team { place: "s3://team-state/refarch".to_owned(), variables, ..Team::new() }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_laptop_is_gone_and_a_bucket_is_left() {
    let bucket = Bucket::start();
    let team = bucket.team();
    turns::a_second_checkout_finishes_what_a_laptop_that_is_gone_began(&team);
    // Nothing secret, and nothing that nobody needs: as many objects as the last state names, and the log.
    let listing = bucket.call("GET", "/team-state?list-type=2").unwrap();
    let keys: Vec<&str> = listing.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap()).collect();
    assert!(keys.iter().all(|key| key.starts_with("refarch/team/")), "{keys:?}");
    assert!(keys.len() < 30, "{keys:?}");
}

#[test]
fn many_controllers_share_a_bucket() {
    let bucket = Bucket::start();
    turns::controllers_at_the_same_time_never_both_act(&bucket.team());
}

#[test]
fn a_bucket_that_is_not_there_or_does_not_answer() {
    let bucket = Bucket::start();
    let team = Team { place: "s3://nobodys-bucket/refarch".to_owned(), ..bucket.team() };
    team.member("one")
        .refarch(&["apply", "--yes"])
        .ended(1)
        .says("s3://nobodys-bucket/refarch is not there: NoSuchBucket: The specified bucket does not exist\n");
    drop(bucket);
    let ran = team.member("two").refarch(&["apply", "--yes"]).ended(1).says("does not answer");
    assert!(!ran.stderr.contains("hunter22"), "{}", ran.stderr);
    assert!(team.machine.acts().is_empty());
}
