//! Pictures: everything is in them, and nothing is in the way of another.

use std::collections::{HashMap, HashSet};

use jackfield_scxml::graph::{Format, Paint, Paints, STATES_MOST, graph};
use jackfield_scxml::merge::Folder;
use jackfield_scxml::model::{Document, StateIndex, TransitionIndex};
use jackfield_scxml::source::Sources;
use jackfield_scxml::xml::{self, Element};
use jackfield_scxml::{OpenOptions, open};

use crate::w3c_folder::documents;
use crate::written::{document, files};

fn read(inner: &str) -> Document {
    let text = document("datamodel='ecmascript'", inner);
    open(&files(&[("a.scxml", &text)]), "a.scxml", OpenOptions::default()).document.unwrap()
}

fn parsed(svg: &str) -> Element {
    let mut sources = Sources::default();
    let file = sources.add("picture.svg", svg);
    xml::read(&sources, file, xml::Limits::default()).unwrap_or_else(|problem| panic!("{}", problem.line(&sources)))
}

fn number(element: &Element, name: &str) -> f64 {
    element.attribute(name).unwrap().value.as_str().parse().unwrap()
}

/// Left, top, right and bottom of each state.
fn boxes(svg: &Element) -> HashMap<u32, [f64; 4]> {
    let mut boxes = HashMap::new();
    for group in svg.elements() {
        let Some(state) = group.attribute("data-state") else { continue };
        let shape = group.elements().find(|element| matches!(&*element.name.local, "rect" | "circle")).unwrap();
        let sides = if &*shape.name.local == "rect" {
            let (x, y) = (number(shape, "x"), number(shape, "y"));
            [x, y, x + number(shape, "width"), y + number(shape, "height")]
        } else {
            let (x, y, radius) = (number(shape, "cx"), number(shape, "cy"), number(shape, "r"));
            [x - radius, y - radius, x + radius, y + radius]
        };
        boxes.insert(state.value.as_str().parse().unwrap(), sides);
    }
    boxes
}

/// Its transition, where it begins, and its tip.
type Arrow = (usize, (f64, f64), (f64, f64));

/// The arrows that have a transition.
fn arrows(svg: &Element) -> Vec<Arrow> {
    let groups = svg.elements().filter(|group| group.attribute("data-transition").is_some());
    groups
        .map(|group| {
            let transition = group.attribute("data-transition").unwrap().value.as_str().parse().unwrap();
            let paths: Vec<_> = group.elements().filter(|element| &*element.name.local == "path").collect();
            let start = |path: &Element| {
                let data = path.attribute("d").unwrap().value.as_str().trim_start_matches('M').to_owned();
                let mut numbers = data.split(|character: char| character.is_alphabetic() || character == ' ');
                let mut next = || numbers.next().unwrap().parse::<f64>().unwrap();
                (next(), next())
            };
            (transition, start(paths[0]), start(paths[1]))
        })
        .collect()
}

fn on_border(point: (f64, f64), [left, top, right, bottom]: [f64; 4]) -> bool {
    let near = |one: f64, other: f64| (one - other).abs() < 1.5;
    let in_width = point.0 > left - 1.5 && point.0 < right + 1.5;
    let in_height = point.1 > top - 1.5 && point.1 < bottom + 1.5;
    (in_width && (near(point.1, top) || near(point.1, bottom)))
        || (in_height && (near(point.0, left) || near(point.0, right)))
}

fn look_at(document: &Document, name: &str) {
    let svg = parsed(&graph(document, Format::Svg, &Paints::default()).unwrap());
    let boxes = boxes(&svg);
    assert_eq!(boxes.len(), document.states.len(), "{name}: each state is drawn");
    for (index, state) in document.indexed_states() {
        let inner = boxes[&index.0];
        if let Some(parent) = state.parent {
            let outer = boxes[&parent.0];
            let is_in = inner[0] > outer[0] && inner[1] > outer[1] && inner[2] < outer[2] && inner[3] < outer[3];
            assert!(is_in, "{name}: {} is within {:?}", state.called(), outer);
        }
        for (place, one) in state.children.iter().enumerate() {
            for other in state.children.iter().take(place) {
                let (one, other) = (boxes[&one.0], boxes[&other.0]);
                let apart = one[0] >= other[2] || other[0] >= one[2] || one[1] >= other[3] || other[1] >= one[3];
                assert!(apart, "{name}: two states in {} are on each other", state.called());
            }
        }
    }
    let arrows = arrows(&svg);
    let drawn: HashSet<usize> = arrows.iter().map(|(transition, ..)| *transition).collect();
    for (at, transition) in document.transitions.iter().enumerate() {
        let leads = transition.targets.iter().any(|target| document.find(target.as_str()).is_some());
        let is_drawn = transition.role != jackfield_scxml::model::Role::Initial && leads;
        assert_eq!(drawn.contains(&at), is_drawn, "{name}: transition {at}");
    }
    for (transition, start, tip) in arrows {
        let transition = &document.transitions[transition];
        let targets: Vec<_> = transition.targets.iter().filter_map(|target| document.find(target.as_str())).collect();
        assert!(targets.iter().any(|target| on_border(tip, boxes[&target.0])), "{name}: an arrow ends at {targets:?}");
        // From a state to one within it the arrow begins below the name of the outer one.
        let own = boxes[&transition.source.0];
        let inward = targets.iter().any(|target| document.is_within(*target, transition.source));
        let is_in = start.1 > own[1] && start.1 < own[3];
        assert!(on_border(start, own) || (inward && is_in), "{name}: an arrow begins at {:?}", transition.source);
    }
}

#[test]
fn every_state_and_arrow_of_the_examples_is_drawn_in_its_place() {
    for path in ["composer/src-gen/IPD_default_Mail.scxml", "miniature/miniature.scxml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path);
        let (root, name) = Folder::project_of(&path);
        let opened = open(&Folder::new(&root, 1 << 20).unwrap(), &name, OpenOptions::default());
        look_at(&opened.document.unwrap(), &name);
    }
}

#[test]
fn every_state_and_arrow_of_the_w3c_is_drawn_in_its_place() {
    for path in documents() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let opened = open(&Folder::new(path.parent().unwrap(), 1 << 20).unwrap(), &name, OpenOptions::default());
        look_at(&opened.document.unwrap(), &name);
    }
}

#[test]
fn arrows_between_regions_to_inner_and_to_outer_states_are_drawn_in_their_places() {
    look_at(
        &read(
            "<parallel id='p'><state id='a'><state id='a1'><transition event='go' target='b2'/><transition target='a1'/></state>\
             <transition event='x' target='b'/><transition event='y' target='end'/></state>\
             <state id='b'><history id='h'/><state id='b1'><transition event='z' target='a1'/></state>\
             <state id='b2'><transition event='up' target='b'/><transition event='out' target='p'/><transition target='b1'/></state>\
             <transition event='deep' target='b2'/></state><state id='c'/></parallel>\
             <state id='r'><state id='s'><state id='t'><transition event='back' target='a1'/><transition event='two' target='a1 b2'/></state></state></state>\
             <final id='end'/>",
        ),
        "regions",
    );
}

#[test]
fn states_and_transitions_are_painted_as_asked() {
    let document = read("<state id='a'><transition event='error' target='b'/></state><final id='b'/>");
    let paint = |colour: &str| Paint { line: Some(colour.to_owned()), fill: Some("#fafafa".to_owned()) };
    let paints = Paints {
        states: HashMap::from([(StateIndex(1), paint("#112233"))]),
        transitions: HashMap::from([(TransitionIndex(0), paint("#445566"))]),
    };
    for format in [Format::Svg, Format::Mermaid, Format::Dot] {
        let plain = graph(&document, format, &Paints::default()).unwrap();
        let painted = graph(&document, format, &paints).unwrap();
        for colour in ["#112233", "#445566", "#fafafa"] {
            assert!(painted.contains(colour) && !plain.contains(colour), "{format:?} {colour}:\n{painted}");
        }
    }
}

#[test]
fn what_is_written_in_a_document_cannot_break_a_picture() {
    let evil = "<state id='a'><transition event='error' cond='\"&lt;/svg>\" &amp; x == \"\\\" # ; }' target='b'/></state><final id='b'/>";
    let document = read(evil);
    look_at(&document, "evil");
    let dot = graph(&document, Format::Dot, &Paints::default()).unwrap();
    assert!(dot.contains(r#"[\"</svg>\" & x == \"\\\" # ; }]"#), "{dot}");
    let mermaid = graph(&document, Format::Mermaid, &Paints::default()).unwrap();
    let label = mermaid.lines().find(|line| line.contains("error")).unwrap();
    assert_eq!(label.trim(), r#"s1 --> s2 : error [#34;#60;/svg#62;#34; & x == #34;\#34; #35; #59; #125;]"#);
}

#[test]
fn a_picture_that_nobody_could_look_at_is_refused() {
    let many = "<state/>".repeat(STATES_MOST);
    let document = read(&many);
    assert!(graph(&document, Format::Svg, &Paints::default()).is_err());
    assert!(graph(&document, Format::Dot, &Paints::default()).is_ok());
}
