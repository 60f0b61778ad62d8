//! What documents of profile `ors` find in the global scope.

use boa_engine::{Context, JsNativeError, JsObject, JsResult, js_string};

use super::Ecmascript;

pub(super) fn define(_engine: &mut Ecmascript) -> JsResult<()> {
    Ok(())
}

/// `_data`.
pub(super) fn data_object(context: &mut Context) -> JsResult<JsObject> {
    let data = context.global_object().get(js_string!("_data"), context)?;
    data.as_object().ok_or_else(|| JsNativeError::typ().with_message("there is no _data").into())
}
