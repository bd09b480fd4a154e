//! The module `hash`: digests of bytes and files, and bytes that nobody can foresee.
//!
//! Source: library reference §E4.

use aether_eval::{BuiltinDef, Ctx, LibraryModule, OpenFile, PIECE, Permission};
use aether_value::{Builtin, Charge, Native, Raise, StrBuilder, Value};
use hmac::{KeyInit as _, Mac as _};
use sha2::Digest as _;
use std::any::Any;
use std::cell::RefCell;
use std::io::Read as _;
use subtle::ConstantTimeEq as _;

use crate::arguments::{int, permit, receiver, string};
use crate::bytes::with_data;
use crate::encoding::hex;
use crate::files::{allowed, failed};

/// Bytes between two looks at limits.
const STEP: usize = 256 << 10;
/// The most random bytes at a time.
const MOST_RANDOM: i64 = 1 << 20;

/// The module.
pub(crate) const HASH: LibraryModule = LibraryModule {
    name: "hash",
    functions: &[
        BuiltinDef::core("sha256", &["data"], 1, 1, |ctx, args| digest(ctx, "sha256", args)),
        BuiltinDef::core("sha512", &["data"], 1, 1, |ctx, args| digest(ctx, "sha512", args)),
        BuiltinDef::core("sha1", &["data"], 1, 1, |ctx, args| digest(ctx, "sha1", args)),
        BuiltinDef::core("md5", &["data"], 1, 1, |ctx, args| digest(ctx, "md5", args)),
        BuiltinDef::core("blake3", &["data"], 1, 1, |ctx, args| digest(ctx, "blake3", args)),
        BuiltinDef::core("crc32", &["data"], 1, 1, |ctx, args| digest(ctx, "crc32", args)),
        BuiltinDef::core("hmac_sha256", &["key", "data"], 2, 2, hmac_sha256),
        BuiltinDef::core("file", &["algorithm", "path"], 2, 2, file).needing(Permission::Read),
        BuiltinDef::core("hasher", &["algorithm"], 1, 1, hasher),
        BuiltinDef::core("random_bytes", &["n"], 1, 1, random_bytes).needing(Permission::Random),
        BuiltinDef::core("uuid", &[], 0, 0, uuid).needing(Permission::Random),
        BuiltinDef::core("equal", &["a", "b"], 2, 2, equal),
    ],
    constants: &[],
};

/// A digest in the making.
#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Sha1(sha1::Sha1),
    Md5(md5::Md5),
    Blake3(Box<blake3::Hasher>),
    Crc32(crc32fast::Hasher),
}

impl State {
    fn new(algorithm: &str) -> Option<Self> {
        Some(match algorithm {
            "sha256" => Self::Sha256(sha2::Sha256::new()),
            "sha512" => Self::Sha512(sha2::Sha512::new()),
            "sha1" => Self::Sha1(sha1::Sha1::new()),
            "md5" => Self::Md5(md5::Md5::new()),
            "blake3" => Self::Blake3(Box::new(blake3::Hasher::new())),
            "crc32" => Self::Crc32(crc32fast::Hasher::new()),
            _ => return None,
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
            Self::Sha1(state) => state.update(bytes),
            Self::Md5(state) => state.update(bytes),
            Self::Blake3(state) => drop(state.update(bytes)),
            Self::Crc32(state) => state.update(bytes),
        }
    }

    /// Adds bytes, as far as limits allow.
    fn update_in_steps(&mut self, ctx: &mut Ctx<'_>, bytes: &[u8]) -> Result<(), Raise> {
        for piece in bytes.chunks(STEP) {
            ctx.tick(1 + piece.len() / 32)?;
            self.update(piece);
        }
        Ok(())
    }

    /// The bytes of the digest.
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Sha256(state) => state.finalize().to_vec(),
            Self::Sha512(state) => state.finalize().to_vec(),
            Self::Sha1(state) => state.finalize().to_vec(),
            Self::Md5(state) => state.finalize().to_vec(),
            Self::Blake3(state) => state.finalize().as_bytes().to_vec(),
            Self::Crc32(state) => state.finalize().to_be_bytes().to_vec(),
        }
    }

    /// The digits of the digest.
    fn finish(self) -> String {
        hex(&self.bytes())
    }
}

/// The state that an algorithm in an argument begins with.
fn begin(operation: &str, algorithm: &Value) -> Result<State, Raise> {
    let name = string(algorithm)?.as_str();
    State::new(name).ok_or_else(|| {
        Raise::operation(&format!(
            "{operation}: unknown algorithm '{}' (sha256, sha512, sha1, md5, blake3 or crc32)",
            name.escape_debug()
        ))
    })
}

fn digest(ctx: &mut Ctx<'_>, algorithm: &str, args: &[Value]) -> Result<Value, Raise> {
    let Some(mut state) = State::new(algorithm) else {
        unreachable!("the functions are named by what there is")
    };
    let operation = format!("hash.{algorithm}");
    with_data(ctx, &operation, &args[0], |ctx, bytes| {
        state.update_in_steps(ctx, bytes)
    })?;
    ctx.string(&state.finish())
}

fn hmac_sha256(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut state = with_data(ctx, "hash.hmac_sha256", &args[0], |ctx, key| {
        // A key longer than a block stands for its digest.
        let mut digest = State::Sha256(sha2::Sha256::new());
        let short;
        let key = if key.len() > 64 {
            digest.update_in_steps(ctx, key)?;
            short = digest.bytes();
            short.as_slice()
        } else {
            key
        };
        hmac::Hmac::<sha2::Sha256>::new_from_slice(key)
            .map_err(|error| Raise::operation(&format!("hash.hmac_sha256: {error}")))
    })?;
    with_data(ctx, "hash.hmac_sha256", &args[1], |ctx, bytes| {
        for piece in bytes.chunks(STEP) {
            ctx.tick(1 + piece.len() / 32)?;
            state.update(piece);
        }
        Ok(())
    })?;
    ctx.string(&hex(&state.finalize().into_bytes()))
}

/// The digest of a file, of which a piece at a time is read.
fn file(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let mut state = begin("hash.file", &args[0])?;
    let path = allowed(ctx, Permission::Read, &args[1])?;
    let opened = ctx.host().open_file(path);
    let OpenFile { mut reader, .. } = opened.map_err(|error| failed("hash.file", path, &error))?;
    let _charge = Charge::new(ctx.heap(), STEP)?;
    let mut piece = vec![0; STEP];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return ctx.string(&state.finish()),
            Ok(count) => state.update_in_steps(ctx, &piece[..count])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("hash.file", path, &error)),
        }
    }
}

static METHODS: &[BuiltinDef] = &[
    BuiltinDef::method("update", 1, 1, update),
    BuiltinDef::method("digest", 0, 0, |ctx, args| {
        let state = receiver::<Hasher>(args).state.borrow().clone();
        ctx.string(&state.finish())
    }),
];

/// A digest in the making as a value.
struct Hasher {
    algorithm: Box<str>,
    state: RefCell<State>,
}

/// `hasher(algorithm)`
fn hasher(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let hasher = Hasher {
        state: RefCell::new(begin("hash.hasher", &args[0])?),
        algorithm: string(&args[0])?.as_str().into(),
    };
    Ok(Value::Native(ctx.heap().native(Box::new(hasher))?))
}

/// Adds data; what cannot be added leaves the digest as it was.
fn update(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let hasher = receiver::<Hasher>(args);
    let mut state = hasher.state.borrow().clone();
    with_data(ctx, "hash.update", &args[1], |ctx, bytes| {
        state.update_in_steps(ctx, bytes)
    })?;
    *hasher.state.borrow_mut() = state;
    Ok(Value::Null)
}

impl Native for Hasher {
    fn type_name(&self) -> &'static str {
        "hasher"
    }

    fn size(&self) -> usize {
        let state = if matches!(*self.state.borrow(), State::Blake3(_)) {
            size_of::<blake3::Hasher>()
        } else {
            0
        };
        size_of::<Self>() + self.algorithm.len() + state
    }

    fn display(&self, out: &mut StrBuilder) -> Result<(), Raise> {
        out.push_str("<hasher:")?;
        out.push_str(&self.algorithm)?;
        out.push_char('>')
    }

    fn method(&self, name: &str) -> Option<Builtin> {
        BuiltinDef::named(METHODS, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Fills an array with random bytes.
fn fill(ctx: &mut Ctx<'_>, operation: &str, bytes: &mut [u8]) -> Result<(), Raise> {
    permit(ctx, Permission::Random, "random")?;
    let filled = ctx.host().random_bytes(bytes);
    filled.map_err(|error| Raise::io(operation, "random", &error.to_string()))
}

fn random_bytes(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    let count = int(&args[0])?;
    if !(0..=MOST_RANDOM).contains(&count) {
        let detail = format!("hash.random_bytes: n must be between 0 and {MOST_RANDOM}, got {count}");
        return Err(Raise::operation(&detail));
    }
    ctx.tick(count as usize / 8)?;
    let _charge = Charge::new(ctx.heap(), count as usize)?;
    let mut bytes = vec![0; count as usize];
    fill(ctx, "hash.random_bytes", &mut bytes)?;
    Ok(Value::Array(ctx.heap().array_of_bytes(&bytes)?))
}

/// A random identifier, of version 4.
fn uuid(ctx: &mut Ctx<'_>, _: &[Value]) -> Result<Value, Raise> {
    let mut bytes = [0; 16];
    fill(ctx, "hash.uuid", &mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    ctx.string(&parts.join("-"))
}

/// Whether two texts or bytes are the same, in a time that depends on their lengths alone.
fn equal(ctx: &mut Ctx<'_>, args: &[Value]) -> Result<Value, Raise> {
    with_data(ctx, "hash.equal", &args[0], |ctx, left| {
        with_data(ctx, "hash.equal", &args[1], |ctx, right| {
            // Lengths may be told apart; what bytes there are may not.
            if left.len() != right.len() {
                return Ok(Value::Bool(false));
            }
            let mut same = subtle::Choice::from(1);
            for (left, right) in left.chunks(PIECE).zip(right.chunks(PIECE)) {
                ctx.tick(left.len() / 16)?;
                same &= left.ct_eq(right);
            }
            Ok(Value::Bool(same.into()))
        })
    })
}
