//! The data of a session as bytes can hold it: variables that are plain values. Functions are those that the scripts of
//! `scxml` declare, which are run again; where anything else is a function, there is no such state.

use boa_engine::property::PropertyKey;
use boa_engine::{JsError, JsNativeError, JsObject, JsResult, JsString, JsValue};
use jackfield_scxml_program::Index;
use serde::{Deserialize, Serialize};

use super::values::{Exact, import};
use super::{Ecmascript, Trouble, ors};
use crate::datum::Datum;

/// Variables by name.
type Variables = Vec<(String, Datum)>;

/// The data of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedData {
    globals: Variables,
    /// `_data` (profile `ors`).
    data: Variables,
    /// By state, the variables of its scope.
    scopes: Vec<(Index, Variables)>,
}

fn refused(what: &str) -> JsError {
    JsNativeError::typ().with_message(format!("{what} cannot be had again")).into()
}

impl Ecmascript {
    /// The scripts of `scxml` were run: what they declare by `function` is remembered.
    pub(crate) fn scripts_loaded(&mut self) -> Result<(), Trouble> {
        let program = std::rc::Rc::clone(&self.shared.program);
        let scripts = program.load.iter().filter_map(|script| program.scripts.get(*script as usize));
        for name in scripts.flat_map(|script| &script.functions) {
            let value = self.with(|_, context| context.global_object().get(JsString::from(name.as_str()), context))?;
            self.loaded.push((name.clone(), value));
        }
        Ok(())
    }

    /// The data; an error where it cannot be had again.
    pub(crate) fn save(&mut self) -> Result<SavedData, Trouble> {
        if self.shared.program.scripts.iter().any(|script| !script.lexical.is_empty()) {
            return Err(Trouble::new("variables that are declared by let and const cannot be had again"));
        }
        let mut exact = Exact::new(*self.shared.limits());
        let saved = self.save_with(&mut exact);
        saved.map_err(|error| self.trouble(&error, Default::default()))
    }

    fn save_with(&mut self, exact: &mut Exact) -> JsResult<SavedData> {
        let global = self.context.global_object();
        let mut saved = SavedData { globals: self.variables(&global, true, exact)?, ..SavedData::default() };
        if self.shared.is_ors() {
            let data = ors::data_object(&mut self.context)?;
            saved.data = self.variables(&data, false, exact)?;
            let active: Vec<Index> = self.shared.active.borrow().iter().collect();
            for state in active {
                if let Some(scope) = self.scopes.get(state) {
                    saved.scopes.push((state, self.variables(&scope, false, exact)?));
                }
            }
        }
        Ok(saved)
    }

    fn variables(&mut self, of: &JsObject, is_global: bool, exact: &mut Exact) -> JsResult<Variables> {
        let mut variables = Vec::new();
        for key in of.own_property_keys(&mut self.context)? {
            if is_global && self.known.contains(&key) {
                continue;
            }
            if matches!(key, PropertyKey::Symbol(_)) {
                return Err(refused("a symbol"));
            }
            let value = of.get(key.clone(), &mut self.context)?;
            let name = JsValue::from(key).to_string(&mut self.context)?.to_std_string_lossy();
            if value.is_callable() {
                if !(is_global && self.is_as_loaded(&name, &value)?) {
                    return Err(refused(&name));
                }
                continue;
            }
            variables.push((name, exact.value(&value, &mut self.context)?));
        }
        Ok(variables)
    }

    /// A function of the scripts of `scxml`, without properties of its own that anybody would see.
    fn is_as_loaded(&mut self, name: &str, value: &JsValue) -> JsResult<bool> {
        let is_same = self.loaded.iter().any(|(known, then)| known == name && then.strict_equals(value));
        let Some(function) = value.as_object().filter(|_| is_same) else { return Ok(false) };
        let keys = function.own_property_keys(&mut self.context)?;
        let is_usual = |key: &PropertyKey| {
            ["length", "name", "prototype", "arguments", "caller"]
                .iter()
                .any(|usual| *key == PropertyKey::from(JsString::from(*usual)))
        };
        Ok(keys.iter().all(is_usual))
    }

    /// Takes back what was saved, over what the scripts of `scxml` have set.
    pub(crate) fn take_back(&mut self, saved: &SavedData) -> Result<(), Trouble> {
        let result = self.take_back_with(saved);
        result.map_err(|error| self.trouble(&error, Default::default()))
    }

    fn take_back_with(&mut self, saved: &SavedData) -> JsResult<()> {
        let global = self.context.global_object();
        self.set_all(&global, &saved.globals)?;
        if self.shared.is_ors() {
            let data = ors::data_object(&mut self.context)?;
            self.set_all(&data, &saved.data)?;
        }
        for (state, variables) in &saved.scopes {
            self.scopes.open(*state);
            if let Some(scope) = self.scopes.get(*state) {
                self.set_all(&scope, variables)?;
            }
        }
        Ok(())
    }

    fn set_all(&mut self, of: &JsObject, variables: &Variables) -> JsResult<()> {
        for (name, value) in variables {
            let value = import(value, &mut self.context)?;
            let key = JsString::from(name.as_str());
            if of.has_own_property(key.clone(), &mut self.context)? {
                of.set(key, value, true, &mut self.context)?;
            } else {
                of.create_data_property_or_throw(key, value, &mut self.context)?;
            }
        }
        Ok(())
    }
}
