//! What stands in states and beside transitions.

use crate::model::{
    Action, ActionKind, Block, Document, HistoryKind, Initial, Role, State, StateIndex, StateKind, Transition, Value,
};
use crate::source::Text;

/// Characters of a line.
const LINE: usize = 44;

/// Lines of one state beside its name.
const LINES: usize = 5;

/// The name of a state: its id, without the prefix of the include it is in, which is around it in the picture.
pub(super) fn name(document: &Document, index: StateIndex) -> String {
    let Some(state) = document.state(index) else { return String::new() };
    let Some(id) = &state.id else {
        return match state.kind {
            StateKind::Scxml => document.name.as_ref().map_or(String::new(), ToString::to_string),
            StateKind::History(HistoryKind::Shallow) => "H".to_owned(),
            StateKind::History(HistoryKind::Deep) => "H*".to_owned(),
            _ => String::new(),
        };
    };
    let around = std::iter::once(index).chain(document.ancestors(index));
    let prefix = around.filter_map(|around| document.state(around)?.my_prefix.as_ref()).next();
    let bare = prefix.and_then(|prefix| id.as_str().strip_prefix(prefix.as_str())?.strip_prefix('.'));
    shortened(bare.unwrap_or(id.as_str()), LINE)
}

/// What happens in a state: entry, exit, invocations, and transitions that lead nowhere.
pub(super) fn lines(document: &Document, state: &State) -> Vec<String> {
    let mut lines = Vec::new();
    let mut block = |what: &str, blocks: &[Block]| {
        let actions: Vec<_> = blocks.iter().flat_map(|block| &block.actions).map(action).collect();
        if !actions.is_empty() {
            lines.push(shortened(&format!("{what} / {}", actions.join(", ")), LINE));
        }
    };
    block("entry", &state.on_entry);
    block("exit", &state.on_exit);
    for invoke in &state.invokes {
        let what = invoke.source.as_ref().map_or("a document".to_owned(), |source| source.text().to_string());
        lines.push(shortened(&format!("invoke / {what}"), LINE));
    }
    for transition in state.transitions.iter().filter_map(|transition| document.transition(*transition)) {
        if transition.targets.is_empty() {
            let actions: Vec<_> = transition.actions.iter().map(action).collect();
            let separator = if actions.is_empty() { "" } else { " / " };
            lines.push(shortened(&format!("{}{separator}{}", label(transition), actions.join(", ")), LINE));
        }
    }
    if lines.len() > LINES {
        let more = lines.len() - LINES + 1;
        lines.truncate(LINES - 1);
        lines.push(format!("… {more} more"));
    }
    lines
}

/// One action, in a word or two.
fn action(action: &Action) -> String {
    match &action.kind {
        ActionKind::Raise(raise) => format!("raise {}", raise.event),
        ActionKind::If(_) => "if".to_owned(),
        ActionKind::Foreach(_) => "foreach".to_owned(),
        ActionKind::Log(_) => "log".to_owned(),
        ActionKind::Assign(assign) => format!("{} = …", one_line(assign.location.as_str())),
        ActionKind::Script(_) => "script".to_owned(),
        ActionKind::Send(send) => {
            let event = send.event.as_ref().map_or("", |event| event.text().as_str().trim_matches('\''));
            let delay = send.delay.as_ref().map(Value::text).map(Text::as_str);
            let after = delay.map(|delay| format!(" after {}", delay.trim_matches('\''))).unwrap_or_default();
            format!("send {event}{after}")
        }
        ActionKind::Cancel(_) => "cancel".to_owned(),
        ActionKind::Module(element) => element.to_string(),
    }
}

/// Events and condition, whole.
pub(super) fn label(transition: &Transition) -> String {
    let events: Vec<_> = transition.events.iter().map(Text::as_str).collect();
    let mut label = events.join(" ");
    if let Some(cond) = &transition.cond {
        if !label.is_empty() {
            label.push(' ');
        }
        label.push_str(&format!("[{}]", one_line(cond.as_str())));
    }
    label
}

/// The same in lines of at most `most` characters, and at most three of them.
pub(super) fn label_lines(transition: &Transition, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for event in &transition.events {
        let is_full = lines.len() == 2;
        match lines.last_mut() {
            Some(last) if last.chars().count() + event.as_str().chars().count() < most => {
                last.push(' ');
                last.push_str(event.as_str());
            }
            Some(last) if is_full => {
                last.push_str(" …");
                break;
            }
            _ => lines.push(shortened(event.as_str(), most + 8)),
        }
    }
    if let Some(cond) = &transition.cond {
        lines.push(shortened(&format!("[{}]", one_line(cond.as_str())), most));
    }
    lines
}

/// Where a compound state begins, and the transition that says so, if one does.
pub(super) fn begins_in(document: &Document, index: StateIndex) -> Vec<StateIndex> {
    let Some(state) = document.state(index).filter(|state| state.is_compound(document)) else { return Vec::new() };
    let known = |targets: &[Text]| targets.iter().filter_map(|target| document.find(target.as_str())).collect();
    match &state.initial {
        Initial::Default => {
            let is_real = |child: &&StateIndex| {
                document.state(**child).is_some_and(|child| !matches!(child.kind, StateKind::History(_)))
            };
            state.children.iter().find(is_real).copied().into_iter().collect()
        }
        Initial::Attribute(targets) => known(targets),
        Initial::Element(transition) => {
            document.transition(*transition).map_or(Vec::new(), |transition| known(&transition.targets))
        }
    }
}

/// The transitions that are drawn as arrows, each with the states it leads to.
pub(super) fn arrows(document: &Document) -> impl Iterator<Item = (usize, &Transition, Vec<StateIndex>)> {
    document.transitions.iter().enumerate().filter(|(_, transition)| transition.role != Role::Initial).filter_map(
        |(index, transition)| {
            let targets: Vec<_> =
                transition.targets.iter().filter_map(|target| document.find(target.as_str())).collect();
            (!targets.is_empty()).then_some((index, transition, targets))
        },
    )
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` characters, the last of them `…` when there were more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => {
            let end = text.char_indices().nth(most.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
            format!("{}…", text.get(..end).unwrap_or("").trim_end())
        }
        None => text.to_owned(),
    }
}
