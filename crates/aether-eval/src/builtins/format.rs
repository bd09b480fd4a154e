//! `format`: templates with placeholders.
//!
//! Source: library reference §5.1–§5.3, language reference §19, X18. Rust writes floats with a given number of fraction
//! digits correctly rounded, ties to even, from their exact value; it takes at most 65535 digits, and no float has more
//! than 1074.

use aether_value::{Raise, Rc, Str, StrBuilder, Value};

use super::conversion::truncate;
use super::support::{push_repeated, room_for, string, wrong_type};
use super::{BuiltinDef, text};
use crate::context::Ctx;
use crate::pieces::PIECE;

pub(super) static DEFS: &[BuiltinDef] = &[BuiltinDef::core("format", &["template", "args"], 1, 255, format)];

/// What a placeholder with a format calls: the value, then the spec. No script names it.
pub(crate) static FORMAT_VALUE: BuiltinDef =
    BuiltinDef::core("format", &["value", "spec"], 2, 2, format_value);

fn format_value(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let spec = parse_spec(string(&args[1])?.as_str())?;
    let mut out = StrBuilder::new(ctx.heap());
    place(ctx, &args[0], spec, &mut out)?;
    Ok(Value::String(out.finish()?))
}

/// Fraction digits after which every float has only zeros.
const EXACT: usize = 1100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    Center,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fixed,
    Exponent,
    Percent,
    Decimal,
    Hex,
    Octal,
    Binary,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spec {
    fill: char,
    align: Option<Align>,
    /// The sign of numbers is shown also if they are not negative.
    sign: bool,
    /// Numbers are filled with zeros behind their sign.
    zeros: bool,
    width: usize,
    /// What groups the digits before the point by three.
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<Kind>,
}

impl Spec {
    const PLAIN: Self = Self {
        fill: ' ',
        align: None,
        sign: false,
        zeros: false,
        width: 0,
        group: None,
        precision: None,
        kind: None,
    };
}

fn invalid(detail: &str) -> Raise {
    Raise::operation(&format!("format() {detail}"))
}

/// Where the first brace is.
fn find_brace(ctx: &mut Ctx<'_>, template: &str) -> Result<Option<usize>, Raise> {
    let mut begun = 0;
    for piece in template.as_bytes().chunks(PIECE) {
        let found = piece.iter().position(|byte| matches!(byte, b'{' | b'}'));
        ctx.tick(found.unwrap_or(piece.len()) / 16)?;
        if let Some(at) = found {
            return Ok(Some(begun + at));
        }
        begun += piece.len();
    }
    Ok(None)
}

fn format(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let template = string(&args[0])?.clone();
    let values = &args[1..];
    let mut out = StrBuilder::new(ctx.heap());
    let mut rest = template.as_str();
    let mut used = 0;
    while let Some(at) = find_brace(ctx, rest)? {
        text::push_long(ctx, &mut out, &rest[..at])?;
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace)?;
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err(invalid("unmatched '}' in format string"));
        }
        let Some(end) = rest.find('}') else {
            return Err(invalid("unclosed '{' in format string"));
        };
        let (inside, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let spec = match inside.strip_prefix(':') {
            Some(spec) => parse_spec(spec)?,
            None if inside.is_empty() => Spec::PLAIN,
            None => {
                return Err(invalid(&format!(
                    "invalid placeholder '{{{inside}}}': expected '{{}}' or '{{:spec}}'"
                )));
            }
        };
        let Some(value) = values.get(used) else {
            let given = values.len();
            let number = used + 1;
            return Err(invalid(&format!(
                "not enough arguments: placeholder {number} needs an argument, only {given} given"
            )));
        };
        used += 1;
        place(ctx, value, spec, &mut out)?;
    }
    out.push_str(rest)?;
    Ok(Value::String(out.finish()?))
}

fn parse_spec(spec: &str) -> Result<Spec, Raise> {
    let mut result = Spec::PLAIN;
    let mut rest = spec.chars();
    let align_of = |c: Option<char>| match c? {
        '<' => Some(Align::Left),
        '>' => Some(Align::Right),
        '^' => Some(Align::Center),
        _ => None,
    };
    let mut ahead = rest.clone();
    let first = ahead.next();
    if let (Some(fill), Some(align)) = (first, align_of(ahead.next())) {
        (result.fill, result.align) = (fill, Some(align));
        rest = ahead;
    } else if let Some(align) = align_of(first) {
        result.align = Some(align);
        rest.next();
    }
    let mut rest = rest.as_str();
    if let Some(after) = rest.strip_prefix('+') {
        result.sign = true;
        rest = after;
    }
    result.zeros = result.align.is_none() && rest.starts_with('0');
    let (width, after) = number(rest);
    result.width = width.unwrap_or(0);
    let mut rest = after;
    result.group = rest.chars().next().filter(|c| matches!(c, ',' | '_'));
    rest = &rest[result.group.map_or(0, char::len_utf8)..];
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number(after);
        if precision.is_none() {
            return Err(invalid(&format!("invalid precision in spec ':{spec}'")));
        }
        result.precision = precision;
        rest = after;
    }
    let mut rest = rest.chars();
    let Some(letter) = rest.next() else {
        return Ok(result);
    };
    if rest.next().is_some() {
        return Err(invalid(&format!("trailing characters in spec ':{spec}'")));
    }
    result.kind = Some(match letter {
        'f' => Kind::Fixed,
        'e' => Kind::Exponent,
        '%' => Kind::Percent,
        'd' => Kind::Decimal,
        'x' => Kind::Hex,
        'o' => Kind::Octal,
        'b' => Kind::Binary,
        's' => Kind::Text,
        _ => return Err(invalid(&format!("unknown type specifier '{letter}'"))),
    });
    Ok(result)
}

/// The digits at the beginning as a number, capped, and what follows them.
fn number(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return (None, rest);
    }
    (Some(digits.parse().unwrap_or(usize::MAX)), rest)
}

/// Writes one value as its placeholder wants it.
fn place(ctx: &Ctx<'_>, value: &Value, spec: Spec, out: &mut StrBuilder) -> Result<(), Raise> {
    let is_number = matches!(value, Value::Int(_) | Value::Float(_));
    let text = match (spec.kind, value) {
        (Some(Kind::Fixed), Value::Int(_) | Value::Float(_)) => {
            fixed(ctx, value, spec.precision.unwrap_or(6))?
        }
        (Some(Kind::Exponent), Value::Int(_) | Value::Float(_)) => {
            exponent(ctx, value, spec.precision.unwrap_or(6))?
        }
        (Some(Kind::Percent), Value::Int(_) | Value::Float(_)) => {
            percent(ctx, value, spec.precision.unwrap_or(6))?
        }
        (Some(Kind::Fixed | Kind::Exponent | Kind::Percent), _) => {
            return Err(wrong_type("int or float", value));
        }
        (Some(Kind::Text), _) => ctx.text(value)?,
        (Some(kind), _) => {
            let value = match value {
                Value::Int(value) => *value,
                Value::Float(value) => truncate(*value)?,
                _ => return Err(wrong_type("int", value)),
            };
            let text = match kind {
                Kind::Hex => format!("{value:x}"),
                Kind::Octal => format!("{value:o}"),
                Kind::Binary => format!("{value:b}"),
                Kind::Fixed | Kind::Exponent | Kind::Percent | Kind::Decimal | Kind::Text => {
                    value.to_string()
                }
            };
            ctx.heap().string(&text)?
        }
        (None, Value::Float(_)) => match spec.precision {
            Some(precision) => fixed(ctx, value, precision)?,
            None => ctx.text(value)?,
        },
        (None, _) => ctx.text(value)?,
    };
    let counts = is_number && spec.kind != Some(Kind::Text);
    let text = if counts && (spec.sign || spec.group.is_some()) {
        signed_and_grouped(ctx, text.as_str(), spec)?
    } else {
        text
    };
    let right = match spec.kind {
        Some(Kind::Text) => false,
        Some(_) => true,
        None => is_number,
    };
    let align = spec
        .align
        .unwrap_or(if right { Align::Right } else { Align::Left });
    let padding = spec.width.saturating_sub(text.len_chars());
    if padding > 0 {
        let bytes = padding.checked_mul(spec.fill.len_utf8());
        let bytes = bytes.and_then(|bytes| bytes.checked_add(text.len_bytes() + out.as_str().len()));
        room_for(ctx.heap(), bytes)?;
    }
    if spec.zeros && right {
        let text = text.as_str();
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        out.push_str(&text[..text.len() - digits.len()])?;
        push_repeated(out, "0", padding)?;
        return out.push_str(digits);
    }
    let before = match align {
        Align::Left => 0,
        Align::Right => padding,
        Align::Center => padding / 2,
    };
    let mut fill = [0; 4];
    let fill = spec.fill.encode_utf8(&mut fill);
    push_repeated(out, fill, before)?;
    out.push_str(text.as_str())?;
    push_repeated(out, fill, padding - before)
}

/// A number with its sign and with separators between groups of three digits before the point.
fn signed_and_grouped(ctx: &Ctx<'_>, text: &str, spec: Spec) -> Result<Rc<Str>, Raise> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut out = StrBuilder::new(ctx.heap());
    if digits.len() < text.len() {
        out.push_str("-")?;
    } else if spec.sign {
        out.push_str("+")?;
    }
    let whole = digits
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(digits.len());
    // Scientific notation has one digit before its point, and what is no number none.
    let is_grouped = spec.kind != Some(Kind::Exponent) && digits.starts_with(|c: char| c.is_ascii_hexdigit());
    for (at, digit) in digits[..whole].chars().enumerate() {
        if let Some(group) = spec.group
            && is_grouped
            && at > 0
            && (whole - at) % 3 == 0
        {
            out.push_str(group.encode_utf8(&mut [0; 4]))?;
        }
        out.push_str(digit.encode_utf8(&mut [0; 4]))?;
    }
    out.push_str(&digits[whole..])?;
    out.finish()
}

/// A number in scientific notation with `precision` fraction digits, and two digits of exponent at least.
fn exponent(ctx: &Ctx<'_>, value: &Value, precision: usize) -> Result<Rc<Str>, Raise> {
    let digits = precision.min(EXACT);
    let text = match value {
        Value::Int(value) => format!("{value:.digits$e}"),
        Value::Float(value) => format!("{value:.digits$e}"),
        _ => return Err(wrong_type("int or float", value)),
    };
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return ctx.heap().string(&text);
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    let zeros = precision - digits;
    room_for(ctx.heap(), mantissa.len().checked_add(zeros))?;
    let mut out = StrBuilder::new(ctx.heap());
    out.push_str(mantissa)?;
    push_repeated(&mut out, "0", zeros)?;
    out.push_str(&format!("e{sign}{exponent:0>2}"))?;
    out.finish()
}

/// A hundred times a number with `precision` fraction digits, and a percent sign.
fn percent(ctx: &Ctx<'_>, value: &Value, precision: usize) -> Result<Rc<Str>, Raise> {
    let hundredfold = match value {
        Value::Int(value) => value
            .checked_mul(100)
            .map_or_else(|| Value::Float(*value as f64 * 100.0), Value::Int),
        Value::Float(value) => Value::Float(value * 100.0),
        _ => return Err(wrong_type("int or float", value)),
    };
    let text = fixed(ctx, &hundredfold, precision)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), text.len_bytes() + 1)?;
    out.push_str(text.as_str())?;
    out.push_str("%")?;
    out.finish()
}

/// A number with exactly `precision` fraction digits.
fn fixed(ctx: &Ctx<'_>, value: &Value, precision: usize) -> Result<Rc<Str>, Raise> {
    let (text, zeros) = match value {
        Value::Int(value) if precision == 0 => (value.to_string(), 0),
        Value::Int(value) => (format!("{value}."), precision),
        Value::Float(value) if value.is_finite() => {
            let digits = precision.min(EXACT);
            (format!("{value:.digits$}"), precision - digits)
        }
        Value::Float(value) => (value.to_string(), 0),
        _ => return Err(wrong_type("int or float", value)),
    };
    if zeros == 0 {
        return ctx.heap().string(&text);
    }
    let size = text.len().checked_add(zeros);
    room_for(ctx.heap(), size)?;
    let mut out = StrBuilder::with_capacity(ctx.heap(), text.len() + zeros)?;
    out.push_str(&text)?;
    push_repeated(&mut out, "0", zeros)?;
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::{Align, Kind, Spec, parse_spec};

    #[test]
    fn rust_rounds_ties_to_even_on_the_exact_value() {
        for (value, digits, text) in [
            (0.5, 0, "0"),
            (1.5, 0, "2"),
            (2.5, 0, "2"),
            (3.5, 0, "4"),
            (-2.5, 0, "-2"),
            (4.5, 0, "4"),
            (1e15 + 0.5, 0, "1000000000000000"),
            (0.125, 2, "0.12"),
            (0.375, 2, "0.38"),
            (0.25, 1, "0.2"),
            (0.35, 1, "0.3"),
            (1.005, 2, "1.00"),
            (0.045, 2, "0.04"),
            (1e22, 1, "10000000000000000000000.0"),
            (9.5, 0, "10"),
            (10.5, 0, "10"),
            (0.062_5, 3, "0.062"),
        ] {
            assert_eq!(format!("{value:.digits$}"), text, "{value} with {digits}");
        }
    }

    #[test]
    fn every_tie_of_a_small_dyadic_goes_to_even() {
        // k / 2^n has its tie at digit n - 1: the last digit is a 5.
        for n in 1..=12_usize {
            for k in (1..4096_u64).step_by(2) {
                let value = k as f64 / (1_u64 << n) as f64;
                let digits = n - 1;
                // value * 10^n as an integer: k * 5^n.
                let scaled = u128::from(k) * 5_u128.pow(n as u32);
                let (quotient, rest) = (scaled / 10, scaled % 10);
                assert_eq!(rest, 5);
                let rounded = quotient + quotient % 2;
                let power = 10_u128.pow(digits as u32);
                let expected = if digits == 0 {
                    rounded.to_string()
                } else {
                    format!("{}.{:0digits$}", rounded / power, rounded % power)
                };
                assert_eq!(format!("{value:.digits$}"), expected, "{value} with {digits}");
            }
        }
    }

    #[test]
    fn specs_parse() {
        let plain = Spec::PLAIN;
        let zeros = Spec {
            fill: '0',
            align: Some(Align::Right),
            width: 5,
            kind: Some(Kind::Decimal),
            ..plain
        };
        assert_eq!(parse_spec("0>5d").unwrap(), zeros);
        assert_eq!(
            parse_spec("^6").unwrap(),
            Spec {
                align: Some(Align::Center),
                width: 6,
                ..plain
            }
        );
        assert_eq!(
            parse_spec("<<3").unwrap(),
            Spec {
                fill: '<',
                align: Some(Align::Left),
                width: 3,
                ..plain
            }
        );
        assert_eq!(
            parse_spec(".2f").unwrap(),
            Spec {
                precision: Some(2),
                kind: Some(Kind::Fixed),
                ..plain
            }
        );
        let zeros = Spec {
            zeros: true,
            width: 5,
            ..plain
        };
        assert_eq!(parse_spec("05").unwrap(), zeros);
        assert!(!parse_spec("<05").unwrap().zeros);
        assert!(
            parse_spec(".f")
                .unwrap_err()
                .message()
                .contains("invalid precision in spec ':.f'")
        );
        assert!(
            parse_spec("fd")
                .unwrap_err()
                .message()
                .contains("trailing characters in spec ':fd'")
        );
        assert!(
            parse_spec("q")
                .unwrap_err()
                .message()
                .contains("unknown type specifier 'q'")
        );
    }
}
