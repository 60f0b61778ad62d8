//! How many events a CPU second takes for one session, on three charts: two states that flip; three parallel regions of
//! four states each, two of them within another; guards and assignments over data.
//!
//! `cargo bench -p jackfield-scxml-runtime`. Natively; figures inside the sandbox are in the crate's text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/machines/support.rs"]
#[allow(dead_code)]
mod support;

use std::sync::LazyLock;
use std::time::Instant;

use jackfield_scxml::model::Profile;
use jackfield_scxml_runtime::{Datum, Limits, Machine, MachineOf};

use support::{World, compile_text};

const FLIP: &str = r#"<state id="on"><transition event="flip" target="off"/></state>
    <state id="off"><transition event="flip" target="on"/></state>"#;

const GUARDS: &str = r#"<datamodel><data id="count" expr="0"/><data id="name" expr="'a'"/></datamodel>
    <state id="low"><transition event="add" cond="count &lt; 3 &amp;&amp; name == 'a'"><assign location="count" expr="count + 1"/></transition>
        <transition event="add" cond="_event.data.name == name" target="high"/></state>
    <state id="high"><transition event="add" cond="count &gt; 0"><assign location="count" expr="count - 1"/></transition>
        <transition event="add" target="low"/></state>"#;

fn regions() -> String {
    let region = |name: &str| {
        format!(
            r#"<state id="{name}"><state id="{name}1"><transition event="next" target="{name}2"/></state>
            <state id="{name}2"><transition event="next" target="{name}3"/></state>
            <state id="{name}n"><transition event="out" target="{name}1"/>
              <state id="{name}3"><transition event="next" target="{name}4"/></state>
              <state id="{name}4"><transition event="next" target="{name}1"/></state></state></state>"#
        )
    };
    format!("<parallel id=\"p\">{}{}{}</parallel>", region("a"), region("b"), region("c"))
}

/// Seconds of CPU that this thread has had. Where the system does not say, time on the wall.
fn cpu() -> f64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let counted = counted.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    counted.map_or_else(|| BEGAN.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

fn measure(what: &str, body: &str, event: &str, data: &Datum, count: u32) {
    let text = format!(
        r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript">{body}</scxml>"#
    );
    let began = cpu();
    let bundle = compile_text(&text, Profile::W3c);
    let compiled = cpu() - began;
    let bytes = bundle.encode().len();
    let mut machine: Machine = MachineOf::new(bundle, World::new(), Limits::default()).unwrap();
    let began = cpu();
    machine.start().unwrap();
    let started = cpu() - began;
    let began = cpu();
    for _ in 0..count {
        machine.external(event, data.clone()).unwrap();
    }
    let each = (cpu() - began) / f64::from(count);
    println!(
        "{what:8} {:>10.0} events a CPU second ({:.0} ns each), {bytes} bytes, compiled in {:.2} ms, started in {:.2} ms",
        1.0 / each,
        each * 1e9,
        compiled * 1e3,
        started * 1e3,
    );
}

fn main() {
    // Few where the tests run it, to see that it runs.
    let count = if std::env::args().any(|argument| argument == "--bench") { 300_000 } else { 100 };
    let named = Datum::Map(vec![("name".to_owned(), Datum::text("a"))]);
    measure("flip", FLIP, "flip", &Datum::Undefined, count);
    measure("regions", &regions(), "next", &Datum::Undefined, count);
    measure("guards", GUARDS, "add", &named, count);
}
