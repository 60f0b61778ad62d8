//! What documents find in the global scope: system variables and predicates (section 5.10, appendix B.2).

use std::rc::Rc;

use boa_engine::property::PropertyDescriptor;
use boa_engine::{
    Context, JsArgs, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, NativeFunction, js_string,
};
use jackfield_scxml_program::Index;

use super::{Ecmascript, ors, values};
use crate::event::{Event, EventData};
use crate::session::{BASIC_HTTP, SCXML};
use crate::shared::Shared;

/// Variables that documents cannot change.
pub(super) const SYSTEM_VARIABLES: [&str; 5] = ["_event", "_sessionid", "_name", "_ioprocessors", "_x"];

/// The session that this engine belongs to.
pub(super) fn shared_of(context: &Context) -> JsResult<Rc<Shared>> {
    context.get_data::<Rc<Shared>>().cloned().ok_or_else(|| JsNativeError::error().with_message("no session").into())
}

/// `_event`: made when it is first asked for, and the same until the next event.
pub(super) fn event(shared: &Rc<Shared>, context: &mut Context) -> JsResult<JsValue> {
    if let Some(object) = shared.event_object.borrow().clone() {
        return Ok(object.into());
    }
    let current = shared.current.borrow().clone();
    let Some(current) = current else { return Ok(JsValue::undefined()) };
    let object = event_object(shared, &current, context)?;
    *shared.event_object.borrow_mut() = Some(object.clone());
    Ok(object.into())
}

/// `_event.data`: made when it is first asked for, alone or with `_event`.
pub(super) fn event_data(shared: &Rc<Shared>, context: &mut Context) -> JsResult<JsValue> {
    if let Some(data) = shared.event_data.borrow().clone() {
        return Ok(data);
    }
    let data = match shared.current.borrow().as_ref().and_then(|event| event.details.as_deref()) {
        None => JsValue::undefined(),
        Some(details) => match &details.data {
            EventData::None => JsValue::undefined(),
            EventData::Value(value) => value.clone(),
            EventData::Datum(datum) => values::import(datum, context)?,
        },
    };
    *shared.event_data.borrow_mut() = Some(data.clone());
    Ok(data)
}

fn event_object(shared: &Rc<Shared>, event: &Event, context: &mut Context) -> JsResult<JsObject> {
    let object = JsObject::with_object_proto(context.intrinsics());
    let mut set = |name: &str, value: JsValue| object.create_data_property(JsString::from(name), value, context);
    let text = |text: Option<&Rc<str>>| text.map_or_else(JsValue::undefined, |text| JsString::from(&**text).into());
    let details = event.details.as_deref();
    set("name", JsString::from(&*shared.name(&event.name)).into())?;
    set("type", JsString::from(event.kind.as_str()).into())?;
    set("sendid", text(details.and_then(|details| details.send_id.as_ref())))?;
    set("origin", text(details.and_then(|details| details.origin.as_ref())))?;
    set("origintype", text(details.and_then(|details| details.origin_type.as_ref())))?;
    set("invokeid", text(details.and_then(|details| details.invoke_id.as_ref())))?;
    if let Some(raw) = details.and_then(|details| details.raw.as_ref()) {
        set("raw", text(Some(raw)))?;
    }
    let data = event_data(shared, context)?;
    object.create_data_property(js_string!("data"), data, context)?;
    Ok(object)
}

fn get_event(_this: &JsValue, _arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let shared = shared_of(context)?;
    event(&shared, context)
}

/// `_ioprocessors`: by short and by full name, with the location of each. Made when it is first asked for, since where a
/// session can be reached is something to be looked up.
fn get_processors(_this: &JsValue, _arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let shared = shared_of(context)?;
    if let Some(processors) = shared.processors.borrow().clone() {
        return Ok(processors.into());
    }
    let processors = JsObject::with_object_proto(context.intrinsics());
    let http = shared.world.environment.http_location(&shared.id);
    let scxml = format!("#_scxml_{}", shared.id);
    for (names, location) in [(["scxml", SCXML], Some(scxml)), (["basichttp", BASIC_HTTP], http)] {
        let Some(location) = location else { continue };
        let entry = JsObject::with_object_proto(context.intrinsics());
        let location = JsValue::from(JsString::from(location));
        entry.create_data_property(js_string!("location"), location, context)?;
        for name in names {
            processors.create_data_property(JsString::from(name), entry.clone(), context)?;
        }
    }
    *shared.processors.borrow_mut() = Some(processors.clone());
    Ok(processors.into())
}

fn refuse(_this: &JsValue, _arguments: &[JsValue], _context: &mut Context) -> JsResult<JsValue> {
    Err(JsNativeError::typ().with_message("system variables cannot be changed").into())
}

fn is_in(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let state = arguments.get_or_undefined(0).to_string(context)?.to_std_string_lossy();
    Ok(shared_of(context)?.is_in(&state).into())
}

impl Ecmascript {
    pub(super) fn define_globals(&mut self) -> JsResult<()> {
        self.function("In", 1, is_in)?;
        self.variable("_event", NativeFunction::from_fn_ptr(get_event))?;
        let id = JsValue::from(JsString::from(&*self.shared.id));
        self.constant("_sessionid", id)?;
        let name = JsValue::from(JsString::from(self.shared.program.name.as_str()));
        self.constant("_name", name)?;
        self.variable("_ioprocessors", NativeFunction::from_fn_ptr(get_processors))?;
        if self.shared.is_ors() {
            ors::define(self)?;
        }
        Ok(())
    }

    /// A global function.
    pub(super) fn function(
        &mut self,
        name: &str,
        length: usize,
        function: fn(&JsValue, &[JsValue], &mut Context) -> JsResult<JsValue>,
    ) -> JsResult<()> {
        self.context.register_global_builtin_callable(
            JsString::from(name),
            length,
            NativeFunction::from_fn_ptr(function),
        )
    }

    /// A global variable that cannot be changed.
    pub(super) fn constant(&mut self, name: &str, value: JsValue) -> JsResult<()> {
        let get = NativeFunction::from_copy_closure_with_captures(
            |_this, _arguments, value: &JsValue, _context| Ok(value.clone()),
            value,
        );
        self.variable(name, get)
    }

    fn variable(&mut self, name: &str, get: NativeFunction) -> JsResult<()> {
        let realm = self.context.realm().clone();
        let descriptor = PropertyDescriptor::builder()
            .get(get.to_js_function(&realm))
            .set(NativeFunction::from_fn_ptr(refuse).to_js_function(&realm))
            .enumerable(true)
            .configurable(false);
        let global = self.context.global_object();
        global.define_property_or_throw(JsString::from(name), descriptor, &mut self.context)?;
        Ok(())
    }

    /// Gives a `data` its value: a global variable, or in profile `ors` a property of `_data`.
    pub(crate) fn bind(&mut self, id: &str, value: JsValue) -> Result<(), super::Trouble> {
        let is_ors = self.shared.is_ors();
        self.with(|_, context| {
            let holder = if is_ors { ors::data_object(context)? } else { context.global_object() };
            let descriptor =
                PropertyDescriptor::builder().value(value).writable(true).enumerable(true).configurable(true);
            holder.define_property_or_throw(JsString::from(id), descriptor, context)?;
            Ok(())
        })
    }

    /// The value of a `data` now; undefined for one that cannot leave the engine.
    pub(crate) fn bound(&mut self, id: &str) -> crate::datum::Datum {
        let is_ors = self.shared.is_ors();
        let value = self.with(|_, context| {
            let holder = if is_ors { ors::data_object(context)? } else { context.global_object() };
            holder.get(JsString::from(id), context)
        });
        value.and_then(|value| self.export(&value)).unwrap_or_default()
    }

    /// Assigns to a variable. One that is not there is an error in profile `w3c` (section 5.4), and is made in `ors`.
    pub(super) fn assign_to_name(&mut self, name: Index, value: JsValue) -> JsResult<()> {
        let Some(text) = self.texts.get(name as usize) else { return Ok(()) };
        let (key, is_system) = (text.key.clone(), text.is_system);
        if is_system {
            return Err(fault(format!("{} cannot be changed", text.string.to_std_string_lossy())));
        }
        for scope in self.scopes.current_chain(&self.shared).iter().rev() {
            if scope.has_own_property(key.clone(), &mut self.context)? {
                scope.set(key.clone(), value, true, &mut self.context)?;
                return Ok(());
            }
        }
        let global = self.context.global_object();
        if !self.shared.is_ors() && !global.has_property(key.clone(), &mut self.context)? {
            let name = self.texts.get(name as usize).map(|text| text.string.to_std_string_lossy()).unwrap_or_default();
            return Err(fault(format!("{name} is not declared")));
        }
        global.set(key.clone(), value, true, &mut self.context)?;
        Ok(())
    }

    /// Declares the variable of a `foreach` where it is not there yet.
    pub(crate) fn ensure(&mut self, location: Index) -> Result<(), super::Trouble> {
        use jackfield_scxml_program::expression::Node;
        let program = Rc::clone(&self.shared.program);
        let node = program.expression(location).and_then(|found| found.code.last());
        let Some(Node::Name(name)) = node else { return Ok(()) };
        let Some(text) = self.texts.get(*name as usize) else { return Ok(()) };
        let key = text.key.clone();
        self.with(|_, context| {
            let global = context.global_object();
            if !global.has_property(key.clone(), context)? {
                global.create_data_property(key, JsValue::undefined(), context)?;
            }
            Ok(())
        })
    }
}

fn fault(message: String) -> JsError {
    JsNativeError::reference().with_message(message).into()
}
