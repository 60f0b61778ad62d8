//! The script scopes of active states (profile `ors`; reference page, section 1.2).
//!
//! Each state whose scripts declare something has an object for its variables while it is active. Code of a state runs
//! with the objects of the states around it as `with` environments, the innermost last. Functions of libraries were
//! made outside of all of them; a name that neither they nor the global object know is looked up in the scopes of the
//! code that called them, which a proxy behind the global object does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use boa_engine::object::builtins::JsProxyBuilder;
use boa_engine::{Context, JsArgs, JsNativeError, JsObject, JsResult, JsValue};
use jackfield_scxml_program::Index;

use crate::shared::Shared;

/// The scope objects of one session.
pub(super) struct Scopes {
    objects: RefCell<Vec<Option<JsObject>>>,
    /// The state whose code is evaluated.
    current: Cell<Index>,
}

impl Scopes {
    pub(super) fn new(states: usize) -> Scopes {
        Scopes { objects: RefCell::new(vec![None; states]), current: Cell::new(0) }
    }

    /// Code of this state is evaluated from now on.
    pub(super) fn enter(&self, state: Index) {
        self.current.set(state);
    }

    pub(super) fn get(&self, state: Index) -> Option<JsObject> {
        self.objects.borrow().get(state as usize).cloned().flatten()
    }

    pub(super) fn open(&self, state: Index) {
        if let Some(slot) = self.objects.borrow_mut().get_mut(state as usize) {
            *slot = Some(JsObject::with_null_proto());
        }
    }

    pub(super) fn close(&self, state: Index) {
        if let Some(slot) = self.objects.borrow_mut().get_mut(state as usize) {
            *slot = None;
        }
    }

    /// The scope objects that code of a state sees, the outermost first.
    pub(super) fn chain(&self, shared: &Shared, state: Index) -> Vec<JsObject> {
        let states = shared.program.state(state).map_or(&[][..], |found| &found.scopes);
        states.iter().map(|state| self.get(*state).unwrap_or_else(JsObject::with_null_proto)).collect()
    }

    /// Those that the code sees that is evaluated.
    pub(super) fn current_chain(&self, shared: &Shared) -> Vec<JsObject> {
        self.chain(shared, self.current.get())
    }
}

/// Puts the proxy behind the global object.
pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let target = JsObject::with_object_proto(context.intrinsics());
    let proxy = JsProxyBuilder::new(target).has(has).get(get).set(set).build(context)?;
    context.global_object().set_prototype(Some(proxy.into()));
    Ok(())
}

/// The innermost scope of the code that runs that has this variable.
fn holder(arguments: &[JsValue], context: &mut Context) -> JsResult<Option<JsObject>> {
    let key = arguments.get_or_undefined(1).clone();
    let Some(shared) = context.get_data::<Rc<Shared>>().cloned() else { return Ok(None) };
    let Some(scopes) = context.get_data::<Rc<Scopes>>().cloned() else { return Ok(None) };
    let key = key.to_property_key(context)?;
    for scope in scopes.current_chain(&shared).iter().rev() {
        if scope.has_own_property(key.clone(), context)? {
            return Ok(Some(scope.clone()));
        }
    }
    Ok(None)
}

fn target_of(arguments: &[JsValue]) -> JsResult<JsObject> {
    let target = arguments.get_or_undefined(0).as_object();
    target.ok_or_else(|| JsNativeError::typ().with_message("a scope without an object").into())
}

fn has(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if holder(arguments, context)?.is_some() {
        return Ok(true.into());
    }
    let key = arguments.get_or_undefined(1).to_property_key(context)?;
    Ok(target_of(arguments)?.has_property(key, context)?.into())
}

fn get(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let object = match holder(arguments, context)? {
        Some(scope) => scope,
        None => target_of(arguments)?,
    };
    let key = arguments.get_or_undefined(1).to_property_key(context)?;
    object.get(key, context)
}

fn set(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let key = arguments.get_or_undefined(1).to_property_key(context)?;
    let value = arguments.get_or_undefined(2).clone();
    if let Some(scope) = holder(arguments, context)? {
        return Ok(scope.set(key, value, true, context)?.into());
    }
    // A variable that nobody declared becomes one of the global object.
    let global = context.global_object();
    Ok(global.create_data_property(key, value, context)?.into())
}
