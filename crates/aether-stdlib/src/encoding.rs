//! The modules `hex` and `base64`: bytes as texts.
//!
//! Source: library reference §E4.

use aether_eval::{BuiltinDef, Ctx, LibraryModule, PIECE};
use aether_value::{Raise, StrBuilder, Value};
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
        let mut out = StrBuilder::with_capacity(ctx.heap(), 2 * bytes.len())?;
        for piece in bytes.chunks(PIECE) {
            ctx.tick(piece.len() / 16)?;
            out.push_str(&hex(piece))?;
        }
        Ok(Value::String(out.finish()?))
    })
}

fn hex_decode(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?.as_str();
    let mut digits = 0;
    for piece in text.as_bytes().chunks(PIECE) {
        ctx.tick(piece.len() / 16)?;
        let wrong = piece.iter().position(|byte| !byte.is_ascii_hexdigit());
        digits += wrong.unwrap_or(piece.len());
        if wrong.is_some() {
            break;
        }
    }
    // What comes before it are characters of one byte each.
    let position = digits;
    if let Some(character) = text[position..].chars().next() {
        let shown = character.escape_debug();
        let detail = format!("hex.decode: '{shown}' at position {position} is no hexadecimal digit");
        return Err(Raise::operation(&detail));
    }
    if !text.len().is_multiple_of(2) {
        let detail = format!("hex.decode: the number of digits is odd ({})", text.len());
        return Err(Raise::operation(&detail));
    }
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
    let array = ctx.heap().array(text.len() / 2)?;
    let mut bytes = Vec::with_capacity(PIECE.min(text.len()) / 2);
    for piece in text.as_bytes().chunks(PIECE) {
        ctx.tick(piece.len() / 16)?;
        bytes.clear();
        let pairs = piece.chunks_exact(2);
        bytes.extend(pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
        array.push_bytes(&bytes)?;
    }
    Ok(Value::Array(array))
}

fn encode(ctx: &mut Ctx<'_>, operation: &str, engine: &GeneralPurpose, data: &Value) -> Result<Value, Raise> {
    with_data(ctx, operation, data, |ctx, bytes| {
        // Three bytes are four characters, so pieces of whole threes are those of the whole.
        let mut out = StrBuilder::with_capacity(ctx.heap(), bytes.len().div_ceil(3) * 4)?;
        for piece in bytes.chunks(PIECE / 3 * 3) {
            ctx.tick(piece.len() / 16)?;
            out.push_str(&engine.encode(piece))?;
        }
        Ok(Value::String(out.finish()?))
    })
}

fn decode(ctx: &mut Ctx<'_>, operation: &str, engine: &GeneralPurpose, text: &Value) -> Result<Value, Raise> {
    let text = string(text)?.as_str();
    let symbols = text.trim_end_matches('=').len();
    let array = ctx.heap().array((symbols as u64 * 3 / 4) as usize)?;
    match ctx.decode_base64(engine, text, |piece| array.push_bytes(piece))? {
        None => Ok(Value::Array(array)),
        Some(error) => Err(Raise::operation(&format!("{operation}: {error}"))),
    }
}
