//! An S3-compatible server for a test, over TLS, with an authority of its own.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

use super::place::Place;

const PORT: u16 = 5443;

/// The server; ended with the test. Its bucket is `backups`.
pub struct ObjectStorage {
    process: Child,
    address: String,
    authority: String,
}

impl ObjectStorage {
    /// Starts it on an address of this machine that the nodes reach, and waits until it answers.
    pub async fn start(place: &Place, address: &str) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Under one name with the certificate that it signs, that one would count as signed by itself.
        params.distinguished_name.push(DnType::CommonName, "an object storage's authority");
        let authority = params.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().unwrap();
        // pgBackRest looks for the address among the names.
        let mut params = CertificateParams::new(vec![address.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an object storage");
        params.subject_alt_names.push(SanType::DnsName(address.try_into().unwrap()));
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        place.write("s3-ca.crt", &authority);
        place.write("s3.crt", &certificate);
        place.write("s3.key", &key.serialize_pem());
        let path = |name: &str| place.path(name).display().to_string();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/s3-server.sh");
        let installed = Command::new(script).status().unwrap();
        assert!(installed.success(), "the S3 server cannot be installed");
        let process = Command::new(script)
            .args([format!("{address}:{PORT}"), path("s3.crt"), path("s3.key")])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let storage = Self { process, address: address.to_owned(), authority: path("s3-ca.crt") };
        let patience = Instant::now();
        while !storage.curl(&["-X", "PUT", &storage.url("backups")]).0 {
            assert!(patience.elapsed() < Duration::from_secs(60), "the S3 server does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        storage
    }

    /// As the environment file names it.
    pub fn endpoint(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    /// Names of all objects in the bucket.
    pub fn names(&self) -> Vec<String> {
        let (good, listing) = self.curl(&[&self.url("backups?list-type=2")]);
        assert!(good, "{listing}");
        let keys = listing.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
    }

    /// Cuts the files of the newest whole backup of PostgreSQL in half.
    pub fn truncate_newest_full(&self) {
        let names = self.names();
        let data =
            |name: &&String| name.contains("/backup/refarch/2") && name.contains("F/") && !name.contains("manifest");
        let label = names.iter().filter(data).map(|name| name.split('/').nth(4).unwrap()).max().unwrap();
        let mut cut = 0;
        for name in names.iter().filter(data).filter(|name| name.contains(label)) {
            let url = self.url(&format!("backups/{name}"));
            let (good, _) = self.curl(&["-o", "/tmp/refarch-test-object", &url]);
            assert!(good, "{name}");
            let content = std::fs::read("/tmp/refarch-test-object").unwrap();
            std::fs::write("/tmp/refarch-test-object", &content[..content.len() / 2]).unwrap();
            assert!(self.curl(&["-X", "PUT", "--data-binary", "@/tmp/refarch-test-object", &url]).0, "{name}");
            cut += 1;
        }
        assert!(cut > 0, "{names:?}");
    }

    fn url(&self, rest: &str) -> String {
        format!("https://{}/{rest}", self.endpoint())
    }

    fn curl(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("curl")
            .args(["-fsg", "--cacert", &self.authority, "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", "any:any"])
            .args(arguments)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for ObjectStorage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
