//! Targets as they are written in the field: `{threshold}[weight]name@statserver.type`, several with commas between
//! (reference page *SCXML*, *Target strings*).
//!
//! * `amelia@.A` an agent, `desk-1@.AP` a place, `Billing@.GA` an agent group, `Floor@.GP` a place group,
//!   `overflow@.Q` an interaction queue. The name of the Stat Server may be left out; it is kept, and nothing looks at it.
//! * `?:Billing > 5@.GA` whoever's skills satisfy the expression, `?Night:Billing > 5@.GA` those of an agent group.
//! * `{StatCallsInQueue<10}` only while the statistic of the target is so; `[25]` its weight.
//!
//! The types of calls and campaigns (`DN`, `RP`, `DL`, `C`, `GC`, `GQ`) are known, and refused.

use std::fmt;
use std::ops::Range;

use crate::skill::{Comparison, SkillExpression};
use crate::target::{TARGETS_PER_SUBMIT, TargetKind};

/// Bytes a text of targets may have.
pub const TARGET_TEXT_BYTES: usize = 16_384;

/// One target as it was written. Printed, it is a text that means the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenTarget {
    /// It counts only while this holds.
    pub threshold: Option<Threshold>,
    /// How much it counts among the others; none is given: 1.
    pub weight: u32,
    /// Whom it means.
    pub meant: Meant,
    /// Name of the Stat Server; may be empty.
    pub stat_server: String,
}

/// Whom a written target means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// What has this name.
    Named(TargetKind, String),
    /// Everybody in this place group.
    PlaceGroup(String),
    /// An interaction queue.
    Queue(String),
    /// Everybody whose skills satisfy the expression; with a group, only those in it.
    Skill {
        /// Agent group.
        group: Option<String>,
        /// The expression.
        expression: SkillExpression,
    },
}

/// A bound for the statistic of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Name of the statistic, such as `StatCallsInQueue`.
    pub statistic: String,
    comparison: Comparison,
    value: i32,
}

impl Threshold {
    /// Whether it holds while the statistic has this value.
    pub fn holds(&self, value: i32) -> bool {
        self.comparison.holds(value, self.value)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}{}", self.statistic, self.comparison.sign(), self.value)
    }
}

/// Why a text names no targets, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetTextError {
    /// What is wrong, and what would be right.
    pub message: String,
    /// The bytes of the text it is about; empty at its end.
    pub span: Range<usize>,
}

impl fmt::Display for TargetTextError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (at byte {})", self.message, self.span.start)
    }
}

impl std::error::Error for TargetTextError {}

impl WrittenTarget {
    /// Reads a list of targets, at least one.
    ///
    /// # Errors
    /// Says what was expected and where.
    pub fn parse_list(text: &str) -> Result<Vec<WrittenTarget>, TargetTextError> {
        if text.len() > TARGET_TEXT_BYTES {
            return error(format!("targets have at most {TARGET_TEXT_BYTES} bytes"), text.len()..text.len());
        }
        let mut targets = Vec::new();
        for span in items(text) {
            if targets.len() == TARGETS_PER_SUBMIT {
                return error(format!("there are more than {TARGETS_PER_SUBMIT} targets"), span);
            }
            targets.push(Reader { text, at: span.start, end: span.end }.target()?);
        }
        Ok(targets)
    }
}

fn error<T>(message: impl Into<String>, span: Range<usize>) -> Result<T, TargetTextError> {
    Err(TargetTextError { message: message.into(), span })
}

/// What stands between the commas; those within braces, brackets, parentheses and quotes are no such commas.
fn items(text: &str) -> Vec<Range<usize>> {
    let (mut all, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_u32, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                all.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    all.push(start..text.len());
    all
}

/// Reads one item of the list.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// What stands between these two, if the first one is next; with its place.
    fn enclosed(&mut self, open: char, close: char) -> Result<Option<Range<usize>>, TargetTextError> {
        self.skip_spaces();
        if !self.rest().starts_with(open) {
            return Ok(None);
        }
        let Some(length) = self.rest().find(close) else {
            return error(format!("this `{open}` has no `{close}`"), self.at..self.at + 1);
        };
        let inside = self.at + 1..self.at + length;
        self.at += length + 1;
        Ok(Some(inside))
    }

    fn target(mut self) -> Result<WrittenTarget, TargetTextError> {
        let threshold = self.enclosed('{', '}')?.map(|span| self.threshold(span)).transpose()?;
        let weight = self.enclosed('[', ']')?.map(|span| self.weight(span)).transpose()?.unwrap_or(1);
        self.skip_spaces();
        let rest = self.rest();
        // A name may have an at sign in it, a quoted skill too; what is told of the kind has none.
        let Some(length) = rest.rfind('@') else {
            return error(
                "expected a target such as `kim@.A`, `Billing@.GA` or `?:Billing > 5@.GA`",
                self.at..self.at + rest.trim_end().len(),
            );
        };
        let (object, kind) = (self.at..self.at + length, self.at + length + 1..self.end);
        let (stat_server, kind) = self.kind(kind)?;
        let meant = self.meant(object, kind)?;
        Ok(WrittenTarget { threshold, weight, meant, stat_server })
    }

    /// `statserver.type`.
    fn kind(&self, span: Range<usize>) -> Result<(String, Kind), TargetTextError> {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let Some(dot) = text.rfind('.') else {
            return error(
                format!("expected `.` and the type after `@`: one of {KINDS}"),
                span.start..span.start + text.trim_end().len(),
            );
        };
        let letters = text.get(dot + 1..).unwrap_or_default();
        let place = span.start + dot + 1..span.start + dot + 1 + letters.trim_end().len();
        let kind = match letters.trim() {
            "A" => Kind::Object(TargetKind::Agent),
            "AP" => Kind::Object(TargetKind::Place),
            "GA" => Kind::Object(TargetKind::AgentGroup),
            "GP" => Kind::PlaceGroup,
            "Q" => Kind::Queue,
            voice @ ("DN" | "RP" | "DL" | "C" | "GC" | "GQ") => {
                return error(
                    format!("`{voice}` is a type of calls and campaigns; an interaction goes to one of {KINDS}"),
                    place,
                );
            }
            "" => return error(format!("expected the type: one of {KINDS}"), place),
            other => return error(format!("`{other}` is no type; there are {KINDS}"), place),
        };
        Ok((text.get(..dot).unwrap_or_default().trim().to_owned(), kind))
    }

    fn meant(&self, span: Range<usize>, kind: Kind) -> Result<Meant, TargetTextError> {
        let text = self.text.get(span.clone()).unwrap_or_default();
        if let Some(skills) = text.strip_prefix('?') {
            if !matches!(kind, Kind::Object(TargetKind::AgentGroup)) {
                return error("a skill expression is of type `GA`", span);
            }
            let Some(colon) = skills.find(':') else {
                return error("expected `:` between the agent group, which may be left out, and the expression", span);
            };
            let group = skills.get(..colon).unwrap_or_default().trim();
            let start = span.start + 1 + colon + 1;
            let expression =
                SkillExpression::parse(self.text.get(start..span.end).unwrap_or_default()).map_err(|error| {
                    TargetTextError { message: error.message, span: start + error.span.start..start + error.span.end }
                })?;
            return Ok(Meant::Skill { group: Some(group.to_owned()).filter(|group| !group.is_empty()), expression });
        }
        let name = text.trim();
        if name.is_empty() {
            return error("expected a name before `@`", span);
        }
        let name = name.to_owned();
        Ok(match kind {
            Kind::Object(kind) => Meant::Named(kind, name),
            Kind::PlaceGroup => Meant::PlaceGroup(name),
            Kind::Queue => Meant::Queue(name),
        })
    }

    fn threshold(&self, span: Range<usize>) -> Result<Threshold, TargetTextError> {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let wrong = || error("expected a threshold such as `StatCallsInQueue<10`", span.clone());
        let Some(at) = text.find(['<', '>', '=', '!']) else { return wrong() };
        let (statistic, bound) = text.split_at(at);
        let signs = [
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("!=", Comparison::NotEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
            ("=", Comparison::Equal),
        ];
        let found = signs.into_iter().find_map(|(sign, comparison)| Some((comparison, bound.strip_prefix(sign)?)));
        let Some((comparison, value)) = found else { return wrong() };
        let statistic = statistic.trim();
        if statistic.is_empty() || !statistic.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            return wrong();
        }
        match value.trim().parse() {
            Ok(value) => Ok(Threshold { statistic: statistic.to_owned(), comparison, value }),
            Err(_) => error("expected an integer of 32 bits", span.end - value.len()..span.end),
        }
    }

    fn weight(&self, span: Range<usize>) -> Result<u32, TargetTextError> {
        let text = self.text.get(span.clone()).unwrap_or_default();
        match text.trim().parse() {
            Ok(weight) if weight > 0 => Ok(weight),
            _ => error("a weight is a whole number from 1", span),
        }
    }
}

/// What the letters after the dot say.
enum Kind {
    Object(TargetKind),
    PlaceGroup,
    Queue,
}

/// For messages.
const KINDS: &str =
    "`A` (agent), `AP` (place), `GA` (agent group, skills), `GP` (place group), `Q` (interaction queue)";

impl fmt::Display for WrittenTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(threshold) = &self.threshold {
            write!(formatter, "{{{threshold}}}")?;
        }
        if self.weight != 1 {
            write!(formatter, "[{}]", self.weight)?;
        }
        let letters = match &self.meant {
            Meant::Named(kind, name) => {
                formatter.write_str(name)?;
                match kind {
                    TargetKind::Agent => "A",
                    TargetKind::Place => "AP",
                    TargetKind::AgentGroup | TargetKind::Skill => "GA",
                }
            }
            Meant::PlaceGroup(name) => {
                formatter.write_str(name)?;
                "GP"
            }
            Meant::Queue(name) => {
                formatter.write_str(name)?;
                "Q"
            }
            Meant::Skill { group, expression } => {
                write!(formatter, "?{}:{expression}", group.as_deref().unwrap_or_default())?;
                "GA"
            }
        };
        write!(formatter, "@{}.{letters}", self.stat_server)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        let targets = WrittenTarget::parse_list(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        targets.iter().map(ToString::to_string).collect()
    }

    /// The message, and what of the text it is about.
    fn refused(text: &str) -> (String, &str) {
        let error = WrittenTarget::parse_list(text).expect_err(text);
        (error.message, text.get(error.span).expect("a place in the text"))
    }

    #[test]
    fn what_the_field_writes_is_read() {
        assert_eq!(read("kim@.A"), ["kim@.A"]);
        assert_eq!(
            read(" { StatCallsInQueue < 10 } [25] 8001@Stat_Server.Q ,?:(Billing>5 | Orders > 3)&English>=2@SS.GA"),
            ["{StatCallsInQueue<10}[25]8001@Stat_Server.Q", "?:(Billing > 5 | Orders > 3) & English >= 2@SS.GA"]
        );
        assert_eq!(read("Tech, Support@.GA".replace(", ", " ").as_str()), ["Tech Support@.GA"]);
        assert_eq!(
            read("kim@example.org@SS.A, desk-1@.AP, First Floor@.GP"),
            ["kim@example.org@SS.A", "desk-1@.AP", "First Floor@.GP"]
        );
        assert_eq!(read("?Night:\"Tech, 2nd\" = 1@.GA"), ["?Night:\"Tech, 2nd\" = 1@.GA"]);
        let [target] = &WrittenTarget::parse_list("{StatCallsInQueue<10}8001@.Q").expect("a target")[..] else {
            panic!("one target")
        };
        let threshold = target.threshold.as_ref().expect("a threshold");
        assert!(threshold.holds(9) && !threshold.holds(10));
    }

    #[test]
    fn errors_point_at_the_character() {
        assert_eq!(refused("kim").1, "kim");
        assert_eq!(refused("kim@SS"), (format!("expected `.` and the type after `@`: one of {KINDS}"), "SS"));
        assert_eq!(refused("kim@.A, lee@SS.X"), (format!("`X` is no type; there are {KINDS}"), "X"));
        assert!(
            refused("8001@switch.DN").0.starts_with("`DN` is a type of calls and campaigns; an interaction goes to")
        );
        assert_eq!(refused("?:Billing >@.GA"), ("expected an integer, found the end".to_owned(), ""));
        assert_eq!(refused("a@.A,?:Billing > x@.GA"), ("expected an integer, found `x`".to_owned(), "x"));
        assert_eq!(refused("?:Billing > 5@.A").0, "a skill expression is of type `GA`");
        assert_eq!(refused("?Billing > 5@.GA").1, "?Billing > 5");
        assert_eq!(refused("[0]kim@.A"), ("a weight is a whole number from 1".to_owned(), "0"));
        assert_eq!(refused("{StatCallsInQueue}kim@.A").1, "StatCallsInQueue");
        assert_eq!(refused("{StatCallsInQueue<ten}kim@.A"), ("expected an integer of 32 bits".to_owned(), "ten"));
        assert_eq!(refused("{StatCallsInQueue<10 kim@.A"), ("this `{` has no `}`".to_owned(), "{"));
        assert_eq!(refused("kim@.A,,").1, "");
        assert_eq!(refused("").1, "");
        assert_eq!(refused(" @.A").0, "expected a name before `@`");
        assert!(refused(&"kim@.A,".repeat(TARGETS_PER_SUBMIT + 1)).0.starts_with("there are more than"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_inside_its_bounds(text in "[a?:@.,{}\\[\\]()\"<>=&|A-Q0-9 ]{0,40}|\\PC{0,40}") {
            match WrittenTarget::parse_list(&text) {
                Ok(targets) => {
                    let printed: Vec<String> = targets.iter().map(ToString::to_string).collect();
                    let again = WrittenTarget::parse_list(&printed.join(","));
                    prop_assert_eq!(again.as_ref(), Ok(&targets), "{:?} is printed as {:?}", text, printed);
                }
                Err(error) => prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {:?}", error.span, text),
            }
        }
    }
}
