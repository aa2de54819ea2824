use ratatui::{Terminal, backend::TestBackend};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_796_040_000 + seconds).unwrap()
}

fn node(name: &str, group: &str, health: Health, says: &str, state: &str, details: &str) -> NodeLook {
    let [node, group, says, state, details] = [name, group, says, state, details].map(str::to_owned);
    NodeLook { node, group, health, says, state, details }
}

/// A small environment in which a leader was killed.
fn look() -> Look {
    let good = |name, group, state, details| node(name, group, Health::Good, "healthy", state, details);
    Look {
        at: at(0),
        took_ms: 840,
        environment: "demo".to_owned(),
        kind: ["3k", "local", "sandbox"].map(str::to_owned).to_vec(),
        nodes: vec![
            good("demo-app-1", "app", "", "version 1.2"),
            good("demo-app-2", "app", "", "version 1.2"),
            node("demo-postgres-1", "postgres", Health::Gone, "stopped", "", ""),
            good("demo-postgres-2", "postgres", "leader", "lag 0, timeline 2"),
            node("demo-postgres-3", "postgres", Health::Ill, "not: PostgreSQL takes connections here", "replica", ""),
        ],
        holder: None,
        run: Some(RunLook {
            id: "r1".to_owned(),
            command: "apply demo".to_owned(),
            by: "ann@desk".to_owned(),
            state: "done".to_owned(),
            started: at(-600),
            elapsed_ms: 62_000,
            done: 12,
            total: 12,
            running: vec![],
            strips: vec![],
        }),
        faults: vec![],
    }
}

fn drawn(history: &History, place: &Place, trouble: Option<&str>, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let screen = Screen { history, trouble, now: at(2), place, color: false };
    let draw = |frame: &mut Frame<'_>| {
        screen.draw(frame);
    };
    terminal.draw(draw).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content().chunks(usize::from(width));
    let text = |row: &[ratatui::buffer::Cell]| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    rows.map(|row| text(row).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_killed_leader_is_seen_at_a_glance() {
    let mut history = History::default();
    let mut before = look();
    before.nodes[2] = node("demo-postgres-1", "postgres", Health::Good, "healthy", "leader", "lag 0");
    before.nodes[3].state = "replica".to_owned();
    before.at = at(-4);
    history.take(before);
    history.take(look());
    assert_eq!(
        drawn(&history, &Place::default(), None, 110, 20),
        concat!(
            " demo  3k · local · sandbox   3 of 5 nodes healthy                              12:00:00, took 0.8 s, 2 s ago\n",
            " apply demo by ann@desk: done, 12 of 12 steps, 1 min 02 s, began 2026-11-30 11:50\n",
            "\n",
            " app ●●   postgres ✖●▲\n",
            "\n",
            "   NODE             HEALTH                                  STATE    DETAILS\n",
            " ● demo-app-1       healthy                                          version 1.2\n",
            " ● demo-app-2       healthy                                          version 1.2\n",
            " ✖ demo-postgres-1  stopped\n",
            " ● demo-postgres-2  healthy                                 leader   lag 0, timeline 2\n",
            " ▲ demo-postgres-3  not: PostgreSQL takes connections here  replica\n",
            "\n",
            "\n",
            "   WHAT CHANGED\n",
            " ▲ 11:59:56  demo-postgres-3: not: PostgreSQL takes connections here\n",
            " ▲ 12:00:00  demo-postgres-1: stopped\n",
            " · 12:00:00  demo-postgres-2 is leader, was replica\n",
            "\n",
            "\n",
            " q quit   ↑↓ scroll   u only unhealthy nodes   space pause   r look now   times are UTC\n",
        ),
    );
}

#[test]
fn a_run_is_seen_on_the_nodes_it_works_on() {
    let mut history = History::default();
    let strip = |node: &str, from_ms, to_ms, failed| Strip { node: Some(node.to_owned()), from_ms, to_ms, failed };
    let mut running = look();
    running.holder = Some("ann@desk (process 7) since 12:00 for `apply demo`".to_owned());
    running.faults = vec!["app-killed on demo-app-2".to_owned()];
    running.run = running.run.map(|run| RunLook {
        state: "running".to_owned(),
        done: 6,
        elapsed_ms: 20_000,
        running: vec![(Some("demo-postgres-2".to_owned()), "configure postgres".to_owned())],
        strips: vec![
            strip("demo-app-1", 0, 5_000, false),
            strip("demo-app-1", 6_000, 6_010, false),
            strip("demo-app-2", 5_000, 9_000, true),
            strip("demo-postgres-2", 10_000, 20_000, false),
        ],
        ..run
    });
    history.take(running);
    assert_eq!(
        drawn(&history, &Place::default(), Some("the engine does not answer"), 100, 21),
        concat!(
            " demo  3k · local · sandbox   3 of 5 nodes healthy                    12:00:00, took 0.8 s, 2 s ago\n",
            " cannot look: the engine does not answer\n",
            " broken by a drill: app-killed on demo-app-2\n",
            " apply demo by ann@desk: running, 6 of 12 steps, 20.0 s  ━━━━━━━━━━━━━━━━━━━━────────────────────\n",
            " now: configure postgres on demo-postgres-2\n",
            "\n",
            " app ●●   postgres ✖●▲\n",
            "\n",
            "   NODE 1-4 of 5    HEALTH                                  STATE    THIS RUN, 20.0 s\n",
            " ● demo-app-1       healthy                                          ━━━━━━━  ━\n",
            " ● demo-app-2       healthy                                                 ××××××\n",
            " ✖ demo-postgres-1  stopped\n",
            " ● demo-postgres-2  healthy                                 leader                  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌\n",
            "\n",
            "   WHAT CHANGED\n",
            " ▲ 12:00:00  demo-postgres-1: stopped\n",
            " ▲ 12:00:00  demo-postgres-3: not: PostgreSQL takes connections here\n",
            " ▲ 12:00:00  drill: app-killed on demo-app-2\n",
            "\n",
            "\n",
            " q quit   ↑↓ scroll   u only unhealthy nodes   space pause   r look now   times are UTC\n",
        )
    );
}

#[test]
fn a_small_window_shows_what_fits_and_says_how_much_does_not() {
    let mut history = History::default();
    history.take(look());
    let place = Place { top: 1, only_ill: false, paused: true };
    assert_eq!(
        drawn(&history, &place, None, 60, 12),
        concat!(
            " demo  3k · local · sandbox   3 of 5 nodes healthy\n",
            " apply demo by ann@desk: done, 12 of 12 steps, 1 min 02 s, b\n",
            "\n",
            " app ●●   postgres ✖●▲\n",
            "   NODE 2-2 of 5    HEALTH\n",
            " ● demo-app-2       healthy\n",
            "\n",
            "   WHAT CHANGED\n",
            " ▲ 12:00:00  demo-postgres-1: stopped\n",
            " ▲ 12:00:00  demo-postgres-3: not: PostgreSQL takes connecti\n",
            "\n",
            " q quit   ↑↓ scroll   u only unhealthy nodes   space go on\n",
        )
    );
    let ill = Place { only_ill: true, ..Place::default() };
    let text = drawn(&history, &ill, None, 80, 24);
    assert!(text.contains("demo-postgres-3") && !text.contains("demo-app-1"), "{text}");
    // A terminal may be any size.
    for (width, height) in [(1, 1), (5, 3), (20, 6), (300, 100)] {
        drawn(&history, &place, None, width, height);
    }
}
