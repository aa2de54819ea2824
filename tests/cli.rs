//! The binary as its users meet it: what each verb prints and its exit code, whole texts compared.
//!
//! `tests/cli/*.trycmd` are terminal sessions; `TRYCMD=overwrite cargo test --test cli` writes what is printed now.

use std::path::Path;

#[test]
fn verbs_that_need_no_engine() {
    let cases = trycmd::TestCases::new();
    for name in ["cat", "ls"] {
        cases.register_bin(name, Path::new("/bin").join(name));
    }
    cases.env("NO_COLOR", "1").env("REFARCH_OUTPUT", "plain").case("tests/cli/*.trycmd");
    if cfg!(any(feature = "aws", feature = "gcp")) {
        // Its text lists what the build has.
        cases.skip("tests/cli/without-clouds.trycmd");
    }
}
