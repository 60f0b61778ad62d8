//! What documents of profile `ors` find in the global scope: `_data`, `_genesys`, and functions with two underscores
//! (reference page, sections 1.2, 1.3, 3.3, 3.4, 4, 6.5, 7).

use std::rc::Rc;

use boa_engine::object::builtins::JsProxyBuilder;
use boa_engine::property::Attribute;
use boa_engine::{Context, JsArgs, JsNativeError, JsObject, JsResult, JsString, JsValue, NativeFunction, js_string};

use super::{Ecmascript, functions, globals, scopes, values};
use crate::datum::Datum;
use crate::event::{Details, EventData, EventKind};
use crate::host::{LogLine, Step};
use crate::shared::Shared;

/// Functions of modules that the platform answers.
const FUNCTIONS: [(&str, &[&str]); 5] = [
    (
        "session",
        &[
            "isSpecialDay",
            "timeInZone",
            "dateInZone",
            "dayInZone",
            "getListItemValue",
            "listLookupValue",
            "getConfigOption",
            "setTenant",
            "setOptions",
        ],
    ),
    ("ixn", &["setuData", "deleteuData"]),
    ("queue", &["priorityTuning", "reserveTargets", "SetIdealAgent"]),
    ("statistic", &["sData"]),
    ("resource", &[]),
];

/// An enumeration: its module, its name, and the names in it with their values.
type Enumeration = (&'static str, &'static str, &'static [(&'static str, i32)]);

const ENUMERATIONS: [Enumeration; 4] = [
    // Only the first value is known; the others keep the order in which they are listed.
    (
        "session",
        "lookupseq",
        &[
            ("StartFromStrategy", -1),
            ("StartFromCDN", 0),
            ("StartFromRouter", 1),
            ("StartFromTenant", 2),
            ("StartFromTserver", 3),
        ],
    ),
    (
        "session",
        "day",
        &[
            ("Sunday", 0),
            ("Monday", 1),
            ("Tuesday", 2),
            ("Wednesday", 3),
            ("Thursday", 4),
            ("Friday", 5),
            ("Saturday", 6),
        ],
    ),
    (
        "queue",
        "rType",
        &[
            ("RouteTypeUnknown", 0),
            ("RouteTypeDefault", 1),
            ("RouteTypeLabel", 2),
            ("RouteTypeOverwriteDNIS", 3),
            ("RouteTypeDDD", 4),
            ("RouteTypeIDDD", 5),
            ("RouteTypeDirect", 6),
            ("RouteTypeReject", 7),
            ("RouteTypeAnnouncement", 8),
            ("RouteTypePostFeature", 9),
            ("RouteTypeDirectAgent", 10),
            ("RouteTypeGetFromDN", 11),
        ],
    ),
    (
        "resource",
        "resourceType",
        &[
            ("CFGNoDN", 0),
            ("CFGExtension", 1),
            ("CFGACDPosition", 2),
            ("CFGACDQueue", 3),
            ("CFGRoutingPoint", 4),
            ("CFGVirtACDQueue", 5),
        ],
    ),
];

/// Enumerations of which only the names are known: each is its own value.
const NAMES: [(&str, &str, &[&str]); 3] = [
    ("queue", "usecapcond", &["Never", "Only", "OnStatError"]),
    ("queue", "overwriteType", &["UseANI", "UseConfig", "UseDNIS", "UseNone"]),
    (
        "ixn",
        "mediaType",
        &[
            "TMediaVoice",
            "TMediaVoIP",
            "TMediaEMail",
            "TMediaVMail",
            "TMediaSMail",
            "TMediaChat",
            "TMediaVideo",
            "TMediaCobrowsing",
            "TMediaWhiteboard",
            "TMediaAppSharing",
            "TMediaWebform",
            "TMediaWorkItem",
            "TMediaCallback",
            "TMediaFax",
            "TMediaIMChat",
            "TMediaBusinessEvent",
            "TMediaAlert",
            "TMediaSMS",
            "TMediaOutboundPreview",
            "TMediaOpenMedia",
            "TMediaNativeSMS",
        ],
    ),
];

pub(super) fn define(engine: &mut Ecmascript) -> JsResult<()> {
    let data = JsObject::with_object_proto(engine.context.intrinsics());
    engine.constant("_data", data.into())?;
    engine.function("__Log", 1, log)?;
    engine.function("__Raise", 1, raise)?;
    engine.function("__GetDocumentURL", 0, document_url)?;
    engine.function("__GetCurrentStates", 0, current_states)?;
    engine.function("uneval", 1, functions::uneval)?;
    functions::define(&mut engine.context)?;
    let genesys = genesys(&mut engine.context)?;
    engine.constant("_genesys", genesys.into())?;
    scopes::install(&mut engine.context)
}

/// `_data`.
pub(super) fn data_object(context: &mut Context) -> JsResult<JsObject> {
    let data = context.global_object().get(js_string!("_data"), context)?;
    data.as_object().ok_or_else(|| JsNativeError::typ().with_message("there is no _data").into())
}

fn text_of(value: &JsValue, context: &mut Context) -> JsResult<String> {
    let limit = globals::shared_of(context)?.limits().text;
    let text = value.to_string(context)?;
    if text.len() > limit {
        return Err(JsNativeError::range().with_message(format!("a text of more than {limit} characters")).into());
    }
    Ok(text.to_std_string_lossy())
}

/// `__Log(message [, label [, level]])`.
fn log(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = text_of(arguments.get_or_undefined(0), context)?;
    let label = match arguments.get_or_undefined(1) {
        label if label.is_undefined() => String::new(),
        label => text_of(label, context)?,
    };
    let level = match arguments.get_or_undefined(2) {
        level if level.is_undefined() => 1,
        level => u8::try_from(level.to_u32(context)?).unwrap_or(1),
    };
    let shared = globals::shared_of(context)?;
    shared.trace(Step::Log { expr: &text, label: &label, level }, None);
    shared.world.environment.log(&LogLine { session: &shared.id, label: &label, text: &text, level });
    Ok(JsValue::undefined())
}

/// `__Raise(name, data)`: an internal event.
fn raise(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = text_of(arguments.get_or_undefined(0), context)?;
    let details = match arguments.get_or_undefined(1) {
        data if data.is_undefined() => None,
        data => Some(Box::new(Details { data: EventData::Value(data.clone()), ..Details::default() })),
    };
    let shared = globals::shared_of(context)?;
    shared.raise(shared.event(&name, EventKind::Internal, details));
    Ok(JsValue::undefined())
}

fn document_url(_this: &JsValue, _arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let shared = globals::shared_of(context)?;
    Ok(JsString::from(shared.program.location.as_str()).into())
}

fn current_states(_this: &JsValue, _arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let ids = globals::shared_of(context)?.active_ids().into_iter().map(Datum::Text).collect();
    values::import(&Datum::List(ids), context)
}

/// `_genesys` with its modules.
fn genesys(context: &mut Context) -> JsResult<JsObject> {
    let genesys = JsObject::with_object_proto(context.intrinsics());
    for (module, names) in FUNCTIONS {
        let object = JsObject::with_object_proto(context.intrinsics());
        for name in names {
            let function = NativeFunction::from_copy_closure(move |_this, arguments, context| {
                platform_function(module, name, arguments, context)
            });
            let function = function.to_js_function(context.realm());
            object.create_data_property(JsString::from(*name), function, context)?;
        }
        for (_, name, members) in ENUMERATIONS.iter().filter(|(of, _, _)| *of == module) {
            let members = members.iter().map(|(name, value)| ((*name).to_owned(), Datum::Number((*value).into())));
            let members = values::import(&Datum::Map(members.collect()), context)?;
            object.create_data_property(JsString::from(*name), members, context)?;
        }
        for (_, name, members) in NAMES.iter().filter(|(of, _, _)| *of == module) {
            let members = members.iter().map(|name| ((*name).to_owned(), Datum::text(*name)));
            let members = values::import(&Datum::Map(members.collect()), context)?;
            object.create_data_property(JsString::from(*name), members, context)?;
        }
        genesys.create_data_property(JsString::from(module), object, context)?;
    }
    let session = member(&genesys, "session", context)?;
    for name in ["tenant", "tenantid", "server"] {
        let get = NativeFunction::from_copy_closure(move |_this, _arguments, context| session_fact(name, context));
        getter(&session, name, get, context)?;
    }
    let interactions = interactions_object(context)?;
    let ixn = member(&genesys, "ixn", context)?;
    ixn.create_data_property(js_string!("interactions"), interactions, context)?;
    getter(&ixn, "firstixnid", NativeFunction::from_fn_ptr(first_interaction), context)?;
    Ok(genesys)
}

fn member(of: &JsObject, name: &str, context: &mut Context) -> JsResult<JsObject> {
    let found = of.get(JsString::from(name), context)?;
    found.as_object().ok_or_else(|| JsNativeError::typ().with_message(format!("there is no {name}")).into())
}

fn getter(of: &JsObject, name: &str, get: NativeFunction, context: &mut Context) -> JsResult<()> {
    let get = get.to_js_function(context.realm());
    let descriptor = boa_engine::property::PropertyDescriptor::builder().get(get).enumerable(true).configurable(true);
    of.define_property_or_throw(JsString::from(name), descriptor, context)?;
    Ok(())
}

fn platform_function(module: &str, name: &str, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let shared = globals::shared_of(context)?;
    let mut exported = Vec::new();
    for argument in arguments {
        exported.push(values::export(argument, *shared.limits(), context)?);
    }
    let environment = Rc::clone(&shared.world.environment);
    let result = environment.platform().and_then(|platform| platform.function(module, name, &exported));
    match result {
        Some(Ok(value)) => values::import(&value, context),
        Some(Err(message)) => Err(JsNativeError::error().with_message(message).into()),
        None => {
            let message = format!("_genesys.{module}.{name} is not supported here");
            Err(JsNativeError::error().with_message(message).into())
        }
    }
}

fn session_fact(name: &str, context: &mut Context) -> JsResult<JsValue> {
    let shared = globals::shared_of(context)?;
    let environment = Rc::clone(&shared.world.environment);
    let facts = environment.platform().map(|platform| platform.session_facts()).unwrap_or_default();
    values::import(&facts.get(name).cloned().unwrap_or_default(), context)
}

/// The interactions as they are now.
fn interactions_of(shared: &Rc<Shared>) -> Vec<Datum> {
    shared.world.environment.platform().map(|platform| platform.interactions()).unwrap_or_default()
}

fn id_of(interaction: &Datum) -> Option<&str> {
    interaction.get("g_uid").and_then(Datum::as_text)
}

fn first_interaction(_this: &JsValue, _arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let shared = globals::shared_of(context)?;
    let interactions = interactions_of(&shared);
    let first = interactions.first().and_then(id_of).map(JsString::from);
    Ok(first.map_or_else(JsValue::undefined, JsValue::from))
}

/// `_genesys.ixn.interactions`: by index and by id; an id that is not there is `undefined` (section 4.1).
fn interactions_object(context: &mut Context) -> JsResult<JsObject> {
    let target = boa_engine::object::ObjectInitializer::new(context)
        .property(js_string!("length"), 0, Attribute::WRITABLE | Attribute::CONFIGURABLE)
        .build();
    let proxy = JsProxyBuilder::new(target)
        .get(get_interaction)
        .has(has_interaction)
        .own_keys(interaction_ids)
        .get_own_property_descriptor(describe_interaction)
        .set(refuse_change)
        .delete_property(refuse_change)
        .define_property(refuse_change)
        .build(context)?;
    Ok(proxy.into())
}

fn find(arguments: &[JsValue], context: &mut Context) -> JsResult<Option<JsValue>> {
    let key = arguments.get_or_undefined(1);
    if key.is_symbol() {
        return Ok(None);
    }
    let key = key.to_string(context)?.to_std_string_lossy();
    let shared = globals::shared_of(context)?;
    let interactions = interactions_of(&shared);
    if key == "length" {
        return Ok(Some(JsValue::from(interactions.len() as u32)));
    }
    let by_id = interactions.iter().find(|interaction| id_of(interaction) == Some(key.as_str()));
    let found = by_id.or_else(|| interactions.get(key.parse::<usize>().ok()?));
    found.map(|found| values::import(found, context)).transpose()
}

fn get_interaction(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(find(arguments, context)?.unwrap_or_default())
}

fn has_interaction(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(find(arguments, context)?.is_some().into())
}

fn interaction_ids(_this: &JsValue, _arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let shared = globals::shared_of(context)?;
    let ids = interactions_of(&shared).iter().filter_map(id_of).map(Datum::text).collect();
    values::import(&Datum::List(ids), context)
}

fn describe_interaction(_this: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Some(value) = find(arguments, context)? else { return Ok(JsValue::undefined()) };
    let descriptor = JsObject::with_object_proto(context.intrinsics());
    for (name, value) in
        [("value", value), ("writable", true.into()), ("enumerable", true.into()), ("configurable", true.into())]
    {
        descriptor.create_data_property(JsString::from(name), value, context)?;
    }
    Ok(descriptor.into())
}

/// Only events change the object model.
fn refuse_change(_this: &JsValue, _arguments: &[JsValue], _context: &mut Context) -> JsResult<JsValue> {
    Ok(false.into())
}
