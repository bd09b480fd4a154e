//! Responses that a client has got, as dicts.

use std::any::Any;

use aether_eval::{BuiltinDef, Ctx};
use aether_value::{Builtin, Dict, Heap, Native, Raise, Rc, Str, StrBuilder, Value};
use ureq::http::{HeaderMap, Response, Uri};

use crate::arguments::receiver;
use crate::byte_form::ByteForm;

/// Headers as a dict: names in lower case, values of one name joined.
pub(super) fn headers_dict(heap: &Heap, headers: &HeaderMap) -> Result<Rc<Dict>, Raise> {
    let dict = heap.dict()?;
    for name in headers.keys() {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map_or(&[][..], |value| value.as_bytes());
        let mut text = String::from_utf8_lossy(first).into_owned();
        for value in values {
            text.push_str(", ");
            text.push_str(&String::from_utf8_lossy(value.as_bytes()));
        }
        let name = Value::String(heap.string(name.as_str())?);
        dict.insert(name, Value::String(heap.string(&text)?))?;
    }
    Ok(dict)
}

/// Bytes as a value: a buffer where there are such, else an array.
pub(super) fn bytes_value(heap: &Heap, bytes: &[u8]) -> Result<Value, Raise> {
    ByteForm::buffer().value(heap, bytes)
}

fn head(ctx: &Ctx<'_>, response: &Response<impl Sized>, target: &Uri) -> Result<Rc<Dict>, Raise> {
    let dict = ctx.heap().dict()?;
    let status = response.status();
    dict.insert(ctx.string("status")?, Value::Int(status.as_u16().into()))?;
    dict.insert(ctx.string("ok")?, Value::Bool(status.is_success()))?;
    let headers = headers_dict(ctx.heap(), response.headers())?;
    dict.insert(ctx.string("headers")?, Value::Dict(headers))?;
    dict.insert(ctx.string("url")?, ctx.string(&target.to_string())?)?;
    Ok(dict)
}

/// The dict of a response whose body is there.
pub(super) fn whole(
    ctx: &mut Ctx<'_>,
    response: &Response<Vec<u8>>,
    target: &Uri,
    text: &str,
) -> Result<Value, Raise> {
    let bytes = response.body();
    ctx.tick(bytes.len() / 16)?;
    let dict = head(ctx, response, target)?;
    let text = ctx.heap().string(text)?;
    dict.insert(ctx.string("body")?, Value::String(text.clone()))?;
    dict.insert(ctx.string("bytes")?, bytes_value(ctx.heap(), bytes)?)?;
    let json = ctx.heap().native(Box::new(Json(text)))?;
    dict.insert(ctx.string("json")?, Value::Native(json))?;
    Ok(Value::Dict(dict))
}

/// The dict of a response whose body is read by and by.
pub(super) fn streaming(
    ctx: &Ctx<'_>,
    response: &Response<impl Sized>,
    target: &Uri,
    body: Value,
) -> Result<Value, Raise> {
    let dict = head(ctx, response, target)?;
    dict.insert(ctx.string("body")?, body)?;
    Ok(Value::Dict(dict))
}

/// What `json` of a response is: a function that reads its body.
struct Json(Rc<Str>);

static JSON: BuiltinDef = BuiltinDef::method("json", 0, 0, |ctx, args| {
    let Json(text) = receiver::<Json>(args);
    crate::json::parse_text(ctx, text.as_str())
});

impl Native for Json {
    fn type_name(&self) -> &'static str {
        "builtin_function"
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn trace(&self, visit: &mut dyn FnMut(&aether_value::Raw)) {
        visit(&aether_value::Raw::of_rc(&self.0));
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<builtin json>")
    }

    fn callee(&self) -> Option<Builtin> {
        Some(Builtin(&JSON.info))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
