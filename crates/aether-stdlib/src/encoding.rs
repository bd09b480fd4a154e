//! The modules `hex` and `base64`: bytes as texts.
//!
//! Source: library reference §E4.

use aether_eval::{BuiltinDef, Ctx, LibraryModule};
use aether_value::{Charge, Raise, Value};
use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::arguments::string;
use crate::bytes::with_data;

/// The module `hex`.
pub(crate) const HEX: LibraryModule = LibraryModule {
    name: "hex",
    functions: &[
        BuiltinDef::core("encode", &["data"], 1, 1, hex_encode),
        BuiltinDef::core("decode", &["s"], 1, 1, hex_decode),
    ],
    constants: &[],
};

/// The module `base64`.
pub(crate) const BASE64: LibraryModule = LibraryModule {
    name: "base64",
    functions: &[
        BuiltinDef::core("encode", &["data"], 1, 1, |ctx, args| {
            encode(ctx, "base64.encode", &STANDARD, &args[0])
        }),
        BuiltinDef::core("decode", &["s"], 1, 1, |ctx, args| {
            decode(ctx, "base64.decode", &STANDARD, &args[0])
        }),
        BuiltinDef::core("url_encode", &["data"], 1, 1, |ctx, args| {
            encode(ctx, "base64.url_encode", &URL_SAFE_NO_PAD, &args[0])
        }),
        BuiltinDef::core("url_decode", &["s"], 1, 1, |ctx, args| {
            decode(ctx, "base64.url_decode", &URL_SAFE_NO_PAD, &args[0])
        }),
    ],
    constants: &[],
};

/// The digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digits = bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    digits.collect()
}

fn hex_encode(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    with_data(ctx, "hex.encode", &args[0], |ctx, bytes| {
        ctx.tick(bytes.len() / 16)?;
        let _charge = Charge::new(ctx.heap(), 2 * bytes.len())?;
        ctx.string(&hex(bytes))
    })
}

fn hex_decode(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?.as_str();
    ctx.tick(text.len() / 8)?;
    let wrong = text
        .chars()
        .enumerate()
        .find(|(_, character)| !character.is_ascii_hexdigit());
    if let Some((position, character)) = wrong {
        let shown = character.escape_debug();
        let detail = format!("hex.decode: '{shown}' at position {position} is no hexadecimal digit");
        return Err(Raise::operation(&detail));
    }
    if !text.len().is_multiple_of(2) {
        let detail = format!("hex.decode: the number of digits is odd ({})", text.len());
        return Err(Raise::operation(&detail));
    }
    let _charge = Charge::new(ctx.heap(), text.len() / 2)?;
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
    let pairs = text.as_bytes().chunks_exact(2);
    let bytes: Vec<u8> = pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    Ok(Value::Array(ctx.heap().array_of_bytes(&bytes)?))
}

fn encode(ctx: &mut Ctx<'_>, operation: &str, engine: &GeneralPurpose, data: &Value) -> Result<Value, Raise> {
    with_data(ctx, operation, data, |ctx, bytes| {
        ctx.tick(bytes.len() / 16)?;
        let _charge = Charge::new(ctx.heap(), bytes.len() / 3 * 4 + 4)?;
        ctx.string(&engine.encode(bytes))
    })
}

fn decode(ctx: &mut Ctx<'_>, operation: &str, engine: &GeneralPurpose, text: &Value) -> Result<Value, Raise> {
    let text = string(text)?.as_str();
    ctx.tick(text.len() / 16)?;
    let _charge = Charge::new(ctx.heap(), text.len() / 4 * 3 + 3)?;
    let bytes = engine.decode(text);
    let bytes = bytes.map_err(|error| Raise::operation(&format!("{operation}: {error}")))?;
    Ok(Value::Array(ctx.heap().array_of_bytes(&bytes)?))
}
