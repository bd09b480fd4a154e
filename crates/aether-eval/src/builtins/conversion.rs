//! Conversions: `int`, `float`, `str`, `bool`, `hex`, `oct`, `bin`, Base64.
//!
//! Source: library reference §4.3–§4.7.

use aether_value::{Charge, Raise, StrBuilder, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::BuiltinDef;
use super::support::{self, room_for, string, wrong_type};
use crate::context::Ctx;

pub(super) static DEFS: &[BuiltinDef] = &[
    BuiltinDef::core("int", &["value", "base"], 1, 2, int),
    BuiltinDef::core("float", &["value"], 1, 1, float),
    BuiltinDef::core("str", &["value"], 1, 1, str),
    BuiltinDef::core("bool", &["value"], 1, 1, bool),
    BuiltinDef::core("hex", &["n"], 1, 1, |ctx, args| based(ctx, &args[0], Base::Hex)),
    BuiltinDef::core("oct", &["n"], 1, 1, |ctx, args| based(ctx, &args[0], Base::Octal)),
    BuiltinDef::core("bin", &["n"], 1, 1, |ctx, args| {
        based(ctx, &args[0], Base::Binary)
    }),
    BuiltinDef::core("chr", &["n"], 1, 1, chr),
    BuiltinDef::core("ord", &["c"], 1, 1, ord),
    BuiltinDef::core("base64_encode", &["s"], 1, 1, base64_encode),
    BuiltinDef::core("base64_decode", &["s"], 1, 1, base64_decode),
];

/// Length up to which reading a number takes no time to speak of.
const SHORT_NUMBER: usize = 64;

pub(super) fn int(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    if let Some(base) = args.get(1) {
        let base = support::int(base)?;
        if !(2..=36).contains(&base) {
            return Err(Raise::operation(&format!(
                "int() base must be between 2 and 36, got {base}"
            )));
        }
        let text = string(&args[0])?;
        ctx.tick(text.len_bytes() / 16)?;
        let text = text.as_str();
        return parse_int(text, base as u32)
            .map(Value::Int)
            .ok_or_else(|| not_an_int("string", text));
    }
    match &args[0] {
        Value::Int(value) => Ok(Value::Int(*value)),
        Value::Float(value) => truncate(*value).map(Value::Int),
        Value::Bool(value) => Ok(Value::Int(i64::from(*value))),
        Value::String(text) => {
            let text = text.as_str();
            if text.len() > SHORT_NUMBER {
                return long_int(ctx, text);
            }
            parse_int(text, 10)
                .map(Value::Int)
                .ok_or_else(|| not_an_int("string", text))
        }
        value => Err(wrong_type("number, string, or bool", value)),
    }
}

/// The integer in a long text, if zeros make it long.
#[cold]
#[inline(never)]
fn long_int(ctx: &mut Ctx<'_>, text: &str) -> Result<Value, Raise> {
    tick_long(ctx, text)?;
    parse_int(text, 10)
        .map(Value::Int)
        .ok_or_else(|| not_an_int("string", text))
}

#[cold]
#[inline(never)]
fn tick_long(ctx: &mut Ctx<'_>, text: &str) -> Result<(), Raise> {
    ctx.tick(text.len() / 16)
}

#[cold]
fn not_an_int(from: &str, text: &str) -> Raise {
    Raise::conversion(from, text, "int")
}

/// The character of a code point.
fn chr(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let code = support::int(&args[0])?;
    let character = u32::try_from(code)
        .ok()
        .and_then(char::from_u32)
        .ok_or_else(|| Raise::operation(&format!("chr() requires a Unicode code point, got {code}")))?;
    let mut buffer = [0; 4];
    Ok(Value::String(
        ctx.heap().char_string(character.encode_utf8(&mut buffer))?,
    ))
}

/// The code point of a character.
fn ord(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?;
    let mut characters = text.as_str().chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Ok(Value::Int(i64::from(u32::from(only)))),
        _ => Err(Raise::operation(&format!(
            "ord() requires a string of one character, got {}",
            text.len_chars()
        ))),
    }
}

/// A float as an integer, truncated toward zero.
pub(super) fn truncate(value: f64) -> Result<i64, Raise> {
    /// 2^63, the first float above every integer.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if (-ABOVE..ABOVE).contains(&value) {
        Ok(value as i64)
    } else {
        Err(not_an_int("float", &value.to_string()))
    }
}

/// An optional sign, the base's prefix if it has one, digits.
fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, rest) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = match (base, rest) {
        (16, [b'0', b'x' | b'X', digits @ ..])
        | (2, [b'0', b'b' | b'B', digits @ ..])
        | (8, [b'0', b'o' | b'O', digits @ ..]) => digits,
        _ => rest,
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = i64::from(char::from(byte).to_digit(base)?);
        value = value.checked_mul(i64::from(base))?;
        value = if negative {
            value.checked_sub(digit)?
        } else {
            value.checked_add(digit)?
        };
    }
    Some(value)
}

pub(super) fn float(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    match &args[0] {
        Value::Int(value) => Ok(Value::Float(*value as f64)),
        Value::Float(value) => Ok(Value::Float(*value)),
        Value::Bool(value) => Ok(Value::Float(f64::from(u8::from(*value)))),
        Value::String(text) => {
            let text = text.as_str();
            if text.len() > SHORT_NUMBER {
                tick_long(ctx, text)?;
            }
            text.parse()
                .map(Value::Float)
                .map_err(|_| Raise::conversion("string", text, "float"))
        }
        value => Err(wrong_type("number, string, or bool", value)),
    }
}

fn str(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::String(ctx.text(&args[0])?))
}

fn bool(_: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(args[0].truthy()))
}

#[derive(Clone, Copy)]
enum Base {
    Hex,
    Octal,
    Binary,
}

fn based(ctx: &mut Ctx<'_>, value: &Value, base: Base) -> Result<Value, Raise> {
    let value = support::int(value)?;
    let sign = if value < 0 { "-" } else { "" };
    let size = value.unsigned_abs();
    ctx.string(&match base {
        Base::Hex => format!("{sign}{size:#x}"),
        Base::Octal => format!("{sign}{size:#o}"),
        Base::Binary => format!("{sign}{size:#b}"),
    })
}

fn base64_encode(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    /// Bytes encoded at a time; a multiple of three, so that only the last piece is padded.
    const PIECE: usize = 768;
    let text = string(&args[0])?;
    let bytes = text.as_str().as_bytes();
    let size = bytes.len().div_ceil(3) * 4;
    room_for(ctx.heap(), Some(size))?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), size)?;
    let mut piece = String::with_capacity(PIECE / 3 * 4);
    for part in bytes.chunks(PIECE) {
        ctx.tick(part.len() / 16)?;
        piece.clear();
        STANDARD.encode_string(part, &mut piece);
        out.push_str(&piece)?;
    }
    Ok(Value::String(out.finish()?))
}

fn base64_decode(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let text = string(&args[0])?;
    let most = text.len_bytes() / 4 * 3 + 3;
    let _charge = Charge::new(ctx.heap(), most)?;
    let failed = |detail: &dyn std::fmt::Display| Raise::operation(&format!("base64_decode: {detail}"));
    let mut bytes = Vec::with_capacity(most);
    let wrong = ctx.decode_base64(&STANDARD, text.as_str(), |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    if let Some(error) = wrong {
        return Err(failed(&error));
    }
    match ctx.text_of_bytes(&bytes)? {
        Ok(decoded) => Ok(Value::String(decoded)),
        Err(_) => Err(match std::str::from_utf8(&bytes) {
            Err(error) => failed(&error),
            Ok(_) => unreachable!("it has just been looked at"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_int, truncate};

    #[test]
    fn ints_are_a_sign_and_digits() {
        assert_eq!(parse_int("42", 10), Some(42));
        assert_eq!(parse_int("+7", 10), Some(7));
        assert_eq!(parse_int("-9223372036854775808", 10), Some(i64::MIN));
        assert_eq!(parse_int("9223372036854775808", 10), None);
        for bad in ["", "-", "+", " 1", "1 ", "1_0", "3.7", "0x10", "١"] {
            assert_eq!(parse_int(bad, 10), None, "{bad:?}");
        }
    }

    #[test]
    fn bases_skip_their_own_prefix_once() {
        assert_eq!(parse_int("0b1011", 2), Some(11));
        assert_eq!(parse_int("-0XfF", 16), Some(-255));
        assert_eq!(parse_int("0b1", 16), Some(0xb1));
        assert_eq!(parse_int("0x0x1", 16), None);
        assert_eq!(parse_int("0o", 8), None);
        assert_eq!(parse_int("zz", 36), Some(1295));
    }

    #[test]
    fn floats_out_of_range_do_not_become_ints() {
        assert_eq!(truncate(-7.9).ok(), Some(-7));
        assert_eq!(truncate(-9_223_372_036_854_775_808.0).ok(), Some(i64::MIN));
        assert!(truncate(9_223_372_036_854_775_808.0).is_err());
        assert!(truncate(f64::NAN).is_err());
    }
}
