//! What views cost. Prints figures and asserts none:
//! `cargo test -p jackfield-server figures -- --ignored --nocapture`.

use std::time::Instant;

use super::*;
use crate::settings::{Limits, Queue, Timers, View as ViewSettings};
use crate::store::floor::sample;

fn views(condition: &str) -> Views {
    let view = |name: &str, condition: &str| ViewSettings {
        name: name.into(),
        queue: "inbound".into(),
        condition: condition.into(),
        order: String::new(),
    };
    let settings = Settings {
        name: "figures".into(),
        tenant_id: 1,
        media_types: vec![],
        queues: vec![Queue { name: "inbound".into() }],
        views: vec![view("v", condition), view("none", "media_type = 'fax'")],
        submitters: vec![],
        strategies: vec![],
        workbins: vec![],
        agents: vec![],
        places: vec![],
        capacity: Default::default(),
        contacts: Default::default(),
        custom_properties: vec![],
        timers: Timers::default(),
        limits: Limits::default(),
    };
    let (views, problems) = Views::new(&settings).unwrap();
    assert_eq!(problems, []);
    views
}

#[test]
#[ignore = "prints figures"]
fn figures() {
    const WAITING: usize = 200_000;
    const TURNED_OVER: usize = 50_000;
    for condition in ["", "media_type = 'email' and priority >= 0", "received_at < current_timestamp"] {
        let mut views = views(condition);
        let entries: Vec<Entry> = (0..WAITING + TURNED_OVER).map(|number| sample(1, number).1).collect();
        let mut entries = entries.into_iter();
        let start = Instant::now();
        for entry in entries.by_ref().take(WAITING) {
            views.insert(entry);
        }
        let filled = start.elapsed();
        let start = Instant::now();
        let mut taken = 0;
        for entry in entries {
            views.insert(entry);
            taken += 1;
            if taken % 100 == 0 {
                assert_eq!(views.take("v", 100, false, i64::MAX, &|_| false).unwrap().len(), 100);
            }
        }
        let turned_over = start.elapsed();
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(views.take("none", 100, false, 0, &|_| false).unwrap().len(), 0);
        }
        println!(
            "condition {condition:?}, {WAITING} waiting: {:.1} µs an insert, {:.1} µs an insert and take (by 100), \
             {:.1} µs a take that finds nothing",
            filled.as_secs_f64() * 1e6 / WAITING as f64,
            turned_over.as_secs_f64() * 1e6 / TURNED_OVER as f64,
            start.elapsed().as_secs_f64() * 1e6 / 100.0,
        );
    }
}
