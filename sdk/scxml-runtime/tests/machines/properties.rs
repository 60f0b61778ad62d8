//! What holds for documents nobody wrote: both implementations of the algorithm do the same, and compiled expressions
//! have the values that the engine gives them.

use std::fmt::Write;
use std::rc::Rc;

use jackfield_scxml::model::Profile;
use jackfield_scxml_program::Bundle;
use jackfield_scxml_runtime::{Datum, Limits, Machine, MachineOf, ReferenceMachine};
use proptest::prelude::*;

use crate::support::{World, compile_text};

/// Numbers from a seed, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len() as u64) as usize]
    }

    fn sometimes(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    State,
    Parallel,
    Final,
    History,
}

struct Node {
    id: String,
    kind: Kind,
    children: Vec<usize>,
}

/// A chart: its nodes, each before its children.
fn chart(dice: &mut Dice) -> Vec<Node> {
    let mut nodes = Vec::new();
    grow(dice, &mut nodes, Kind::State, 0);
    nodes
}

fn grow(dice: &mut Dice, nodes: &mut Vec<Node>, kind: Kind, depth: usize) -> usize {
    let number = nodes.len();
    nodes.push(Node { id: format!("s{number}"), kind, children: Vec::new() });
    let is_leaf = matches!(kind, Kind::Final | Kind::History) || (depth > 0 && (depth > 3 || dice.sometimes(35)));
    if is_leaf && kind != Kind::Parallel {
        return number;
    }
    let mut children = Vec::new();
    for _ in 0..2 + dice.roll(2) {
        let child = match dice.roll(10) {
            0..=1 if depth < 3 => Kind::Parallel,
            2 if kind != Kind::Parallel => Kind::Final,
            _ => Kind::State,
        };
        children.push(grow(dice, nodes, child, depth + 1));
    }
    if depth > 0 && dice.sometimes(30) {
        children.push(grow(dice, nodes, Kind::History, depth + 1));
    }
    nodes[number].children = children;
    number
}

/// All nodes below one.
fn below(nodes: &[Node], of: usize) -> Vec<usize> {
    let mut found = Vec::new();
    for child in &nodes[of].children {
        found.push(*child);
        found.extend(below(nodes, *child));
    }
    found
}

const EVENTS: [&str; 4] = ["a", "b", "b.c", "d"];

fn content(dice: &mut Dice, id: &str) -> String {
    let mut text = format!("<log expr=\"'{id}'\"/>");
    if dice.sometimes(20) {
        let _ = write!(text, "<raise event=\"{}\"/>", dice.one(&EVENTS));
    }
    text
}

fn write_node(dice: &mut Dice, nodes: &[Node], number: usize, text: &mut String) {
    let node = &nodes[number];
    let inner = below(nodes, number);
    let name = match node.kind {
        Kind::State if number == 0 => "scxml",
        Kind::State => "state",
        Kind::Parallel => "parallel",
        Kind::Final => "final",
        Kind::History => "history",
    };
    if number == 0 {
        text.push_str(r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript""#);
    } else {
        let _ = write!(text, "<{name} id=\"{}\"", node.id);
    }
    if node.kind == Kind::History && dice.sometimes(50) {
        text.push_str(" type=\"deep\"");
    }
    let real = inner.iter().filter(|inner| nodes[**inner].kind != Kind::History).copied().collect::<Vec<_>>();
    if node.kind == Kind::State && !real.is_empty() && dice.sometimes(40) {
        let _ = write!(text, " initial=\"{}\"", nodes[*dice.one(&real)].id);
    }
    text.push('>');
    if node.kind == Kind::History {
        let parent = nodes.iter().position(|parent| parent.children.contains(&number)).unwrap();
        let others = below(nodes, parent).into_iter().filter(|other| nodes[*other].kind != Kind::History);
        let others = others.collect::<Vec<_>>();
        let content = content(dice, &node.id);
        let _ =
            write!(text, "<transition target=\"{}\">{content}</transition></history>", nodes[*dice.one(&others)].id);
        return;
    }
    if number > 0 {
        let (entry, exit) = (content(dice, &node.id), format!("<log expr=\"'{}'\"/>", node.id));
        let _ = write!(text, "<onentry>{entry}</onentry><onexit>{exit}</onexit>");
    }
    if number > 0 && node.kind != Kind::Final {
        for _ in 0..dice.roll(4) {
            write_transition(dice, nodes, text);
        }
    }
    for child in &node.children {
        write_node(dice, nodes, *child, text);
    }
    let _ = write!(text, "</{name}>");
}

fn write_transition(dice: &mut Dice, nodes: &[Node], text: &mut String) {
    text.push_str("<transition");
    if dice.sometimes(85) {
        let _ = write!(text, " event=\"{}\"", dice.one(&["a", "b", "b.c", "d", "*", "a d", "done.state"]));
    } else {
        // One that waits for nothing would be taken for ever.
        let _ = write!(text, " cond=\"In('{}')\"", dice.one(nodes).id);
    }
    if dice.sometimes(85) {
        let target = 1 + dice.roll(nodes.len() as u64 - 1) as usize;
        let _ = write!(text, " target=\"{}\"", nodes[target].id);
    }
    if dice.sometimes(30) {
        text.push_str(" type=\"internal\"");
    }
    let _ = write!(text, ">{}</transition>", content(dice, "t"));
}

/// All that a machine did with these events.
macro_rules! trace_of {
    ($machine:ty, $bundle:expr, $events:expr) => {{
        let world = Rc::new(World { traces: true, ..World::default() });
        let limits = Limits { microsteps: 60, ..Limits::default() };
        let mut machine: $machine = MachineOf::new($bundle, world.clone(), limits).unwrap();
        let mut status = machine.start();
        for event in $events {
            if status.is_err() {
                break;
            }
            status = machine.external(event, Datum::Undefined);
        }
        let mut trace = world.trace.take();
        trace.push(format!("{status:?} {:?} {:?}", machine.active(), machine.ended_in()));
        trace
    }};
}

fn cases(few: u32) -> u32 {
    std::env::var("JACKFIELD_SCXML_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_implementations_of_the_algorithm_do_the_same(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let nodes = chart(&mut dice);
        let mut text = String::new();
        write_node(&mut dice, &nodes, 0, &mut text);
        let bundle: Bundle = compile_text(&text, Profile::W3c);
        let events: Vec<&str> = (0..12).map(|_| *dice.one(&EVENTS)).collect();
        let fast = trace_of!(Machine, bundle.clone(), &events);
        let reference = trace_of!(ReferenceMachine, bundle, &events);
        prop_assert_eq!(fast, reference, "{}", text);
    }
}

/// An expression over the variables of [`VARIABLES`].
fn expression(dice: &mut Dice, depth: u64) -> String {
    const LEAVES: [&str; 22] = [
        "0",
        "1",
        "2.5",
        "-3",
        "'a'",
        "'10'",
        "''",
        "true",
        "false",
        "null",
        "undefined",
        "n",
        "s",
        "l",
        "o",
        "f",
        "missing",
        "_event",
        "_event.name",
        "_event.data",
        "NaN",
        "In('on')",
    ];
    if depth == 0 || dice.sometimes(15) {
        return (*dice.one(&LEAVES)).to_owned();
    }
    let mut inner = || expression(dice, depth - 1);
    let (one, two, three) = (inner(), inner(), inner());
    match dice.roll(16) {
        0..=5 => {
            let operators = [
                "==",
                "!=",
                "===",
                "!==",
                "<",
                "<=",
                ">",
                ">=",
                "+",
                "-",
                "*",
                "/",
                "%",
                "&&",
                "||",
                "in",
                "instanceof",
            ];
            format!("({one} {} {two})", dice.one(&operators))
        }
        6 => format!("{}({one})", dice.one(&["!", "-", "+", "typeof ", "void "])),
        7 => format!("({one} ? {two} : {three})"),
        8 => format!("[{one}, {two}]"),
        9 => format!("({{a: {one}, 'b c': {two}}})"),
        10 => format!("({one}).{}", dice.one(&["length", "a", "x", "constructor"])),
        11 => format!("({one})[{two}]"),
        12 => format!("s.{}({one})", dice.one(&["indexOf", "charAt", "substr", "concat", "split"])),
        13 => format!("l.{}({one})", dice.one(&["indexOf", "join", "concat", "slice"])),
        14 => format!("f({one})"),
        _ => format!("typeof {}", dice.one(&["missing", "n", "_event", "l", "undefined"])),
    }
}

const VARIABLES: &str = r#"<datamodel>
    <data id="n" expr="4"/><data id="s" expr="'some text'"/><data id="l" expr="[1, 'b', {x: 1}]"/>
    <data id="o" expr="({a: 1, x: {a: 'deep'}})"/><data id="f" expr="function (x) { return [x, this === undefined]; }"/>
</datamodel>"#;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(8), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_expressions_have_the_values_that_the_engine_gives_them(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let expressions: Vec<String> = (0..120).map(|_| expression(&mut dice, 3)).collect();
        let mut text = format!(r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript">
            {VARIABLES}<state id="off"><transition event="go" target="on"/></state><state id="on">"#);
        for (number, expression) in expressions.iter().enumerate() {
            for (how, text_of) in [("compiled", expression.clone()), ("engine", format!("eval({:?})", format!("({expression})")))] {
                let line = format!("typeof ({text_of}) + ' ' + ({text_of})");
                let _ = write!(
                    text,
                    "<onentry><log label=\"{number} {how} value\" expr=\"{}\"/></onentry>\
                     <onentry><log label=\"{number} {how} line\" expr=\"{}\"/></onentry>",
                    escaped(&text_of), escaped(&line),
                );
            }
        }
        text.push_str("</state></scxml>");
        let bundle = compile_text(&text, Profile::W3c);
        let compiled = &bundle.documents[0].program.expressions;
        let count = expressions.iter().filter(|text| {
            compiled.iter().any(|found| found.text == **text && !found.code.is_empty())
        }).count();
        prop_assert!(count > 100, "{} of 120 were compiled", count);
        let world = World::new();
        let mut machine: Machine = MachineOf::new(bundle, world.clone(), Limits::default()).unwrap();
        machine.start().unwrap();
        machine.external("go", Datum::Map(vec![("a".to_owned(), Datum::Number(7.0))])).unwrap();
        let log = world.log.take();
        for (number, expression) in expressions.iter().enumerate() {
            for what in ["value", "line"] {
                let of = |how: &str| {
                    let label = format!("{number} {how} {what}: ");
                    log.iter().find_map(|line| line.strip_prefix(&label))
                };
                prop_assert_eq!(of("compiled"), of("engine"), "{} of {}", what, expression);
            }
        }
    }
}
