//! `facts`: look-ups that answer at once.
//!
//! What was answered is recorded as text: as it is, or in JSON.

use crate::contract::CalendarTime;
use crate::contract::interfaces::facts::Host;
use crate::record::Question;
use crate::state::State;

impl Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.session()?;
        Ok(self.clock.wall_ms())
    }

    fn list_item(&mut self, name: String, item: String, key: Option<String>) -> wasmtime::Result<Option<String>> {
        self.session()?.look_up(Question::ListItem { name, item, key })
    }

    fn parameter(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.session()?.look_up(Question::Parameter(name))
    }

    fn statistic(&mut self, object: String, name: String) -> wasmtime::Result<Option<i64>> {
        self.answered(Question::Statistic { object, name })
    }

    fn local_time(&mut self, zone: Option<String>) -> wasmtime::Result<Option<CalendarTime>> {
        self.answered(Question::LocalTime(zone))
    }

    fn is_open(&mut self, hours: String) -> wasmtime::Result<Option<bool>> {
        self.answered(Question::IsOpen(hours))
    }

    fn is_special_day(
        &mut self,
        table: String,
        day: Option<String>,
        zone: Option<String>,
    ) -> wasmtime::Result<Option<bool>> {
        self.answered(Question::IsSpecialDay { table, day, zone })
    }
}

impl State {
    fn answered<T: serde::de::DeserializeOwned>(&mut self, question: Question) -> wasmtime::Result<Option<T>> {
        let answer = self.session()?.look_up(question)?;
        answer.map(|json| serde_json::from_str(&json).map_err(wasmtime::Error::from)).transpose()
    }
}
