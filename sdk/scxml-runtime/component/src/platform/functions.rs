//! Functions of `_genesys` (sections 3.4, 4.2, 6.5, 7): all of them answer at once.

use jackfield_scxml_runtime::Datum;
use jackfield_sdk::bindings::jackfield::strategy::facts::{self, CalendarTime};
use jackfield_sdk::bindings::jackfield::strategy::interactions;

use super::{Modules, values};

/// Properties of `_genesys.session`.
pub(crate) fn session_facts() -> Datum {
    let tenant = interactions::held().iter().find_map(|id| interactions::get(id)).map(|interaction| interaction.tenant);
    let parameter = |name: &str| Datum::text(facts::parameter(name).unwrap_or_default());
    let server = vec![("name".to_owned(), parameter("application")), ("cluster".to_owned(), parameter("cluster"))];
    Datum::Map(vec![
        ("tenant".to_owned(), parameter("tenant")),
        ("tenantid".to_owned(), tenant.map_or(Datum::Undefined, |tenant| Datum::Number(tenant.into()))),
        ("server".to_owned(), Datum::Map(server)),
    ])
}

impl Modules {
    /// Calls a function; none where there is no such one.
    pub(super) fn called(&self, module: &str, name: &str, arguments: &[Datum]) -> Option<Result<Datum, String>> {
        let given = |at: usize| arguments.get(at).filter(|value| !matches!(value, Datum::Undefined | Datum::Null));
        let text = |at: usize| given(at).map(Datum::display);
        let named = |at: usize| text(at).filter(|text| !text.is_empty());
        Some(match (module, name) {
            ("session", "getListItemValue") => list_item(text(0), text(1), named(2)),
            ("session", "listLookupValue") => list_item(text(0), text(1), None),
            ("session", "isSpecialDay") => {
                let (table, day, zone) = (text(0).unwrap_or_default(), named(1), named(2));
                let is_today = facts::is_special_day(&table, day.as_deref(), zone.as_deref());
                Ok(Datum::Number(if is_today == Some(true) { 1.0 } else { 0.0 }))
            }
            ("session", "timeInZone") => {
                in_zone(named(0), |time| Datum::Text(format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second)))
            }
            ("session", "dateInZone") => {
                in_zone(named(0), |time| Datum::Text(format!("{:04}-{:02}-{:02}", time.year, time.month, time.day)))
            }
            ("session", "dayInZone") => in_zone(named(0), |time| Datum::Number(time.weekday.into())),
            ("session", "getConfigOption") => {
                Ok(facts::parameter(&text(1).unwrap_or_default()).map_or(Datum::Undefined, Datum::Text))
            }
            // There is one tenant, and what these set is decided elsewhere: by priorities, and by who is ready.
            ("session", "setTenant" | "setOptions")
            | ("queue", "priorityTuning" | "reserveTargets" | "SetIdealAgent") => Ok(Datum::Undefined),
            ("ixn", "setuData") => self.set_user_data(given(0), named(1)),
            ("ixn", "deleteuData") => self.delete_user_data(given(0), named(1)),
            ("statistic", "sData") => {
                let (object, statistic) = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
                #[allow(clippy::cast_precision_loss, reason = "statistics are small")]
                let value = facts::statistic(&object, &statistic).map_or(-1.0, |value| value as f64);
                Ok(Datum::Number(value))
            }
            _ => return None,
        })
    }

    fn set_user_data(&self, data: Option<&Datum>, interaction: Option<String>) -> Result<Datum, String> {
        let id = held(interaction)?;
        let pairs = data.map(values::pairs).unwrap_or_default();
        self.user_data(interactions::update_user_data(&id, &pairs), &id);
        Ok(Datum::Undefined)
    }

    /// Of an object its keys, of a list its texts, of a text itself; without any all.
    fn delete_user_data(&self, keys: Option<&Datum>, interaction: Option<String>) -> Result<Datum, String> {
        let id = held(interaction)?;
        let keys: Vec<String> = match keys {
            Some(Datum::Map(members)) => members.iter().map(|(key, _)| key.clone()).collect(),
            Some(Datum::List(keys)) => keys.iter().map(Datum::display).collect(),
            Some(key) => vec![key.display()],
            None => {
                let interaction = interactions::get(&id);
                interaction.map(|of| of.user_data.into_iter().map(|pair| pair.key).collect()).unwrap_or_default()
            }
        };
        self.user_data(interactions::delete_user_data(&id, &keys), &id);
        Ok(Datum::Undefined)
    }
}

/// The interaction that is named, or the first.
fn held(interaction: Option<String>) -> Result<String, String> {
    let first = || interactions::held().into_iter().next();
    interaction.or_else(first).ok_or_else(|| "the session holds no interaction".to_owned())
}

/// A value of a configured list: of a key its text, of an item all its keys as an object.
fn list_item(list: Option<String>, item: Option<String>, key: Option<String>) -> Result<Datum, String> {
    let found = facts::list_item(&list.unwrap_or_default(), &item.unwrap_or_default(), key.as_deref());
    Ok(found.and_then(|json| Datum::from_json(&json)).unwrap_or_default())
}

fn in_zone(zone: Option<String>, show: impl Fn(CalendarTime) -> Datum) -> Result<Datum, String> {
    match facts::local_time(zone.as_deref()) {
        Some(time) => Ok(show(time)),
        None => Err(format!("there is no time zone {}", zone.unwrap_or_default())),
    }
}
