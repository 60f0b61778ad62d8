//! What strategies look up: configured lists, and their own parameters.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jackfield_strategy::Facts;
use jackfield_strategy::contract::{CalendarTime, Target, TextError};
use serde_json::Value as Json;

use crate::calendar::Calendar;
use crate::written_targets;

/// Lists: list, item, key, value.
pub(crate) type Lists = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

/// The look-ups of one strategy, for all its sessions: what was looked up is recorded, so they may change at any time.
pub(crate) struct StrategyFacts(RwLock<Said>);

/// What is configured.
pub(crate) struct Said {
    pub lists: Arc<Lists>,
    pub calendar: Arc<Calendar>,
    pub parameters: BTreeMap<String, String>,
}

impl StrategyFacts {
    pub fn new(said: Said) -> StrategyFacts {
        StrategyFacts(RwLock::new(said))
    }

    /// From here on this is configured.
    pub fn set(&self, said: Said) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = said;
    }
}

impl StrategyFacts {
    fn calendar(&self) -> Arc<Calendar> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).calendar.clone()
    }
}

impl Facts for StrategyFacts {
    fn list_item(&self, list: &str, item: &str, key: Option<&str>) -> Option<String> {
        let said = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let item = said.lists.get(list)?.get(item)?;
        match key {
            Some(key) => item.get(key).map(|value| Json::from(value.as_str()).to_string()),
            None => {
                let object = item.iter().map(|(key, value)| (key.clone(), Json::from(value.as_str())));
                Some(Json::Object(object.collect()).to_string())
            }
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).parameters.get(name).cloned()
    }

    fn statistic(&self, _object: &str, _name: &str) -> Option<i64> {
        None
    }

    fn local_time(&self, zone: Option<&str>, at: u64) -> Option<CalendarTime> {
        self.calendar().local_time(zone, at)
    }

    fn is_open(&self, hours: &str, at: u64) -> Option<bool> {
        self.calendar().is_open(hours, at)
    }

    fn is_special_day(&self, table: &str, day: Option<&str>, zone: Option<&str>, at: u64) -> Option<bool> {
        self.calendar().is_special_day(table, day, zone, at)
    }

    fn read_targets(&self, text: &str) -> Result<Vec<Target>, TextError> {
        written_targets::read(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lists: Lists, a: &str) -> Said {
        let parameters = [("a".into(), a.into())].into();
        Said { lists: Arc::new(lists), calendar: Arc::default(), parameters }
    }

    #[test]
    fn a_list_answers_with_json() {
        let keys: BTreeMap<String, String> = [("example.com".into(), "gold \"1\"".into())].into();
        let lists: Lists = [("vip".into(), [("domains".into(), keys)].into())].into();
        let facts = StrategyFacts::new(said(lists, "b"));
        assert_eq!(facts.list_item("vip", "domains", Some("example.com")).as_deref(), Some(r#""gold \"1\"""#));
        assert_eq!(facts.list_item("vip", "domains", None).as_deref(), Some(r#"{"example.com":"gold \"1\""}"#));
        assert_eq!(facts.list_item("vip", "domains", Some("example.org")), None);
        assert_eq!(facts.list_item("vip", "people", None), None);
        assert_eq!(facts.parameter("a").as_deref(), Some("b"));
        facts.set(said(Lists::new(), "c"));
        assert_eq!(facts.parameter("a").as_deref(), Some("c"));
        assert_eq!(facts.list_item("vip", "domains", None), None);
    }
}
