//! Whatever counts a user sets: either every node can be rendered, or the refusal says what to do.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::place::{Place, known};

/// Counts that the environment's own checks take.
fn counts() -> impl Strategy<Value = (String, String)> {
    let sizes = prop::sample::select(vec!["2k", "3k", "5k", "10k", "50k"]);
    let odd = prop::sample::select(vec![1u32, 3, 5]);
    (sizes, odd, 1u32..5, 1u32..5, 1u32..5, 1u32..4, prop::bool::ANY, prop::bool::ANY).prop_map(
        |(size, odd, app, sidekiq, gitaly, postgres, sharded, tls)| {
            let mut text = format!("nodes:\n  app: {{ count: {app} }}\n  sidekiq: {{ count: {sidekiq} }}\n");
            let _ = writeln!(text, "  gitaly: {{ count: {gitaly} }}");
            if size != "2k" {
                let _ = writeln!(text, "  consul: {{ count: {odd} }}\n  postgres: {{ count: {postgres} }}");
                if sharded {
                    text.push_str("  praefect: { count: 0 }\n  praefect-postgres: { count: 0 }\n");
                }
            }
            if tls {
                text.push_str("settings:\n  linux-package: { internal_tls: all }\n");
            }
            (size.to_owned(), text)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn every_node_is_rendered_with_settings_that_the_product_knows((size, more) in counts()) {
        let place = Place::new(&size, &more);
        let known = known();
        let all = place.all_rb();
        for (node, rb) in &all {
            prop_assert_eq!(known.complaints(rb, "newest"), vec![], "{} of {} with {}", node, size, more);
            prop_assert!(!rb.contains("''") && !rb.contains("none"), "{node}: something is empty:\n{rb}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // A plan that waits for itself would be refused.
        runtime.block_on(place.session.plan_from_nothing()).unwrap();
    }
}
